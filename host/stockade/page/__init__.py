"""The settings page: server-rendered HTML over `admin.Operator`, with sessions of its own."""

from .site import page_app, warm_up

__all__ = ["page_app", "warm_up"]
