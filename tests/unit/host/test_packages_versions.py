"""Upgrades, the way back, and what becomes of the versions that were replaced."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from stockade.app.operating.proposing import upgrade_wanted
from stockade.errors import HostError, NotInstalled, Refused, UsageError
from stockade.packages import (
    collect,
    commit_install,
    plan_install,
    roll_back,
    sweep,
    uninstall,
    verify_installed,
)
from stockade.packages.differences import is_downgrade, other_maker
from stockade.packages.permit import less, words_of
from stockade.settings import Home
from stockade.state import Installed, State
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest
from stockade_sdk.permissions import Permissions
from tests.unit.host.packaging_samples import CODE, MANIFEST, plugin_folder

NETWORK = '[permissions]\nnetwork = ["api.example.com"]\n'
WIDER = '[permissions]\nnetwork = ["api.example.com", "more.example.com"]\nsubprocess = true\n'
OWN = (HostRule.parse("127.0.0.1:9000"),)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def state(home: Home) -> Iterator[State]:
    with State.open(home) as opened:
        yield opened


@pytest.fixture
def version(tmp_path: Path) -> Callable[..., str]:
    """A folder of the plugin in some version; the same one for the same words."""

    def made(number: str, more: str = "", name: str = "sample", code: str = CODE) -> str:
        parent = tmp_path / f"{name}-{number}-{abs(hash((more, code)))}"
        if not parent.exists():
            plugin_folder(parent, name, version=number, more=more, code=code)
        return str(parent / name)

    return made


def install(home: Home, state: State, source: str, **options) -> Installed:
    proposal = plan_install(home, state, source)
    options.setdefault("granted", proposal.asked)
    return commit_install(home, state, proposal, **options)


def upgrade(home: Home, state: State, source: str, **options) -> Installed:
    found = upgrade_wanted(home, state, "sample", source, (), (), **options)
    return commit_install(
        home, state, found.proposal, granted=found.granted, operator_hosts=found.hosts
    )


def stored(home: Home) -> set[str]:
    return {path.name for path in home.plugins.iterdir() if path.is_dir()}


def kept(state: State) -> list[str]:
    return [version.record.version for version in state.versions.of("sample")]


# ------------------------------------------------------------------------ what an upgrade asks


def test_an_upgrade_that_widens_nothing_asks_nothing_and_one_that_does_asks_for_that(
    home: Home, state: State, version: Callable[..., str]
):
    install(home, state, version("1.0.0", NETWORK))

    same = upgrade_wanted(home, state, "sample", version("1.1.0", NETWORK), (), ())
    wider = upgrade_wanted(home, state, "sample", version("2.0.0", WIDER), (), ())

    assert not same.asks
    assert wider.asks
    assert words_of(wider.new) == ("network:more.example.com", "subprocess")
    assert "Version 1.0.0 becomes 2.0.0." in wider.consent


def test_what_was_denied_stays_denied_in_an_upgrade_and_is_not_asked_for_again(
    home: Home, state: State, version: Callable[..., str]
):
    install(home, state, version("1.0.0", NETWORK), granted=Permissions())

    found = upgrade_wanted(home, state, "sample", version("1.1.0", NETWORK), (), ())
    wider = upgrade_wanted(home, state, "sample", version("2.0.0", WIDER), (), ())

    assert found.granted == Permissions()
    assert not found.asks
    assert words_of(wider.granted) == ("network:more.example.com", "subprocess")


def test_an_upgrade_to_another_plugin_or_of_none_is_refused(home, state, version):
    with pytest.raises(NotInstalled):
        upgrade_wanted(home, state, "sample", version("1.0.0"), (), ())
    install(home, state, version("1.0.0"))
    with pytest.raises(UsageError, match="another plugin"):
        upgrade_wanted(home, state, "sample", version("2.0.0", name="other"), (), ())


def test_an_older_version_is_refused_unless_it_is_asked_for(home, state, version):
    install(home, state, version("1.10.0"))

    with pytest.raises(Refused, match="older"):
        upgrade_wanted(home, state, "sample", version("1.9.0"), (), ())
    found = upgrade_wanted(home, state, "sample", version("1.9.0"), (), (), downgrade=True)

    assert found.asks
    assert "Version 1.10.0 goes back to 1.9.0, an older one." in found.proposal.differences


@pytest.mark.parametrize(
    ("before", "after", "older"),
    [("1.9", "1.10", False), ("1.0", "1.0rc1", True), ("1.0", "1.0.0", False), ("1!1", "2", True)],
)
def test_versions_are_compared_as_pep_440_has_it(before: str, after: str, older: bool):
    assert is_downgrade(before, after) is older


@pytest.mark.parametrize(
    ("trust", "signer", "new_trust", "new_signer", "other"),
    [
        ("signed", "aa", "signed", "aa", False),
        ("signed", "aa", "signed", "bb", True),
        ("signed", "aa", "unsigned", "", True),
        ("unsigned", "aa", "unsigned", "", True),
        ("unsigned", "", "unsigned", "bb", False),
        ("unsigned", "", "signed", "bb", False),
        ("shipped", "", "unsigned", "", True),
        ("unsigned", "", "shipped", "", False),
        ("unsigned", "", "development", "", True),
    ],
)
def test_another_key_or_a_lost_signature_is_another_maker(
    trust: str, signer: str, new_trust: str, new_signer: str, other: bool
):
    record = Installed(name="a", version="1", digest="d", manifest="", trust=trust, signer=signer)
    assert other_maker(record, new_trust, new_signer) is other


def test_what_was_granted_to_another_maker_is_asked_for_anew(home, state, version):
    record = install(home, state, version("1.0.0", NETWORK))
    state.put(msgspec.structs.replace(record, trust="signed", signer="ab" * 16))

    found = upgrade_wanted(home, state, "sample", version("1.1.0", NETWORK), (), ())

    assert found.asks
    assert words_of(found.new) == ("network:api.example.com",)
    assert any("all that it asks for is new" in line for line in found.proposal.differences)


def test_each_change_is_told_in_words(home, state, version):
    more = 'authors = ["A"]\nrequires = ["old==1", "both>=1"]\n' + NETWORK
    changed = 'authors = ["B"]\nrequires = ["new==2", "both>=2"]\n[limits]\nmemory = "1 GiB"\n'
    before = read_manifest(MANIFEST.format(name="sample", version="1.0.0", more=more).encode())
    record = Installed(
        name="sample",
        version=before.version,
        digest="a" * 64,
        manifest=MANIFEST.format(name="sample", version="1.0.0", more=more),
        granted=before.permissions,
        limits=before.limits,
    )
    state.put(record)

    said = " ".join(plan_install(home, state, version("1.0.0", changed)).differences)

    for words in (
        "Its version stays 1.0.0, and its content is another.",
        "change from A to B",
        "no longer asks for network:api.example.com",
        "brings packages that it did not: new==2",
        "no longer brings old==1",
        "both>=1 becomes both>=2",
        "memory goes from 256 MiB to 1 GiB",
    ):
        assert words in said


# ------------------------------------------------------------------------------------- the way back


def test_a_rollback_brings_code_grants_settings_and_hosts_back_and_keeps_a_way_forward(
    home, state, version
):
    config = '[config.key]\ntype = "string"\n'
    old = install(home, state, version("1.0.0", config + NETWORK), operator_hosts=OWN)
    state.set_config("sample", "key", "old")
    upgrade(home, state, version("2.0.0", WIDER))
    assert kept(state) == ["1.0.0"]

    back = roll_back(home, state, "sample")

    assert (back.version, back.digest, back.granted) == ("1.0.0", old.digest, old.granted)
    assert back.operator_hosts == OWN
    assert back.config == {"key": "old"}
    assert state.require("sample") == back
    assert verify_installed(home, back) is None
    assert kept(state) == ["2.0.0"]
    assert json.loads(home.lock_file.read_text())["plugins"]["sample"]["version"] == "1.0.0"
    assert words_of(roll_back(home, state, "sample").granted)[1:] == (
        "network:more.example.com",
        "subprocess",
    )


def test_a_rollback_gives_nothing_back_that_was_taken_away_since(home, state, version):
    install(home, state, version("1.0.0", NETWORK), operator_hosts=OWN)
    upgraded = upgrade(home, state, version("2.0.0", WIDER))
    state.set_grants(
        msgspec.structs.replace(upgraded, granted=Permissions(subprocess=True), operator_hosts=())
    )

    back = roll_back(home, state, "sample")

    assert back.granted == Permissions()
    assert back.operator_hosts == ()


def test_a_rollback_goes_to_the_version_that_is_named(home, state, version):
    for number in ("1.0.0", "2.0.0", "3.0.0"):
        install(home, state, version(number))

    assert roll_back(home, state, "sample", to="1.0.0").version == "1.0.0"
    assert kept(state) == ["3.0.0", "2.0.0"]
    with pytest.raises(UsageError, match='no version "9"'):
        roll_back(home, state, "sample", to="9")


def test_without_an_earlier_version_there_is_no_way_back(home, state, version):
    with pytest.raises(NotInstalled):
        roll_back(home, state, "sample")
    install(home, state, version("1.0.0"))
    install(home, state, version("1.0.0"))
    with pytest.raises(UsageError, match="no other version"):
        roll_back(home, state, "sample")


def test_a_version_whose_files_were_changed_is_not_gone_back_to(home, state, version):
    old = install(home, state, version("1.0.0"))
    new = install(home, state, version("2.0.0"))
    file = home.plugins / old.digest / "sample_provider" / "__init__.py"
    file.chmod(0o644)
    file.write_text("other\n")

    with pytest.raises(HostError, match=r"not installed again: .*changed") as raised:
        roll_back(home, state, "sample")

    assert "nothing was changed" in raised.value.why
    assert state.require("sample") == new


def test_a_disabled_plugin_stays_so_in_a_rollback_and_a_failed_one_may_run_again(
    home, state, version
):
    install(home, state, version("1.0.0"))
    install(home, state, version("2.0.0"))
    state.set_state("sample", "failed", "it died")
    back = roll_back(home, state, "sample")
    assert (back.state, back.last_error) == ("installed", None)
    state.set_state("sample", "disabled")
    assert roll_back(home, state, "sample").state == "disabled"


def test_a_rollback_to_what_a_key_no_longer_trusted_signed_is_unsigned(home, state, version):
    record = install(home, state, version("1.0.0"))
    state.put(msgspec.structs.replace(record, trust="unsigned", signer="ab" * 16))
    install(home, state, version("2.0.0"))
    assert roll_back(home, state, "sample").trust == "unsigned"


# ------------------------------------------------------------------------------ trials and failures


def test_a_trial_that_does_not_pass_leaves_the_old_version(home, state, version):
    old = install(home, state, version("1.0.0"))
    seen: list[Installed] = []

    def trial(candidate: Installed) -> None:
        seen.append(candidate)
        assert (home.plugins / candidate.digest / "plugin.toml").is_file()
        raise HostError("it did not pass", why="it answers nothing")

    with pytest.raises(HostError, match=r"sample 2\.0\.0 was not installed") as raised:
        install(home, state, version("2.0.0"), trial=trial)

    assert "tries it beside what runs" in raised.value.why
    assert "it answers nothing" in raised.value.why
    assert [one.version for one in seen] == ["2.0.0"]
    assert state.list() == (old,)
    assert kept(state) == []
    sweep(home, state)
    assert stored(home) == {old.digest}


def test_what_is_set_while_an_upgrade_is_under_way_is_kept(home, state, version):
    config = '[config.key]\ntype = "string"\n'
    install(home, state, version("1.0.0", config))

    record = install(
        home,
        state,
        version("2.0.0", config),
        trial=lambda candidate: state.set_config("sample", "key", "meanwhile"),
    )

    assert record.config == {"key": "meanwhile"}
    assert state.require("sample").config == {"key": "meanwhile"}


def test_what_is_revoked_while_an_upgrade_is_under_way_stops_it(home, state, version):
    old = install(home, state, version("1.0.0", NETWORK))
    taken = msgspec.structs.replace(old, granted=Permissions())

    with pytest.raises(HostError, match="changed by another stockade"):
        install(
            home, state, version("2.0.0", NETWORK), trial=lambda candidate: state.set_grants(taken)
        )

    assert state.require("sample") == taken


# -------------------------------------------------------------------------------- what is kept


def test_so_many_versions_are_kept_and_no_two_of_one_content(home, state, version):
    for number in range(9):
        install(home, state, version(f"1.{number}"))
    assert kept(state) == ["1.7", "1.6", "1.5", "1.4", "1.3"]
    assert len(stored(home)) == 6

    install(home, state, version("1.5"))

    assert kept(state) == ["1.8", "1.7", "1.6", "1.4", "1.3"]


def test_versions_of_a_folder_under_development_are_not_kept(home, state, version):
    for number in ("1.0.0", "1.1.0", "1.2.0"):
        source = plan_install(home, state, version(number)).source
        source = msgspec.structs.replace(source, kind="development", trust="development")
        proposal = plan_install(home, state, source)
        commit_install(home, state, proposal, granted=proposal.asked)

    assert kept(state) == []
    assert stored(home) == {state.require("sample").digest}


def test_collecting_removes_all_but_the_last_and_says_how_much_that_was(home, state, version):
    records = [install(home, state, version(number)) for number in ("1.0", "2.0", "3.0")]
    gone = [home.plugins / records[0].digest, home.plugins / f"{records[0].digest}.files"]
    size = sum(
        file.stat().st_size for path in gone for file in (path, *path.rglob("*")) if file.is_file()
    )

    found = collect(home, state)

    assert stored(home) == {records[1].digest, records[2].digest}
    assert found.versions == {"sample": ("1.0",)}
    assert found.freed_bytes == size
    assert roll_back(home, state, "sample").version == "2.0"
    assert collect(home, state, 0).versions == {"sample": ("3.0",)}
    assert stored(home) == {records[1].digest}


def test_an_uninstall_takes_every_version_with_it(home, state, version):
    for number in ("1.0", "2.0"):
        install(home, state, version(number))

    uninstall(home, state, "sample")

    assert kept(state) == []
    assert list(home.plugins.iterdir()) == []


def test_less_takes_what_was_refused_and_nothing_else():
    asked = read_manifest(
        MANIFEST.format(
            name="a",
            version="1",
            more="[permissions]\n"
            'network = ["a.example.com", "*.example.org"]\ntunnel = true\nread = ["/srv/a", "/b"]\n'
            'write = ["data"]\nenvironment = ["LANG", "TZ"]\n',
        ).encode()
    ).permissions
    refused = msgspec.structs.replace(
        Permissions(),
        network=(HostRule.parse("*.example.org"),),
        read=asked.read[:1],
        environment=("TZ",),
    )

    assert words_of(less(asked, refused)) == (
        "network:a.example.com",
        "tunnel",
        "read:/b",
        "write:data",
        "environment:LANG",
    )
    assert less(asked, Permissions(network=asked.network)).tunnel is False
    assert less(asked, Permissions()) == asked
