"""Numbers from logits and labels, with NumPy and SciPy only; imports the registry at most."""
