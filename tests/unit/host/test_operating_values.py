"""What an operator is shown, worked out without a host: uses, processors, grants, needs, logs."""

from pathlib import Path

import pytest

from stockade.admin import Changed
from stockade.admin import values as v
from stockade.app.operating.configuring import checked, field_of, rows_of
from stockade.app.operating.inspecting import offers, plugin_row
from stockade.app.operating.permitting import granting
from stockade.app.operating.permitting import rows_of as permission_rows
from stockade.app.operating.processors import Processors
from stockade.app.operating.proposing import check_digest, wanted_from
from stockade.app.operating.reading import as_row
from stockade.app.operating.uses import MAX_PLUGINS, MAX_WORDS, Uses
from stockade.egress import Decision
from stockade.errors import UsageError
from stockade.settings import Home
from stockade.state import Installed, State
from stockade.supervisor.denials import Act
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions

MANIFEST = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
[permissions]
network = ["api.vendor.example", "*.cdn.vendor.example"]
read = ["/srv/models"]
[[permissions.secrets]]
name = "VENDOR_KEY"
hosts = ["api.vendor.example"]
[config.region]
type = "choice"
choices = ["eu", "us"]
required = true
[config.batch]
type = "integer"
default = 4
"""
API, CDN, OWN = (HostRule.parse(h) for h in ("api.vendor.example", "*.cdn.vendor.example", "lab"))


NOTHING = Permissions()


def vendor(granted: Permissions = NOTHING, *hosts: HostRule) -> Installed:
    return Installed(
        name="vendor",
        version="1.0.0",
        digest="d" * 64,
        manifest=MANIFEST,
        source="/src",
        trust="unsigned",
        installed_at=1.0,
        granted=granted,
        operator_hosts=hosts,
    )


def decision(rule: str | None, *, plugin: str = "vendor", **more: bool) -> Decision:
    values = {"allowed": True, **more}
    return Decision(plugin=plugin, host="h", port=443, rule=rule, reason="", **values)  # type: ignore[arg-type]


# --- uses ---


def test_only_what_was_let_through_counts_as_used() -> None:
    uses = Uses()
    for one in (
        decision("a.example"),
        decision("a.example", tunnel=True),
        decision("a.example", allowed=False),
        decision(None),
        decision("a.example", plugin="other"),
    ):
        uses.egress(one)

    assert uses.of("vendor") == {"network:a.example": 2, "tunnel": 1}
    assert uses.of("nobody") == {}


def test_uses_take_bounded_memory() -> None:
    uses = Uses()
    for n in range(MAX_WORDS + 50):
        uses.egress(decision(f"h{n}.example"))
    for n in range(MAX_PLUGINS + 50):
        uses.egress(decision("a.example", plugin=f"p{n}"))

    assert len(uses.of("vendor")) == MAX_WORDS
    assert sum(bool(uses.of(f"p{n}")) for n in range(MAX_PLUGINS + 50)) == MAX_PLUGINS - 1


def test_a_plugin_that_is_gone_begins_anew() -> None:
    uses = Uses()
    uses.egress(decision("a.example"))
    uses.forget("vendor")

    assert uses.of("vendor") == {}


# --- processors ---


def test_the_share_of_a_processor_is_that_since_the_look_before() -> None:
    processors = Processors()

    assert processors.percent(7, 1.0, 100.0) is None
    assert processors.percent(7, 2.0, 102.0) == 50.0
    assert processors.percent(7, 2.0, 104.0) == 0.0


def test_a_look_that_comes_too_soon_gets_the_last_answer() -> None:
    processors = Processors()
    processors.percent(7, 1.0, 100.0)
    processors.percent(7, 2.0, 102.0)

    assert processors.percent(7, 2.01, 102.01) == 50.0
    assert processors.percent(7, 4.0, 104.0) == 100.0  # since the look at 102.0


def test_another_process_with_the_same_number_is_looked_at_anew() -> None:
    processors = Processors()
    processors.percent(7, 9.0, 100.0)
    assert processors.percent(7, 0.1, 102.0) is None

    processors.keep_only(set())
    assert processors.percent(7, 5.0, 104.0) is None
    assert processors.percent(None, None, 105.0) is None


# --- grants ---


def test_each_permission_is_a_row_with_its_uses_and_denials() -> None:
    granted = Permissions(network=(API,))
    asked = granting(vendor(), ["network", "read"], ()).granted
    acts = [
        Act(kind="network", what="images.cdn.vendor.example", count=3),
        Act(kind="network", what="elsewhere.example", count=5),
        Act(kind="network", what="api.vendor.example", allowed=True, count=9),
        Act(kind="read", what="/srv/models/big", count=2),
        Act(kind="read", what="\x1b[2J", count=1),
    ]
    used = {"network:api.vendor.example": 4, "network:lab": 2}
    rows = {row.word: row for row in permission_rows(asked, granted, (OWN,), used=used, acts=acts)}

    assert [(row.asked, row.granted) for row in rows.values()] == [
        (True, True),
        (True, False),
        (True, False),
        (False, True),
    ]
    assert {word: row.used for word, row in rows.items()} == {
        "network:api.vendor.example": 4,
        "network:*.cdn.vendor.example": None,
        "read:/srv/models": None,
        "network:lab": 2,
    }
    assert {word: row.denied for word, row in rows.items() if row.denied} == {
        "network:*.cdn.vendor.example": 3,
        "read:/srv/models": 2,
    }
    assert rows["network:lab"].by_operator


def test_a_grant_is_never_more_than_was_asked_for() -> None:
    with pytest.raises(UsageError, match=r"evil\.example"):
        granting(vendor(), ["network:evil.example"], ())


def test_what_a_grant_adds_is_told_apart_from_what_there_is() -> None:
    more = granting(vendor(Permissions(network=(API,))), ["network"], (OWN,))

    assert more.words == ["network:*.cdn.vendor.example", "network:lab"]
    assert more.granted.network == (API, CDN)
    assert granting(vendor(more.granted, OWN), ["network"], (OWN,)).is_nothing


# --- settings, needs, offers ---


def test_settings_are_read_as_typed_and_refused_with_what_would_be_right() -> None:
    record = vendor()
    rows = {row.key: row for row in rows_of(record)}

    assert checked(record, "batch", field_of(record, "batch"), "8") == 8
    assert (rows["batch"].value, rows["batch"].is_set) == (4, False)
    assert (rows["region"].required, rows["region"].choices) == (True, ["eu", "us"])
    with pytest.raises(UsageError, match="region of vendor was not set"):
        checked(record, "region", field_of(record, "region"), "mars")
    with pytest.raises(UsageError, match="write region"):
        field_of(record, "regoin")


def test_a_plugin_names_each_thing_it_lacks_with_its_command(tmp_path: Path) -> None:
    asked = granting(vendor(), ["secrets", "network"], ()).granted
    key = v.KeyRow(plugin="vendor", name="VENDOR_KEY", help="", is_set=True, source="file")

    def needs(record: Installed, *keys: v.KeyRow) -> list[str]:
        return plugin_row(
            Home(tmp_path),
            record,
            running="stopped",
            workers=[],
            waiting=0,
            models=0,
            keys=keys,
        ).needs

    assert needs(vendor(asked)) == [
        "region is not set; run: stockade config set vendor region VALUE",
        "no key is set; run: stockade secrets set vendor VENDOR_KEY",
    ]
    assert len(needs(vendor(asked), key)) == 1
    assert len(needs(vendor(asked, OWN))) == 1  # a host of the operator's may want no key


def test_a_plugin_whose_manifest_is_damaged_is_shown_all_the_same(tmp_path: Path) -> None:
    record = Installed(
        name="odd", version="1", digest="d", manifest="?", source="", trust="", installed_at=0.0
    )

    row = plugin_row(
        Home(tmp_path), record, running="stopped", workers=[], waiting=0, models=0, keys=[]
    )

    assert row.needs == ["its manifest cannot be read; install it again"]


def test_every_shipped_plugin_is_offered(pytestconfig: pytest.Config) -> None:
    folders = {path.parent.name for path in pytestconfig.rootpath.glob("plugins/*/plugin.toml")}
    found = {offer.name: offer for offer in offers(["echo"])}

    assert set(found) == folders
    assert [name for name, offer in found.items() if offer.installed] == ["echo"]
    assert {name for name, offer in found.items() if offer.china} == {
        "deepseek",
        "moonshot",
        "qwen",
    }


# --- installs, logs ---


def test_content_that_was_not_looked_at_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with State.open(home) as state:
        found = wanted_from(home, state, v.Proposing(source="echo"))

    check_digest(v.Installing(source="echo", digest=f"sha256:{found.proposal.digest}"), found)
    for other in ("sha256:" + "0" * 64, found.proposal.digest[:12], "sha256:"):
        with pytest.raises(Changed):
            check_digest(v.Installing(source="echo", digest=other), found)


def test_a_relative_path_is_no_source_for_a_server(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with State.open(home) as state:
        for text in ("plugins/echo", "./echo", "~/echo", "../echo"):
            with pytest.raises(UsageError, match="whole path"):
                wanted_from(home, state, v.Proposing(source=text))


def test_a_line_of_a_log_is_shown_in_its_parts_and_escaped() -> None:
    line = as_row("2026-01-01T00:00:00.000+00:00 egress  a.example:443 allowed, 1 bytes out")

    assert (line.at[:10], line.source) == ("2026-01-01", "egress")
    assert line.text == "a.example:443 allowed, 1 bytes out"
    assert as_row("no line of ours") == v.LogLine(at="", source="", text="no line of ours")
    assert as_row("\x1b[2J\u202e") == v.LogLine(at="", source="", text="\\x1b[2J\\u202e")
