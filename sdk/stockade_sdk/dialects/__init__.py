"""Translators between vendors' JSON and the canonical types: pure, both ways, streaming included.

One package a dialect, imported by name (``from stockade_sdk.dialects import openai_chat``); nothing
is imported here, so that a plugin pays for the dialect it speaks alone.
"""
