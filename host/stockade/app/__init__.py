"""The composition root: settings and state become a running host."""

from stockade.app.host import Host

__all__ = ["Host"]
