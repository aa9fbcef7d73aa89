"""What bad requests and failures get under `/api/`: a status, words, and no trace."""

from __future__ import annotations

import logging
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade.admin import Changed, Missing, Taken
from stockade.admin import values as v
from stockade.admin.application import AdminApp, admin_app
from stockade.admin.failures import refusal
from stockade.errors import (
    HostError,
    NotInstalled,
    Refused,
    SettingsError,
    StateError,
    UsageError,
)
from stockade.router import NoSuchModel
from tests.unit.host.admin_asks import GONE, JSON, Heard, ask, scope_of
from tests.unit.host.fake_operator import FakeOperator

MIB = 1024 * 1024
ALIAS = "/api/aliases/x"
LONG = "name" * 5_000


def fault_of(heard: Heard) -> Any:
    """The one thing in the body, whose shape is the same for every failure."""
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["cache-control"] == "no-store"
    assert heard.headers["x-content-type-options"] == "nosniff"
    assert list(heard.json) == ["error"]
    assert list(heard.json["error"]) == ["kind", "message", "why", "remedy"]
    assert all(isinstance(one, str) for one in heard.json["error"].values())
    return heard.json["error"]


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (NotInstalled("no plugin x"), 404, "not_installed"),
        (NoSuchModel("x"), 404, "no_such_model"),
        (Missing("no job x"), 404, "missing"),
        (Taken("there is an x"), 409, "taken"),
        (Changed("x is another"), 409, "changed"),
        (Refused("x may not"), 403, "refused"),
        (SettingsError("line 3"), 422, "unusable"),
        (UsageError("x cannot be"), 422, "unusable"),
        (StateError("disk full"), 503, "state"),
        (HostError("it failed"), 500, "failed"),
    ],
)
async def test_each_failure_of_the_host_has_its_status(
    error: HostError, status: int, kind: str
) -> None:
    operator = FakeOperator()
    operator.failing = error
    heard = await ask(admin_app(operator), "GET", "/api/status")
    assert (heard.status, fault_of(heard)["kind"]) == (status, kind)
    assert fault_of(heard)["message"] == error.what


async def test_a_failure_says_why_and_what_to_do_and_is_cut() -> None:
    operator = FakeOperator()
    operator.failing = UsageError(LONG, why="it is odd", remedy="mend it")
    fault = fault_of(await ask(admin_app(operator), "GET", "/api/status"))
    assert (fault["why"], fault["remedy"]) == ("it is odd", "mend it")
    assert 1_000 < len(fault["message"]) <= 2_000


async def test_a_bug_is_told_plainly_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    operator = FakeOperator()
    operator.failing = KeyError("inner detail")
    with caplog.at_level(logging.DEBUG):
        heard = await ask(admin_app(operator), "GET", "/api/status")
    assert (heard.status, fault_of(heard)["kind"]) == (500, "bug")
    assert b"detail" not in heard.body
    assert b"Traceback" not in heard.body
    assert [one.levelname for one in caplog.records] == ["ERROR"]
    assert "KeyError: 'inner detail'" in caplog.text
    assert "fake_operator.py" in caplog.text


async def test_a_bug_with_a_key_in_hand_does_not_log_it(caplog: pytest.LogCaptureFixture) -> None:
    operator = FakeOperator()
    operator.failing = ValueError("bad: sk-very-secret")
    body = b'{"value":"sk-very-secret"}'
    heard = await ask(admin_app(operator), "PUT", "/api/secrets/openai/key", body)
    assert heard.status == 500
    assert "set_secret failed within stockade: ValueError" in caplog.text
    assert "very-secret" not in caplog.text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"nonsense", "not JSON"),
        (b'{"target":"\\ud800"}', "not JSON"),
        (b'"a string"', "`$`"),
        (b"[]", "`$`"),
        (b"null", "`$`"),
        (b"{}", "`target`"),
        (b'{"target":null}', "`$.target`"),
        (b'{"target":5}', "`$.target`"),
        (b'{"target":""}', "`$.target`"),
        (b'{"target":"a\\u0000"}', "control characters - at `$.target`"),
        (b'{"target":"a\\n"}', "control characters - at `$.target`"),
        (b'{"target":"a","more":1}', "`more`"),
        (b"[" * 100_000, "`$`"),
        (b'{"target":' + b"[" * 100_000, "`$.target`"),
    ],
)
async def test_a_body_of_the_wrong_shape_is_told_where(body: bytes, said: str) -> None:
    operator = FakeOperator()
    heard = await ask(admin_app(operator), "PUT", ALIAS, body)
    fault = fault_of(heard)
    assert (heard.status, fault["kind"]) == (400, "malformed")
    assert said in fault["message"]
    assert operator.calls == []


@pytest.mark.parametrize(
    ("target", "body", "status"),
    [
        ("/api/routes/chat", b'{"targets":["a"],"retries":3.0}', 200),  # an integer in JSON Schema
        ("/api/routes/chat", b'{"targets":["a"],"retries":3.5}', 400),
        ("/api/routes/chat", b'{"targets":["a"],"retries":11}', 400),
        ("/api/routes/chat", b'{"targets":["a"],"timeout_s":0}', 400),
        ("/api/routes/chat", b'{"targets":["a"],"timeout_s":1e999}', 400),
        ("/api/routes/chat", b'{"targets":[]}', 400),
        ("/api/plugins/openai/config/k", b'{"value":9007199254740991}', 200),
        ("/api/plugins/openai/config/k", b'{"value":9007199254740992}', 400),
        ("/api/plugins/openai/config/k", b'{"value":' + b"9" * 5_000 + b"}", 400),
        ("/api/plugins/openai/config/k", b'{"value":NaN}', 400),
        ("/api/plugins/openai/config/k", b'{"value":null}', 200),
        ("/api/plugins/openai/config/k", b"{}", 400),
    ],
)
async def test_numbers_are_held_to_their_bounds(target: str, body: bytes, status: int) -> None:
    assert (await ask(admin_app(FakeOperator()), "PUT", target, body)).status == status


async def test_a_key_of_a_body_is_not_repeated_at_length() -> None:
    body = msgspec.json.encode({"target": "a", LONG: 1})
    fault = fault_of(await ask(admin_app(FakeOperator()), "PUT", ALIAS, body))
    assert len(fault["message"]) < 600


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        (b"application/json", 200),
        (b"Application/JSON; charset=UTF-8", 200),
        (b'application/json;charset="utf-8"', 200),
        (b"application/json; charset=latin-1", 415),
        (b"text/plain", 415),
        (b"application/x-www-form-urlencoded", 415),
        (b"application/jsonp", 415),
        (b"", 415),
        (b"\xff", 415),
    ],
)
async def test_only_json_is_taken(media_type: bytes, status: int) -> None:
    headers = [(b"content-type", media_type)] if media_type else []
    heard = await ask(admin_app(FakeOperator()), "PUT", ALIAS, b'{"target":"a"}', headers)
    assert heard.status == status


@pytest.mark.parametrize("declared", [str(MIB + 1), "104857600", "9" * 5_000])
async def test_a_body_that_declares_too_much_is_not_read(declared: str) -> None:
    async def receive() -> Any:
        raise AssertionError("read all the same")

    heard = Heard()
    scope = scope_of("PUT", ALIAS, [JSON, (b"content-length", declared.encode())])
    await admin_app(FakeOperator())(scope, receive, heard.send)
    assert (heard.status, fault_of(heard)["kind"]) == (413, "too_large")


async def test_a_body_without_end_is_given_up_at_the_bound() -> None:
    read = 0

    async def receive() -> Any:
        nonlocal read
        read += 64 * 1024
        return {"type": "http.request", "body": b" " * 64 * 1024, "more_body": True}

    heard = Heard()
    await admin_app(FakeOperator())(scope_of("PUT", ALIAS, [JSON]), receive, heard.send)
    assert (heard.status, read) == (413, MIB + 64 * 1024)


async def test_a_body_of_exactly_the_bound_in_pieces_is_taken() -> None:
    start = b'{"target":"a"}'
    pieces = [start, b" " * (MIB - len(start) - 1), b" "]
    assert (await ask(admin_app(FakeOperator()), "PUT", ALIAS, pieces)).status == 200


async def test_a_body_that_does_not_come_is_given_up() -> None:
    heard = Heard()
    app = AdminApp(FakeOperator(), "1", body_s=0.01)
    await app(scope_of("PUT", ALIAS, [JSON]), anyio.sleep_forever, heard.send)
    assert (heard.status, fault_of(heard)["kind"]) == (408, "too_slow")


async def test_a_client_that_leaves_within_its_body_changes_nothing() -> None:
    messages = [{"type": "http.request", "body": b'{"target":"a"}', "more_body": True}, GONE]

    async def receive() -> Any:
        return messages.pop(0)

    operator, heard = FakeOperator(), Heard()
    await admin_app(operator)(scope_of("PUT", ALIAS, [JSON]), receive, heard.send)
    assert (heard.messages, operator.calls) == ([], [])


@pytest.mark.parametrize(
    "query",
    [
        "unknown=1",
        "limit=1&limit=1",
        "limit",
        "limit=",
        "limit=0",
        "limit=1001",
        "limit=+1",
        "limit=%201",
        "limit=0x1",
        "limit=1_0",
        "limit=%D9%A3",  # a digit, and not one of JSON's
        "limit=null",
        "limit=true",
        "limit=1.5",
        "limit=1e999",
        "limit=" + "9" * 40,
        "limit=" + "9" * 6_000,
        "capability=",
        "capability=null",
        "capability=Chat",
        "text=%ff",
        "text=\xff",
        "text=" + "a" * 201,
        "&".join(f"x{number}=1" for number in range(100)),
        "&",
    ],
)
async def test_a_query_that_does_not_fit_is_refused(query: str) -> None:
    operator = FakeOperator()
    heard = await ask(admin_app(operator), "GET", b"/api/models?" + query.encode("latin-1"))
    assert (heard.status, fault_of(heard)["kind"]) == (400, "malformed")
    assert operator.calls == []


@pytest.mark.parametrize("value", ["True", "1", "yes", "", "null"])
async def test_a_boolean_in_a_query_is_written_as_in_json(value: str) -> None:
    heard = await ask(admin_app(FakeOperator()), "DELETE", f"/api/plugins/openai?keep_data={value}")
    assert heard.status == 400


async def test_text_in_a_query_is_taken_as_it_is() -> None:
    operator = FakeOperator()
    await ask(admin_app(operator), "GET", "/api/models?text=5&plugin=true")
    assert operator.calls == [("models", v.ModelSearch(text="5", plugin="true"))]


async def test_what_takes_no_query_is_given_none() -> None:
    heard = await ask(admin_app(FakeOperator()), "POST", "/api/plugins/openai/enable?force=true")
    assert (heard.status, "takes none" in fault_of(heard)["remedy"]) == (400, True)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"/api", 404),
        (b"/api/", 404),
        (b"/api/plugins/", 404),
        (b"/api//plugins", 404),
        (b"/api/plugins//logs", 404),
        (b"/api%2Fplugins", 404),
        (b"/api/nothing", 404),
        (b"/api/plugins/..", 404),
        (b"/api/plugins/%00", 400),
        (b"/api/plugins/a%0A", 400),
        (b"/api/plugins/%ff", 400),
        (b"/api/plugins/\xff", 400),
        (b"/api/plugins/" + b"a" * 513, 400),
    ],
)
async def test_a_path_that_leads_nowhere_is_refused(target: bytes, status: int) -> None:
    heard = await ask(admin_app(FakeOperator()), "GET", target)
    assert (heard.status, len(fault_of(heard)["message"]) > 10) == (status, True)


async def test_an_unknown_capability_is_told_which_there_are() -> None:
    heard = await ask(admin_app(FakeOperator()), "DELETE", "/api/routes/Chat")
    assert (heard.status, "audio_stt" in fault_of(heard)["remedy"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("PATCH", "/api/plugins", "GET, POST"),
        ("HEAD", "/api/status", "GET"),
        ("OPTIONS", "/api/plugins/propose", "POST"),
        ("GET", "/api/plugins/x/enable", "POST"),
        ("get", "/api/status", "GET"),
        ("POST", "/api/openapi.json", "GET"),
    ],
)
async def test_a_method_that_a_path_has_not_is_told_which_it_has(
    method: str, target: str, allow: str
) -> None:
    heard = await ask(admin_app(FakeOperator()), method, target)
    assert (heard.status, heard.headers["allow"]) == (405, allow)
    assert fault_of(heard)["kind"] == "wrong_method"


async def test_a_token_may_not_have_a_line_break_in_its_name() -> None:
    app = admin_app(FakeOperator())
    statuses = [
        (await ask(app, "POST", "/api/tokens", msgspec.json.encode({"name": name}))).status
        for name in ("ci", "ci", "ci\n", "-ci", "", "a" * 65)
    ]
    assert statuses == [201, 409, 400, 400, 400, 400]


def test_who_is_turned_away_before_the_api_gets_the_same_shape() -> None:
    body = msgspec.json.decode(refusal(401, "no token", remedy="send one"))
    assert body == {
        "error": {"kind": "unknown_caller", "message": "no token", "why": "", "remedy": "send one"}
    }


PATHS = ["/api/aliases/a", "/api/models", "/api/tokens", "/api/routes/chat", "/api/plugins/openai"]


@settings(max_examples=150, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.sampled_from(PATHS).map(str.encode) | st.binary().map(lambda raw: b"/api/" + raw),
    query=st.binary(max_size=40),
    body=st.binary(max_size=60) | st.just(b'{"target":"a","name":"b","targets":["c"]}'),
)
def test_no_bytes_make_it_stumble(method: str, path: bytes, query: bytes, body: bytes) -> None:
    async def asked() -> Heard:
        return await ask(admin_app(FakeOperator()), method, path + b"?" + query, body)

    heard = anyio.run(asked)
    assert heard.status in {200, 201, 202, 204, 400, 404, 405, 415}
    if heard.status >= 400:
        fault_of(heard)
