"""The benches: that they run, and count right."""
