"""The plugins that ship: each answers from behind its walls, reaches its vendor alone, and never
has a key.

Judged from outside: by what a loopback upstream received, by the worker's memory and by every file
below the home.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from stockade import Host
from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk import Capability, ChatRequest, ChatResponse
from stockade_sdk.manifest import Manifest, read_manifest_file
from tests.system.egress_sink import Received, Sink
from tests.system.worker_memory import has_in_memory

PLUGINS = Path(__file__).parents[2] / "plugins"
NAMES = (
    "openai",
    "anthropic",
    "openrouter",
    "gemini",
    "azure-openai",
    "deepseek",
    "qwen",
    "moonshot",
    "mistral",
    "groq",
    "openai-compatible",
    "anthropic-compatible",
)
BY_OPERATOR = {"openai-compatible", "anthropic-compatible"}  # they reach nobody by themselves
KEY = "sk-canary-91be5c07d4a2f683"
TIMEOUT_S = 30.0

CHAT = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "fine", "annotations": []}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 1, "total_tokens": 4},
}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "fine"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
CONTENT = {
    "candidates": [
        {
            "index": 0,
            "content": {"role": "model", "parts": [{"text": "fine"}]},
            "finishReason": "STOP",
        }
    ],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    "modelVersion": "m",
}
ANSWERS = {  # by the end of the path that each wire asks
    "/chat/completions": CHAT,
    "/responses": RESPONSE,
    "/messages": MESSAGE,
    ":generateContent": CONTENT,
}


@dataclass
class Inmate:
    """One shipped plugin, running."""

    name: str
    manifest: Manifest
    host: Host
    sink: Sink

    async def ask(self, prompt: str) -> ChatResponse:
        response = await self.host.run(
            ChatRequest.of_text(prompt, model=f"{self.name}/{model_of(self.manifest)}"),
            timeout=TIMEOUT_S,
        )
        assert isinstance(response, ChatResponse)
        return response

    @property
    def pid(self) -> int:
        pid = self.host.status(self.name).workers[0].pid
        assert pid is not None
        return pid


@dataclass
class Vendors:
    """A loopback upstream that speaks every vendor's wire."""

    sink: Sink = field(init=False)

    async def reply(self, reader: Any, writer: Any) -> None:
        path = self.sink.requests[-1].path.partition("?")[0]
        found = next((answer for end, answer in ANSWERS.items() if path.endswith(end)), None)
        body = json.dumps(found if found is not None else {"error": {"message": "no"}}).encode()
        status = "200 OK" if found is not None else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    vendors = Vendors()
    async with Sink.open(vendors.reply) as sink:
        vendors.sink = sink
        yield sink


@pytest.fixture(params=NAMES)
async def inmate(
    request: pytest.FixtureRequest, sink: Sink, tmp_path: Path
) -> AsyncIterator[Inmate]:
    """Installed as the CLI installs it, pointed at the upstream, its keys bound to it."""
    name = request.param
    manifest = read_manifest_file(PLUGINS / name / "plugin.toml")
    home = Home(tmp_path / "home")
    home.ensure()
    with State.open(home) as state:
        proposal = plan_install(home, state, str(PLUGINS / name))
        commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=(sink.rule,))
        for key, value in config_of(name, sink).items():
            state.set_config(name, key, value)
    for secret in manifest.permissions.secrets:
        Secrets(home).set(name, secret.name, KEY, (sink.rule,))
    async with Host.open(home) as host:
        yield Inmate(name, manifest, host, sink)


def config_of(name: str, sink: Sink) -> dict[str, str]:
    """What the operator sets, so that the plugin asks the upstream."""
    if name == "azure-openai":
        return {"endpoint": sink.url.rstrip("/"), "deployment": "m"}
    path = {"anthropic": "", "anthropic-compatible": "", "gemini": "v1beta"}.get(name, "v1")
    return {"base_url": sink.url + path}


def model_of(manifest: Manifest) -> str:
    chats = [model for model in manifest.models if Capability.CHAT in model.capabilities]
    return chats[0].id if chats else "m"


def keys_in(received: Received) -> list[str]:
    return [name.lower() for name, value in received.headers if KEY in value]


@pytest.mark.timeout(120)
async def test_a_plugin_answers_in_tier_full_and_its_worker_never_has_the_key(
    inmate: Inmate, tmp_path: Path
) -> None:
    response = await inmate.ask("a prompt to be remembered 5127")

    assert response.text == "fine"
    assert response.usage is not None
    assert response.usage.total == 4
    assert inmate.host.status(inmate.name).workers[0].tier == "full"
    secrets = inmate.manifest.permissions.secrets
    declared = {secret.header.lower() for secret in secrets if secret.header}
    received = inmate.sink.requests[-1]
    assert keys_in(received)
    assert set(keys_in(received)) <= declared
    assert not has_in_memory(inmate.pid, KEY.encode())
    assert has_in_memory(inmate.pid, b"a prompt to be remembered 5127")
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    with_key = [path for path in files if KEY.encode() in path.read_bytes()]
    assert with_key == [inmate.host.home.secrets_file]


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_asks_for_its_vendor_and_nothing_else(name: str) -> None:
    manifest = read_manifest_file(PLUGINS / name / "plugin.toml")
    asked = manifest.permissions

    assert bool(asked.network) is (name not in BY_OPERATOR)
    assert not asked.tunnel
    assert not asked.subprocess
    assert (asked.read, asked.write) == ((), ())
    assert asked.secrets
    for secret in asked.secrets:
        assert not secret.expose
        assert set(secret.hosts) == set(asked.network)


def test_these_are_all_that_ship() -> None:
    shipped = {folder.name for folder in PLUGINS.iterdir() if (folder / "plugin.toml").is_file()}

    assert shipped == {"echo", *NAMES}
