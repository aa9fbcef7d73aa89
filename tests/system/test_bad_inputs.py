"""What an operator may write or set that cannot be: a clear error, or all the rest goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade import AllAttemptsFailed, Host
from stockade.errors import SettingsError
from stockade.settings import RoutingPolicy, Settings
from stockade.state import State
from stockade_sdk import Capability
from tests.system.bad_homes import (
    FINE,
    HELLO,
    LISTS,
    SCAN,
    installed,
    two_plugins,
)
from tests.system.hostile import Site
from tests.unit.host.cli_calls import Call, calling


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return two_plugins(tmp_path)


@pytest.fixture
def call(site: Site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(site.home.root, monkeypatch, capsys)


async def test_settings_that_are_broken_under_a_running_host_leave_it_the_last_good_ones(
    site: Site,
) -> None:
    site.home.settings_toml.write_text('[routes]\nchat = ["steady/m", "first/m"]\n')

    async with Host.open(site.home) as host:
        site.home.settings_toml.write_text("[routes\nchat =")
        before = await host.run(HELLO)
        await host.refresh()
        after = await host.run(HELLO)
        scanned = await host.scan_models(SCAN)

    assert (before.provider, after.provider) == ("steady", "steady")
    assert len(scanned) == 2
    with pytest.raises(SettingsError, match=r"stockade\.toml is not TOML"):
        async with Host.open(site.home):
            pass


LOOPS = """
[aliases]
a = "b"
b = "c"
c = "a"
self = "self"
fine = "steady/m"
[routes]
chat = ["a", "gone/x", "self", "fine"]
embedding = ["self"]
rerank = ["steady/m"]
"""


def test_loops_and_targets_that_are_not_there_are_left_out_of_routes_and_told_by_name(
    site: Site, call: Call
) -> None:
    site.home.settings_toml.write_text(LOOPS)
    with State.open(site.home) as state:
        state.policies.set_alias("set", "a")  # from the state into the file
        state.policies.set_alias("b", "set")  # and round through both

    answered, looped = call("run", "hello"), call("run", "hello", "--model", "set")
    tested = call("routes", "test", "chat", "--json").json

    assert (answered.code, answered.out) == (0, "steady hello\n")
    assert (looped.code, looped.out) == (2, "")
    assert "why: set -> a -> b -> set" in looped.err
    assert [one["target"] for one in tested["targets"]] == ["steady/m"]
    assert [one["target"] for one in tested["left_out"]] == ["a", "gone/x", "self"]
    assert call("aliases", "list").code == call("routes", "list").code == 0
    assert call("routes", "set", "chat", "a").code == 2
    assert call("aliases", "set", "new", "set").code == 2
    assert call("aliases", "set", "a", "fine").code == 0  # the way out
    assert call("run", "hello", "--model", "set").out == "steady hello\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("run", "hello", "--capability", "embedding"), 1, "no target can serve embedding: self: "),
        (("run", "hello", "--capability", "image_gen"), 1, "no enabled plugin serves image_gen"),
        (("run", "hello", "--model", "rerank"), 2, "rerank does not fit the request"),
        (("run", "hello", "--model", "gone/x"), 2, "no plugin called 'gone' is installed"),
        (("run", "hello", "--plugin", "gone"), 2, "'gone' is not installed"),
        (("routes", "test", "rerank"), 1, "the model does not serve rerank"),
        (("routes", "test", "image_gen"), 1, "the model does not serve image_gen"),
        (("routes", "set", "painting", "steady/m"), 2, "there is no capability"),
        (("routes", "set", "chat", "no-such-model"), 2, "there is no model called"),
    ],
    ids=str,
)
def test_what_nobody_has_is_told_in_words(
    site: Site, call: Call, words: tuple[str, ...], code: int, said: str
) -> None:
    site.home.settings_toml.write_text(LOOPS)

    called = call(*words)

    assert called.code == code
    assert said in called.err + called.out
    assert "Traceback" not in called.err


@pytest.mark.parametrize(
    "name", ["Steady", "STEADY", "st\u0435ady", "steady ", "ste\u200bady", "s teady"]
)
def test_a_second_plugin_by_a_name_that_looks_alike_cannot_be_installed(
    site: Site, name: str
) -> None:
    before = [(one.name, one.digest) for one in installed(site.home)]

    with pytest.raises(Exception, match=r"plugin\.name"):
        site.install(FINE, name=name)

    assert [(one.name, one.digest) for one in installed(site.home)] == before


def test_a_plugin_of_the_same_name_takes_the_place_of_the_first_and_is_there_once(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "more").mkdir()
    other = Site(site.home, tmp_path / "more")

    other.install(LISTS, name="steady")

    assert [one.name for one in installed(site.home)] == ["first", "steady"]


KEYED = """
network = ["api.example.com"]

[[permissions.secrets]]
name = "KEY"
hosts = ["api.example.com"]
header = "authorization"
"""


@pytest.mark.parametrize("value", ["sk-1\n", "sk-1\nx: y", " sk-1", "x" * 5_000])
async def test_a_variable_that_holds_no_key_stops_its_own_plugin_and_tells_which_it_is(
    site: Site, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """A key from a file often comes with its line end."""
    site.install(FINE, name="keyed", capabilities=("chat",), permissions=KEYED)
    monkeypatch.setenv("STOCKADE_SECRET_KEYED__KEY", value)
    route = RoutingPolicy(("keyed/m", "steady/m"))

    async with Host.open(site.home, settings=Settings(routes={Capability.CHAT: route})) as host:
        response = await host.run(HELLO)
        healths = {one.provider: one for one in await host.check_health()}
        with pytest.raises(AllAttemptsFailed, match="STOCKADE_SECRET_KEYED__KEY") as caught:
            await host.run(HELLO, plugin="keyed")

    assert response.provider == "steady"
    assert healths["keyed"].ok is False
    assert "STOCKADE_SECRET_KEYED__KEY" in (healths["keyed"].detail or "")
    assert set(healths) == {"first", "keyed", "steady"}
    assert "sk-1" not in str(caught.value) + repr(healths)
