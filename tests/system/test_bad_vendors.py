"""Vendors that answer badly, end to end: an error of the right kind or a warning, within the
deadline, and never an answer that nobody gave.

After each of them the vendor answers well once, and the same worker has to say so.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import pytest

from stockade_sdk import Audio, FinishReason, TranscriptionRequest
from tests.system.bad_vendors import (
    KEY,
    Answer,
    Clinic,
    body_of,
    good,
    kept,
    open_clinic,
    stream_of,
)
from tests.system.egress_sink import Sink, saying
from tests.system.patience import until
from tests.system.vendor_wires import (
    AZURE,
    CHAT,
    CHATS,
    CLAUDE,
    EMBEDDINGS,
    GEMINI,
    IMAGES,
    RESPONSES,
    TEXT,
    TRANSCRIPTION,
    WIRES,
    Call,
    Wire,
    calling,
    json_of,
)

MALFORMED = "malformed_response"
TEXTS = {"type": "text", "text": TEXT}
MESSAGE = RESPONSES.whole["output"][0]


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
NO_ANSWERS = {
    "a page": body_of(HTML, "200 OK", "content-type: text/html"),
    "a page as JSON": body_of(HTML),
    "nothing": body_of(b""),
    "white space": body_of(b"\n\n \r\n"),
    "204": Answer(status="204 No Content", headers=("content-length: 0",)),
    "null": body_of(b"null"),
    "true": body_of(b"true"),
    "a number": body_of(b"42"),
    "a text": body_of(b'"fine"'),
    "an empty object": body_of(b"{}"),
    "an empty list": body_of(b"[]"),
    "a list of lists": body_of(b"[[[]]]"),
    "words": body_of(b"Service temporarily unavailable"),
    "no UTF-8": body_of(b'{"a": "\xff\xfe"}'),
    "zeros": body_of(bytes(2000)),
    "a byte order mark": body_of(b"\xef\xbb\xbf"),
    "nested deep": body_of(b'{"a":' * 200_000),
    "nested deep and whole": body_of(b"[" * 50_000 + b"]" * 50_000),
    "of another wire": body_of(b'{"result": "fine", "done": true}'),
    "a coding nobody asked for": body_of(b"xx", "200 OK", "content-encoding: br"),
    "no gzip": body_of(b'{"a": 1}', "200 OK", "content-encoding: gzip"),
    "gzip within gzip": body_of(
        gzip.compress(gzip.compress(b"{}")),
        "200 OK",
        "content-type: application/json",
        "content-encoding: gzip",
    ),
}


@pytest.mark.parametrize("answer", NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_is_malformed(clinic: Clinic, answer: Answer) -> None:
    whole = await clinic.ask_all(WIRES, lambda _: answer)
    streamed = await clinic.ask_all(CHATS, lambda _: answer, stream=True)

    for name, outcome in (*whole.items(), *streamed.items()):
        assert outcome.kind == MALFORMED, f"{name}: {outcome.told}"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    "ids", [("a", "a"), (None, None), ("", ""), ("a", None)], ids=["same", "none", "empty", "one"]
)
async def test_calls_without_ids_of_their_own_get_some(
    clinic: Clinic, ids: tuple[str | None, ...], stream: bool
) -> None:
    calls = [Call(id, name, '{"x": 1}') for id, name in zip(ids, ("f", "g"), strict=True)]
    found = await clinic.ask_all(
        CHATS, lambda wire: answer_with(wire, calls, stream), stream=stream
    )

    for name, outcome in found.items():
        made = outcome.chat.tool_calls
        assert [(call.name, call.arguments) for call in made] == [
            ("f", {"x": 1}),
            ("g", {"x": 1}),
        ], name
        assert len({call.id for call in made} - {""}) == 2, name
        assert outcome.chat.finish_reason is FinishReason.TOOL_CALLS


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("arguments", ['{"x": ', "x=1", "{'x': 1}", '{"x": 1}}'])
async def test_arguments_that_are_no_json_stay_text_with_a_warning(
    clinic: Clinic, arguments: str, stream: bool
) -> None:
    calls = [Call("a", "f", arguments)]
    found = await clinic.ask_all(
        CHATS, lambda wire: answer_with(wire, calls, stream), stream=stream
    )

    for name, outcome in found.items():
        if name == CLAUDE.name and outcome.error is not None:
            assert outcome.kind == MALFORMED  # its input is an object in JSON, and never a text
            continue
        assert [call.arguments for call in outcome.chat.tool_calls] == [arguments], name
        assert "tool_arguments_invalid_json" in outcome.codes, name


def answer_with(wire: Wire, calls: list[Call], stream: bool) -> Answer:
    whole, blocks = calling(wire, *calls)
    return stream_of(blocks) if stream else body_of(json_of(whole))


USAGE_KEYS = {
    "openai": "usage",
    "azure-openai": "usage",
    "anthropic": "usage",
    "gemini": "usageMetadata",
}
USAGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "null": lambda _: None,
    "empty": lambda _: {},
    "a list": lambda _: [1, 2],
    "a number": lambda _: 4,
    "negative": lambda counts: dict.fromkeys(counts, -5),
    "texts": lambda counts: dict.fromkeys(counts, "12"),
    "booleans": lambda counts: dict.fromkeys(counts, True),
    "fractions": lambda counts: dict.fromkeys(counts, 0.5),
    "nulls": lambda counts: dict.fromkeys(counts, None),
    "nested": lambda counts: {name: {"a": [1]} for name in counts},
    "absurd": lambda counts: dict.fromkeys(counts, 2**63),
}


@pytest.mark.parametrize("spoil", USAGES.values(), ids=USAGES)
async def test_token_counts_that_are_none_are_unknown(
    clinic: Clinic, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    def answer(wire: Wire) -> Answer:
        key = USAGE_KEYS[wire.plugin]
        return body_of(json_of({**wire.whole, key: spoil(wire.whole[key])}))

    found = await clinic.ask_all(CHATS, answer)

    for name, outcome in found.items():
        assert outcome.chat.text == TEXT
        usage = outcome.chat.usage
        counts = () if usage is None else (getattr(usage, one) for one in usage.__struct_fields__)
        assert not any(counts), f"{name}: {usage}"


@pytest.mark.parametrize("number", [2**64, 2**70, -(2**64), 10**400])
async def test_numbers_beyond_all_bounds_are_an_error_or_left_out(
    clinic: Clinic, number: int
) -> None:
    found = await clinic.ask_all(WIRES, lambda wire: body_of(json_of({**wire.whole, "x": number})))

    for name, outcome in found.items():
        assert outcome.response is not None or outcome.kind == MALFORMED, f"{name}: {outcome.told}"


def changed(value: Any, keys: tuple[Any, ...], new: Any) -> Any:
    """A copy with one value replaced."""
    if not keys:
        return new
    copy = value.copy()
    copy[keys[0]] = changed(value[keys[0]], keys[1:], new)
    return copy


NEW_WORDS: dict[str, tuple[Wire, tuple[Any, ...]]] = {
    "openai chat": (CHAT, ("choices", 0, "finish_reason")),
    "azure": (AZURE, ("choices", 0, "finish_reason")),
    "anthropic": (CLAUDE, ("stop_reason",)),
    "gemini": (GEMINI, ("candidates", 0, "finishReason")),
}


@pytest.mark.parametrize(("wire", "keys"), NEW_WORDS.values(), ids=NEW_WORDS)
async def test_a_finish_word_nobody_knows_is_kept_and_is_no_stop(
    clinic: Clinic, wire: Wire, keys: tuple[Any, ...]
) -> None:
    whole = changed(wire.whole, keys, "went_bananas")
    found = await clinic.ask_all([wire], lambda _: body_of(json_of(whole)))

    answer = found[wire.name].chat
    assert (answer.text, answer.raw_finish_reason) == (TEXT, "went_bananas")
    assert answer.finish_reason is FinishReason.OTHER
    assert found[wire.name].codes & {"unknown_finish_reason", "unknown_stop_reason"}


HOLOGRAM = {"type": "hologram", "hologram": {"url": "x"}}
NEW_BLOCKS: dict[str, tuple[Wire, Any]] = {
    "openai chat": (
        CHAT,
        changed(CHAT.whole, ("choices", 0, "message", "content"), [HOLOGRAM, TEXTS]),
    ),
    "responses": (RESPONSES, changed(RESPONSES.whole, ("output",), [HOLOGRAM, MESSAGE])),
    "responses, within": (
        RESPONSES,
        changed(RESPONSES.whole, ("output", 0, "content"), [HOLOGRAM, *MESSAGE["content"]]),
    ),
    "anthropic": (CLAUDE, changed(CLAUDE.whole, ("content",), [HOLOGRAM, TEXTS])),
    "gemini": (
        GEMINI,
        changed(
            GEMINI.whole,
            ("candidates", 0, "content", "parts"),
            [{"hologram": {"url": "x"}}, {"text": TEXT}],
        ),
    ),
}


@pytest.mark.parametrize(("wire", "whole"), NEW_BLOCKS.values(), ids=NEW_BLOCKS)
async def test_a_block_nobody_knows_is_warned_of_and_the_rest_is_read(
    clinic: Clinic, wire: Wire, whole: Any
) -> None:
    found = await clinic.ask_all([wire], lambda _: body_of(json_of(whole)))

    assert found[wire.name].chat.text.endswith(TEXT)
    assert found[wire.name].codes


HALVES = json.dumps(TEXT).replace(r"\ud83d\ude00", r"\ud83d")[1:-1]


async def test_half_a_pair_of_surrogates_is_replaced(clinic: Clinic) -> None:
    def answer(wire: Wire) -> Answer:
        return body_of(wire.body.replace(TEXT.encode(), HALVES.encode()))

    found = await clinic.ask_all(CHATS, answer)
    streamed = await clinic.ask_all(CHATS, answer, stream=True)

    for outcome in found.values():
        assert outcome.chat.text == TEXT[:-1] + "\ufffd"
    for outcome in streamed.values():
        assert outcome.chat.text.removesuffix("\ufffd") == TEXT[:-1]


PNG = {"url": "http://127.0.0.1/image.png"}
BAD_TASKS: dict[str, tuple[Any, str]] = {
    "no results": ({"task_status": "SUCCEEDED"}, MALFORMED),
    "results without images": ({"task_status": "SUCCEEDED", "results": [{"url": 5}]}, MALFORMED),
    "results that are none": ({"task_status": "SUCCEEDED", "results": 5}, MALFORMED),
    "choices that are none": ({"task_status": "SUCCEEDED", "choices": 5}, MALFORMED),
    "a state nobody knows": ({"task_status": "WONDERING", "results": [PNG]}, MALFORMED),
    "an id that is a path": ({"task_id": "../../keys", "task_status": "RUNNING"}, MALFORMED),
    "no id": ({"task_id": None, "task_status": "SUCCEEDED", "results": [PNG]}, MALFORMED),
    "a task that failed": (
        {"task_status": "FAILED", "code": "DataInspectionFailed", "message": "inappropriate"},
        "content_filter",
    ),
    "a task that never ends": ({"task_status": "RUNNING"}, "timeout"),
}


@pytest.mark.parametrize(("output", "kind"), BAD_TASKS.values(), ids=BAD_TASKS)
async def test_a_bad_task_is_an_error(clinic: Clinic, output: Any, kind: str) -> None:
    whole = {"output": {"task_id": "t-1", **output}}
    found = await clinic.ask_all([IMAGES], lambda _: body_of(json_of(whole)), timeout_s=2.5)

    assert found[IMAGES.name].kind == kind, found[IMAGES.name].told


def vectors(*made: Any) -> list[dict[str, Any]]:
    return [{"index": at, "embedding": one} for at, one in enumerate(made)]


BAD_VECTORS: dict[str, Any] = {
    "too few": vectors([0.5]),
    "too many": vectors([0.5], [0.5], [0.5]),
    "none": [],
    "of two lengths": vectors([0.5], [0.5, 0.5]),
    "empty": vectors([], []),
    "texts": vectors(["a"], ["b"]),
    "booleans": vectors([True], [False]),
    "nulls": vectors([None], [None]),
    "nested": vectors([[0.5]], [[0.5]]),
    "beyond all floats": vectors([10**400], [0.5]),
    "no base64": vectors("???", "???"),
    "base64 of no floats": vectors("AAAA", "AAAA"),
    "base64 of NaN": vectors("AADAfw==", "AADAfw=="),
    "one twice": [{"index": 0, "embedding": [0.5]}] * 2,
    "an index beyond": [{"index": at, "embedding": [0.5]} for at in (0, 7)],
    "no list": {"0": [0.5]},
}


@pytest.mark.parametrize("data", BAD_VECTORS.values(), ids=BAD_VECTORS)
async def test_embeddings_that_cannot_be_the_inputs_are_malformed(
    clinic: Clinic, data: Any
) -> None:
    whole = {**EMBEDDINGS.whole, "data": data}
    found = await clinic.ask_all([EMBEDDINGS], lambda _: body_of(json_of(whole)))

    assert found[EMBEDDINGS.name].kind == MALFORMED, found[EMBEDDINGS.name].told


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"1e999"])
async def test_embeddings_that_are_no_numbers_are_malformed(clinic: Clinic, number: bytes) -> None:
    body = EMBEDDINGS.body.replace(b"0.5", number)
    found = await clinic.ask_all([EMBEDDINGS], lambda _: body_of(body))

    assert found[EMBEDDINGS.name].kind == MALFORMED


async def test_sound_by_url_where_the_vendor_wants_bytes_is_refused_unasked(
    clinic: Clinic,
) -> None:
    sound = Audio(url="http://127.0.0.1/sound.mp3")
    request = TranscriptionRequest(audio=sound, model="openai/m")
    before = len(clinic.vendors.asked)

    outcome = await clinic.ask(replace(TRANSCRIPTION, plugin="openai", request=request), good(CHAT))

    assert outcome.kind in ("unsupported", "invalid_request"), outcome.told
    assert len(clinic.vendors.asked) == before


ECHOES: dict[str, Callable[[Wire], Answer]] = {
    "in a refusal": lambda _: body_of(
        json_of({"error": {"message": f"Incorrect API key provided: {KEY}", "code": KEY}}),
        "401 Unauthorized",
    ),
    "in a page": lambda _: body_of(
        f"<html>{KEY}</html>".encode(), "403 Forbidden", "content-type: text/html"
    ),
    "in a header": lambda _: body_of(
        b"{}", "400 Bad Request", f"x-request-id: {KEY}", f"retry-after: {KEY}"
    ),
    "in an answer": lambda wire: body_of(
        json_of(wire.whole).replace(TEXT.encode(), f"{TEXT} {KEY}".encode())
    ),
    "cut in two": lambda wire: stream_of(
        json_of(wire.whole).replace(TEXT.encode(), KEY.encode()).partition(KEY[9:].encode())
    ),
    "in a bad answer": lambda _: body_of(f'{{"{KEY}": "{KEY}'.encode()),
    "in a finish word": lambda wire: body_of(wire.body.replace(b"stop", KEY.encode())),
}


@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES)
async def test_a_key_that_is_echoed_comes_no_further(
    clinic: Clinic, answer: Callable[[Wire], Answer]
) -> None:
    whole = await clinic.ask_all(WIRES, answer)  # which looks for it in all that is told
    await clinic.ask_all(CHATS, answer, stream=True)

    assert len(whole) == len(WIRES)
    assert all(KEY in str(asked.headers) for asked in clinic.vendors.asked)  # it was there to echo


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_takes_no_key_elsewhere(clinic: Clinic, status: int) -> None:
    async with Sink.open(saying(CHAT.body)) as elsewhere:
        to = f"location: {elsewhere.url}v1/chat/completions"
        outcome = await clinic.ask(CHAT, body_of(b"", f"{status} Moved", to))

    assert outcome.error is not None
    assert not elsewhere.requests
    await clinic.is_well(CHAT)


DATE = "date: Wed, 21 Oct 2015 07:28:00 GMT"
WAITS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "seconds": (("retry-after: 7",), 7.0),
    "a fraction": (("retry-after: 7.5",), 7.5),
    "milliseconds": (("retry-after-ms: 7500", "retry-after: 9"), 7.5),
    "a date": ((DATE, "retry-after: Wed, 21 Oct 2015 07:28:30 GMT"), 30.0),
    "a date that is past": ((DATE, "retry-after: Wed, 21 Oct 2015 07:00:00 GMT"), 0.0),
    "a date without another": (("retry-after: Wed, 21 Oct 2015 07:28:30 GMT",), None),
    "a duration": (("retry-after: 1m3s",), 63.0),
    "words": (("retry-after: soon",), None),
    "below nothing": (("retry-after: -7",), None),
    "infinity": (("retry-after: inf",), None),
    "no number": (("retry-after: nan",), None),
    "nothing": (("retry-after: ",), None),
    "a thousand years": (("retry-after: 31536000000",), 30 * 24 * 3600.0),
    "twice": (("retry-after: 7", "retry-after: 9"), None),
    "digits without end": ((f"retry-after: {'9' * 5000}",), None),
    "a limit that fills": (
        ("x-ratelimit-remaining-requests: 0", "x-ratelimit-reset-requests: 12s"),
        12.0,
    ),
}


@pytest.mark.parametrize(("headers", "wait_s"), WAITS.values(), ids=WAITS)
async def test_the_wait_that_a_vendor_asks_for(
    clinic: Clinic, headers: tuple[str, ...], wait_s: float | None
) -> None:
    body = json_of({"error": {"message": "Too many requests"}})
    answer = body_of(body, "429 Too Many Requests", *headers)

    found = await clinic.ask_all((CHAT, CLAUDE, GEMINI), lambda _: answer)

    for name, outcome in found.items():
        assert outcome.kind == "rate_limited", name
        assert outcome.error is not None
        assert outcome.error.retry_after_s == wait_s, name


INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"


async def test_interim_answers_are_passed_over(clinic: Clinic) -> None:
    found = await clinic.ask_all(CHATS, lambda wire: replace(good(wire), before=INTERIM))

    assert [outcome.chat.text for outcome in found.values()] == [TEXT] * len(CHATS)
