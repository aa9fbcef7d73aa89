"""What runs in the child process before and around plugin code."""

__version__ = "0.1.0"
