"""The one place that holds the version; package.json is checked against it."""

__version__ = "0.1.0"
