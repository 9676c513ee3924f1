"""`python -m kdlab` is the command `kdlab`."""

from kdlab.cli import main

main(prog_name="kdlab")
