"""MCP over stdio, by its own Python SDK: one tool that takes the request as its arguments and
answers with one text, the response as JSON.

The low-level server is used, which checks less than the high-level one.
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
    async def open(cls) -> AsyncIterator[Client]:
        """A client with its server started."""
        command = StdioServerParameters(
            command=sys.executable, args=["-m", __spec__.name], cwd=ROOT, env=MALLOC_ENVIRONMENT
        )
        async with stdio_client(command) as streams, ClientSession(*streams) as session:
            await session.initialize()
            yield cls(session)

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One call of the tool."""
        result: Any = await self._session.call_tool("chat", msgspec.to_builtins(request))
        return msgspec.json.decode(result.content[0].text, type=ChatResponse)


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    """The one tool."""
    tool = types.Tool(name="chat", input_schema={"type": "object"})
    return types.ListToolsResult(tools=[tool])


async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    """The tool."""
    request = msgspec.convert(params.arguments, ChatRequest)
    text = msgspec.json.encode(echo(request)).decode()
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)])


async def serve() -> None:
    """The worker's side, until its stdin ends."""
    server: Server[Any] = Server("echo", on_list_tools=list_tools, on_call_tool=call_tool)
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    anyio.run(serve)
