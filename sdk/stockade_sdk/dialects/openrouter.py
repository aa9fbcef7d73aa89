"""OpenRouter's chat wire: ``openai_chat`` with the rules that OpenRouter has beside it.

What it would refuse, or send on to vendors that refuse it, is refused here, before a call is paid
for. Overlays are those of ``openai_chat``: a client of that wire gets its request through as it is.

Sources: openrouter.ai/docs, "API Reference" (parameters, chat completions), "Tool Calling" (the
tools belong into every request of a tool conversation) and "Errors and Debugging".
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stockade_sdk.capability import RuntimeWarning, Usage
from stockade_sdk.chat import (
    ChatRequest,
    ChatResponse,
    ContentPart,
    FinishReason,
    Message,
    MessageRole,
    ResponseFormat,
    ToolResult,
)
from stockade_sdk.dialects import openai_chat
from stockade_sdk.dialects.overlay import Notes, entry_of
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import ChatEvent, Finish

__all__ = ["MAX_TOKENS_FIELD", "StreamDecoder", "decode_response", "encode_request"]

MAX_STOPS: Final = 4  # this and the next two: as the wire has them with OpenAI
MAX_METADATA: Final = 16
MAX_NAME_CHARS: Final = 64
NAME_CHARS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
MAX_TOKENS_FIELD: Final = "max_completion_tokens"  # reasoning models take no other name
THINKING_FIELD: Final = "reasoning"

Warnings = tuple[RuntimeWarning, ...]


def encode_request(
    request: ChatRequest,
    *,
    model: str | None = None,
    stream: bool = False,
    max_tokens_field: str | None = None,
    include_usage: bool | None = None,
) -> tuple[dict[str, Any], Warnings]:
    """As ``openai_chat.encode_request``; raises ProviderError(invalid_request) on what OpenRouter
    does not take.
    """
    _check(request)
    notes = Notes()
    if request.temperature is not None and request.top_p is not None:
        notes.add("both_temperature_and_top_p_set", "vendors advise to set one of the two alone")
    if max_tokens_field is None and not entry_of(openai_chat.DIALECT, request.provider_options):
        max_tokens_field = MAX_TOKENS_FIELD  # no client of this wire chose the other name
    payload, warnings = openai_chat.encode_request(
        _with_text_results(request, notes),
        model=model,
        stream=stream,
        max_tokens_field=max_tokens_field,
        thinking_field=THINKING_FIELD,
        include_usage=include_usage,
    )
    _check_tools(request, payload)
    return payload, (*notes.warnings, *warnings)


def decode_response(payload: Any, *, response_format: ResponseFormat | None = None) -> ChatResponse:
    """As ``openai_chat.decode_response``; raises ProviderError(server_error) where the model's
    vendor broke off in the middle, which is a finish reason here.
    """
    response = openai_chat.decode_response(payload, response_format=response_format)
    _raise_if_broken(response.finish_reason)
    warnings = _judged(response.warnings, response.raw_finish_reason, response.usage)
    return msgspec.structs.replace(response, warnings=warnings)


class StreamDecoder(openai_chat.StreamDecoder):
    """As ``openai_chat.StreamDecoder``; its fold is what ``decode_response`` gives."""

    def feed(self, data: str | bytes, event: str = "message") -> list[ChatEvent]:
        """Events of one server-sent event."""
        return _finished(super().feed(data, event))

    def finish(self) -> list[ChatEvent]:
        """The last events; raises where the stream broke off."""
        return _finished(super().finish())


def _finished(events: list[ChatEvent]) -> list[ChatEvent]:
    if not events:
        return events
    last = events[-1]
    if isinstance(last, Finish):
        _raise_if_broken(last.reason)
        warnings = _judged(last.warnings, last.raw, last.usage)
        events[-1] = msgspec.structs.replace(last, warnings=warnings)
    return events


def _raise_if_broken(reason: FinishReason) -> None:
    if reason is FinishReason.ERROR:
        raise ProviderError(
            ErrorKind.SERVER_ERROR, "the model's vendor broke off in the middle of the answer"
        )


def _judged(warnings: Warnings, raw: str | None, usage: Usage | None) -> Warnings:
    """The warnings with what is worth one here.

    A refusal is no repair, and a finish reason that is missing is no unknown word: upstream servers
    of all kinds leave it out. Token counts are promised, so their absence is.
    """
    silent = {"model_refusal"} if raw is not None else {"model_refusal", "unknown_finish_reason"}
    kept = tuple(warning for warning in warnings if warning.code not in silent)
    if usage is None:
        noted = RuntimeWarning("usage_missing", "the answer came without token counts")
    elif usage.input_tokens is None or usage.output_tokens is None:
        noted = RuntimeWarning("usage_partial", "one of the token counts is missing")
    else:
        return kept
    return kept if noted in kept else (*kept, noted)


def _check(request: ChatRequest) -> None:
    """Raise what is wrong with the settings and the messages."""
    if len(request.stop) > MAX_STOPS:
        raise refused(f"stop has {len(request.stop)} entries and may have {MAX_STOPS}")
    if request.metadata is not None and len(request.metadata) > MAX_METADATA:
        raise refused(f"metadata has {len(request.metadata)} pairs and may have {MAX_METADATA}")
    if request.max_output_tokens is not None and request.max_output_tokens < 1:
        raise refused(f"max_output_tokens is {request.max_output_tokens} and must be above 0")
    for tool in request.tools:
        if not tool.name or len(tool.name) > MAX_NAME_CHARS or tool.name.strip(NAME_CHARS):
            raise refused(
                f"the tool name {tool.name!r:.80} must be 1 to {MAX_NAME_CHARS} letters, digits, "
                "underscores and hyphens"
            )
    for at, message in enumerate(request.messages):
        if message.role is MessageRole.TOOL and not _is_results(message):
            raise refused(f"messages[{at}] is a tool's and must hold tool results and nothing else")


def _is_results(message: Message) -> bool:
    return bool(message.content) and all(type(part) is ToolResult for part in message.content)


def _check_tools(request: ChatRequest, payload: dict[str, Any]) -> None:
    """Raise where the body has no messages, or lacks the tools that it speaks of."""
    if not payload["messages"] and not payload.get("prompt"):
        raise refused("there are no messages")
    if payload.get("tools"):
        choice = request.tool_choice
        if choice is None or choice.mode != "specific":
            return
        if all(choice.name != tool.name for tool in request.tools):
            raise refused(f"tool_choice names {choice.name!r:.80}, which is not among the tools")
        return
    if payload.get("tool_choice") not in (None, "auto", "none"):
        raise refused("tool_choice asks for a tool and there are no tools")
    if any(message.get("role") == "tool" for message in payload["messages"]):
        raise refused("tool results need the tools that were called, in every request")


def _with_text_results(request: ChatRequest, notes: Notes) -> ChatRequest:
    """The request with the JSON of tool results as sorted text: no order of keys is promised, and
    the same history has to give the same prompt for caches to find it.
    """
    for message in request.messages:
        if ToolResult in map(type, message.content):
            break
    else:
        return request
    messages = tuple(_with_text(message, notes) for message in request.messages)
    return msgspec.structs.replace(request, messages=messages)


def _with_text(message: Message, notes: Notes) -> Message:
    if ToolResult not in map(type, message.content):
        return message
    parts = tuple(_text_result(part, notes) for part in message.content)
    return msgspec.structs.replace(message, content=parts)


def _text_result(part: ContentPart, notes: Notes) -> ContentPart:
    if not isinstance(part, ToolResult) or isinstance(part.content, str | tuple):
        return part
    notes.add("tool_result_coerced", "a tool result that is JSON is sent as text")
    text = msgspec.json.encode(part.content, order="sorted").decode()
    return msgspec.structs.replace(part, content=text)


def refused(message: str) -> ProviderError:
    """The caller's mistake, before anybody is asked."""
    return ProviderError(ErrorKind.INVALID_REQUEST, message)
