"""The documentation as it is built: its links, its reference, its snippets, its tutorial."""
