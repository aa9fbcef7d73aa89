"""What a run needed, as a block for a manifest: used, refused, kept; nothing is granted by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from stockade.cli.needs import as_json, as_toml, needed
from stockade.cli.observing import Run, acts_since, told, told_as_json
from stockade.state import Installed
from stockade.supervisor.allowing import secret_act
from stockade.supervisor.denials import Act, Denials
from stockade_sdk import ProviderError
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest
from stockade_sdk.permissions import PathRule, Permissions, SecretRequest
from tests.unit.host.packaging_samples import MANIFEST

GRANTED = Permissions(
    network=(HostRule.parse("*.example.com"), HostRule.parse("unused.example.org")),
    tunnel=True,
    read=(PathRule.parse("/srv/models"),),
    environment=("LANG",),
    secrets=(
        SecretRequest(
            name="API_KEY",
            help='The "first" key',
            hosts=(HostRule.parse("a.example.com"),),
            header="authorization",
            format="Bearer {}",
        ),
    ),
)
OPERATOR = (HostRule.parse("localhost:8080"),)


def used(kind: str, what: str) -> Act:
    return Act(kind=kind, what=what, allowed=True)


def reported(kind: str, what: str) -> Act:
    return Act(kind=kind, what=what, told_by="worker")


def block(*acts: Act, granted: Permissions = GRANTED) -> Permissions:
    """The printed block, read back as a manifest's."""
    text = as_toml(needed("sample", granted, OPERATOR, acts))
    manifest = MANIFEST.format(name="sample", version="1.0.0", more=text)
    return read_manifest(manifest).permissions


def test_hosts_are_those_that_were_used_and_those_that_were_refused() -> None:
    found = block(
        used("network", "*.example.com"),
        used("network", "localhost:8080"),
        Act(kind="network", what="b.example.net"),
    )

    assert [str(rule) for rule in found.network] == ["*.example.com", "b.example.net"]
    assert not found.tunnel


def test_a_tunnel_is_needed_where_it_was_used_or_a_socket_was_tried() -> None:
    assert block(used("tunnel", ""), used("network", "*.example.com")).tunnel
    by_hand = block(reported("network", "c.example.net:8443"), granted=Permissions())
    assert by_hand.tunnel
    assert [str(rule) for rule in by_hand.network] == ["c.example.net:8443"]
    assert not block(Act(kind="network", what="b.example.net"), granted=Permissions()).tunnel
    alone = needed("sample", Permissions(), (), [reported("socket", "AF_INET")])
    assert "# tunnel = true" in as_toml(alone)  # a manifest takes no tunnel to nowhere


def test_files_variables_and_keys_of_the_grant_are_kept_with_what_was_refused() -> None:
    found = block(
        used("network", "a.example.com"),
        reported("read", "/srv/more"),
        reported("write", '/srv/a "b"'),
        reported("process", "ffmpeg"),
        Act(kind="secrets", what=secret_act("API_KEY", "b.example.com")),
        Act(kind="secrets", what=secret_act("API_KEY", "c.example.com:8443")),
    )

    assert [rule.path for rule in found.read] == ["/srv/models", "/srv/more"]
    assert [rule.path for rule in found.write] == ['/srv/a "b"']
    assert found.subprocess
    assert found.environment == ("LANG",)
    (secret,) = found.secrets
    assert [str(rule) for rule in secret.hosts] == [
        "a.example.com",
        "b.example.com",
        "c.example.com:8443",
    ]
    assert (secret.help, secret.header, secret.format) == (
        'The "first" key',
        "authorization",
        "Bearer {}",
    )


def test_a_key_is_left_out_where_none_of_its_hosts_was_reached() -> None:
    assert block(used("network", "unused.example.org")).secrets == ()
    assert [one.name for one in block(used("network", "*.example.com")).secrets] == ["API_KEY"]


def test_a_key_for_a_host_of_the_operators_is_a_command() -> None:
    act = Act(kind="secrets", what=secret_act("API_KEY", "localhost:8080"))

    needs = needed("sample", GRANTED, OPERATOR, [act])

    assert list(needs.commands) == ["stockade secrets set sample API_KEY --host localhost:8080"]
    assert needs.network == []


def test_a_run_that_needed_nothing_needs_nothing() -> None:
    assert block(granted=Permissions()) == Permissions()
    assert block(used("network", "localhost:8080"), granted=Permissions()) == Permissions()


@pytest.mark.parametrize(
    "act",
    [
        reported("read", "/proc/1/environ"),
        reported("read", "/"),
        reported("network", 'x"]\nexpose = true #'),
        reported("network", "*"),
        reported("nonsense", "x"),
        Act(kind="request", what="an unreadable address"),
        Act(kind="syscall", what="a forbidden one"),
    ],
)
def test_what_cannot_be_granted_is_no_part_of_the_block_and_is_told(act: Act) -> None:
    needs = needed("sample", Permissions(), (), [act])

    found = as_toml(needs)
    assert act.what not in found
    (nothing,) = needs.nothing
    assert act.what in nothing[0]


def test_what_is_the_operators_to_allow_is_a_command_and_no_part_of_the_block() -> None:
    needs = needed("sample", GRANTED, OPERATOR, [Act(kind="allow-host", what="10.0.0.1:80")])

    assert list(needs.commands) == ["stockade permissions grant sample --allow-host 10.0.0.1:80"]
    assert "10.0.0.1" not in as_toml(needs)
    assert needs.nothing == []


def test_the_plain_values_are_those_of_the_block() -> None:
    acts = [used("network", "*.example.com"), reported("read", "/srv/more")]
    needs = needed("sample", GRANTED, OPERATOR, acts)

    plain = as_json(needs)
    assert plain["network"] == ["*.example.com"]
    assert plain["read"] == ["/srv/models", "/srv/more"]
    assert plain["secrets"] == [{"name": "API_KEY", "hosts": ["a.example.com"]}]


RECORD = Installed(name="sample", version="1.0.0", digest="0" * 64, manifest="", granted=GRANTED)


def test_a_run_that_failed_tells_what_is_known_and_that_there_may_be_more() -> None:
    error = ProviderError("permission_denied", "may not reach\n\x1b[2J b.example.net")
    run = Run(True, error, [Act(kind="network", what="b.example.net")])

    text = "\n".join(told(RECORD, run))
    assert "Nothing was granted." in text
    assert "observe again" in text
    assert '"b.example.net",  # refused' in text
    assert all(line.startswith("#") for line in text.splitlines()[:4])


def test_a_run_that_was_answered_says_so_in_text_and_json() -> None:
    run = Run(True, None, [used("network", "*.example.com"), reported("read", "/etc/hostname")])

    assert "answered" in told(RECORD, run)[1]
    found = told_as_json(RECORD, run)
    assert set(found) == {
        "name",
        "ok",
        "error",
        "permissions",
        "toml",
        "limits",
        "commands",
        "not_grantable",
        "denied",
    }
    assert found["ok"] is True
    assert [act["what"] for act in found["denied"]] == ["/etc/hostname"]


def test_only_acts_of_this_run_count(tmp_path: Path) -> None:
    clock = iter([100.0, 200.0])
    denials = Denials(tmp_path, now=lambda: next(clock))
    for what in ("/before", "/now"):
        denials._record("sample", reported("read", what))
    denials.close()

    assert [act.what for act in acts_since(tmp_path, "sample", 150.0)] == ["/now"]
