"""What the gateway says to requests that make no sense: the right status, in words of the client's
dialect, at a bounded cost; and it goes on.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.besieged import (
    ALIAS,
    CHAT,
    DIALECTS,
    MIB,
    Besieged,
    asking,
    besieging,
    comes,
    told,
)
from tests.system.talking import talking
from tests.system.upstreams import KEY

PATHS = (*DIALECTS, ALIAS)
NO_BASE64 = "!!this is none!!"
BODY_BYTES = 100 * MIB
MORE_MIB = 96  # a body of at most 32 MiB, and what is made of it
PIECE = b"x" * 65_536


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    with talking() as vendor, besieging(tmp_path_factory.mktemp("besieged"), vendor) as besieged:
        yield besieged


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not json", id="no JSON"),
        pytest.param(b'"a string"', id="a string"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"7", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b'{"model": "echo/echo-1", "messages": [', id="cut off"),
        pytest.param(b'{"model": NaN}', id="NaN"),
        pytest.param(b'{"model": ["echo"], "messages": {}, "input": 5, "target": 5}', id="shape"),
        pytest.param(b'{"messages": [{"role": "user", "content": "\xff"}]}', id="no UTF-8"),
        pytest.param('{"messages": []}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\x1f\x8b\x08\x00" + bytes(20), id="compressed"),
        pytest.param(b'{"messages": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep"),
        pytest.param(b'{"messages": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001, id="deeper"),
        pytest.param(b'{"max_tokens": ' + b"9" * 100_000 + b', "messages": []}', id="huge number"),
    ],
)
def test_a_body_that_makes_no_sense_is_a_400_in_the_dialect(
    besieged: Besieged, path: str, body: bytes
) -> None:
    answer = besieged.post(path, body)

    assert answer.status_code == 400, answer.text
    assert len(told(answer, path)) > 10
    assert len(answer.content) < 4_096
    besieged.answers()


@pytest.mark.parametrize("path", DIALECTS)
def test_half_a_character_is_refused_or_read_and_breaks_nothing(
    besieged: Besieged, path: str
) -> None:
    body = json.dumps(asking(path)).replace("hello there", r"hello \ud83d there").encode()

    answer = besieged.post(path, body)

    assert answer.status_code in (200, 400)
    answer.content.decode("utf-8")
    besieged.answers()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("crowd", [b"[],", b"{},", b"0,", b'"",'], ids=repr)
def test_a_crowd_within_a_body_does_not_fill_the_memory(
    besieged: Besieged, path: str, crowd: bytes
) -> None:
    body = b'{"messages": [' + crowd * (30 * 10**6 // len(crowd)) + b"0]}"

    with besieged.bounded(MORE_MIB + 64):
        answer = besieged.post(path, body)

    assert answer.status_code in (400, 413)
    assert told(answer, path)
    besieged.answers()


@pytest.mark.parametrize("path", DIALECTS)
def test_an_unknown_model_is_a_404_that_names_likely_ones(besieged: Besieged, path: str) -> None:
    answer = besieged.post(path, json.dumps(asking(path, "echo-l")).encode())

    assert answer.status_code == 404
    assert "echo-1" in told(answer, path)


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_is_told_the_right_one(besieged: Besieged, path: str, method: str) -> None:
    with besieged.gateway.client() as client:
        answer = client.request(method, path)

    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
    assert "POST" in told(answer, path)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": ""},
        {"authorization": "Bearer stk_wrong"},
        {"authorization": "Basic c3RrOnN0aw=="},
        {"authorization": "Bearer " + "x" * 8_000},
        {"authorization": "", "x-api-key": "stk_wrong"},
    ],
    ids=["none", "wrong", "basic", "long", "wrong key"],
)
def test_without_a_token_nobody_comes_in(
    besieged: Besieged, path: str, headers: dict[str, str]
) -> None:
    answer = besieged.post(path, json.dumps(asking(path)).encode(), headers)

    assert answer.status_code == 401
    assert "stockade tokens create" in told(answer, path)
    assert "stk_wrong" not in answer.text


def test_a_token_lets_in_until_it_is_revoked_and_only_where_it_may(besieged: Besieged) -> None:
    with besieged.gateway.client() as client:
        token = client.post("/api/tokens", json={"name": "worker", "scope": "use"}).json()["text"]
        bearer = {"authorization": f"Bearer {token}"}
        used = client.post(CHAT, json=asking(CHAT), headers=bearer)
        administers = client.get("/api/plugins", headers=bearer)
        document = client.get("/api/openapi.json", headers=bearer)
        client.delete("/api/tokens/worker").raise_for_status()
        revoked = client.post(CHAT, json=asking(CHAT), headers=bearer)

    assert used.status_code == 200
    assert (administers.status_code, document.status_code) == (403, 403)
    assert "scope admin" in told(administers, "/api/plugins")
    assert revoked.status_code == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("headers", "status", "words"),
    [
        ({"host": "evil.example"}, 421, "Host"),
        ({"host": "127.0.0.1.evil.example:80"}, 421, "Host"),
        ({"host": "127.0.0.1@evil.example"}, 421, "Host"),
        ({"origin": "https://evil.example"}, 403, "origin"),
        ({"origin": "null"}, 403, "origin"),
        ({"sec-fetch-site": "cross-site"}, 403, "origin"),
    ],
)
def test_a_header_that_may_not_be_is_told_of(
    besieged: Besieged, path: str, headers: dict[str, str], status: int, words: str
) -> None:
    answer = besieged.post(path, json.dumps(asking(path)).encode(), headers)

    assert answer.status_code == status
    assert words in told(answer, path)
    assert "evil" not in answer.text
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("said", ["soon", "", "-1", "0", "nan", "inf", "1e999", "86401", "1, 2"])
def test_a_deadline_that_is_none_is_refused(besieged: Besieged, path: str, said: str) -> None:
    answer = besieged.post(path, json.dumps(asking(path)).encode(), {"x-stockade-timeout": said})

    assert answer.status_code == 400
    assert "x-stockade-timeout" in told(answer, path)


def _picture(path: str) -> dict[str, Any]:
    url = f"data:image/png;base64,{NO_BASE64}"
    text: dict[str, Any]
    match path:
        case "/v1/responses":
            part = {"type": "input_image", "image_url": url}
            return asking(path, "openai/gpt-4o") | {"input": [{"role": "user", "content": [part]}]}
        case "/v1/messages":
            source = {"type": "base64", "media_type": "image/png", "data": NO_BASE64}
            text = {"type": "image", "source": source}
        case _:
            text = {"type": "image_url", "image_url": {"url": url}}
    return asking(path, "openai/gpt-4o") | {"messages": [{"role": "user", "content": [text]}]}


@pytest.mark.parametrize("path", DIALECTS)
def test_a_picture_that_is_no_base64_is_refused(besieged: Besieged, path: str) -> None:
    answer = besieged.post(path, json.dumps(_picture(path)).encode())

    assert answer.status_code == 400
    assert "base64" in told(answer, path)


def test_sound_that_is_no_base64_is_refused(besieged: Besieged) -> None:
    part = {"type": "input_audio", "input_audio": {"data": NO_BASE64, "format": "wav"}}
    asked = asking(CHAT, "openai/gpt-4o") | {"messages": [{"role": "user", "content": [part]}]}

    answer = besieged.post(CHAT, json.dumps(asked).encode())

    assert answer.status_code == 400
    assert "base64" in told(answer, CHAT)


@pytest.mark.parametrize(
    ("path", "content_type", "body", "statuses"),
    [
        ("/v1/audio/transcriptions", "application/json", b"{}", (400, 415)),
        ("/v1/audio/transcriptions", "multipart/form-data", b"--x", (400, 415)),
        ("/v1/audio/transcriptions", "multipart/form-data; boundary=x", b"--y\r\n\r\n", (400,)),
        ("/v1/images/edits", "text/plain", b"a cat", (400, 415)),
        (ALIAS, "text/plain", b'{"target": "echo/echo-1"}', (415,)),
        (ALIAS, "application/json; charset=latin-1", b'{"target": "echo/echo-1"}', (415,)),
    ],
)
def test_media_that_is_not_taken_is_told_of(
    besieged: Besieged, path: str, content_type: str, body: bytes, statuses: tuple[int, ...]
) -> None:
    answer = besieged.post(path, body, {"content-type": content_type})

    assert answer.status_code in statuses, answer.text
    assert told(answer, path)


@pytest.mark.parametrize(
    ("path", "more"),
    [
        (CHAT, {"n": 1_000}),
        (CHAT, {"n": -1}),
        (CHAT, {"n": 10**400}),
        ("/v1/images/generations", {"prompt": "a cat", "model": "openai/gpt-image-1", "n": 1_000}),
        ("/v1/images/generations", {"prompt": "a cat", "model": "openai/gpt-image-1", "n": 0}),
    ],
)
def test_more_answers_than_anybody_gives_are_refused(
    besieged: Besieged, path: str, more: dict[str, Any]
) -> None:
    answer = besieged.post(path, json.dumps(asking(path) | more).encode())

    assert answer.status_code == 400
    assert "n" in told(answer, path).split()


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/", "/v1/chat/completions/x", "/api/nothing"])
def test_a_path_of_nothing_is_a_404_in_json(besieged: Besieged, path: str) -> None:
    answer = besieged.post(path, b"{}")

    assert answer.status_code == 404
    assert told(answer, path)


@pytest.mark.parametrize("path", DIALECTS)
@pytest.mark.parametrize("model", ["refusing", "blurting"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_key_that_a_vendor_says_again_is_heard_by_nobody(
    besieged: Besieged, path: str, model: str, stream: bool
) -> None:
    asked = asking(path, f"openai/{model}", stream=stream)
    answer = besieged.post(path, json.dumps(asked).encode())
    with besieged.gateway.client() as client:
        metrics = client.get("/metrics").text
        seen = [client.get(f"/api/plugins/{name}/logs").text for name in ("openai", "_host")]
        seen += [client.get(place).text for place in ("/api/attempts", "/api/health")]

    assert answer.status_code == (200 if stream and model == "blurting" else 502)
    comes(lambda: any(f"openai/{model}" in one for one in _written(besieged)))
    for text in (answer.text, metrics, *seen, *_written(besieged)):
        assert KEY not in text
        assert base64.b64encode(KEY.encode()).decode() not in text
        assert besieged.gateway.token not in text


def _written(besieged: Besieged) -> list[str]:
    """What is in all logs."""
    files = [one for one in (besieged.home / "logs").rglob("*") if one.is_file()]
    return [one.read_text() for one in files]


def test_no_trace_is_in_any_log(besieged: Besieged) -> None:
    for path in PATHS:
        besieged.post(path, b"[[[")
    besieged.settled()

    assert not [text for text in _written(besieged) if "Traceback" in text]
