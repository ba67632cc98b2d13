"""What type checkers make of the public names: read by mypy and pyright, and never run."""
