"""The experiments of the paper and its readers."""
