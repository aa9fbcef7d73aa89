"""Budgets: what plugins used, what they may still use, and how what was not counted is reckoned."""

from .ledger import Hold, Ledger

__all__ = ["Hold", "Ledger"]
