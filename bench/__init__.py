"""Measures livecollections beside npm's peers and the physical limit, in one run: ``python -m bench``."""
