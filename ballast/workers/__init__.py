"""Parallel work in processes, threads and on Dask clusters, with progress bars."""
