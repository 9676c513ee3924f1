"""Files that the pages show before anything is computed.

Beside them live the scripts `make_*.py` that make them: these import all but the pages, and nothing imports them.
"""
