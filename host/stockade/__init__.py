"""The host: runs AI provider plugins as child processes it does not trust."""

__version__ = "0.1.0"
