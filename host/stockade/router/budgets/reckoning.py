"""What a request and its answer come to in tokens and money where nobody counted. Pure.

Unknown is not free: what a vendor leaves out is put at a figure here, for a budget to hold. What is
in doubt counts high, other than in `sizes`, which asks for a window. Text is 4 bytes of UTF-8 a
token, as OpenAI's help page on tokens has it for English; the other figures stand below.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import ROUND_CEILING, Decimal
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from stockade.models.amounts import EXACT, as_text
from stockade_sdk.audio import (
    SpeechRequest,
    SpeechResponse,
    TranscriptionRequest,
    TranscriptionResponse,
)
from stockade_sdk.capability import CostBreakdown, PricingSource, Usage
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    ChatResponse,
    ContentPart,
    File,
    Image,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from stockade_sdk.embedding import EmbeddingRequest, EmbeddingResponse
from stockade_sdk.image import ImageRequest, ImageResponse
from stockade_sdk.provider import ProviderRequest, ProviderResponse
from stockade_sdk.rerank import RerankRequest, RerankResponse
from stockade_sdk.stream import ChatEvent, TextDelta, ThinkingDelta, ToolCallDelta

BYTES_A_TOKEN: Final = 4
IMAGE_TOKENS: Final = 1_600  # the largest that Anthropic bills for one image
DRAWN_TOKENS: Final = 4_160  # of one image in high quality, OpenAI's gpt-image-1
SOUND_BYTES_A_TOKEN: Final = 250  # MP3 of 64 kbit/s at the 32 tokens a second of Gemini
FILE_BYTES_A_TOKEN: Final = 25  # a PDF's page: some 50 KB, and 2,000 tokens at Anthropic
UNSEEN_TOKENS: Final = 2_000  # sound or a document that the vendor fetches by itself
NANO: Final = 9  # money is counted in whole 1e-9 USD
MAX_COUNT: Final = 10**15  # of one answer; a larger figure is an attack on the arithmetic

_AMOUNT: Final = re.compile(r"([0-9]{1,31})(?:\.([0-9]{1,62}))?")
_json = msgspec.json.Encoder(enc_hook=repr).encode


def tokens_sent(request: ProviderRequest) -> int:
    """Tokens that a request is reckoned to have."""
    match request:
        case ChatRequest():
            return _of_chat(request)
        case EmbeddingRequest(input=input):
            return sum(_text(one) if isinstance(one, str) else len(one) for one in input)
        case ImageRequest(prompt=prompt, images=images, mask=mask):
            return _text(prompt) + IMAGE_TOKENS * (len(images) + (mask is not None))
        case TranscriptionRequest(audio=audio, prompt=prompt):
            return _part(audio) + _text(prompt or "")
        case SpeechRequest(input=input, instructions=instructions):
            return _text(input) + _text(instructions or "")
        case RerankRequest(query=query, documents=documents):
            return len(documents) * _text(query) + sum(map(_text, documents))
    assert_never(request)


def _of_chat(request: ChatRequest) -> int:
    tokens = _structure(request.tools) if request.tools else 0
    for message in request.messages:
        for part in message.content:  # on every request's way: most are text
            tokens += _text(part.text) if type(part) is Text else _part(part)
    return tokens


def tokens_received(response: ProviderResponse) -> int:
    """Tokens that an answer is reckoned to have; vectors and rankings are none."""
    match response:
        case ChatResponse(output=output):
            return _parts(output.content)
        case ImageResponse(images=images):
            return DRAWN_TOKENS * len(images)
        case TranscriptionResponse(text=text):
            return _text(text)
        case SpeechResponse(audio=audio):
            return _part(audio)
        case EmbeddingResponse() | RerankResponse():
            return 0
    assert_never(response)


def bytes_streamed(events: Iterable[ChatEvent]) -> int:
    """Bytes of what events of a stream say: text, reasoning and the arguments of calls."""
    size = 0
    for event in events:
        if type(event) is TextDelta or type(event) is ThinkingDelta:
            size += _bytes(event.text)
        elif type(event) is ToolCallDelta:
            size += _bytes(event.arguments)
    return size


def tokens_of_bytes(size: int) -> int:
    """Tokens of so many bytes of text, rounded up."""
    return -(-size // BYTES_A_TOKEN)


def completed(usage: Usage | None, sent: Callable[[], int], received: Callable[[], int]) -> Usage:
    """The counts of an answer, with what is reckoned in place of those that are missing.

    A count below 0 is a missing one. ``sent`` and ``received`` are asked where they are needed.
    """
    usage = usage or Usage()
    inward, outward = _count(usage.input_tokens), _count(usage.output_tokens)
    if inward is not None and outward is not None:
        return usage
    total = _count(usage.total_tokens)
    if inward is None:
        most = None if total is None else max(0, total - (outward or 0))
        known = most if most is not None and outward is not None else None
        inward = known if known is not None else _at_most(sent(), most)
    if outward is None:
        outward = received() if total is None else max(0, total - inward)
    return replace(usage, input_tokens=inward, output_tokens=outward)


def tokens_used(usage: Usage) -> int:
    """All tokens of completed counts: the reported total, and no less than both halves."""
    halves = (_count(usage.input_tokens) or 0) + (_count(usage.output_tokens) or 0)
    return min(max(halves, _count(usage.total_tokens) or 0), MAX_COUNT)


def nano_usd(cost: CostBreakdown | None, usage: Usage) -> int | None:
    """A cost in 1e-9 USD, rounded up; None where it is unknown as a whole or in part.

    A price without a rate for tokens that were used leaves their cost out of the total, and a cost
    in another currency cannot be set against a bound in USD.
    """
    if cost is None or cost.currency != "USD":
        return None
    if cost.pricing_source is PricingSource.CONFIGURED and (
        (usage.input_tokens and cost.input_cost is None)
        or (usage.output_tokens and cost.output_cost is None)
    ):
        return None
    return None if cost.total_cost is None else _nano(cost.total_cost)


def whole_nano(usd: Decimal) -> int:
    """US dollars as whole 1e-9 USD, rounded up."""
    return int(usd.scaleb(NANO, EXACT).to_integral_value(rounding=ROUND_CEILING))


def in_usd(nano: int) -> str:
    """1e-9 USD as dollars, for a person: ``0.0021 USD``."""
    return f"{as_text(Decimal(nano).scaleb(-NANO, EXACT))} USD"


def _nano(usd: str) -> int | None:
    """An amount as `pricing` writes it; None for what is none. By way of Decimal it would take ten
    times as long.
    """
    found = _AMOUNT.fullmatch(usd)
    if found is None:
        return None
    whole, places = found[1], found[2] or ""
    nano = int(whole + places[:NANO].ljust(NANO, "0"))
    return min(nano + bool(places[NANO:].strip("0")), MAX_COUNT)


def _parts(parts: Iterable[ContentPart]) -> int:
    return sum(map(_part, parts))


def _part(part: ContentPart) -> int:
    match part:
        case Text(text=text) | Thinking(text=text):
            return _text(text)
        case Image():
            return IMAGE_TOKENS
        case Audio(data=data):
            return UNSEEN_TOKENS if data is None else -(-len(data) // SOUND_BYTES_A_TOKEN)
        case File(data=data):
            return UNSEEN_TOKENS if data is None else -(-len(data) // FILE_BYTES_A_TOKEN)
        case ToolCall(name=name, arguments=arguments):
            return _text(name) + _structure(arguments)
        case ToolResult(content=content):
            if isinstance(content, str):
                return _text(content)
            return _parts(content) if isinstance(content, tuple) else _structure(content)
    assert_never(part)


def _text(text: str) -> int:
    return tokens_of_bytes(_bytes(text))


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _structure(value: object) -> int:
    return tokens_of_bytes(len(_json(value)))


def _count(tokens: int | None) -> int | None:
    return min(tokens, MAX_COUNT) if tokens is not None and tokens >= 0 else None


def _at_most(reckoned: int, most: int | None) -> int:
    return reckoned if most is None else min(reckoned, most)
