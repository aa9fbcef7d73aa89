"""MCP over stdio, by its own Python SDK: one tool that takes the request as its argument and
answers with one text, the response as JSON.

The server is either the one of the SDK's own tutorial or the low-level one, which checks less.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import mcp_types as types
import msgspec
from mcp import ClientSession, StdioServerParameters, stdio_client, stdio_server
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer

from stockade_sdk import ChatRequest, ChatResponse
from stockade_worker.plan import MALLOC_ENVIRONMENT
from tests.benchmarks.echoing import echo

ROOT = Path(__file__).parents[3]


class Client:
    """The host's side."""

    def __init__(self, session: ClientSession) -> None:
        self._session = session

    @classmethod
    @asynccontextmanager
    async def open(cls, server: str) -> AsyncIterator[Client]:
        """A client with its server started: `tutorial` or `lowlevel`."""
        command = StdioServerParameters(
            command=sys.executable,
            args=["-m", __spec__.name, server],
            cwd=ROOT,
            env=MALLOC_ENVIRONMENT,
        )
        async with stdio_client(command) as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield cls(session)

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One call of the tool."""
        arguments = {"request": msgspec.to_builtins(request)}
        result: Any = await self._session.call_tool("chat", arguments)
        return msgspec.json.decode(result.content[0].text, type=ChatResponse)


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    """The one tool."""
    tool = types.Tool(name="chat", input_schema={"type": "object"})
    return types.ListToolsResult(tools=[tool])


async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """The tool."""
    assert params.arguments is not None
    text = answer(params.arguments["request"])
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


def answer(request: dict[str, Any]) -> str:
    """The echo, as JSON."""
    return msgspec.json.encode(echo(msgspec.convert(request, ChatRequest))).decode()


def tutorial() -> None:
    """The worker's side as the SDK's tutorial has it, until its stdin ends."""
    server = MCPServer("echo")

    @server.tool(structured_output=False)
    async def chat(request: dict[str, Any]) -> str:
        return answer(request)

    server.run("stdio")


async def lowlevel() -> None:
    """The worker's side, the low-level one."""
    server: Server[Any] = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    if sys.argv[1] == "tutorial":
        tutorial()
    else:
        anyio.run(lowlevel)
