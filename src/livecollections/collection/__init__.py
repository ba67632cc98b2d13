"""Collections that stay equal to what the server says, for Python programs."""
