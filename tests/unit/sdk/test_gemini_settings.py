"""Settings and tools of Google's wire, both ways."""

import json
from typing import Any

import msgspec
import pytest

from stockade_sdk import (
    Audio,
    ChatRequest,
    ErrorKind,
    File,
    Image,
    Message,
    MessageRole,
    ProviderError,
    ResponseFormat,
    Text,
    ToolDefinition,
)
from stockade_sdk.dialects import gemini
from tests.unit.sdk.gemini_payloads import (
    config,
    declared,
)

ASSISTANT = MessageRole.ASSISTANT


def over_the_wire(request):
    """As between host and worker."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=ChatRequest)


def asking(*parts, **fields):
    return ChatRequest(
        messages=(Message(MessageRole.USER, tuple(parts) or (Text("hi"),)),), **fields
    )


def parts_of(request, at) -> Any:
    return request.messages[at].content


def encoded(request, model=None):
    payload, warnings = gemini.encode_request(over_the_wire(request), model=model)
    return json.loads(msgspec.json.encode(payload)), [warning.code for warning in warnings]


def test_googles_schemas_become_json_schema():
    google = {
        "type": "OBJECT",
        "properties": {
            "a": {"type": "ARRAY", "items": {"type": "NUMBER"}, "minItems": "2"},
            "type": {"type": 1, "nullable": True},
        },
    }
    request = gemini.decode_request(declared(name="f", parameters=google))

    assert request.tools[0].parameters_schema == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "number"}, "minItems": 2},
            "type": {"type": ["string", "null"]},
        },
    }


def test_an_edited_schema_is_sent_and_not_the_one_that_came():
    request = gemini.decode_request(declared(name="f", parameters={"type": "OBJECT"}))
    edited = msgspec.structs.replace(
        request,
        tools=(msgspec.structs.replace(request.tools[0], parameters_schema={"type": "array"}),),
    )

    assert encoded(edited)[0]["tools"] == [
        {"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"type": "array"}}]}
    ]


def test_an_edited_request_shows_its_edits():
    request = gemini.decode_request(
        config(temperature=0.5, thinkingConfig={"thinkingBudget": 2000})
    )
    edited = msgspec.structs.replace(request, temperature=1.0, reasoning_effort="high", model="m")

    assert encoded(edited)[0]["generationConfig"]["temperature"] == 1.0
    assert encoded(edited)[0]["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "high"


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "warnings"),
    [
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}, []),
        ("gemini-2.5-pro", "none", {"thinkingBudget": 128}, ["setting_adjusted"]),
        ("gemini-2.5-pro", "low", {"thinkingBudget": 1024, "includeThoughts": True}, []),
        ("gemini-3-flash", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}, []),
        ("gemini-3-flash", "none", {"thinkingLevel": "minimal"}, ["setting_adjusted"]),
        (
            "models/gemini-3.1-pro-preview",
            "minimal",
            {"thinkingLevel": "low", "includeThoughts": True},
            ["setting_adjusted"],
        ),
        (
            "gemini-3-pro",
            "xhigh",
            {"thinkingLevel": "high", "includeThoughts": True},
            ["setting_adjusted"],
        ),
        ("gemini-2.0-flash", "high", None, ["setting_dropped"]),
        ("gemini-2.5-flash-image", "high", None, ["setting_dropped"]),
        ("gemini-3-flash", "frantic", None, ["setting_dropped"]),
    ],
)
def test_effort_is_said_as_the_model_takes_it(model, effort, thinking, warnings):
    payload, warned = encoded(asking(model=model, reasoning_effort=effort))

    assert payload.get("generationConfig", {}).get("thinkingConfig") == thinking
    assert warned == warnings


@pytest.mark.parametrize(
    ("budget", "effort"),
    [(0, "none"), (512, "minimal"), (2000, "low"), (8192, "medium"), (-1, None)],
)
def test_a_budget_has_an_effort(budget, effort):
    request = gemini.decode_request(config(thinkingConfig={"thinkingBudget": budget}))

    assert request.reasoning_effort == effort


def test_an_own_thinking_config_goes_before_the_effort():
    options = {"gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 77}}}}

    payload, _ = encoded(
        asking(model="gemini-2.5-pro", reasoning_effort="high", provider_options=options)
    )

    assert payload["generationConfig"] == {"thinkingConfig": {"thinkingBudget": 77}}


def test_options_of_this_dialect_are_laid_over_and_those_of_others_are_not():
    options = {
        "gemini": {
            "safetySettings": [],
            "generationConfig": {"candidateCount": 2},
            "tools": [{"googleSearch": {}}],
        },
        "openai_chat": {"logit_bias": {}},
    }

    payload, warnings = encoded(
        asking(temperature=0.5, tools=(ToolDefinition("f"),), provider_options=options)
    )

    assert payload["generationConfig"] == {"temperature": 0.5, "candidateCount": 2}
    assert payload["tools"] == [{"functionDeclarations": [{"name": "f"}]}, {"googleSearch": {}}]
    assert payload["safetySettings"] == []
    assert "logit_bias" not in payload
    assert warnings == []


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (asking(parallel_tool_calls=False), "setting_dropped"),
        (asking(metadata={"a": "b"}), "dropped_unsupported_metadata_keys"),
        (asking(tools=(ToolDefinition("f", strict=True),)), "setting_dropped"),
        (asking(Image(data=b"\x89PNG", detail="high")), "setting_dropped"),
        (asking(File(data=b"%PDF", filename="a.pdf")), "setting_dropped"),
        (asking(Text("hi"), Audio(id="a-1")), "part_dropped"),
        (
            asking(
                response_format=ResponseFormat(type="json_schema", schema={}, description="a cat")
            ),
            "setting_dropped",
        ),
        (
            asking(provider_options={"gemini": {"contents": []}}),
            "provider_option_ignored",
        ),
    ],
)
def test_what_cannot_be_said_is_warned_of(request_, code):
    assert encoded(request_)[1] == [code]


def test_what_is_the_default_anyway_is_not_warned_of():
    assert encoded(asking(parallel_tool_calls=True, metadata={}))[1] == []


def test_an_effort_that_was_taken_away_leaves_nothing_behind():
    request = gemini.decode_request(config(thinkingConfig={"thinkingBudget": 2000}))

    payload, _ = encoded(msgspec.structs.replace(request, reasoning_effort=None))

    assert payload.get("generationConfig", {}) == {}


def test_a_schema_of_too_many_levels_is_refused():
    schema: dict[str, Any] = {"type": "STRING"}
    for _ in range(5000):
        schema = {"type": "OBJECT", "properties": {"a": schema}}

    with pytest.raises(ProviderError) as caught:
        gemini.decode_request(declared(name="f", parameters=schema))

    assert caught.value.kind is ErrorKind.INVALID_REQUEST
