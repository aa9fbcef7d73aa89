"""Payloads of the Responses wire, written by hand after OpenAI's API reference."""

import json
from typing import Any

STRICT = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
LOOSE = {"type": "object", "properties": {"city": {"type": "string"}}}

# What a client can send: everything once, in an order that has to stay.
REQUESTS: dict[str, dict[str, Any]] = {
    "text alone": {"model": "m", "input": "hi"},
    "nothing but an old answer": {"model": "m", "previous_response_id": "resp_1"},
    "settings": {
        "model": "m",
        "input": "hi",
        "instructions": "be brief",
        "store": True,
        "include": ["reasoning.encrypted_content", "web_search_call.action.sources"],
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"verbosity": "low"},
        "temperature": 0.5,
        "top_p": 0.5,
        "max_output_tokens": 7,
        "max_tool_calls": 2,
        "metadata": {"a": "b"},
        "parallel_tool_calls": False,
        "truncation": "auto",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "background": False,
        "stream": False,
        "user": None,
    },
    "settings of other types": {
        "model": "m",
        "input": "hi",
        "instructions": [{"role": "developer", "content": "x"}],
        "temperature": "hot",
        "top_p": 7,
        "max_output_tokens": -1,
        "metadata": {"a": 1},
        "reasoning": None,
        "tools": [],
        "tool_choice": {"type": "web_search_preview"},
    },
    "formats": {
        "model": "m",
        "input": "hi",
        "text": {"format": {"type": "json_schema", "name": "n", "schema": LOOSE, "extra": 1}},
    },
    "an object without the word for it": {
        "model": "m",
        "input": "hi",
        "text": {"format": {"type": "json_object"}},
    },
    "tools": {
        "model": "m",
        "input": "hi",
        "tools": [
            {"type": "web_search", "search_context_size": "low"},
            {"type": "function", "name": "f", "description": "d", "parameters": LOOSE},
            {"type": "mcp", "server_label": "s", "server_url": "https://mcp.example"},
            {"type": "function", "name": "g", "parameters": STRICT, "strict": None},
            {"type": "custom", "name": "c"},
        ],
        "tool_choice": {"type": "custom", "name": "c"},
    },
    "a conversation": {
        "model": "m",
        "input": [
            {"role": "developer", "content": "be brief"},
            {"role": "system", "content": [{"type": "input_text", "text": "and kind"}]},
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "look"},
                    {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"},
                    {"type": "input_image", "image_url": "data:image/png;base64,iVBORw=="},
                    {"type": "input_image", "file_id": "file_1", "detail": "auto"},
                    {"type": "input_file", "file_id": "file_2"},
                    {"type": "input_file", "file_url": "https://x/y.pdf"},
                    {
                        "type": "input_file",
                        "filename": "a.pdf",
                        "file_data": "data:application/pdf;base64,JVBERg==",
                    },
                    {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
                    {"type": "input_novelty", "x": 1},
                ],
            },
            {
                "type": "reasoning",
                "id": "rs_1",
                "encrypted_content": "abc",
                "summary": [
                    {"type": "summary_text", "text": "first"},
                    {"type": "summary_text", "text": ""},
                ],
            },
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "phase": "commentary",
                "content": [
                    {"type": "output_text", "text": "one", "annotations": []},
                    {"type": "output_text", "text": "two", "logprobs": [{"token": "two"}]},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            {"role": "assistant", "content": "three"},
            {"role": "assistant", "content": []},
            {"type": "reasoning", "summary": [], "content": [], "encrypted_content": "def"},
            {
                "type": "function_call",
                "id": "fc_1",
                "call_id": "c_1",
                "name": "f",
                "arguments": '{"b": 1,\n"a": 2}',
            },
            {"type": "function_call", "call_id": "c_2", "name": "f", "arguments": "{broken"},
            {"type": "custom_tool_call", "call_id": "c_3", "name": "c", "input": "SELECT 1"},
            {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
            {"type": "function_call_output", "call_id": "c_1", "output": "cold"},
            {
                "type": "function_call_output",
                "call_id": "c_2",
                "output": [{"type": "input_text", "text": "cold"}],
                "status": "completed",
            },
            {"type": "custom_tool_call_output", "call_id": "c_3", "output": "1"},
            {"type": "computer_call_output", "call_id": "c_9", "output": {"type": "x"}},
            {"type": "mcp_approval_response", "approval_request_id": "a", "approve": True},
            {"type": "item_reference", "id": "msg_0"},
            {"role": "user", "content": ""},
            {"role": "user", "content": []},
        ],
    },
}

USAGE = {
    "input_tokens": 11,
    "input_tokens_details": {"cached_tokens": 3},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 2},
    "total_tokens": 18,
}

REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [
        {"type": "summary_text", "text": "think"},
        {"type": "summary_text", "text": "more"},
    ],
    "encrypted_content": "abc",
}
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "q"}}
CITED = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [
        {
            "type": "output_text",
            "text": "hello",
            "annotations": [{"type": "url_citation", "url": "https://x", "title": "x"}],
            "logprobs": [{"token": "hello", "logprob": -0.5}],
        }
    ],
}
CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "c_1",
    "name": "weather",
    "arguments": '{"city": "Oslo"}',
    "status": "completed",
}
CUSTOM = {
    "type": "custom_tool_call",
    "id": "ctc_1",
    "call_id": "c_2",
    "name": "sql",
    "input": "SELECT 1",
    "status": "completed",
}
REFUSAL = {
    "type": "message",
    "id": "msg_2",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "refusal", "refusal": "no"}],
}
PLAIN = {
    "type": "message",
    "id": "msg_3",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "hi", "annotations": []}],
}


def response(*output: Any, **fields: Any) -> dict[str, Any]:
    """A whole answer."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 5,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "m-1",
        "output": list(output),
        "usage": USAGE,
        **fields,
    }


ANSWERS: dict[str, dict[str, Any]] = {
    "text": response(PLAIN),
    "everything": response(REASONING, SEARCH, CITED, CALL, CUSTOM, temperature=1.0, tools=[SEARCH]),
    "two messages": response(PLAIN, {**PLAIN, "id": "msg_4"}),
    "a refusal": response(REFUSAL),
    "reasoning in the open": response(
        {
            "type": "reasoning",
            "id": "rs_2",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "why"}],
        },
        PLAIN,
    ),
    "cut short": response(
        PLAIN, status="incomplete", incomplete_details={"reason": "max_output_tokens"}
    ),
    "filtered": response(status="incomplete", incomplete_details={"reason": "content_filter"}),
    "cut for another reason": response(
        PLAIN, status="incomplete", incomplete_details={"reason": "mood", "more": 1}
    ),
    "cut for no reason": response(PLAIN, status="incomplete"),
    "an unknown part": response(
        {**PLAIN, "content": [{"type": "output_novelty", "x": 1}, PLAIN["content"][0]]}
    ),
    "an empty message": response({**PLAIN, "content": []}),
    "money": response(PLAIN, usage={**USAGE, "cost": 0.25, "is_byok": False}),
}


def events_of(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """The stream that OpenAI would send for ``answer``, as its reference describes it."""
    begun = {**answer, "status": "in_progress", "output": [], "usage": None}
    sent: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
    ]
    for at, item in enumerate(answer["output"]):
        sent += _item_events(item, {"item_id": item["id"], "output_index": at})
    sent.append({"type": f"response.{answer['status']}", "response": answer})
    for number, event in enumerate(sent):
        event["sequence_number"] = number
    return sent


def _item_events(item: dict[str, Any], where: dict[str, Any]) -> list[dict[str, Any]]:
    at = where["output_index"]
    empty = {"message": "content", "reasoning": "summary"}.get(item["type"])
    begun = {key: value for key, value in item.items() if key != "encrypted_content"}
    for key in ("arguments", "input"):
        if key in begun:
            begun[key] = ""
    if empty is not None:
        begun = {**begun, empty: []}
    sent: list[dict[str, Any]] = [
        {"type": "response.output_item.added", "output_index": at, "item": begun}
    ]
    for number, part in enumerate(item.get("summary") or ()):
        sent += _pieces("reasoning_summary", "reasoning_summary_part", part, "text", where, number)
    for number, part in enumerate(item.get("content") or ()):
        kind = part["type"]
        if kind not in ("output_text", "refusal", "reasoning_text"):
            place = {**where, "content_index": number}
            sent.append({"type": "response.content_part.added", **place, "part": part})
        else:
            name = {"output_text": "output", "reasoning_text": "reasoning"}.get(kind, "refusal")
            field = "refusal" if kind == "refusal" else "text"
            sent += _pieces(name, "content_part", part, field, where, number)
    for key, name in (
        ("arguments", "function_call_arguments"),
        ("input", "custom_tool_call_input"),
    ):
        if key in item and item["type"] != "web_search_call":
            for piece in _halves(item[key]):
                sent.append({"type": f"response.{name}.delta", **where, "delta": piece})
            sent.append({"type": f"response.{name}.done", **where, key: item[key]})
    return [*sent, {"type": "response.output_item.done", "output_index": at, "item": item}]


def _pieces(
    name: str, part_name: str, part: dict[str, Any], field: str, where: dict[str, Any], number: int
) -> list[dict[str, Any]]:
    index = "summary_index" if part_name.startswith("reasoning") else "content_index"
    place = {**where, index: number}
    text_name = name if field == "refusal" else f"{name}_text"
    sent: list[dict[str, Any]] = [
        {"type": f"response.{part_name}.added", **place, "part": {"type": part["type"], field: ""}}
    ]
    delta = {"type": f"response.{text_name}.delta", **place}
    sent += [{**delta, "delta": piece} for piece in _halves(part[field])]
    sent.append({"type": f"response.{text_name}.done", **place, field: part[field]})
    return [*sent, {"type": f"response.{part_name}.done", **place, "part": part}]


def _halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [text[:middle], text[middle:]]


def encoded(events: list[dict[str, Any]]) -> list[str]:
    """The data of each event."""
    return [json.dumps(event) for event in events]
