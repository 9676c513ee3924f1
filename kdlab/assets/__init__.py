"""Files that the pages show before anything is computed."""
