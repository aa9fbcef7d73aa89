"""Chats as their clients see them, in every dialect: what goes in, what comes out, what is told."""

from typing import Any

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from stockade.gateway.chat import Chat, with_warnings
from stockade.gateway.exchange import Exchange
from stockade.gateway.openai_chat import OpenAIChat
from stockade.router import AmbiguousModel, NoSuchModel
from stockade_sdk.capability import Attempt, CostBreakdown, RuntimeWarning, Usage
from stockade_sdk.chat import ChatResponse, MessageRole
from stockade_sdk.dialects import anthropic_messages, openai_chat, openai_responses
from stockade_sdk.errors import ErrorKind, ProviderError
from stockade_sdk.stream import Finish, TextDelta, TextEnd, TextStart
from tests.unit.host.gateway_chats import WIRES, Serving, Vendor, gateway

CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
SAID: dict[str, dict[str, Any]] = {  # the least that a client of each dialect says
    CHAT: {"model": "m", "messages": [{"role": "user", "content": "hello"}]},
    RESPONSES: {"model": "m", "input": "hello"},
    MESSAGES: {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]},
}
LISTED = {CHAT: "messages", RESPONSES: "input", MESSAGES: "messages"}
USAGE = Usage(input_tokens=3, output_tokens=4)
ANSWER = ChatResponse.of_text("well", usage=USAGE)
BEGUN = (TextStart("t"), TextDelta("t", "half of "))
WHOLE = (BEGUN, (TextDelta("t", "it"), TextEnd("t")), (Finish(usage=USAGE),))
PIXEL = "data:image/png;base64,iVBORw0KGgo="
everywhere = pytest.mark.parametrize("path", WIRES)


@everywhere
async def test_a_whole_answer_says_who_was_tried_and_leaves_a_record(path: str):
    cost = CostBreakdown(total_cost="0.25")
    attempts = (
        Attempt(target="one/m", outcome="failed", kind="timeout"),
        Attempt(target="two/m", outcome="ok"),
    )
    answer = ChatResponse(
        output=ANSWER.output, usage=USAGE, cost=cost, model="m", attempts=attempts
    )
    async with gateway(Serving(answer)) as at:
        response = await at.post(path, SAID[path])

    assert response.status_code == 200
    assert "well" in response.text
    assert response.headers["x-stockade-attempts"] == "one/m;failed, two/m;ok"
    assert "x-stockade-warnings" not in response.headers
    (told,) = at.heard
    assert (told.capability, told.model, told.target) == ("chat", "m", "two/m")
    assert (told.tokens_in, told.tokens_out, told.cost) == (3, 4, "0.25")


@everywhere
async def test_a_stream_says_at_its_start_who_answers_and_its_record_who_did(path: str):
    async with gateway(Serving(WHOLE)) as at:
        response = await at.post(path, {**SAID[path], "stream": True})

    assert response.headers["x-stockade-attempts"] == "echo/one;streaming"
    (told,) = at.heard
    assert told.streamed
    assert (told.target, told.tokens_in, told.tokens_out) == ("echo/one", 3, 4)


@everywhere
async def test_events_that_came_together_are_written_together(path: str):
    serves: Any = Serving(WHOLE)
    call: Any = Pieces({**SAID[path], "stream": True})
    await Chat(WIRES[path](), serves)(call)

    first, second, _ = call.written  # as many as there were batches, the last with the end
    assert b"half of " in first
    assert b'"it"' in second


@everywhere
async def test_the_first_words_reach_the_client_before_there_are_others(path: str):
    more = anyio.Event()
    serves = Serving([BEGUN, more, (TextEnd("t"),), (Finish(),)])
    async with gateway(serves) as at:
        body = {**SAID[path], "stream": True}
        async with at.client.stream("POST", path, json=body) as response:
            pieces = response.aiter_bytes()
            read = b""
            while b"half of " not in read:
                read += await anext(pieces)
            more.set()
            async for piece in pieces:
                read += piece

    assert read.endswith(b"\n\n")


@everywhere
@pytest.mark.parametrize("given", [{}, {"model": None}, {"model": ""}, {"model": " "}])
async def test_a_request_that_names_no_model_gets_any(path: str, given: dict[str, Any]):
    serves = Serving(ANSWER)
    said = {key: value for key, value in SAID[path].items() if key != "model"}
    async with gateway(serves) as at:
        response = await at.post(path, said | given)

    assert response.status_code == 200
    assert serves.asked[0].model is None


@everywhere
async def test_the_deadline_of_the_client_is_the_hosts(path: str):
    serves = Serving(ANSWER)
    async with gateway(serves) as at:
        await at.post(path, SAID[path], headers={"x-stockade-timeout": "2.5"})

    assert serves.timeouts == [2.5]


@pytest.mark.parametrize("url", [PIXEL, "https://example.com/a.png"])
async def test_a_picture_needs_a_model_that_sees(url: str):
    picture = {"type": "image_url", "image_url": {"url": url}}
    said = {"model": "m", "messages": [{"role": "user", "content": [picture]}]}
    async with gateway(Serving(ANSWER)) as at:
        await at.post(CHAT, said)

    assert at.heard[0].capability == "vision"


@everywhere
async def test_warnings_of_a_whole_answer_are_in_a_header(path: str):
    warnings = (RuntimeWarning("setting_dropped", "no seed; nor à part"),)
    answer = ChatResponse(output=ANSWER.output, warnings=warnings)
    async with gateway(Serving(answer)) as at:
        response = await at.post(path, SAID[path])

    shown = response.headers["x-stockade-warnings"]
    assert shown == "setting_dropped: no seed%3B nor %C3%A0 part"


@everywhere
async def test_warnings_of_a_stream_are_in_its_last_event(path: str):
    finish = Finish(warnings=(RuntimeWarning("setting_dropped", "no seed"),))
    async with gateway(Serving([BEGUN, (TextEnd("t"), finish)])) as at:
        events = await at.events(path, SAID[path])

    data = [said for _, said in events if said != "[DONE]"]
    assert data[-1]["x_stockade"] == {
        "warnings": [{"code": "setting_dropped", "message": "no seed"}]
    }
    assert not any("x_stockade" in said for said in data[:-1])


def test_an_event_with_warnings_keeps_what_it_says_and_no_key():
    key = "sk-" + "a1B2" * 10
    said = with_warnings({"type": "x"}, [RuntimeWarning("odd", f"the vendor said {key}")] * 3)

    assert said["type"] == "x"
    assert len(said["x_stockade"]["warnings"]) == 1
    assert key not in str(said)


BROKEN: dict[str, list[str]] = {
    CHAT: ["message"],
    RESPONSES: ["error", "response.failed"],
    MESSAGES: ["error"],
}


@everywhere
@pytest.mark.parametrize("broken", [True, False], ids=["an error", "silence"])
async def test_a_stream_that_breaks_off_says_so_and_does_not_look_whole(path: str, broken: bool):
    error = ProviderError(ErrorKind.SERVER_ERROR, "the vendor broke off")
    serves = Serving([BEGUN, error] if broken else [BEGUN])
    async with gateway(serves) as at:
        events = await at.events(path, SAID[path])

    names = BROKEN[path]
    assert [name for name, _ in events[-len(names) :]] == names
    first = events[-len(names)][1]
    message = first["error"]["message"]
    assert message == "the vendor broke off" if broken else "without a finish" in message
    ends = {"[DONE]", "message_stop", "response.completed"}
    assert not ends & {name for name, _ in events}
    assert not any(data == "[DONE]" for _, data in events)
    assert at.heard[0].kind == ("server_error" if broken else "malformed_response")
    assert serves.streams[0].left


FAILURES = [
    (AllAttemptsFailed([], ProviderError("auth", "bad key")), 502, "api_error"),
    (AllAttemptsFailed([], ProviderError("rate_limited", "slow", retry_after_s=1.2)), 429, "rate"),
    (ProviderError("overloaded", "busy"), 503, "overloaded_error"),
    (ProviderError("timeout", "late"), 504, "timeout_error"),
    (ProviderError("context_length", "long"), 400, "invalid_request_error"),
    (NoSuchModel("nope", ("gpt-4o",)), 404, "not_found_error"),
    (AmbiguousModel("m", ("a/m", "b/m")), 400, "invalid_request_error"),
]


@everywhere
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "status", "anthropic"), FAILURES)
async def test_a_failure_before_the_first_byte_has_its_status_in_the_dialect(
    path: str, stream: bool, error: Exception, status: int, anthropic: str
):
    async with gateway(Serving(error)) as at:
        response = await at.post(path, {**SAID[path], "stream": stream})

    said = response.json()
    if path == MESSAGES:
        assert response.status_code == (529 if status == 503 else status)
        assert said["type"] == "error"
        assert anthropic in said["error"]["type"]
    else:
        assert response.status_code == status
        assert set(said["error"]) == {"message", "type", "param", "code"}
    if isinstance(error, NoSuchModel):
        assert "gpt-4o" in said["error"]["message"]
        assert path == MESSAGES or said["error"]["code"] == "model_not_found"
    wait = "2" if status == 429 else None
    assert response.headers.get("retry-after") == wait


@everywhere
async def test_a_key_that_a_vendor_echoed_is_in_no_answer(path: str):
    key = "sk-proj-" + "x9Y8" * 8
    error = ProviderError(ErrorKind.AUTH, f"Incorrect API key provided: {key}")
    async with gateway(Serving(error)) as at:
        whole = await at.post(path, SAID[path])
    async with gateway(Serving([BEGUN, error])) as at:
        cut = await at.post(path, {**SAID[path], "stream": True})

    assert key not in whole.text
    assert "Incorrect API key" in cut.text
    assert key not in cut.text


@everywhere
@pytest.mark.parametrize(
    ("body", "hint"),
    [
        (b"{", "not JSON"),
        (b'{"messages": "\xff"}', "not JSON"),
        (b'{"messages": "\\ud800"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'"hello"', "object"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'{"model": 1}', "model"),
        (b"{}", ""),
    ],
)
async def test_a_body_that_is_no_request_is_a_400_that_says_why(path: str, body: bytes, hint: str):
    serves = Serving(ANSWER)
    async with gateway(serves) as at:
        response = await at.client.post(path, content=body)

    assert response.status_code == 400, response.text
    assert hint in response.json()["error"]["message"]
    assert serves.asked == []


@everywhere
@pytest.mark.parametrize(
    ("more", "hint"), [({"stream": 1}, "stream"), ({"stream": [True]}, "stream")]
)
async def test_a_field_that_the_gateway_goes_by_is_checked(
    path: str, more: dict[str, Any], hint: str
):
    async with gateway(Serving(ANSWER)) as at:
        response = await at.post(path, SAID[path] | more)

    assert response.status_code == 400
    assert hint in response.json()["error"]["message"]


@everywhere
async def test_a_conversation_of_no_words_has_no_answer(path: str):
    async with gateway(Serving(ANSWER)) as at:
        response = await at.post(path, SAID[path] | {LISTED[path]: []})

    assert response.status_code == 400
    assert "empty" in response.json()["error"]["message"]


async def test_a_conversation_beyond_every_vendors_bound_is_not_even_read():
    wire = OpenAIChat()
    with pytest.raises(ProviderError, match="100000"):
        wire.read({"messages": [None] * 100_001}, {})


@pytest.mark.parametrize("n", [0, -1, 129, 1.5, True, [1]])
async def test_a_number_of_answers_that_nobody_gives_is_refused(n: object):
    async with gateway(Serving(ANSWER)) as at:
        response = await at.post(CHAT, {**SAID[CHAT], "n": n})

    assert response.status_code == 400
    assert "128" in response.json()["error"]["message"]


async def test_more_answers_than_one_go_to_a_vendor_of_the_dialect_and_to_no_other():
    choices = [
        {"index": at, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for at, text in enumerate(("a", "b"))
    ]
    same = Vendor(openai_chat, {"id": "x", "model": "m", "choices": choices})
    async with gateway(same) as at:
        both = await at.post(CHAT, {**SAID[CHAT], "n": 2})
    async with gateway(Vendor(anthropic_messages, {})) as at:
        refused = await at.post(CHAT, {**SAID[CHAT], "n": 2})

    assert same.sent[0]["n"] == 2
    assert [choice["message"]["content"] for choice in both.json()["choices"]] == ["a", "b"]
    assert refused.status_code == 400
    assert "n is 2" in refused.json()["error"]["message"]


NO_BASE64: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"type": "image_url", "image_url": {"url": "data:image/png;base64,@@@"}}),
    (CHAT, {"type": "input_audio", "input_audio": {"data": "@@@", "format": "wav"}}),
    (CHAT, {"type": "file", "file": {"file_data": "data:application/pdf;base64,@@@"}}),
    (RESPONSES, {"type": "input_image", "image_url": "data:image/png;base64,@@@"}),
    (RESPONSES, {"type": "input_file", "file_data": "@@@"}),
    (MESSAGES, {"type": "image", "source": {"type": "base64", "data": "@@@"}}),
    (MESSAGES, {"type": "document", "source": {"type": "base64", "data": "@@@"}}),
]


@pytest.mark.parametrize(("path", "part"), NO_BASE64)
async def test_base64_that_is_none_is_refused_here(path: str, part: dict[str, Any]):
    serves = Serving(ANSWER)
    async with gateway(serves) as at:
        turn = {"role": "user", "content": [part]}
        response = await at.post(path, SAID[path] | {LISTED[path]: [turn]})

    assert response.status_code == 400
    assert "base64" in response.json()["error"]["message"]
    assert serves.asked == []


PARTS: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    (CHAT, {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERg=="}}),
    (CHAT, {"type": "file", "file": {"file_id": "file-1"}}),
    (RESPONSES, {"type": "input_file", "file_url": "https://example.com/a.pdf"}),
    (RESPONSES, {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}}),
    (MESSAGES, {"type": "document", "source": {"type": "url", "url": "https://e.com/a.pdf"}}),
    (MESSAGES, {"type": "document", "source": {"type": "text", "data": "@@@"}}),
]


@pytest.mark.parametrize(("path", "part"), PARTS)
async def test_sound_and_documents_reach_a_vendor_of_the_dialect_as_they_came(
    path: str, part: dict[str, Any]
):
    dialect = {CHAT: openai_chat, RESPONSES: openai_responses, MESSAGES: anthropic_messages}[path]
    vendor = Vendor(dialect, {})
    turn = {"role": "user", "content": [part, {"type": "text", "text": "what is it?"}]}
    async with gateway(vendor) as at:
        await at.post(path, SAID[path] | {LISTED[path]: [turn]})

    assert vendor.sent[0][LISTED[path]][0]["content"][0] == part


async def test_a_vendor_of_the_dialect_gets_all_that_was_said_and_the_client_all_that_it_says():
    asked = {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be kind", "name": "boss"},
            {"role": "user", "content": [{"type": "text", "text": "hi", "cache": {"a": 1}}]},
        ],
        "frequency_penalty": 0.5,
        "logit_bias": {"50256": -100},
        "provider": {"order": ["x"], "allow_fallbacks": False},
        "safety_identifier": "who",
        "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {}}, "extra": 1},
            {"type": "custom", "custom": {"name": "grep"}},
        ],
        "vendor_knob": [1, {"deep": None}],
    }
    said = {
        "id": "chatcmpl-vendor",
        "object": "chat.completion",
        "created": 7,
        "model": "m-2024",
        "system_fingerprint": "fp",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "hi",
                    "annotations": [{"type": "url_citation", "url_citation": {"url": "u"}}],
                },
                "finish_reason": "stop",
                "logprobs": {"content": []},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "cost_units": 9},
    }
    vendor = Vendor(openai_chat, said)
    async with gateway(vendor) as at:
        response = await at.post(CHAT, asked)

    assert vendor.sent == [asked]
    answer = response.json()
    answer["created"] = 7  # when it was answered here
    assert answer["choices"][0]["message"].pop("refusal", None) is None
    assert answer == said
    assert "x-stockade-warnings" not in response.headers


async def test_a_streams_client_hears_what_only_this_vendor_says():
    head = {"id": "x", "object": "chat.completion.chunk", "created": 7, "model": "m"}
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "queue_time": 0.5}
    said = [
        {**head, "choices": [{"index": 0, "delta": {"reasoning_content": "hmm"}}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "hi"}}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "x_v": {"a": 1}},
        {**head, "choices": [], "usage": usage},
    ]
    vendor = Vendor(openai_chat, said)
    asked = SAID[CHAT] | {"stream_options": {"include_usage": True}, "vendor_knob": 1}
    async with gateway(vendor) as at:
        events = [data for _, data in await at.events(CHAT, asked)][:-1]

    assert vendor.sent == [{**asked, "stream": True}]
    deltas = [choice["delta"] for data in events for choice in data["choices"]]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hmm"
    assert "".join(delta.get("content") or "" for delta in deltas) == "hi"
    assert events[-1]["usage"] == usage
    assert any(data.get("x_v") == {"a": 1} for data in events)


@pytest.mark.parametrize("dialect", [openai_responses, anthropic_messages])
async def test_what_only_the_clients_dialect_says_is_warned_of_at_another_vendor(dialect: Any):
    whole = {
        openai_responses: {"id": "r", "status": "completed", "output": []},
        anthropic_messages: {"id": "a", "role": "assistant", "content": [], "stop_reason": None},
    }
    more = {"logit_bias": {"1": 2}, "vendor_knob": 3, "n": 1, "logprobs": False, "user": None}
    async with gateway(Vendor(dialect, whole[dialect])) as at:
        response = await at.post(CHAT, SAID[CHAT] | more)

    shown = response.headers["x-stockade-warnings"]
    assert "option_ignored: not known to this vendor: logit_bias.1, vendor_knob" in shown
    assert "logprobs" not in shown


async def test_a_stream_with_usage_has_it_in_a_chunk_of_its_own_and_one_without_has_none():
    async with gateway(Serving(WHOLE)) as at:
        plain = await at.events(CHAT, SAID[CHAT])
        asked = SAID[CHAT] | {"stream_options": {"include_usage": True}}
        counted = await at.events(CHAT, asked)

    assert plain[-1][1] == counted[-1][1] == "[DONE]"
    assert not any(data.get("usage") for _, data in plain[:-1])
    last = counted[-2][1]
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 7


async def test_the_words_of_a_stream_are_those_of_the_answer():
    async with gateway(Serving(WHOLE)) as at:
        events = await at.events(CHAT, SAID[CHAT])

    choices = [data["choices"][0] for _, data in events[:-1]]
    assert "".join(one["delta"].get("content", "") for one in choices) == "half of it"
    assert choices[0]["delta"]["role"] == MessageRole.ASSISTANT
    assert choices[-1]["finish_reason"] == "stop"
    assert len({data["id"] for _, data in events[:-1]}) == 1


class Pieces:
    """A call that keeps what is written, piece by piece."""

    def __init__(self, body: dict[str, Any]) -> None:
        self._body = body
        self.timeout_s, self.headers, self.on_failure = None, dict[bytes, bytes](), None
        self.common: list[tuple[bytes, bytes]] = []
        self.exchange = Exchange(request_id="r", at=0.0, method="POST")
        self.written: list[bytes] = []

    async def json(self) -> Any:
        return self._body

    async def begin_stream(self) -> None:
        assert self.written == []

    async def piece(self, data: bytes) -> None:
        self.written.append(data)

    end = piece
