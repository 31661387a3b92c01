"""The study of the paper on real data: `cd benchmarks && python -m study`."""
