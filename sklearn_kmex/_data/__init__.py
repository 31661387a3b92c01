"""Rows and samples: in memory, in mapped files, in dask arrays, in torch Datasets."""
