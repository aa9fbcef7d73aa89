"""`openai`: the Responses API, whole and streamed."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.responses import (
    FunctionToolParam,
    ResponseFunctionToolCall,
    ResponseReasoningItem,
)
from pydantic import BaseModel

from tests.system.sdks.vendors import Streams, Vendors
from tests.system.vendor_wires import RESPONSES, TEXT, Call, calling

MODEL = "openai/gpt-5"
WEATHER: FunctionToolParam = {
    "type": "function",
    "name": "weather",
    "description": "of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
    "strict": False,
}
CALLS = (
    Call("call_1", "weather", '{"place": "Ulm"}'),
    Call("call_2", "weather", '{"place": "Graz"}'),
)
REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "hm"}],
    "encrypted_content": "gAAAAB",
}


class Place(BaseModel):
    name: str
    people: int


def said(*items: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The vendor's answer with these items."""
    return {**RESPONSES.whole, "output": list(items), **more}


def text_item(text: str) -> dict[str, Any]:
    item: dict[str, Any] = RESPONSES.whole["output"][0]
    return {**item, "content": [{"type": "output_text", "text": text, "annotations": []}]}


def test_a_response_carries_all_that_was_said(openai: OpenAI, vendors: Vendors) -> None:
    details = {"cached_tokens": 2}
    usage = {**RESPONSES.whole["usage"], "input_tokens_details": details}
    vendors.say("openai", {**RESPONSES.whole, "usage": usage, "service_tier": "flex"})

    answer = openai.responses.create(
        model=MODEL,
        input="hello",
        instructions="Be brief.",
        max_output_tokens=50,
        reasoning={"effort": "low"},
        store=False,
        truncation="auto",
        metadata={"a": "b"},
    )

    assert answer.output_text == TEXT
    assert answer.status == "completed"
    assert answer.usage is not None
    assert answer.usage.input_tokens_details.cached_tokens == 2
    assert answer.service_tier == "flex"
    sent = vendors.last.json
    assert vendors.last.path.endswith("/responses")
    assert (sent["model"], sent["instructions"]) == ("gpt-5", "Be brief.")
    assert (sent["max_output_tokens"], sent["store"], sent["truncation"]) == (50, False, "auto")
    assert (sent["reasoning"], sent["metadata"]) == ({"effort": "low"}, {"a": "b"})


async def test_a_response_comes_to_the_async_client(aopenai: AsyncOpenAI) -> None:
    answer = await aopenai.responses.create(model=MODEL, input="hello")

    assert answer.output_text == TEXT


def test_a_stream_has_the_events_of_a_whole_response(openai: OpenAI) -> None:
    with openai.responses.create(model=MODEL, input="hello", stream=True) as stream:
        events = list(stream)

    assert [one.type for one in events] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [one.sequence_number for one in events] == list(range(len(events)))
    deltas = [one.delta for one in events if one.type == "response.output_text.delta"]
    assert deltas == [TEXT[:3], TEXT[3:]]
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == TEXT
    assert last.response.usage is not None
    assert last.response.usage.total_tokens == 4


async def test_the_stream_helper_folds_to_the_whole_response(aopenai: AsyncOpenAI) -> None:
    async with aopenai.responses.stream(model=MODEL, input="hello") as stream:
        async for _ in stream:
            pass
        answer = await stream.get_final_response()

    assert answer.output_text == TEXT


def test_tool_calls_come_and_their_results_go_back(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", calling(RESPONSES, *CALLS)[0], RESPONSES.whole)

    first = openai.responses.create(model=MODEL, input="hello", tools=[WEATHER])
    made = [item for item in first.output if isinstance(item, ResponseFunctionToolCall)]
    results: list[Any] = [
        {"type": "function_call_output", "call_id": call.call_id, "output": "rain"} for call in made
    ]
    history: list[Any] = [{"role": "user", "content": "hello"}, *first.output, *results]
    second = openai.responses.create(model=MODEL, input=history, tools=[WEATHER])

    assert [(c.call_id, c.name, json.loads(c.arguments)) for c in made] == [
        (c.id, c.name, json.loads(c.arguments)) for c in CALLS
    ]
    sent = vendors.last.json
    assert sent["tools"] == [WEATHER]
    assert [one.get("type", "message") for one in sent["input"]] == [
        "message", "function_call", "function_call", "function_call_output", "function_call_output",
    ]  # fmt: skip
    assert [one["call_id"] for one in sent["input"][1:]] == ["call_1", "call_2"] * 2
    assert second.output_text == TEXT


def test_tool_calls_come_in_a_stream(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", Streams(calling(RESPONSES, *CALLS)[1]))

    with openai.responses.stream(model=MODEL, input="hello", tools=[WEATHER]) as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_response()

    assert kinds.count("response.function_call_arguments.done") == 2
    made = [item for item in answer.output if item.type == "function_call"]
    assert [(c.call_id, c.name, json.loads(c.arguments)) for c in made] == [
        (c.id, c.name, json.loads(c.arguments)) for c in CALLS
    ]


def test_a_structured_response_is_parsed(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", said(text_item('{"name": "Ulm", "people": 126949}')))

    answer = openai.responses.parse(model=MODEL, input="where?", text_format=Place)

    assert answer.output_parsed == Place(name="Ulm", people=126949)
    format = vendors.last.json["text"]["format"]
    assert (format["type"], format["strict"]) == ("json_schema", True)
    assert set(format["schema"]["properties"]) == {"name", "people"}


def test_reasoning_comes_and_goes_back_as_it_was(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say("openai", said(REASONING, text_item("yes")), RESPONSES.whole)

    first = openai.responses.create(
        model=MODEL, input="hello", include=["reasoning.encrypted_content"]
    )
    thought = first.output[0]
    history: list[Any] = [{"role": "user", "content": "hello"}, *first.output]
    openai.responses.create(model=MODEL, input=history)

    assert isinstance(thought, ResponseReasoningItem)
    assert (thought.summary[0].text, thought.encrypted_content) == ("hm", "gAAAAB")
    assert vendors.asked_of[0].json["include"] == ["reasoning.encrypted_content"]
    back = vendors.last.json["input"][1]
    assert {name: back[name] for name in REASONING} == REASONING


def test_reasoning_comes_in_a_stream(openai: OpenAI, vendors: Vendors) -> None:
    added = {**REASONING, "summary": [], "encrypted_content": None}
    place = {"item_id": "rs_1", "output_index": 0, "summary_index": 0}
    part = {"type": "summary_text", "text": "hm"}
    events: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": 0, "item": added},
        {"type": "response.reasoning_summary_part.added", **place, "part": {**part, "text": ""}},
        {"type": "response.reasoning_summary_text.delta", **place, "delta": "hm"},
        {"type": "response.reasoning_summary_text.done", **place, "text": "hm"},
        {"type": "response.reasoning_summary_part.done", **place, "part": part},
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.completed", "response": said(REASONING)},
    ]
    told = [f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in events]
    vendors.say("openai", Streams((RESPONSES.blocks[0], *told)))

    with openai.responses.create(model=MODEL, input="hello", stream=True) as stream:
        heard = list(stream)

    deltas = [one.delta for one in heard if one.type == "response.reasoning_summary_text.delta"]
    assert deltas == ["hm"]
    last = heard[-1]
    assert last.type == "response.completed"
    thought = last.response.output[0]
    assert isinstance(thought, ResponseReasoningItem)
    assert thought.encrypted_content == "gAAAAB"


@pytest.mark.parametrize(
    "url",
    [
        "https://images.example/cat.png",
        f"data:image/png;base64,{base64.b64encode(b'PNG').decode()}",
    ],
    ids=["by URL", "by data"],
)
def test_a_picture_is_handed_on(openai: OpenAI, vendors: Vendors, url: str) -> None:
    content: Any = [
        {"type": "input_text", "text": "what is it?"},
        {"type": "input_image", "image_url": url, "detail": "low"},
    ]

    openai.responses.create(model=MODEL, input=[{"role": "user", "content": content}])

    assert vendors.last.json["input"][0]["content"] == content


def test_annotations_and_what_else_the_vendor_ran_are_carried(
    openai: OpenAI, vendors: Vendors
) -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "q"},
    }
    cited = {
        "type": "url_citation", "start_index": 0, "end_index": 3, "url": "https://a.example",
        "title": "A",
    }  # fmt: skip
    message = text_item("yes")
    message["content"][0]["annotations"] = [cited]
    vendors.say("openai", said(search, message))

    answer = openai.responses.create(
        model=MODEL, input="hello", tools=[{"type": "web_search"}]
    ).to_dict()

    output: Any = answer["output"]
    assert {name: output[0][name] for name in search} == search
    assert output[1]["content"][0]["annotations"] == [cited]
    assert vendors.last.json["tools"] == [{"type": "web_search"}]


def test_an_answer_that_the_vendor_keeps_is_asked_for_there(
    openai: OpenAI, vendors: Vendors
) -> None:
    openai.responses.create(model=MODEL, input="and then?", previous_response_id="resp_0")

    assert vendors.last.json["previous_response_id"] == "resp_0"


def test_an_incomplete_response_says_why(openai: OpenAI, vendors: Vendors) -> None:
    vendors.say(
        "openai",
        said(
            text_item("ye"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
        ),
    )

    answer = openai.responses.create(model=MODEL, input="hello")

    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_raw_headers_tell_of_attempts(openai: OpenAI) -> None:
    raw = openai.responses.with_raw_response.create(model=MODEL, input="hello")

    assert raw.headers["x-stockade-attempts"] == f"{MODEL};ok"
    assert raw.parse()._request_id == raw.headers["x-request-id"]
