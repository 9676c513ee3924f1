"""Where runs are computed: in processes of this machine, or in the workers of a Dask cluster."""
