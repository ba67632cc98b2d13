"""Where the package runs beside Linux with the fast parts, and on which versions of Python."""
