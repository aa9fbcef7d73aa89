"""Every vendor behind one loopback server: who was asked for which model, with which key; and who
fails.

The first part of a path names the plugin that asks, as its ``base_url`` was set to. A good answer
comes on each wire, unless the test spoils it.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk.manifest import read_manifest_file
from tests.system.egress_sink import Received, Sink
from tests.system.vendor_wires import WAVE

PLUGINS = Path(__file__).parents[2] / "plugins"
KEY = "sk-canary-5b1e77c09f2d4a38"
TEXT = "fine"
PIXEL = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
# Below the plugin's own part of the path, where it is not the version alone.
BELOW = {"gemini": "v1beta", "qwen": "compatible-mode/v1", "anthropic": ""}
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}


@dataclass(frozen=True)
class Hit:
    """One request as a vendor got it; ``at`` is on the steady clock."""

    plugin: str
    path: str
    model: str
    key: str
    body: bytes = field(repr=False)
    at: float = field(default_factory=time.monotonic)

    @property
    def target(self) -> str:
        return f"{self.plugin}/{self.model}"


@dataclass(frozen=True)
class Says:
    """An answer in place of the good one."""

    status: str = "200 OK"
    body: bytes = b"{}"
    headers: tuple[str, ...] = ()


HANGS = None
FAILS = Says("500 Internal Server Error")
UNAUTHORISED = Says("401 Unauthorized")


def limited(retry_after_s: int) -> Says:
    """No request more for so long."""
    return Says("429 Too Many Requests", headers=(f"retry-after: {retry_after_s}",))


@dataclass
class Upstreams:
    """The server; ``spoilt`` has answers by plugin, or by ``plugin/model``, HANGS for none."""

    hits: list[Hit] = field(default_factory=list)
    spoilt: dict[str, Says | None] = field(default_factory=dict)
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)  # what a vendor lists
    sink: Sink = field(init=False)

    @classmethod
    @asynccontextmanager
    async def open(cls) -> AsyncIterator[Upstreams]:
        """Listening, until the block is left."""
        upstreams = cls()
        async with Sink.open(upstreams._reply) as upstreams.sink:
            yield upstreams

    @property
    def asked(self) -> list[str]:
        """The targets that were asked, in order."""
        return [hit.target for hit in self.hits]

    def begin(self) -> None:
        """Forget what came and what was spoilt."""
        self.hits.clear()
        self.spoilt.clear()
        self.lists.clear()

    def install(self, home: Home, *plugins: str) -> None:
        """Install plugins that ship, with all that they ask for, their vendor here and a key."""
        home.ensure()
        with State.open(home) as state:
            for name in plugins:
                proposal = plan_install(home, state, str(PLUGINS / name))
                commit_install(
                    home, state, proposal, granted=proposal.asked, operator_hosts=(self.sink.rule,)
                )
                url = f"{self.sink.url}{name}/{BELOW.get(name, 'v1')}".rstrip("/")
                state.set_config(name, "base_url", url)
        for name in plugins:
            self.give_key(home, name, KEY)

    def give_key(self, home: Home, plugin: str, value: str) -> None:
        """As `stockade secrets set` does it."""
        for secret in read_manifest_file(PLUGINS / plugin / "plugin.toml").permissions.secrets:
            Secrets(home).set(plugin, secret.name, value, (self.sink.rule,))

    async def _reply(self, reader: Any, writer: Any) -> str:
        hit = _hit(self.sink.requests.pop())
        self.hits.append(hit)
        spoilt = [name for name in (hit.target, hit.plugin) if name in self.spoilt]
        answer = self.spoilt[spoilt[0]] if spoilt else self._good(hit)
        if answer is HANGS:
            await reader.read()
            raise ConnectionError  # the client closed it, as the sink notes
        kind = () if answer.headers else ("content-type: application/json",)
        lines = (f"HTTP/1.1 {answer.status}", *answer.headers, *kind)
        ends = (f"content-length: {len(answer.body)}", "connection: close")
        writer.write("\r\n".join((*lines, *ends, "", "")).encode() + answer.body)
        await writer.drain()
        return "close"

    def _good(self, hit: Hit) -> Says:
        for pattern, answer in ANSWERS:
            if re.search(pattern, hit.path):
                said = answer(self, hit)
                return said if isinstance(said, Says) else Says(body=json.dumps(said).encode())
        return Says("404 Not Found", json.dumps({"error": {"message": hit.path}}).encode())


def _hit(received: Received) -> Hit:
    _, plugin, path = received.path.split("/", 2)
    keys = [*received.all("authorization"), *received.all("x-goog-api-key")]
    key = keys[0].removeprefix("Bearer ") if keys else ""
    return Hit(plugin, path, _model(path, received.body), key, received.body)


def _model(path: str, body: bytes) -> str:
    """In the path as Google has it, in a form, or in the JSON."""
    named = re.search(r"/models/([^:/?]+):", path)
    if named is not None:
        return named[1]
    formed = re.search(rb'name="model"\r\n(?:[^\r\n]+\r\n)*\r\n([^\r\n]+)', body)
    if formed is not None:
        return formed[1].decode()
    if body.startswith(b"{"):
        return str(json.loads(body).get("model", ""))
    return ""


# --- what good vendors say ---


def _chat(_: Upstreams, hit: Hit) -> Any:
    asked = json.loads(hit.body)
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    if not asked.get("stream"):
        return {"id": "1", "model": hit.model, "choices": [choice], "usage": USAGE}
    chunk = {"index": 0, "delta": message, "finish_reason": "stop"}
    sent = {"id": "1", "model": hit.model, "choices": [chunk], "usage": USAGE}
    body = f"data: {json.dumps(sent)}\n\ndata: [DONE]\n\n".encode()
    return Says(body=body, headers=("content-type: text/event-stream",))


def _responses(_: Upstreams, hit: Hit) -> Any:
    content = [{"type": "output_text", "text": TEXT, "annotations": []}]
    message = {"id": "m", "type": "message", "role": "assistant", "content": content}
    usage = {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4}
    return {
        "id": "r",
        "object": "response",
        "model": hit.model,
        "status": "completed",
        "output": [message],
        "usage": usage,
    }


def _generated(_: Upstreams, hit: Hit) -> Any:
    """Google's one method for chats, images and speech."""
    wanted = json.loads(hit.body).get("generationConfig", {}).get("responseModalities", [])
    part: dict[str, Any] = {"text": TEXT}
    if "IMAGE" in wanted:
        part = _inline("image/png", PIXEL)
    elif "AUDIO" in wanted:
        part = _inline("audio/L16;codec=pcm;rate=24000", b"\0\0")
    content = {"role": "model", "parts": [part]}
    usage = {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4}
    return {
        "candidates": [{"index": 0, "content": content, "finishReason": "STOP"}],
        "usageMetadata": usage,
        "modelVersion": hit.model,
    }


def _inline(kind: str, data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": base64.b64encode(data).decode()}}


def _embeddings(_: Upstreams, hit: Hit) -> Any:
    count = len(json.loads(hit.body)["input"])
    vectors = [{"object": "embedding", "index": at, "embedding": [at, 0.5]} for at in range(count)]
    return {"object": "list", "model": hit.model, "data": vectors, "usage": USAGE}


def _images(_: Upstreams, hit: Hit) -> Any:
    return {"created": 1, "data": [{"b64_json": base64.b64encode(PIXEL).decode()}]}


def _heard(_: Upstreams, hit: Hit) -> Any:
    return {"text": f"heard by {hit.plugin}"}


def _spoken(_: Upstreams, hit: Hit) -> Any:
    if hit.plugin == "mistral":
        return {"audio_data": base64.b64encode(WAVE).decode()}
    return Says(body=WAVE, headers=("content-type: audio/wav",))


def _reranked(_: Upstreams, hit: Hit) -> Any:
    results = [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}]
    return {"results": results, "output": {"results": results}, "usage": {"total_tokens": 4}}


def _listed(upstreams: Upstreams, hit: Hit) -> Any:
    ids: Iterable[str] = upstreams.lists.get(hit.plugin, ())
    if hit.plugin == "gemini":
        methods = ["generateContent"]
        rows = [{"name": f"models/{id}", "supportedGenerationMethods": methods} for id in ids]
        return {"models": [{**row, "inputTokenLimit": 1_000} for row in rows]}
    return {"object": "list", "data": [{"id": id, "object": "model", "created": 1} for id in ids]}


ANSWERS = (
    (r"/chat/completions$", _chat),
    (r"/responses$", _responses),
    (r":generateContent$", _generated),
    (r"/embeddings$", _embeddings),
    (r"/images/generations$", _images),
    (r"/audio/transcriptions$", _heard),
    (r"/audio/speech$", _spoken),
    (r"rerank", _reranked),
    (r"/models(\?.*)?$", _listed),
)
