"""One gateway for the vendors' own SDKs: a process, shipped plugins in tier full, and vendors on
loopback.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psutil
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anyio.from_thread import start_blocking_portal
from openai import AsyncOpenAI, OpenAI

from stockade.settings import Home
from tests.system.besieged import comes
from tests.system.sdks.vendors import Vendors
from tests.system.served import Served, served

PLUGINS = (
    "openai", "openai-compatible", "anthropic", "gemini", "mistral", "deepseek", "moonshot",
)  # fmt: skip
SETTINGS = """
minimum_tier = "full"

[routes.chat]
primary = "deepseek/first"
fallbacks = ["moonshot/second"]

[aliases]
quick = "openai/gpt-4.1"

[cooldowns] # nobody rests, so that no test depends on the one before it
steps = ["1ms"]
"""


@pytest.fixture(scope="package")
def running() -> Iterator[Vendors]:
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Vendors.open()) as vendors,
    ):
        yield vendors


@pytest.fixture(scope="package")
def gateway(running: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root = tmp_path_factory.mktemp("sdks") / "home"
    running.install(Home(root), *PLUGINS)
    (root / "stockade.toml").write_text(SETTINGS)
    with served(root) as found, found.client() as client:
        for plugin in PLUGINS:  # so that no test has a worker started, and counted as left behind
            chat = {"model": f"{plugin}/m", "messages": [{"role": "user", "content": "?"}]}
            answer = client.post("/v1/chat/completions", json=chat)
            assert answer.status_code == 200, answer.text
        workers = client.get("/api/workers").json()
        assert {one["tier"] for one in workers} == {"full"}, workers
        comes(lambda: _has_forked_ahead(found))
        yield found


def _has_forked_ahead(gateway: Served) -> bool:
    """Whether the nursery has its spare child, which it forks when nobody has asked for a while."""
    (nursery,) = psutil.Process(gateway.process.pid).children()
    return len(nursery.children()) == len(PLUGINS) + 1


@pytest.fixture
def vendors(running: Vendors, gateway: Served) -> Vendors:
    """The vendors, with nothing asked and nothing said yet."""
    running.begin()
    return running


@pytest.fixture
def base(gateway: Served) -> str:
    """Where OpenAI's clients are pointed."""
    return f"{gateway.address}/v1"


@pytest.fixture
def openai(vendors: Vendors, gateway: Served, base: str) -> Iterator[OpenAI]:
    """The SDK, which does not repeat what failed."""
    with OpenAI(api_key=gateway.token, base_url=base, max_retries=0) as client:
        yield client


@pytest.fixture
async def aopenai(vendors: Vendors, gateway: Served, base: str) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(api_key=gateway.token, base_url=base, max_retries=0) as client:
        yield client


@pytest.fixture
def claude(vendors: Vendors, gateway: Served) -> Iterator[Anthropic]:
    """The SDK, which does not repeat what failed."""
    with Anthropic(api_key=gateway.token, base_url=gateway.address, max_retries=0) as client:
        yield client


@pytest.fixture
async def aclaude(vendors: Vendors, gateway: Served) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(
        api_key=gateway.token, base_url=gateway.address, max_retries=0
    ) as client:
        yield client
