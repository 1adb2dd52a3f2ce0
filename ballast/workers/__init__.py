"""Doing a lot at once: processes, threads, Dask, and progress."""
