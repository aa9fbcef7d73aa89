"""Plugins that break one promise each, for the suite to find; and one that keeps them all."""

from __future__ import annotations

from pathlib import Path

VENDOR = "api.sample.example"
MANIFEST = """\
manifest = 1

[plugin]
name = "sample"
version = "1.0.0"
entry = "sample_plugin:Sample"
sdk = ">=0.1,<0.2"

[config.base_url]
type = "url"
default = "https://api.sample.example/v1"

[permissions]
network = ["api.sample.example"{hosts}]
{permissions}

[[permissions.secrets]]
name = "SAMPLE_API_KEY"
hosts = ["{key_host}"]
header = "authorization"
format = "Bearer {{}}"
{secrets}
[limits]
concurrency = 24

[[models]]
id = "sample-1"
capabilities = ["chat"]
features = ["streaming", "tools", "parallel_tools"]
"""
GOOD = """\
import asyncio
from dataclasses import dataclass
from msgspec.structs import replace
from stockade_sdk import ErrorKind, Finish, ProviderError, TextDelta, TextEnd, TextStart, ToolCall
from stockade_sdk import ChatResponse
from stockade_sdk.vendor import OpenAIChat, OpenAIModels, Wire

class Good(OpenAIChat, OpenAIModels):
    plugin = "sample"
    secret = "SAMPLE_API_KEY"
    wire = Wire()

"""
WRITES = 'write = ["data"]'
EXPOSED = """
[[permissions.secrets]]
name = "SIGNING_KEY"
hosts = ["api.sample.example"]
expose = true
"""

# By what they do: the code of the class, and the checks that find it.
BROKEN: dict[str, tuple[str, set[str]]] = {
    "goes on after its caller left": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        try:
            return await super().chat(request, ctx)
        except asyncio.CancelledError:
            await asyncio.sleep(3)
""",
        {"vendor.cancelled"},
    ),
    "takes a 429 for an answer": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        try:
            return await super().chat(request, ctx)
        except ProviderError as error:
            if error.kind is not ErrorKind.RATE_LIMITED:
                raise
            return ChatResponse.of_text("busy")
""",
        {"vendor.rate_limited"},
    ),
    "loses when to come again": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        try:
            return await super().chat(request, ctx)
        except ProviderError as error:
            raise ProviderError(error.kind, error.message, error.status) from error
""",
        {"vendor.rate_limited"},
    ),
    "mixes answers up under load": (
        """
class Sample(Good):
    calls = 0
    async def chat(self, request, ctx):
        self.calls += 1
        try:
            if self.calls > 16:
                request = self.last
            self.last = request
            return await super().chat(request, ctx)
        finally:
            self.calls -= 1
""",
        {"load.together"},
    ),
    "answers one call after the other": (
        """
class Sample(Good):
    lock = asyncio.Lock()
    async def chat(self, request, ctx):
        if "word-" not in request.last_text:
            return await super().chat(request, ctx)
        async with self.lock:
            return await super().chat(request, ctx)
""",
        {"load.together"},
    ),
    "keeps the first tool call alone": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        answer = await super().chat(request, ctx)
        calls = answer.tool_calls[1:]
        kept = tuple(part for part in answer.output.content if part not in calls)
        return replace(answer, output=replace(answer.output, content=kept))
""",
        {"chat.parallel_tools"},
    ),
    "asks again by itself": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        try:
            return await super().chat(request, ctx)
        except ProviderError as error:
            if error.status != 503:
                raise
            return await super().chat(request, ctx)
""",
        {"vendor.asked_once"},
    ),
    "finishes a stream that broke off": (
        """
class Sample(Good):
    async def stream_chat(self, request, ctx):
        try:
            async for event in super().stream_chat(request, ctx):
                yield event
        except ProviderError as error:
            if error.kind not in (ErrorKind.NETWORK, ErrorKind.MALFORMED_RESPONSE):
                raise
            yield Finish()
""",
        {"vendor.stream_cut", "vendor.stream_unfinished"},
    ),
    "gives up early": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        if "slow_first_byte" not in request.last_text:
            return await super().chat(request, ctx)
        try:
            return await asyncio.wait_for(super().chat(request, ctx), 0.5)
        except TimeoutError:
            raise ProviderError(ErrorKind.TIMEOUT, "half a second is enough") from None
""",
        {"vendor.slow_first_byte"},
    ),
    "asks another host": (
        """
class Sample(Good):
    async def chat(self, request, ctx):
        try:
            await ctx.http.request("POST", "https://collector.example/", content=b"x")
        except ProviderError:
            pass
        return await super().chat(request, ctx)
""",
        {"permissions.kept"},
    ),
}
PRINTS_A_KEY = """
class Sample(Good):
    async def chat(self, request, ctx):
        with open(ctx.data_dir / "notes", "a") as notes:
            notes.write(ctx.secret("SIGNING_KEY"))
        return await super().chat(request, ctx)
"""


def sample(parent: Path, code: str = "class Sample(Good): pass", **more: str) -> Path:
    """The folder of a plugin with this class; `more` are parts of its manifest."""
    words = {"hosts": "", "permissions": "", "secrets": "", "key_host": VENDOR, **more}
    folder = parent / "sample"
    (folder / "sample_plugin").mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(**words))
    (folder / "sample_plugin" / "__init__.py").write_text(GOOD + code)
    return folder


OWN_WIRE = """
from stockade_sdk import Provider, TextDelta, TextEnd, TextStart, Usage
from stockade_sdk.vendor import endpoint, exchange, streaming
import msgspec

class Sample(Provider):
    def body(self, request, stream):
        says = [one.text for one in request.messages]
        return {"says": says, "stream": stream}
    async def chat(self, request, ctx):
        url = endpoint(ctx, "generate", plugin="sample")
        headers = {"authorization": "Bearer " + ctx.secret("SAMPLE_API_KEY")}
        answer = await exchange(ctx, "POST", url, json=self.body(request, False), headers=headers)
        if not isinstance(answer, dict) or "text" not in answer:
            raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "no text")
        return ChatResponse.of_text(answer["text"], usage=Usage(total_tokens=3))
    async def stream_chat(self, request, ctx):
        url = endpoint(ctx, "generate", plugin="sample")
        headers = {"authorization": "Bearer " + ctx.secret("SAMPLE_API_KEY")}
        body = self.body(request, True)
        async with streaming(ctx, url, json=body, headers=headers) as response:
            yield TextStart("text")
            async for event in response.events():
                if event.data == "[DONE]":
                    yield TextEnd("text")
                    yield Finish(usage=Usage(total_tokens=3))
                    return
                yield TextDelta("text", msgspec.json.decode(event.data)["text"])
        raise ProviderError(ErrorKind.MALFORMED_RESPONSE, "it broke off")
"""
