"""Permissions, their grammars and limits: what is allowed, and what is refused however spelt."""

import json
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stockade_sdk.hosts import HostRule, normalise_host
from stockade_sdk.manifest.versions import parse_requirement, parse_version, specifier_allows
from stockade_sdk.permissions import (
    Limits,
    PathRule,
    Permissions,
    SecretRequest,
    check_environment_name,
    format_duration,
    format_size,
    limits_as_written,
    parse_duration,
    parse_size,
    permissions_from_json,
    permissions_to_json,
    risk_words,
)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("api.example.com", "api.example.com"),
        ("API.Example.COM.", "api.example.com"),
        ("api.example.com:443", "api.example.com"),
        ("localhost:8080", "localhost:8080"),
        ("*.example.com", "*.example.com"),
        ("*.openai.azure.com:8443", "*.openai.azure.com:8443"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:8080", "[::1]:8080"),
        ("[2001:DB8:0:0::1]", "[2001:db8::1]"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1password.com", "1password.com"),
    ],
)
def test_a_host_rule_has_one_spelling(text, written):
    rule = HostRule.parse(text)
    assert str(rule) == written
    assert HostRule.parse(written) == rule


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "*.",
        "*.com",
        "*.localhost",
        "*.co.uk",
        "*.127.0.0.1",
        "a.*.com",
        "*a.com",
        "**.a.com",
        "https://a.com",
        "a.com/",
        "a.com/v1",
        "user@a.com",
        "a.com\\b",
        "a b.com",
        " a.com",
        "a.com ",
        "a.com\n",
        "a\x00.com",
        "127.0.0.1\x00.a.com",
        "a%2ecom",
        "a_b.com",
        "-a.com",
        "a-.com",
        ".a.com",
        "a..com",
        "a.com..",
        ".",
        f"{'a' * 64}.com",
        ".".join(["a" * 60] * 5),
        "127.1",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "1.2.3.4.5",
        "256.1.1.1",
        "1.2.3",
        "a.0x7f",
        "a.12",
        "a.com:0",
        "a.com:",
        "a.com:065",
        "a.com:65536",
        "a.com:+80",
        "a.com:٨٠",
        "::1",
        "[::1",
        "[::1%eth0]",
        "[::ffff:127.0.0.1]",
        "[1.2.3.4]",
        "[::1]x",
        "bücher.example",
        "\uff11\uff12\uff17.0.0.1",
    ],
)
def test_a_malformed_or_too_broad_host_is_refused(text):
    with pytest.raises(ValueError, match="; "):
        HostRule.parse(text)


def test_a_non_ascii_host_is_refused_with_what_to_write():
    with pytest.raises(ValueError, match=r"xn--bcher-kva\.example"):
        HostRule.parse("bücher.example")


def test_a_wildcard_is_one_or_more_labels_and_never_the_apex():
    rule = HostRule.parse("*.example.com")
    assert rule.matches("a.example.com", 443)
    assert rule.matches("A.B.Example.com.", 443)
    assert not rule.matches("example.com", 443)
    assert not rule.matches("badexample.com", 443)
    assert not rule.matches("a.example.com.evil.net", 443)
    assert not rule.matches("a.example.com", 80)


@pytest.mark.parametrize(
    "host",
    ["a.com\x00.example.com", "a_.example.com", "", "x@y.example.com", "[::1", "a/.example.com"],
)
def test_a_malformed_request_host_never_matches(host):
    assert not HostRule.parse("*.example.com").matches(host, 443)


def test_an_address_matches_in_any_of_its_spellings():
    assert HostRule.parse("[::1]:80").matches("0:0:0:0:0:0:0:1", 80)
    assert HostRule.parse("[::1]:80").matches("[::1]", 80)
    assert not HostRule.parse("127.0.0.1:80").matches("::ffff:127.0.0.1", 80)


@pytest.mark.parametrize(
    ("broad", "narrow", "expected"),
    [
        ("*.a.com", "x.a.com", True),
        ("*.a.com", "*.a.com", True),
        ("*.a.com", "*.x.a.com", True),
        ("*.a.com", "a.com", False),
        ("*.x.a.com", "*.a.com", False),
        ("x.a.com", "*.a.com", False),
        ("a.b.com", "*.a.b.com", False),
        ("a.com", "a.com", True),
        ("a.com", "a.com:80", False),
    ],
)
def test_covering_is_containment(broad, narrow, expected):
    assert HostRule.parse(broad).covers(HostRule.parse(narrow)) is expected


@pytest.mark.parametrize(
    "fields", [{"host": "A.com"}, {"host": "a.com", "port": 0}, {"host": "com", "wildcard": True}]
)
def test_a_rule_made_by_hand_is_checked_too(fields):
    with pytest.raises(ValueError, match="; "):
        HostRule(**fields)


@given(st.text(max_size=60))
def test_any_host_is_normalised_once_for_all_or_refused(text):
    try:
        host = normalise_host(text)
    except ValueError:
        return
    assert normalise_host(host) == host
    assert re.fullmatch(r"[a-z0-9.:-]+", host)


@given(st.from_regex(r"[*.a-c:\[\]0-9]{1,20}", fullmatch=True))
def test_a_parsed_rule_round_trips(text):
    try:
        rule = HostRule.parse(text)
    except ValueError:
        return
    assert HostRule.parse(str(rule)) == rule
    assert rule.covers(rule)


def test_paths_are_absolute_or_the_data_folder():
    assert PathRule.parse("data").is_data
    assert str(PathRule.parse("/srv/models/")) == "/srv/models"
    assert PathRule.parse("/srv").covers(PathRule.parse("/srv/a"))
    assert not PathRule.parse("/srv").covers(PathRule.parse("/srv2"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "///",
        "data/x",
        "./data",
        "relative",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/..",
        "/a\x00",
        "/a\n",
        "/a\x1b",
        "/a\u202eb",
        "~",
        "~/x",
        "/~x",
        "$HOME",
        "/a/$X",
        "/a/*",
        "C:\\x",
        "/a\\b",
        " /a",
        "/proc",
        "/proc/1/environ",
        "/sys/kernel",
        "/dev",
        "/" + "a" * 256,
        "/a" * 2049,
        "/\ud800",
    ],
)
def test_an_odd_path_is_refused(text):
    with pytest.raises(ValueError, match="; "):
        PathRule.parse(text)


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD",
        "ld_library_path",
        "PYTHONPATH",
        "BASH_ENV",
        "GLIBC_TUNABLES",
        "STOCKADE_HOME",
        "1A",
        "A-B",
        "A=B",
        "",
        "Ä",
    ],
)
def test_a_variable_that_steers_loading_is_refused(name):
    with pytest.raises(ValueError, match="; "):
        check_environment_name(name)


def full_permissions() -> Permissions:
    return Permissions(
        network=(
            HostRule.parse("*.a.com"),
            HostRule.parse("[::1]:80"),
            HostRule.parse("localhost:1"),
        ),
        tunnel=True,
        read=(PathRule.parse("/etc/ssl"),),
        write=(PathRule.parse("data"), PathRule.parse("/srv/x")),
        subprocess=True,
        environment=("LANG", "MY_TOKEN"),
        secrets=(
            SecretRequest(
                name="A",
                hosts=(HostRule.parse("x.a.com"),),
                header="authorization",
                format="Bearer {}",
            ),
            SecretRequest(name="B"),
            SecretRequest(name="C", expose=True),
        ),
    )


def test_permissions_are_stored_as_json_and_read_back():
    permissions = full_permissions()
    stored = json.loads(json.dumps(permissions_to_json(permissions)))
    assert stored["network"] == ["*.a.com", "[::1]:80", "localhost:1"]
    assert permissions_from_json(stored) == permissions
    assert permissions_from_json({}) == Permissions()


@pytest.mark.parametrize(
    "stored",
    [
        {"netwrok": []},
        {"network": "a.com"},
        {"network": ["*"]},
        {"write": ["/"]},
        {"tunnel": 1},
        {"environment": ["LD_PRELOAD"]},
        {"secrets": [{"name": "A", "header": "host"}]},
        {"secrets": [{"name": "A", "format": "x"}]},
        {"secrets": [{"name": "A"}, {"name": "A"}]},
    ],
)
def test_a_stored_grant_is_held_to_the_same_grammar(stored):
    with pytest.raises(ValueError, match=r"[a-z]"):
        permissions_from_json(stored)


def test_every_permission_has_its_risk_in_words():
    words = risk_words(full_permissions())
    assert len(words) == 3 + 1 + 1 + 2 + 1 + 2 + 3
    assert "stranger" in words[0]
    assert "this machine" in words[2]
    assert "looks like a key" in words[9]
    assert "never sees" in words[10]
    assert "real value" in words[12]
    assert risk_words(Permissions()) == []


def test_limits_are_checked_and_written_as_in_a_manifest():
    written = limits_as_written(Limits())
    assert (written["memory"], written["cpu"], written["idle_stop"]) == ("256 MiB", 1.0, "10m")
    assert msgspec.convert(msgspec.to_builtins(Limits()), Limits) == Limits()
    with pytest.raises(ValueError, match="memory is out of bounds"):
        Limits(memory_bytes=1)


@pytest.mark.parametrize(
    ("text", "size"), [("256 MiB", 2**28), ("1.5 GiB", 3 * 2**29), ("64KiB", 2**16), ("7 B", 7)]
)
def test_sizes_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "12",
        "12 MB",
        "1.0001 B",
        "-1 MiB",
        "1  MiB",
        "1 MiB ",
        "٣ MiB",
        "1e3 B",
        "9" * 19 + " B",
        "x",
    ],
)
def test_odd_sizes_are_refused(text):
    with pytest.raises(ValueError, match="; "):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("10s", 10), ("10m", 600), ("1h", 3600), ("2.5s", 2.5)]
)
def test_durations_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "10S", "1d", "-1s", "0.5ms", "1m30s", "inf"])
def test_odd_durations_are_refused(text):
    with pytest.raises(ValueError, match="; "):
        parse_duration(text)


@given(st.integers(0, 2**50))
def test_sizes_round_trip(size):
    assert parse_size(format_size(size)) == size


@given(st.integers(0, 10**9))
def test_durations_round_trip(milliseconds):
    assert parse_duration(format_duration(milliseconds / 1000)) == milliseconds / 1000


VERSIONS = st.from_regex(
    r"(1!)?[0-2](\.[0-2]){0,3}((a|b|rc)[0-2])?"
    r"(\.post[0-2])?(\.dev[0-2])?(\+[a-b0-2](\.[0-2])?)?",
    fullmatch=True,
)


@settings(max_examples=500)
@given(VERSIONS, VERSIONS, st.sampled_from(["==", "!=", "<", "<=", ">", ">=", "~="]), st.booleans())
def test_specifiers_mean_what_pep_440_says(version, bound, operator, starred):
    packaging = pytest.importorskip("packaging.specifiers")
    text = f"{operator}{bound}{'.*' if starred else ''}"
    try:
        expected = packaging.SpecifierSet(text).contains(version, prereleases=True)
    except packaging.InvalidSpecifier:
        with pytest.raises(ValueError, match="; "):
            specifier_allows(text, version)
        return
    assert specifier_allows(text, version) is expected, (text, version)


@pytest.mark.parametrize(
    "text", ["1.0.0", "1.0.0-beta.1", "1.0.0-alpha", "v1.0", "1!2.0.post1.dev3+local.1"]
)
def test_versions_read(text):
    assert parse_version(text).release


@pytest.mark.parametrize("text", ["", "one", "1.", "1.0 ", "1..0", "٣", "1" * 65, "1.0+", "1.0\n"])
def test_odd_versions_are_refused(text):
    with pytest.raises(ValueError, match="; "):
        parse_version(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("tiktoken", "tiktoken"),
        ("Foo_Bar >=1, <2", "foo-bar>=1,<2"),
        ("google-auth[requests]==2.*", "google-auth[requests]==2.*"),
    ],
)
def test_requirements_read(text, written):
    assert str(parse_requirement(text)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-r x",
        "--pre",
        "a b",
        "a===1",
        "a@b",
        "a @ file:///x",
        "./a",
        "/a",
        "a.whl/..",
        "a;x",
        "a>=1 --pre",
        "a\n",
        "a[",
        "git+https://x",
        "a>=1#x",
    ],
)
def test_odd_requirements_are_refused(text):
    with pytest.raises(ValueError, match="; "):
        parse_requirement(text)
