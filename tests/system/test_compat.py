"""The names of earlier designs lead to the host itself."""

import json
from pathlib import Path

from stockade.compat import ProviderRuntime
from stockade.settings import Home, RoutingPolicy, Settings
from stockade_sdk import Capability, ChatRequest, ChatResponse, DiscoveryOptions
from tests.system.plugin_samples import install, plugin_folder

SAYS = """
from stockade_sdk import ChatResponse

class Sample:
    async def chat(self, request, ctx):
        return ChatResponse.of_text("{text}")
"""


async def test_the_runtime_asks_discovers_and_exports_as_the_host_does(tmp_path: Path) -> None:
    folders = [plugin_folder(tmp_path, name, SAYS.format(text=name)) for name in ("first", "other")]
    home = install(Home(tmp_path / "home"), folders)
    chosen = Settings(routes={Capability.CHAT: RoutingPolicy(("other/default",))})

    async with ProviderRuntime.builder().home(home.root).settings(chosen).build() as runtime:
        answer = await runtime.run(ChatRequest.of_text("hello"))
        found = await runtime.discover_models(DiscoveryOptions(providers=("first",)))
        exported = json.loads(runtime.export_catalog_json())["models"]
        host = runtime.host

        assert isinstance(answer, ChatResponse)
        assert answer.text == "other"
        assert [model.provider for model in found.models] == ["first"]
        assert [model["provider"] for model in exported] == ["first", "other"]
        assert runtime.export_catalog_json() == host.export_catalogue_json()
        assert await runtime.discover_models() == await host.discover_models()
