"""Voilà and JupyterLab in this process, guarded for the public; imports runs and figures."""
