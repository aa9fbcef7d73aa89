"""Requests of the OpenAI chat wire for tests: one for every way of saying something."""

import base64

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()


def user(content):
    return {"model": "m", "messages": [{"role": "user", "content": content}]}


def assistant(**message):
    return {"model": "m", "messages": [{"role": "assistant", **message}]}


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}

PAYLOADS = {
    "string content": user("hi"),
    "empty content": user(""),
    "one text part": user([{"type": "text", "text": "hi"}]),
    "several text parts": user([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
    "empty list": user([]),
    "cache control": user(
        [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}]
    ),
    "inline image": user(
        [
            {
                "type": "image_url",
                "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": "low"},
            }
        ]
    ),
    "inline image with a charset": user(
        [{"type": "image_url", "image_url": {"url": f"data:image/png;charset=x;base64,{PNG}"}}]
    ),
    "inline image without padding": user(
        [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0"}}]
    ),
    "image by url": user([{"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}]),
    "image as a bare string": user([{"type": "image_url", "image_url": "https://a.example/b.png"}]),
    "sound": user([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]),
    "sound by url": user([{"type": "input_audio", "input_audio": {"data": "https://a.example/a"}}]),
    "sound that is no base64": user([{"type": "input_audio", "input_audio": {"data": "%%"}}]),
    "file": user(
        [
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AAAA"},
            }
        ]
    ),
    "file by id": user([{"type": "file", "file": {"file_id": "file-1"}}]),
    "file of bare base64": user([{"type": "file", "file": {"file_data": "AAAA"}}]),
    "document url": user([{"type": "document_url", "document_url": "https://a.example/a.pdf"}]),
    "unknown part": user(
        [{"type": "video_url", "video_url": {"url": "https://a.example/v"}, "fps": 2}]
    ),
    "names and unknown keys": {
        "messages": [{"role": "user", "name": "ann", "content": "a", "extra": {"x": [1, None]}}]
    },
    "developer": {"messages": [{"role": "developer", "content": "be brief"}]},
    "calls with null content": assistant(content=None, tool_calls=[CALL]),
    "calls without content": assistant(tool_calls=[CALL]),
    "calls with empty content": assistant(content="", tool_calls=[CALL]),
    "calls with an empty list": assistant(content=[], tool_calls=[CALL]),
    "null content alone": assistant(content=None),
    "no calls": assistant(content="x", tool_calls=[]),
    "null calls": assistant(content="x", tool_calls=None, refusal=None, audio=None),
    "call with spaces in its arguments": assistant(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": '{"a": 1.0, "b": [1, 2]}'}}]
    ),
    "call with invalid arguments": assistant(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": '{"a":'}}]
    ),
    "call with empty arguments": assistant(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": ""}}]
    ),
    "call with null for arguments": assistant(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": "null"}}]
    ),
    "call with a string for arguments": assistant(
        tool_calls=[{**CALL, "function": {"name": "f", "arguments": '"a"'}}]
    ),
    "call with extras": assistant(
        tool_calls=[{**CALL, "index": 0, "extra_content": {"google": {"thought_signature": "s"}}}]
    ),
    "two calls of one id": assistant(tool_calls=[CALL, CALL]),
    "call without id or type": assistant(tool_calls=[{"function": CALL["function"]}]),
    "custom call": assistant(
        tool_calls=[{"id": "c", "type": "custom", "custom": {"name": "code", "input": "print(1)"}}]
    ),
    "old function call": assistant(content=None, function_call={"name": "f", "arguments": "{}"}),
    "refusal part": assistant(content=[{"type": "refusal", "refusal": "no"}]),
    "refusal field": assistant(content=None, refusal="no"),
    "spoken turn": assistant(content=None, audio={"id": "audio_1"}),
    "reasoning content": assistant(content="x", reasoning_content="hm"),
    "empty reasoning content": assistant(content="x", reasoning_content=""),
    "reasoning with details": assistant(
        content="x",
        reasoning="hm",
        reasoning_details=[{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}],
    ),
    "encrypted reasoning": assistant(
        content="x", reasoning_details=[{"type": "reasoning.encrypted", "data": "abc"}]
    ),
    "both reasoning fields": assistant(content="x", reasoning="a", reasoning_content="a"),
    "two different reasonings": assistant(content="x", reasoning="a", reasoning_content="b"),
    "thinking parts": assistant(
        content=[
            {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}], "closed": True},
            {"type": "text", "text": "x"},
        ]
    ),
    "thinking in pieces": assistant(
        content=[
            {
                "type": "thinking",
                "thinking": [{"type": "text", "text": "a"}, {"type": "reference", "ids": [1]}],
            }
        ]
    ),
    "prefix": assistant(content="x", prefix=True),
    "tool result": {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "42"}]},
    "named tool result": {
        "messages": [{"role": "tool", "tool_call_id": "c1", "name": "f", "content": ""}]
    },
    "tool result in parts": {
        "messages": [
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": [
                    {"type": "text", "text": "see", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                ],
            }
        ]
    },
    "null tool result": {"messages": [{"role": "tool", "tool_call_id": "c1", "content": None}]},
    "function result": {"messages": [{"role": "function", "name": "f", "content": "42"}]},
    "settings": {
        **user("a"),
        "temperature": 0,
        "top_p": 0.5,
        "top_k": 3,
        "seed": 7,
        "max_tokens": 10,
        "stop": ["a", "b"],
        "presence_penalty": -1,
        "frequency_penalty": 1.5,
        "parallel_tool_calls": False,
        "reasoning_effort": "high",
        "metadata": {"a": "b"},
    },
    "settings as null": {
        **user("a"),
        **dict.fromkeys(("temperature", "stop", "tools", "seed", "response_format", "metadata")),
    },
    "settings of other types": {
        **user("a"),
        "temperature": "warm",
        "max_tokens": "many",
        "stop": [1],
        "seed": 1.5,
        "metadata": {"a": 1},
        "tools": {},
        "tool_choice": 3,
    },
    "empty settings": {**user("a"), "stop": [], "tools": [], "metadata": {}},
    "stop as a string": {**user("a"), "stop": "x"},
    "max_completion_tokens": {**user("a"), "max_completion_tokens": 10},
    "both maxima": {**user("a"), "max_completion_tokens": 10, "max_tokens": 20},
    "vendor knobs": {
        **user("a"),
        "provider": {"order": ["x"], "allow_fallbacks": False},
        "reasoning": {"effort": "low"},
        "random_seed": 1,
        "n": 2,
        "logprobs": True,
        "store": False,
        "prompt_cache_key": "k",
    },
    "tools": {
        **user("a"),
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "f",
                    "description": "",
                    "strict": True,
                    "parameters": {"type": "object", "$defs": {"x": {"$ref": "#/$defs/y"}}},
                },
                "cache_control": {"type": "ephemeral"},
            },
            {"type": "web_search", "parameters": {"max_uses": 1}},
            {"function": {"name": "g", "parameters": None, "strict": None}},
            {"type": "function", "name": "flat"},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
    },
    "choice any": {**user("a"), "tool_choice": "any"},
    "allowed tools": {
        **user("a"),
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    },
    "text format": {**user("a"), "response_format": {"type": "text"}},
    "schema format": {
        **user("a"),
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True, "x": 1},
        },
    },
    "schema format without a name": {
        **user("a"),
        "response_format": {"type": "json_schema", "json_schema": {"schema": {}}},
    },
    "grammar format": {**user("a"), "response_format": {"type": "grammar", "grammar": "x"}},
    "old functions": {**user("a"), "functions": [{"name": "f"}], "function_call": "auto"},
    "stream": {**user("a"), "stream": True},
    "stream with usage": {**user("a"), "stream": True, "stream_options": {"include_usage": True}},
    "stream without usage": {
        **user("a"),
        "stream": True,
        "stream_options": {"include_usage": False},
    },
    "no stream said": {**user("a"), "stream": False},
}
