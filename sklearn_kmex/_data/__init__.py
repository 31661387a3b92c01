"""Rows wherever they live: in memory, in files, in dask arrays, in torch Datasets."""
