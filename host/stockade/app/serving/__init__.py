"""`stockade serve`: a host, and everything around it that listens."""

from .serving import Serving, serving

__all__ = ["Serving", "serving"]
