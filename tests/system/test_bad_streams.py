"""Vendors whose streams are bad, odd, slow or a flood, end to end; see ``test_bad_vendors``."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import anyio
import pytest

from stockade_sdk import FinishReason
from tests.system.bad_vendors import (
    Answer,
    Clinic,
    Reply,
    body_of,
    kept,
    open_clinic,
    stream_of,
)
from tests.system.hostile import MIB, PATIENCE_S, grows_less_than
from tests.system.patience import until
from tests.system.vendor_wires import (
    AZURE,
    CHAT,
    CHATS,
    CLAUDE,
    EMBEDDINGS,
    GEMINI,
    RESPONSES,
    SPEECH,
    TEXT,
    WIRES,
    Wire,
    json_of,
    sse,
)

MALFORMED = "malformed_response"
MAX_GROWTH = 32 * MIB  # of the host, which plays the vendor too


@pytest.fixture(scope="module")
async def clinic(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Clinic]:
    async with open_clinic(tmp_path_factory.mktemp("vendors"), WIRES) as clinic:
        yield clinic


@pytest.fixture(autouse=True)
async def _no_leaks(clinic: Clinic) -> AsyncIterator[None]:
    """In place of the folder's own, which a host that outlives its tests would trouble."""
    before = kept()
    yield
    await until(lambda: kept() <= before)


HTML = b"<!DOCTYPE html><html><body>Welcome to nginx!</body></html>"


def spoilt(wire: Wire, at: int, *instead: bytes) -> tuple[bytes, ...]:
    """The good stream with other events in place of one."""
    return (*wire.blocks[:at], *instead, *wire.blocks[at + 1 :])


def of_others(wire: Wire) -> tuple[bytes, ...]:
    """The good stream of every other wire."""
    others = (one for one in CHATS if one.body != wire.body)
    return tuple(block for one in others for block in one.blocks)


BAD_STREAMS: dict[str, Callable[[Wire], Iterable[bytes]]] = {
    "a page": lambda _: (HTML,),
    "nothing": lambda _: (),
    "comments alone": lambda _: (b": PROCESSING\n\n",) * 3,
    "its end alone": lambda _: (b"data: [DONE]\n\n",),
    "no JSON in the middle": lambda wire: spoilt(wire, 2, b"data: what?\n\n"),
    "cut JSON in the middle": lambda wire: spoilt(wire, 2, b'data: {"id": \n\n'),
    "NaN in the middle": lambda wire: spoilt(wire, 2, b'data: {"a": NaN}\n\n'),
    "nested deep": lambda wire: spoilt(wire, 2, b"data: " + b"[" * 100_000 + b"\n\n"),
    "of the other wires": lambda wire: of_others(wire)[:-1],
    "no JSON at all": lambda _: (b"data: fine\n\n", b"data: [DONE]\n\n"),
    "a JSON that is cut": lambda wire: (wire.body[:-9],),
}


@pytest.mark.parametrize("pieces", BAD_STREAMS.values(), ids=BAD_STREAMS)
async def test_what_is_no_stream_is_malformed(
    clinic: Clinic, pieces: Callable[[Wire], Iterable[bytes]]
) -> None:
    found = await clinic.ask_all(CHATS, lambda wire: stream_of(pieces(wire)), stream=True)

    for name, outcome in found.items():
        assert outcome.kind == MALFORMED, f"{name}: {outcome.told}"
        assert TEXT.startswith(outcome.said)


def up_to(wire: Wire, mark: bytes, more: int = 0) -> tuple[bytes, ...]:
    """The good stream up to ``mark`` and so many bytes of it."""
    whole = b"".join(wire.blocks)
    return (whole[: whole.index(mark) + more],)


CUTS: dict[str, Callable[[Wire], Iterable[bytes]]] = {
    "before anything": lambda _: (),
    "after its first event": lambda wire: wire.blocks[:1],
    "within an event": lambda wire: up_to(wire, b'"fin"', 3),
    "within a character": lambda wire: up_to(wire, "\U0001f600".encode(), 2),
    "before its finish": lambda wire: wire.blocks[: -wire.ends_with],
}


@pytest.mark.parametrize("then", ["end", "cut"])
@pytest.mark.parametrize("pieces", CUTS.values(), ids=CUTS)
async def test_a_stream_that_breaks_off_is_an_error_and_no_short_answer(
    clinic: Clinic, pieces: Callable[[Wire], Iterable[bytes]], then: str
) -> None:
    wires = CHATS if then == "end" else (CHAT, CLAUDE, GEMINI)  # there is a pause before a retry
    found = await clinic.ask_all(wires, lambda wire: stream_of(pieces(wire), then), stream=True)

    for name, outcome in found.items():
        assert outcome.kind == (MALFORMED if then == "end" else "network"), f"{name}: {outcome}"
        assert TEXT.startswith(outcome.said)


BOM = b"\xef\xbb\xbf"
GZIPPED = ("content-encoding: gzip",)
GOOD_STREAMS: dict[str, Callable[[Wire], Answer]] = {
    "comments": lambda wire: stream_of(b": ping\n\n:\n" + block for block in wire.blocks),
    "CRLF": lambda wire: stream_of(block.replace(b"\n", b"\r\n") for block in wire.blocks),
    "CR": lambda wire: stream_of(block.replace(b"\n", b"\r") for block in wire.blocks),
    "a byte order mark": lambda wire: stream_of((BOM, *wire.blocks)),
    "byte by byte": lambda wire: stream_of(bytes([one]) for one in b"".join(wire.blocks)),
    "all at once": lambda wire: stream_of((b"".join(wire.blocks),)),
    "blank lines first": lambda wire: stream_of((b"\n\n\r\n", *wire.blocks)),
    "no terminator": lambda wire: stream_of(one for one in wire.blocks if b"[DONE]" not in one),
    "no last line end": lambda wire: stream_of((*wire.blocks[:-1], wire.blocks[-1][:-2])),
    "no spaces": lambda wire: stream_of(
        block.replace(b"data: ", b"data:") for block in wire.blocks
    ),
    "fields of the standard": lambda wire: stream_of(
        b"id: 5\nretry: 10\nx: y\n" + block for block in wire.blocks
    ),
    "pings": lambda wire: stream_of(sse({"type": "ping"}, "ping") + one for one in wire.blocks),
    "empty events": lambda wire: stream_of(b"event: keepalive\n\n" + one for one in wire.blocks),
    "a whole answer": lambda wire: body_of(wire.body),
    "a whole answer as events": lambda wire: stream_of((wire.body,)),
    "gzip": lambda wire: stream_of((gzip.compress(b"".join(wire.blocks)),), "end", *GZIPPED),
    "another terminator": lambda wire: stream_of((*wire.blocks, b": bye\n\n", sse("[DONE]"))),
}


@pytest.mark.parametrize("answer", GOOD_STREAMS.values(), ids=GOOD_STREAMS)
async def test_a_stream_in_an_odd_form_is_read_whole(
    clinic: Clinic, answer: Callable[[Wire], Answer]
) -> None:
    found = await clinic.ask_all(CHATS, answer, stream=True)

    for name, outcome in found.items():
        assert outcome.response is not None, f"{name}: {outcome.told}"
        assert outcome.chat.text == TEXT
        assert outcome.chat.finish_reason is FinishReason.STOP
        assert outcome.chat.usage is not None
        assert outcome.chat.usage.total == 4


RATE = {"message": "Rate limit reached for requests", "code": "rate_limit_exceeded"}
CLAUDES = {"type": "error", "error": {"type": "rate_limit_error", "message": "Too many"}}
GOOGLES = {"code": 429, "message": "Requests per minute exceeded", "status": "RESOURCE_EXHAUSTED"}
FAILED = {"id": "resp_1", "object": "response", "status": "failed", "error": RATE, "output": []}
ERRORS: dict[str, tuple[Wire, bytes]] = {
    "openai chat": (CHAT, sse({"error": RATE})),
    "openai chat, named": (CHAT, sse(RATE, "error")),
    "azure": (AZURE, sse({"error": {**RATE, "code": "429"}})),
    "responses": (RESPONSES, sse({"type": "error", **RATE}, "error")),
    "responses, within": (RESPONSES, sse({"type": "error", "error": RATE}, "error")),
    "responses, failed": (RESPONSES, sse({"type": "response.failed", "response": FAILED})),
    "anthropic": (CLAUDE, sse(CLAUDES, "error")),
    "anthropic, unnamed": (CLAUDE, sse(CLAUDES)),
    "gemini": (GEMINI, sse({"error": GOOGLES})),
    "gemini, bare": (GEMINI, json_of({"error": GOOGLES})),
}


@pytest.mark.parametrize(("wire", "error"), ERRORS.values(), ids=ERRORS)
async def test_an_error_within_a_stream_has_its_kind(
    clinic: Clinic, wire: Wire, error: bytes
) -> None:
    """As the first event, as the second, and in place of the finish."""
    for before in (0, 1, -wire.ends_with):
        if before and error[:1] == b"{":
            continue  # a body without events holds nothing else
        answer = stream_of((*wire.blocks[:before], error))
        outcome = await clinic.ask(wire, answer, stream=True)
        await clinic.is_well(wire)
        assert outcome.kind == "rate_limited", outcome
        assert TEXT.startswith(outcome.said)


def trickling(first: bytes, again: bytes) -> Reply:
    """A head and a beginning, then a little now and then, without end."""
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"

    async def reply(reader: Any, writer: Any) -> None:
        writer.write(head + first)
        while not reader.at_eof():
            writer.write(again)
            await writer.drain()
            with anyio.move_on_after(0.02):
                await reader.read()

    return reply


TRICKLES: dict[str, Callable[[Wire], Answer | Reply]] = {
    "white space": lambda _: trickling(b"", b" "),
    "comments": lambda _: trickling(b"", b": still here\n\n"),
    "comments in the middle": lambda wire: trickling(b"".join(wire.blocks[:3]), b":\n\n"),
    "JSON": lambda _: trickling(b'{"a": "', b"x"),
    "silence": lambda _: Answer(then="wait"),
    "silence in the middle": lambda wire: stream_of(wire.blocks[:3], "wait"),
}


@pytest.mark.parametrize("answer", TRICKLES.values(), ids=TRICKLES)
async def test_an_answer_that_takes_for_ever_ends_with_the_deadline(
    clinic: Clinic, answer: Callable[[Wire], Answer | Reply]
) -> None:
    begun = time.monotonic()
    whole = await clinic.ask_all([CHAT], answer, timeout_s=0.3)
    streamed = await clinic.ask_all([CLAUDE, GEMINI], answer, stream=True, timeout_s=0.3)
    taken_s = time.monotonic() - begun

    for name, outcome in (*whole.items(), *streamed.items()):
        assert outcome.kind == "timeout", f"{name}: {outcome.told}"
        assert TEXT.startswith(outcome.said)
    assert taken_s < 3 * 0.3 + PATIENCE_S


def bomb(gigabytes: int) -> bytes:
    """Gzip of so many gigabytes of spaces, about a thousandth as large, made at once: after a full
    flush the same bytes mean the same again.
    """
    squeezed = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    spaces = b" " * (10 * MIB)
    begun = squeezed.compress(spaces) + squeezed.flush(zlib.Z_FULL_FLUSH)
    again = squeezed.compress(spaces) + squeezed.flush(zlib.Z_FULL_FLUSH)
    return begun + again * (100 * gigabytes)


def pieces_of(body: bytes) -> tuple[bytes, ...]:
    return tuple(body[at : at + MIB] for at in range(0, len(body), MIB))


LONG = b"x" * (10 * MIB)
FAILED_WITH = "500 Internal Server Error"
HEAVY: dict[str, Callable[[], Answer]] = {
    "a bomb": lambda: stream_of(pieces_of(bomb(10)), "end", *GZIPPED),
    "a bomb as an error": lambda: Answer(pieces_of(bomb(1)), FAILED_WITH, GZIPPED),
    "a line of 10 MB": lambda: stream_of(pieces_of(b"data: " + LONG)),
    "an event of 10 MB": lambda: stream_of(pieces_of(b'data: {"a": "' + LONG + b'"}\n\n')),
    "a comment of 10 MB": lambda: stream_of(pieces_of(b":" + LONG + b"\n\n")),
    "100,000 events": lambda: stream_of([b"data: {}\n\n" * 10_000] * 10),
    "a text of 10 MB": lambda: Answer(pieces_of(b'"' + LONG + b'"')),
    "an error of 10 MB": lambda: Answer(pieces_of(LONG), FAILED_WITH),
    "a crowd of lists": lambda: Answer(pieces_of(b"[" + b"[]," * 3_000_000 + b"[]]")),
    "a crowd of members": lambda: Answer(pieces_of(b"{" + b'"a":0,' * 3_000_000 + b'"a":0}')),
}


@pytest.mark.parametrize("made", HEAVY.values(), ids=HEAVY)
async def test_a_flood_is_cut_off_and_costs_the_host_little(
    clinic: Clinic, made: Callable[[], Answer]
) -> None:
    answer = made()
    with grows_less_than(MAX_GROWTH):
        whole = await clinic.ask_all((EMBEDDINGS, SPEECH), lambda _: answer)
        streamed = await clinic.ask_all((CHAT, GEMINI), lambda _: answer, stream=True)

    for name, outcome in (*whole.items(), *streamed.items()):
        assert outcome.kind in (MALFORMED, "server_error"), f"{name}: {outcome.told[:300]}"
