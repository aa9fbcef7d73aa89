"""Requests of Anthropic's wire for tests: one for every way of saying something."""

import base64

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n0000").decode()
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}
CALL_2 = {"type": "tool_use", "id": "toolu_2", "name": "f", "input": {}}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}
HI = {"role": "user", "content": [{"type": "text", "text": "hi"}]}


def asking(*messages, **fields):
    return {"model": "claude-x", "max_tokens": 9, "messages": list(messages), **fields}


def user(*content):
    return asking({"role": "user", "content": list(content)})


def result(id="toolu_1", **fields):
    return {"type": "tool_result", "tool_use_id": id, **fields}


def answered(*results):
    """A conversation with one call, and the turn after it."""
    calls = [CALL, CALL_2][: sum(one["type"] == "tool_result" for one in results)]
    return asking(
        HI, {"role": "assistant", "content": calls}, {"role": "user", "content": list(results)}
    )


PAYLOADS = {
    "string content": asking({"role": "user", "content": "hi"}),
    "empty string": asking({"role": "user", "content": ""}),
    "empty list": asking({"role": "user", "content": []}),
    "null content": asking({"role": "user", "content": None}),
    "absent content": asking({"role": "user"}),
    "text blocks": user({"type": "text", "text": "a"}, {"type": "text", "text": "b"}),
    "empty text block": user({"type": "text", "text": ""}, {"type": "text", "text": "b"}),
    "cache control": user(
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral", "ttl": "5m"}}
    ),
    "image": user(IMAGE),
    "image without padding": user(
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0"},
        }
    ),
    "image without a media type": user(
        {"type": "image", "source": {"type": "base64", "data": PNG}}
    ),
    "image by url": user(
        {"type": "image", "source": {"type": "url", "url": "https://a.example/b"}}
    ),
    "image by id": user({"type": "image", "source": {"type": "file", "file_id": "file_1"}}),
    "pdf": user(
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0x"},
            "title": "a.pdf",
            "context": "c",
            "citations": {"enabled": True},
        }
    ),
    "pdf by url": user({"type": "document", "source": {"type": "url", "url": "https://a.example"}}),
    "document by id": user({"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
    "text document": user(
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "né"}}
    ),
    "document of blocks": user(
        {
            "type": "document",
            "source": {"type": "content", "content": [{"type": "text", "text": "a"}]},
        }
    ),
    "search result": user(
        {"type": "search_result", "source": "s", "title": "t", "content": [], "citations": {}}
    ),
    "unknown block": user({"type": "hologram", "depth": 3}),
    "system text": asking(HI, system="be brief"),
    "system blocks": asking(
        HI,
        system=[
            {"type": "text", "text": "a"},
            {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
        ],
    ),
    "empty system": asking(HI, system=""),
    "no system blocks": asking(HI, system=[]),
    "system within the conversation": asking(
        HI, {"role": "system", "content": [{"type": "text", "text": "now"}]}
    ),
    "two turns of the user in a row": asking(HI, HI),
    "two turns of the assistant in a row": asking(
        HI,
        {"role": "assistant", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "b"}]},
    ),
    "prefill": asking(HI, {"role": "assistant", "content": "{"}),
    "unknown keys of a message": asking({"role": "user", "content": "hi", "name": "n"}),
    "result as text": answered(result(content="done")),
    "result as one block": answered(result(content=[{"type": "text", "text": "done"}])),
    "result as blocks": answered(result(content=[{"type": "text", "text": "done"}, IMAGE])),
    "result with a cached block": answered(
        result(content=[{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}])
    ),
    "result without content": answered(result()),
    "result with null": answered(result(content=None)),
    "result with no blocks": answered(result(content=[])),
    "result with empty text": answered(result(content="")),
    "failed result": answered(result(content="no", is_error=True)),
    "result that says it is no error": answered(result(content="yes", is_error=False)),
    "cached result": answered(result(content="yes", cache_control={"type": "ephemeral"})),
    "result with a tool reference": answered(
        result(content=[{"type": "tool_reference", "tool_name": "t"}])
    ),
    "parallel results": answered(result(content="1"), result("toolu_2", content="2")),
    "results in two turns": asking(
        HI,
        {"role": "assistant", "content": [CALL, CALL_2]},
        {"role": "user", "content": [result(content="1")]},
        {"role": "user", "content": [result("toolu_2", content="2")]},
    ),
    "result, then words": answered(result(content="1"), {"type": "text", "text": "and"}),
    "words before a result": answered({"type": "text", "text": "and"}, result(content="1")),
    "names of a turn with results": asking(
        HI,
        {"role": "assistant", "content": [CALL]},
        {"role": "user", "content": [result(content="1"), {"type": "text", "text": "x"}], "id": 7},
    ),
    "call with a caller": asking(
        HI,
        {"role": "assistant", "content": [{**CALL, "caller": {"type": "direct"}}]},
        {"role": "user", "content": [result(content="1")]},
    ),
    "thinking": asking(
        HI,
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "redacted_thinking", "data": "d"},
                {"type": "text", "text": "a"},
            ],
        },
    ),
    "thinking with an empty signature": asking(
        HI,
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t", "signature": ""}]},
    ),
    "thinking without a signature": asking(
        HI, {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}]}
    ),
    "the vendor's own tools": asking(
        HI,
        {
            "role": "assistant",
            "content": [
                {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"q": 1}},
                {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
                {"type": "text", "text": "a", "citations": [{"type": "x"}]},
                {"type": "mcp_tool_use", "id": "m", "name": "n", "server_name": "s", "input": {}},
                {"type": "mcp_tool_result", "tool_use_id": "m", "content": []},
            ],
        },
    ),
    "tools": asking(
        HI,
        tools=[
            {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
            {"name": "f", "description": "d", "input_schema": {"type": "object"}},
            {"type": "custom", "name": "g", "input_schema": {"type": "object"}, "strict": True},
            {"name": "h", "input_schema": {"type": "object", "properties": {}}, "x": 1},
            {"name": "no schema"},
            "no tool at all",
            {"type": "mcp_toolset", "mcp_server_name": "s"},
        ],
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    ),
    "empty tools": asking(HI, tools=[]),
    "choice without tools": asking(HI, tool_choice={"type": "auto"}),
    "choice of a tool": asking(
        HI, tools=[{"name": "f"}], tool_choice={"type": "tool", "name": "f"}
    ),
    "choice of one call of a tool": asking(
        HI,
        tools=[{"name": "f"}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": True},
    ),
    "choice of several calls of a tool": asking(
        HI,
        tools=[{"name": "f"}],
        tool_choice={"type": "tool", "name": "f", "disable_parallel_tool_use": False},
    ),
    "no calls": asking(HI, tools=[{"name": "f"}], tool_choice={"type": "none"}),
    "unknown choice": asking(HI, tools=[{"name": "f"}], tool_choice={"type": "x"}),
    "settings": asking(
        HI,
        temperature=0.5,
        top_k=3,
        stop_sequences=["a"],
        metadata={"user_id": "u"},
        stream=False,
        service_tier="auto",
        container="c",
        context_management={"edits": []},
        mcp_servers=[{"name": "s"}],
        inference_geo="eu",
    ),
    "odd settings": asking(
        HI, temperature="hot", top_k=1.5, stop_sequences=[], metadata={"user_id": None, "x": 1}
    ),
    "metadata of more than a user": asking(HI, metadata={"user_id": "u", "team": "t"}),
    "thinking by a budget": asking(HI, thinking={"type": "enabled", "budget_tokens": 3000}),
    "thinking by itself": asking(
        HI, thinking={"type": "adaptive"}, output_config={"effort": "high", "x": 1}
    ),
    "no thinking": asking(HI, thinking={"type": "disabled"}),
    "schema": asking(
        HI, output_config={"format": {"type": "json_schema", "schema": {"type": "object"}}}
    ),
    "schema of the beta": asking(
        HI, output_format={"type": "json_schema", "schema": {"type": "object"}}
    ),
    "any object": asking(
        HI,
        output_config={
            "format": {
                "type": "json_schema",
                "schema": {"type": "object", "additionalProperties": True},
            }
        },
    ),
}
