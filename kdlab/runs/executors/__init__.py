"""Executors of runs: processes of this machine, or workers of a Dask cluster."""
