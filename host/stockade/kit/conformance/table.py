"""All checks: what each expects, whom it concerns, and what an author does about a failure."""

from __future__ import annotations

from typing import Final

from stockade.errors import UsageError
from stockade_sdk.capability import Capability
from stockade_sdk.errors import ErrorKind

from . import chats, failures, loads, others, permits
from .check import VENDOR, Check, functional, of_vendor
from .failures import refused_with
from .subject import Subject

__all__ = ["CHECKS", "Check", "chosen", "why_not"]

_CAPABILITIES: Final = frozenset(Capability)
_ERROR: Final = "raise ProviderError with this kind; stockade_sdk.vendor maps a vendor's errors"

CHECKS: Final[tuple[Check, ...]] = (
    functional(
        "chat.unary",
        "A chat gets the vendor's text and stops",
        "chat",
        "send the prompt to the vendor and give back what it said",
        chats.unary,
    ),
    functional(
        "chat.stream",
        "A stream comes in pieces, and its fold is the unary answer",
        "chat",
        "yield what the vendor sends as it comes, with the same usage and finish reason",
        chats.stream,
    ),
    functional(
        "chat.tools",
        "A tool's call comes out, whole and streamed, and its result goes back",
        "chat tools",
        "turn the vendor's calls into ToolCall parts, and ToolResult parts into its own",
        chats.tools,
    ),
    functional(
        "chat.parallel_tools",
        "Two calls in one answer come out in order, and both results go back",
        "chat tools parallel_tools",
        "keep every call of an answer, each with its id",
        chats.parallel_tools,
    ),
    functional(
        "chat.json_object",
        "An answer in JSON is there as structured_output",
        "chat json_object",
        "pass response_format on, and parse the text",
        chats.json_object,
    ),
    functional(
        "chat.json_schema",
        "A JSON schema reaches the vendor, and the answer keeps it",
        "chat json_schema",
        "pass response_format.schema on, and parse the text",
        chats.json_schema,
    ),
    functional(
        "chat.reasoning",
        "A reasoning effort is taken, and reasoning stands apart from the text",
        "chat reasoning",
        "pass reasoning_effort on where the model takes it; give reasoning as Thinking",
        chats.reasoning,
    ),
    of_vendor(
        "chat.length",
        "An answer that was cut at its token limit says so",
        "map the vendor's word for it to the finish reason length",
        chats.length,
        "chat",
    ),
    functional(
        "vision.image",
        "A picture reaches the vendor",
        "vision",
        "put Image parts into the request, their bytes in base64",
        chats.vision,
    ),
    functional(
        "embedding.order",
        "Each text gets its vector, in order, all of one length",
        "embedding",
        "sort the vendor's vectors by its index",
        others.embeddings,
    ),
    of_vendor(
        "embedding.dimensions",
        "Wanted dimensions reach the vendor, or a warning says that they do not",
        "pass dimensions on, or add a RuntimeWarning",
        others.dimensions,
        "embedding",
    ),
    functional(
        "rerank.order",
        "Each document is ranked once, the best first",
        "rerank",
        "give the vendor's indexes and scores, sorted by score",
        others.ranks,
    ),
    functional(
        "image_gen.image",
        "A prompt gets a picture",
        "image_gen",
        "give the vendor's pictures as data or URL",
        others.images,
    ),
    functional(
        "audio_tts.speech",
        "A text gets sound",
        "audio_tts",
        "give the vendor's bytes as Audio, with their format",
        others.speech,
    ),
    functional(
        "audio_stt.text",
        "Sound gets its text",
        "audio_stt",
        "send the sound to the vendor and give back its text",
        others.transcription,
    ),
    functional(
        "models.list",
        "list_models gives the vendor's models, each once",
        "",
        "ask the vendor for its list, all pages of it",
        others.models,
        phase="alone",
    ),
    functional(
        "health.well",
        "check_health says ok of a vendor that is well",
        "",
        "ask something that costs nothing, and say ok where it is answered",
        others.health,
        phase="alone",
    ),
    functional(
        "health.sick",
        "check_health does not say ok where the key is refused",
        VENDOR,
        "look at the status of what the vendor answers",
        others.sick,
        phase="alone",
        live=False,
        good=False,
    ),
    of_vendor(
        "vendor.cancelled",
        "A caller that leaves: the vendor sees it within 250 ms",
        "never catch CancelledError without raising it again; start no tasks of your own",
        failures.cancelled,
        phase="alone",
        good=False,
    ),
    of_vendor(
        "vendor.stream_cancelled",
        "A reader that leaves a stream: the vendor sees it within 250 ms",
        "read the vendor's stream inside `async with`, and let GeneratorExit pass",
        failures.stream_cancelled,
        "chat streaming",
        phase="alone",
    ),
    of_vendor(
        "vendor.deadline",
        "A vendor that says nothing: a timeout at the deadline, and the connection ends",
        "let the host's timeout pass; it is a ProviderError of the kind timeout",
        failures.deadline,
        good=False,
    ),
    of_vendor(
        "vendor.slow_first_byte",
        "A vendor that begins late is waited for",
        "set no timeout of your own below ctx.deadline",
        failures.slow_first_byte,
    ),
    of_vendor(
        "vendor.wrong_key",
        "A refused key (401) is the kind auth",
        _ERROR,
        refused_with("vendor.wrong_key", 401, ErrorKind.AUTH),
        good=False,
    ),
    of_vendor(
        "vendor.rate_limited",
        "A 429 is the kind rate_limited, and Retry-After comes with it",
        f"{_ERROR}; retry_after_s is the header's seconds",
        failures.limited,
        good=False,
    ),
    of_vendor(
        "vendor.server_error",
        "A 500 is the kind server_error",
        _ERROR,
        refused_with("vendor.server_error", 500, ErrorKind.SERVER_ERROR),
        good=False,
    ),
    of_vendor(
        "vendor.overloaded",
        "A 503 is the kind overloaded or server_error",
        _ERROR,
        refused_with("vendor.overloaded", 503, ErrorKind.OVERLOADED, ErrorKind.SERVER_ERROR),
        good=False,
    ),
    of_vendor(
        "vendor.unknown_model",
        "A model that the vendor does not have (404) is the kind model_unavailable",
        _ERROR,
        refused_with("vendor.unknown_model", 404, ErrorKind.MODEL_UNAVAILABLE),
        good=False,
    ),
    of_vendor(
        "vendor.asked_once",
        "After a refusal the plugin does not ask again by itself",
        "leave retries to the host, which knows the deadline and the fallbacks",
        failures.once,
        good=False,
    ),
    of_vendor(
        "vendor.garbage",
        "An answer that is no JSON is the kind malformed_response",
        _ERROR,
        failures.garbage,
    ),
    of_vendor(
        "vendor.cut",
        "An answer that breaks off is a typed error",
        "let the host's error pass; never answer with what came so far",
        failures.cut_short,
    ),
    of_vendor(
        "vendor.stream_cut",
        "A stream that breaks off is a typed error, never a stop",
        "let the host's error pass; never finish with what came so far",
        failures.stream_cut,
        "chat streaming",
    ),
    of_vendor(
        "vendor.stream_unfinished",
        "A stream that ends before the vendor said so is a typed error, never a stop",
        "finish only where the vendor's own last event came",
        failures.stream_unfinished,
        "chat streaming",
    ),
    functional(
        "load.long_prompt",
        "A prompt of 1 MiB goes through whole",
        "chat",
        "cut nothing; raise ProviderError(context_length) where the vendor says so",
        loads.long_prompt,
        phase="alone",
        live=False,
    ),
    of_vendor(
        "load.long_answer",
        "An answer of 8 MiB comes through whole",
        "cut nothing, and keep within limits.memory",
        loads.long_answer,
        "chat",
        phase="alone",
    ),
    functional(
        "load.together",
        "As many calls at once as limits.concurrency says (64 at most), each with its own answer",
        "",
        "keep nothing of a call on the provider itself; lock nothing over a request",
        loads.together,
        phase="alone",
        live=False,
    ),
    functional(
        "permissions.kept",
        "Nothing is tried that the manifest does not ask for",
        "",
        "add what it needs to [permissions], or do not try it",
        permits.kept_within,
        phase="after",
        good=False,
    ),
    functional(
        "permissions.used",
        "What the manifest asks for is used",
        "",
        "take out of [permissions] what it does not need",
        permits.used,
        phase="after",
        good=False,
    ),
    of_vendor(
        "secrets.header",
        "The key reaches the vendor in its header and nowhere else",
        "put ctx.secret(NAME) into the declared header, and nowhere else",
        permits.key_in_header,
        phase="after",
        good=False,
    ),
    functional(
        "secrets.unsaid",
        "No answer, log or file holds a key",
        "",
        "never print a key; declare `header` and leave `expose` out",
        permits.key_unsaid,
        phase="after",
        good=False,
    ),
    functional(
        "worker.alive",
        "The worker lives through all of it",
        "",
        "look at `[limits]` and at what its end says",
        permits.stayed_alive,
        phase="after",
        good=False,
    ),
)


def why_not(check: Check, subject: Subject) -> str:
    """Why a check says nothing of this plugin; "" where it does."""
    if VENDOR in check.needs and not subject.asks_vendors:
        return "not applicable: the plugin asks no vendor"
    if check.good and subject.playing.silent:
        return subject.playing.silent
    wanted = [word for word in check.needs if word != VENDOR]
    capability = next((Capability(word) for word in wanted if word in _CAPABILITIES), None)
    if capability is None:
        return ""
    features = [word for word in wanted if word != capability]
    if subject.model(capability, *features) is None:
        lacking = f"{capability} with {' and '.join(features)}" if features else capability
        return f"not applicable: no model declares {lacking}"
    return ""


def chosen(only: tuple[str, ...]) -> tuple[Check, ...]:
    """The checks whose id or its first part is named; all of them where nothing is named.

    Raises UsageError for a word that names none.
    """
    for word in only:
        if not any(word in (check.id, check.id.partition(".")[0]) for check in CHECKS):
            raise UsageError(
                f"no check is called {word!r}", remedy="see them with `stockade test --list`"
            )
    return tuple(
        check
        for check in CHECKS
        if not only or check.id in only or check.id.partition(".")[0] in only
    )
