"""A shipped plugin in its sandbox, its vendor the kit's: the host redirects, records, plays."""

from stockade.app import Host
from stockade.kit import wires
from stockade.kit.playing import Player
from stockade.kit.tapes import Reel, read_tapes
from stockade.kit.vendor import Vendor
from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk import ChatRequest
from tests.system.lending import lend
from tests.system.upstreams import KEY, PLUGINS

HI = ChatRequest.of_text("how are you?", model="anthropic/claude-opus-4-8")
SAID = "you said: how are you?"


def installed(base, tmp_path):
    home = lend(base, Home(tmp_path / "home"))
    with State.open(home) as state:
        proposal = plan_install(home, state, str(PLUGINS / "anthropic"))
        commit_install(home, state, proposal, granted=proposal.asked)
    Secrets(home).set("anthropic", "ANTHROPIC_API_KEY", KEY)
    return home


async def test_a_plugin_is_recorded_in_its_sandbox_and_played_to_without_its_key(base, tmp_path):
    home, reel = installed(base, tmp_path), Reel()
    async with (
        Vendor.open(wires.good) as vendor,
        Host.open(home, redirect=vendor.redirect, recorder=reel.take) as host,
    ):
        whole = await host.run(HI)
        async with host.stream(HI) as answer:
            streamed = [event async for event in answer]
    paths = reel.save(tmp_path / "recordings")

    assert whole.text == SAID
    assert "".join(getattr(event, "text", "") for event in streamed) == SAID
    assert [asked.header("x-api-key") for asked in vendor.asked] == [KEY, KEY]
    assert [asked.host for asked in vendor.asked] == ["api.anthropic.com"] * 2
    assert not any(KEY in path.read_text() for path in paths)

    player = Player(read_tapes(tmp_path / "recordings"))
    async with (
        Vendor.open(player.answer) as vendor,
        Host.open(home, redirect=vendor.redirect) as host,
    ):
        assert (await host.run(HI)).text == SAID
    assert player.missed == []
    assert [tape.name for tape in player.unplayed] == ["002-post-v1-messages.json"]
