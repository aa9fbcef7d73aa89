import stat
from pathlib import Path

import pytest

from stockade.errors import SettingsError, StateError
from stockade.settings import Home, RoutingPolicy, Settings, parse_settings, read_settings
from stockade_sdk.capability import Capability
from stockade_sdk.limits import Limits
from stockade_sdk.units import MIB

FULL = b"""\
minimum_tier = "restricted"

[requests]
timeout = "20s"
connect_timeout = "500ms"
first_byte_timeout = "2m"
idle_timeout = "1.5s"

[routes]
chat = ["echo/default", "OpenAI/org/model"]

[aliases]
fast = "openai/gpt-4o-mini"

[supervision]
deaths = 5
window = "10m"
ping_interval = "2s"
ping_timeout = "4s"

[ceilings]
memory = "128 MiB"
cpu = 0.5
workers = 2
request_timeout = "30s"

[gateway]
host = "::1"
port = 9000

[sandbox]
nursery = false
uids = "60000-60099"

[plugins.echo]
minimum_tier = "none"

[plugins.openai]
minimum_tier = "full"

[plugins.quiet]
"""


def test_home_is_what_the_variable_names_and_absolute(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Home.find({"STOCKADE_HOME": "here"}).root == tmp_path / "here"
    assert Home.find({"STOCKADE_HOME": str(tmp_path)}).state_db == tmp_path / "state.db"


def test_home_is_the_users_data_folder_where_the_variable_is_absent_or_empty():
    for environ in ({}, {"STOCKADE_HOME": ""}):
        assert Home.find(environ).root.name == "stockade"
        assert Home.find(environ).root.is_absolute()


def test_finding_home_makes_nothing_and_ensure_makes_it_private(tmp_path: Path):
    home = Home.find({"STOCKADE_HOME": str(tmp_path / "a" / "b")})
    assert not (tmp_path / "a").exists()

    home.ensure()
    home.ensure()

    for folder in (home.root, home.plugins, home.environments, home.data, home.logs, home.run):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_home_in_the_way_of_a_file_is_a_state_error(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot make the folder"):
        Home(tmp_path / "file" / "home").ensure()


def test_no_file_gives_the_defaults(tmp_path: Path):
    assert read_settings(Home(tmp_path)) == Settings()
    assert Settings().requests.timeout_s == 120


def test_every_key_is_read(tmp_path: Path):
    home = Home(tmp_path)
    home.settings_toml.write_bytes(FULL)

    settings = read_settings(home)

    assert settings.minimum_tier == "restricted"
    assert settings.requests.timeout_s == 20
    assert settings.requests.connect_timeout_s == 0.5
    assert settings.requests.first_byte_timeout_s == 120
    assert settings.requests.idle_timeout_s == 1.5
    assert settings.routes == {Capability.CHAT: RoutingPolicy(("echo/default", "openai/org/model"))}
    assert settings.aliases == {"fast": "openai/gpt-4o-mini"}
    assert (settings.supervision.deaths, settings.supervision.window_s) == (5, 600)
    assert (settings.gateway.host, settings.gateway.port) == ("::1", 9000)
    assert settings.ceilings["memory_bytes"] == 128 * MIB
    sandbox = settings.sandbox
    assert (sandbox.nursery, sandbox.first_uid, sandbox.last_uid) == (False, 60000, 60099)
    assert settings.plugin_minimum_tiers == {"echo": "none", "openai": "full"}


def test_without_a_word_of_the_operators_confinement_is_full_and_from_a_nursery():
    settings = parse_settings(b"")
    assert settings.minimum_tier == "full"
    assert settings.sandbox.nursery
    # not an id that a person or a container may have, and none that a program takes for negative
    assert 1_000_000 < settings.sandbox.first_uid < settings.sandbox.last_uid < 2**31
    assert settings.minimum_tier_of("any", needs_full=False) == "full"


@pytest.mark.parametrize(
    ("plugin", "needs_full", "tier"),
    [
        ("other", False, "restricted"),  # the general word
        ("other", True, "full"),  # which is not for one with a network or programs
        ("echo", False, "none"),  # a word on this plugin
        ("echo", True, "none"),  # also where it needs more: the operator said so by name
        ("openai", False, "full"),  # a word on this plugin may ask for more than the general one
        ("quiet", False, "restricted"),  # a table without a word is none
    ],
)
def test_a_plugins_minimum_tier_is_what_the_operator_says_of_it_by_name(plugin, needs_full, tier):
    assert parse_settings(FULL).minimum_tier_of(plugin, needs_full=needs_full) == tier


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [("1-4294967294", 1, 2**32 - 2), ("70000-70000", 70000, 70000)],
)
def test_the_widest_and_the_narrowest_range_of_users_are_read(text: str, first: int, last: int):
    sandbox = parse_settings(f'[sandbox]\nuids = "{text}"'.encode()).sandbox
    assert (sandbox.first_uid, sandbox.last_uid) == (first, last)


WIDE = Limits(
    memory_bytes=8 << 30, cpu_cores=8.0, processes=1000, open_files=5000, workers=9, concurrency=99
)


@pytest.mark.parametrize("trust", ["unsigned", "development", "what nobody knows"])
def test_what_nobody_vouches_for_is_held_closer(trust: str):
    cut = Settings().within_ceilings(WIDE, trust=trust)
    assert (cut.memory_bytes, cut.cpu_cores, cut.processes) == (1 << 30, 2.0, 256)
    assert (cut.open_files, cut.workers, cut.concurrency) == (1024, 4, 99)
    assert Settings().within_ceilings(Limits(), trust=trust) == Limits()
    assert Settings().within_ceilings(WIDE) == cut  # who does not say is not vouched for


@pytest.mark.parametrize("trust", ["shipped", "signed"])
def test_what_somebody_vouches_for_has_the_ceilings_of_all(trust: str):
    assert Settings().within_ceilings(WIDE, trust=trust) == WIDE
    assert parse_settings(FULL).within_ceilings(WIDE, trust=trust).memory_bytes == 128 * MIB


def test_the_operator_sets_the_ceilings_of_the_unsigned_one_by_one():
    settings = parse_settings(b'[unsigned.ceilings]\nmemory = "4 GiB"\nconcurrency = 2')
    cut = settings.within_ceilings(WIDE, trust="unsigned")
    assert (cut.memory_bytes, cut.concurrency, cut.workers) == (4 << 30, 2, 4)
    assert settings.within_ceilings(WIDE, trust="signed") == WIDE
    lower = parse_settings(b'[ceilings]\nmemory = "64 MiB"').within_ceilings(WIDE)
    assert (lower.memory_bytes, lower.workers) == (64 * MIB, 4)


@pytest.mark.parametrize(
    ("text", "trust", "tier"),
    [
        ('minimum_tier = "none"', "unsigned", "none"),
        (
            'minimum_tier = "none"\n[unsigned]\nminimum_tier = "restricted"',
            "unsigned",
            "restricted",
        ),
        ('minimum_tier = "none"\n[unsigned]\nminimum_tier = "full"', "development", "full"),
        ('minimum_tier = "none"\n[unsigned]\nminimum_tier = "full"', "signed", "none"),
        ('minimum_tier = "full"\n[unsigned]\nminimum_tier = "none"', "unsigned", "full"),
        (
            '[unsigned]\nminimum_tier = "full"\n[plugins.any]\nminimum_tier = "none"',
            "unsigned",
            "none",
        ),
    ],
)
def test_the_stronger_of_two_tiers_holds_for_the_unsigned(text: str, trust: str, tier: str):
    settings = parse_settings(text.encode())
    assert settings.minimum_tier_of("any", needs_full=False, trust=trust) == tier


def test_ceilings_cut_and_never_raise():
    settings = parse_settings(FULL)
    cut = settings.within_ceilings(Limits(cpu_cores=4.0, workers=1))
    assert (cut.memory_bytes, cut.cpu_cores, cut.workers) == (128 * MIB, 0.5, 1)
    assert type(cut.memory_bytes) is int
    assert cut.request_timeout_s == 30
    assert cut.open_files == Limits().open_files


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[requests]\ntimeuot = "1s"', "line 2: requests.timeuot is not a setting; write timeout"),
        ("\n[request]\n", "line 2: request is not a setting; write requests"),
        ("requests = 3", "line 1: requests is not a table"),
        ("[requests]\ntimeout = 20", "line 2: requests.timeout is not text with a unit"),
        ('[requests]\ntimeout = "20"', "line 2: requests.timeout is not a duration"),
        ('[requests]\ntimeout = "0s"', "line 2: requests.timeout is out of range"),
        ('[requests]\ntimeout = "25h"', "line 2: requests.timeout is out of range"),
        ('[routes]\nchta = ["a/b"]', "line 2: routes.chta is not a setting; write chat"),
        ('[routes]\nchat = "a/b"', "line 2: routes.chat is not a list"),
        ("[routes]\nchat = []", "line 2: routes.chat is not a list"),
        ('[routes]\nchat = ["nomodel"]', "line 2: routes.chat is not a target"),
        ('[aliases]\n"\\u0007" = "a/b"', "is not a name"),
        ('[aliases]\nx = "a/"', "line 2: aliases.x is not a target"),
        ('[ceilings]\nmemory = "1 KiB"', "line 2: ceilings.memory is out of bounds"),
        ('[ceilings]\nmemory = "1 MB"', "line 2: ceilings.memory has the unit"),
        ("[ceilings]\nworkers = true", "line 2: ceilings.workers is not a number"),
        ('[unsigned]\nminimum_tier = "ful"', "line 2: unsigned.minimum_tier is not a tier"),
        ("[unsigned]\nmemory = 1", "line 2: unsigned.memory is not a setting"),
        (
            "[unsigned.ceilings]\nworkers = true",
            "line 2: unsigned.ceilings.workers is not a number",
        ),
        ("[supervision]\ndeaths = 0", "line 2: supervision.deaths is not a number in range"),
        ("[supervision]\ndeaths = true", "line 2: supervision.deaths is not a number in range"),
        ("[gateway]\nport = 70000", "line 2: gateway.port is not a number in range"),
        ('minimum_tier = "ful"', "line 1: minimum_tier is not a tier"),
        ("minimum_tier = []", "line 1: minimum_tier is not a tier"),
        ('[sandbox]\nnursery = "no"', "line 2: sandbox.nursery is neither true nor false"),
        ("[sandbox]\nnursery = 1", "line 2: sandbox.nursery is neither true nor false"),
        ("[sandbox]\nnurserie = true", "line 2: sandbox.nurserie is not a setting"),
        ("sandbox = true", "line 1: sandbox is not a table"),
        ("[sandbox]\nuids = 70000", "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "70000"', "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "70000-"', "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "0-70000"', "line 2: sandbox.uids is no range of users"),  # root
        ('[sandbox]\nuids = "9-8"', "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "1-4294967295"', "line 2: sandbox.uids is no range"),  # that is -1
        ('[sandbox]\nuids = "-1-5"', "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "\\u0661-5"', "line 2: sandbox.uids is no range of users"),
        ('[sandbox]\nuids = "\\u00b2-5"', "line 2: sandbox.uids is no range of users"),
        (f'[sandbox]\nuids = "1-{"9" * 5000}"', "line 2: sandbox.uids is no range of users"),
        (
            '[sandbox]\n\n[plugins.echo]\nminimum_tier = "weak"',
            "line 4: plugins.echo.minimum_tier is not a tier",
        ),
        ("[plugins.echo]\nminimum_tier = 1", "line 2: plugins.echo.minimum_tier is not a tier"),
        ("[plugins.echo]\ntier = 1", "line 2: plugins.echo.tier is not a setting"),
        ('[plugins]\necho = "none"', "line 2: plugins.echo is not a table"),
        (
            '[plugins.echo]\nminimum_tier = "full"\n[plugins.Echo]\nminimum_tier = "none"',
            "line 3: plugins.Echo is there twice; write one [plugins.echo]",
        ),
        ("[requests\n", "is not TOML"),
        ("a = " + "[" * 5000, "is not TOML"),
    ],
)
def test_what_is_wrong_is_refused_with_line_key_and_remedy(text: str, said: str):
    with pytest.raises(SettingsError) as caught:
        parse_settings(text.encode())
    assert said in str(caught.value)
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


def test_bytes_that_are_no_text_are_refused():
    with pytest.raises(SettingsError, match="is not TOML"):
        parse_settings(b"\xff\xfe")


def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path):
    home = Home(tmp_path)
    home.settings_toml.mkdir()
    with pytest.raises(SettingsError, match=r"stockade\.toml"):
        read_settings(home)


def test_what_becomes_of_foreign_reasoning_is_one_of_two_words():
    assert parse_settings(b"").handoff.thinking == "tagged"
    assert parse_settings(b'[handoff]\nthinking = "dropped"').handoff.thinking == "dropped"
    with pytest.raises(SettingsError, match=r"line 2: handoff\.thinking is no way"):
        parse_settings(b'[handoff]\nthinking = "kept"')


def test_a_plugins_tier_binds_it_however_its_name_is_written() -> None:
    written = parse_settings(b'[plugins.Echo]\nminimum_tier = "restricted"')

    assert written.plugin_minimum_tiers == {"echo": "restricted"}
