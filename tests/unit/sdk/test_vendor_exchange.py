"""One request to a vendor: what comes back, or the typed error that it means."""

import subprocess
import sys

import pytest

from stockade_sdk import (
    ChatResponse,
    ErrorKind,
    Finish,
    PermissionDenied,
    ProviderError,
    RuntimeWarning,
)
from stockade_sdk.http import MAX_BODY_BYTES
from stockade_sdk.stream import TextStart
from stockade_sdk.testing import Answer
from stockade_sdk.vendor import (
    endpoint,
    exchange,
    fetch,
    probe,
    streaming,
    warned,
    with_warnings,
)
from stockade_sdk.vendor.exchange import MAX_ERROR_BYTES, MAX_JSON_BYTES
from tests.unit.sdk.vendor_calls import Counted, answering, raw

URL = "https://vendor.example/v1/x"
MIB = 1024 * 1024


async def failure(answer, call=exchange):
    """What the call raises on this answer."""
    async with answering(answer) as (ctx, _):
        with pytest.raises(ProviderError) as caught:
            await call(ctx, "POST", URL, json={})
    return caught.value


async def test_an_exchange_is_json_both_ways():
    async with answering(Answer.of_json({"b": [1]})) as (ctx, run):
        assert await exchange(ctx, "POST", URL, json={"a": None}, headers={"x-a": "1"}) == {
            "b": [1]
        }

    request = run.requests[0]
    assert (request.method, request.url, request.json) == ("POST", URL, {"a": None})
    assert request.headers["accept"] == "application/json"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-a"] == "1"


@pytest.mark.parametrize("status", [204, 205])
async def test_nothing_to_say_is_none(status):
    async with answering(raw(status=status)) as (ctx, _):
        assert await exchange(ctx, "DELETE", URL) is None


async def test_blank_lines_before_the_json_mean_nothing():
    async with answering(raw(b"\n\n", b"  ", b'{"a": 1}\n')) as (ctx, _):
        assert await exchange(ctx, "GET", URL) == {"a": 1}


@pytest.mark.parametrize(
    ("pieces", "words"),
    [
        ((b"",), "is empty"),
        ((b" \n ",), "is empty"),
        ((b"<!doctype html><p>hi",), "base_url"),
        ((b'{"a": [1, 2',), "breaks off"),
        ((b"\x1f\x8b\x08\x00garbage",), "compressed"),
        ((b"upstream connect error",), "no JSON"),
        ((b"\xff\xfe\x00",), "no JSON"),
        ((b"[" * 100_000,), "breaks off"),
        ((b'{"a": NaN}',), "broken"),
    ],
    ids=["empty", "blank", "page", "cut", "gzip", "text", "bytes", "deep", "no number"],
)
async def test_a_good_status_without_json_is_malformed_and_says_what_came(pieces, words):
    error = await failure(raw(*pieces))

    assert (error.kind, error.status) == (ErrorKind.MALFORMED_RESPONSE, 200)
    assert words in error.message
    assert len(error.message) < 200


async def test_an_answer_without_end_is_read_to_the_limit():
    endless = Counted.of(b" " * MIB)

    error = await failure(Answer(pieces=endless))

    assert error.kind is ErrorKind.MALFORMED_RESPONSE
    assert endless.taken <= MAX_JSON_BYTES // MIB + 1


async def test_the_error_of_a_failed_answer_is_read_at_its_start():
    endless = Counted.of(b"x" * MAX_ERROR_BYTES)

    error = await failure(Answer(status=500, pieces=endless))

    assert error.kind is ErrorKind.SERVER_ERROR
    assert endless.taken == 1
    assert len(error.message) <= 600


async def test_a_key_in_an_error_is_not_passed_on():
    key = "sk-proj-abcdefghijklmnop1234567890"
    error = {"error": {"message": f"Incorrect API key provided: {key}", "code": key}}

    found = await failure(Answer.of_json(error, status=401))

    assert found.kind is ErrorKind.AUTH
    assert key not in str(found.info())


async def test_a_failed_answer_that_breaks_off_is_still_what_its_status_says():
    broken = ProviderError(ErrorKind.NETWORK, "reset")
    answer = Answer(
        status=429, headers=(("retry-after", "7"),), pieces=(b'{"error": ',), error=broken
    )

    error = await failure(answer)

    assert (error.kind, error.retry_after_s) == (ErrorKind.RATE_LIMITED, 7.0)
    assert error.__cause__ is broken


async def test_a_grant_that_is_missing_is_never_hidden_by_a_status():
    answer = Answer(status=500, pieces=(b"x",), error=PermissionDenied("not granted"))

    assert isinstance(await failure(answer), PermissionDenied)


@pytest.mark.parametrize("call", [exchange, fetch])
@pytest.mark.parametrize(
    "error",
    [
        ProviderError(ErrorKind.NETWORK, "down"),
        ProviderError(ErrorKind.TIMEOUT, "late", phase="connect"),
        PermissionDenied("not granted"),
    ],
    ids=["network", "timeout", "grant"],
)
async def test_what_the_wire_says_passes_through(call, error):
    assert await failure(Answer(error=error), call) is error


async def test_a_vendor_may_judge_its_errors_itself():
    seen = []

    def own(status, headers, body):
        seen.append((status, headers["x-a"], body))
        return ProviderError(ErrorKind.OVERLOADED, "mine")

    answer = Answer(status=418, headers=(("x-a", "1"),), pieces=(b"tea", b"pot"))
    async with answering(answer) as (ctx, _):
        with pytest.raises(ProviderError, match="mine"):
            await exchange(ctx, "GET", URL, classify=own)

    assert seen == [(418, "1", b"teapot")]


async def test_a_fetch_is_bytes_whatever_they_are():
    async with answering(raw(b"\x00\x01", b"<html>", kind="audio/wav")) as (ctx, run):
        answer = await fetch(ctx, "POST", URL, content=b"form", headers={"content-type": "x/y"})

    assert (answer.status, answer.body) == (200, b"\x00\x01<html>")
    assert answer.headers["content-type"] == "audio/wav"
    assert (run.requests[0].body, run.requests[0].headers["content-type"]) == (b"form", "x/y")


async def test_a_fetch_is_bounded_and_its_failures_are_typed():
    endless = Counted.of(b"x" * (8 * MIB))

    assert (await failure(Answer(pieces=endless), fetch)).kind is ErrorKind.MALFORMED_RESPONSE
    assert endless.taken <= MAX_BODY_BYTES // (8 * MIB) + 1
    assert (await failure(raw(b"no", status=403), fetch)).kind is ErrorKind.AUTH


async def read_events(answer):
    async with answering(answer) as (ctx, run):
        async with streaming(ctx, URL, json={}) as response:
            events = [(sent.event, sent.data) async for sent in response.events()]
        return events, run.requests[0], response.is_json


async def test_a_stream_is_a_post_and_comes_as_events():
    events, request, is_json = await read_events(Answer.of_events({"a": 1}))

    assert events == [("message", '{"a":1}'), ("message", "[DONE]")]
    assert (request.method, request.headers["accept"]) == ("POST", "text/event-stream")
    assert not is_json


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_a_stream_may_be_split_anywhere_and_begin_blank(size):
    body = (
        b"\xef\xbb\xbf\r\n\r\n: hello\r\n\r\nevent: a\r\ndata: 1\r\ndata: 2\r\n\r\ndata: \xc3\xa9"
    )
    pieces = tuple(body[at : at + size] for at in range(0, len(body), size))

    events, _, _ = await read_events(raw(*pieces, kind="text/event-stream"))

    assert events == [("a", "1\n2"), ("message", "é")]


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
async def test_a_whole_answer_is_known_by_its_first_byte(kind):
    answer = raw(b"\n", b' {"a"', b": 1}", kind=kind)

    async with answering(answer) as (ctx, _), streaming(ctx, URL, json={}) as response:
        assert response.is_json
        assert await response.json() == {"a": 1}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (raw(b"\n <html>", kind="text/html"), ErrorKind.MALFORMED_RESPONSE),
        (raw(b"<html>", kind="text/event-stream"), ErrorKind.MALFORMED_RESPONSE),
        (Answer.of_json({"error": {"message": "x"}}, status=429), ErrorKind.RATE_LIMITED),
        (Answer(error=ProviderError(ErrorKind.NETWORK, "down")), ErrorKind.NETWORK),
    ],
)
async def test_a_stream_that_does_not_begin_well_is_its_error(answer, kind):
    with pytest.raises(ProviderError) as caught:
        await read_events(answer)

    assert caught.value.kind is kind


async def test_a_stream_without_a_body_has_no_events():
    assert (await read_events(raw(kind="text/event-stream")))[0] == []


async def test_a_wire_that_breaks_is_raised_after_what_had_come():
    broken = ProviderError(ErrorKind.NETWORK, "reset")
    answer = Answer.of_events("one", "two", done=None, error=broken)
    seen = []

    async def read(response):
        async for sent in response.events():
            seen.append(sent.data)  # noqa: PERF401 - what came before the break counts

    async with answering(answer) as (ctx, _), streaming(ctx, URL, json={}) as response:
        with pytest.raises(ProviderError) as caught:
            await read(response)

    assert caught.value is broken
    assert seen == ["one", "two"]


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "models", "https://h/v1/models"),
        ("https://h/v1/", "a/b", "https://h/v1/a/b"),
        ("https://h/d?api-version=1", "models", "https://h/d/models?api-version=1"),
        ("https://h/d?k=1", "models?all=1", "https://h/d/models?k=1&all=1"),
        ("https://h/d", "models?all=1", "https://h/d/models?all=1"),
    ],
)
async def test_a_path_goes_below_the_configured_url(base, path, url):
    async with answering(base_url=base, other="https://o") as (ctx, _):
        assert endpoint(ctx, path) == url
        assert endpoint(ctx, "x", key="other") == "https://o/x"


async def test_without_a_url_the_error_says_what_to_run():
    async with answering() as (ctx, _):
        with pytest.raises(ProviderError) as caught:
            endpoint(ctx, "x", key="home", plugin="mine")

    assert caught.value.kind is ErrorKind.MODEL_UNAVAILABLE  # a fallback may answer
    assert "stockade config set mine home URL" in caught.value.message


async def test_a_probe_tells_how_long_it_took():
    async with answering(Answer.of_json({})) as (ctx, run):
        report = await probe(ctx, URL, headers={"x-a": "1"}, method="POST", json={"n": 1})

    assert report.ok
    assert report.latency_ms is not None
    assert report.latency_ms >= 0
    assert (run.requests[0].method, run.requests[0].json) == ("POST", {"n": 1})


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer.of_json({"error": {"message": "bad key"}}, status=401), "auth: bad key"),
        (Answer(error=ProviderError(ErrorKind.TIMEOUT, "late")), "timeout"),
        (raw(b"<html>", kind="text/html"), "malformed_response"),
    ],
)
async def test_a_vendor_that_is_not_well_is_a_report(answer, words):
    async with answering(answer) as (ctx, _):
        report = await probe(ctx, URL)

    assert not report.ok
    assert report.latency_ms is not None
    assert words in (report.detail or "")


async def test_a_missing_grant_is_no_illness():
    async with answering(Answer(error=PermissionDenied("not granted"))) as (ctx, _):
        with pytest.raises(PermissionDenied):
            await probe(ctx, URL)


def test_warnings_of_the_request_stand_before_those_of_the_answer():
    mine, theirs = RuntimeWarning("mine"), RuntimeWarning("theirs")
    response, finish = ChatResponse.of_text("x"), Finish(warnings=(theirs,))
    told = with_warnings(response, (theirs,))

    assert with_warnings(told, (mine,)).warnings == (mine, theirs)
    assert with_warnings(response, ()) is response
    assert warned(finish, (mine,)) == Finish(warnings=(mine, theirs))
    assert warned(finish, ()) is finish
    start = TextStart("text")
    assert warned(start, (mine,)) is start


def test_a_plugin_that_speaks_another_wire_does_not_load_openais():
    code = "import sys, stockade_sdk.vendor; print(*sorted(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = done.stdout.split()
    assert "stockade_sdk.vendor.exchange" in loaded
    assert not [name for name in loaded if name.startswith("stockade_sdk.dialects.openai")]
    assert "stockade_sdk.vendor.openai" not in loaded
