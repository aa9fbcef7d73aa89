"""`grpc.aio` on both sides over a UNIX socket: a generic unary method that carries raw bytes, so
that its codec is ours and protobuf plays no part.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import grpc
import grpc.aio

from stockade_sdk import ChatRequest, ChatResponse
from tests.benchmarks.echoing import echo
from tests.benchmarks.payload import decode_request, decode_response, encode

SERVICE, METHOD = "stockade.Echo", "Chat"


class Client:
    """The host's side."""

    def __init__(self, path: str) -> None:
        self._channel = grpc.aio.insecure_channel(f"unix:{path}")
        self._method = self._channel.unary_unary(f"/{SERVICE}/{METHOD}")

    async def call(self, request: ChatRequest) -> ChatResponse:
        """One unary call."""
        return decode_response(await self._method(encode(request), wait_for_ready=True))

    async def close(self) -> None:
        """End."""
        await self._channel.close()


async def answer(data: bytes, context: Any) -> bytes:
    """The method."""
    return encode(echo(decode_request(data)))


async def serve(path: str) -> None:
    """The worker's side, until it is killed."""
    server = grpc.aio.server()
    methods = {METHOD: grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, methods),))
    server.add_insecure_port(f"unix:{path}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
