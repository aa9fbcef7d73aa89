"""What every contender does with a request: both sides of ours and of its peers share this module.

It is also the plugin's own source, so it imports nothing but the SDK.
"""

from collections.abc import AsyncIterator
from typing import Any

from stockade_sdk import AssistantOutput, ChatRequest, ChatResponse, Context, TextDelta

CHUNK = "about twenty letters"  # one streamed delta


def echo(request: ChatRequest) -> ChatResponse:
    """The whole request back: every part of every message, so an answer is as large as its
    request.
    """
    parts = tuple(part for message in request.messages for part in message.content)
    return ChatResponse(output=AssistantOutput(parts))


class Sample:
    """The provider; a plain class, as authors may write."""

    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        """See `echo`."""
        return echo(request)

    async def stream_chat(self, request: ChatRequest, ctx: Context) -> AsyncIterator[Any]:
        """As many deltas as the prompt says."""
        for _ in range(int(request.last_text)):
            yield CHUNK


def delta() -> TextDelta:
    """One chunk, as a peer's worker sends it."""
    return TextDelta("text", CHUNK)
