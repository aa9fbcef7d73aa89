"""Targets: how a URL is read, and what a grant says of it."""

import pytest

from stockade.egress.targets import Grant, TargetRefused, read_target
from stockade_sdk.hosts import HostRule


def grant(*network, operator=()):
    return Grant(map(HostRule.parse, network), map(HostRule.parse, operator))


@pytest.mark.parametrize(
    ("url", "host", "port", "path"),
    [
        ("https://api.example.com", "api.example.com", 443, "/"),
        ("HTTPS://API.Example.COM./v1?a=b#c", "api.example.com", 443, "/v1?a=b"),
        ("https://api.example.com:8443/x", "api.example.com", 8443, "/x"),
        ("https://api.example.com?q=1", "api.example.com", 443, "/?q=1"),
        ("https://[2606:4700::1]:8443/", "2606:4700::1", 8443, "/"),
        ("https://[2606:4700::1]/", "2606:4700::1", 443, "/"),
        ("https://a.example.com/%2F..%2f%7e/../x", "a.example.com", 443, "/%2F..%2f%7e/../x"),
        ("https://a.example.com/ü x", "a.example.com", 443, "/%C3%BC%20x"),
        ("https://a.example.com/@evil.com:1/", "a.example.com", 443, "/@evil.com:1/"),
    ],
)
def test_a_url_is_taken_apart(url, host, port, path):
    target = read_target(url)

    assert (target.host, target.port, target.path) == (host, port, path)
    assert read_target(target.url) == target


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example.com/x",
        "//api.example.com/x",
        "ftp://api.example.com/",
        "file:///etc/passwd",
        "https:/api.example.com",
        "https:///x",
        "https://",
        "https://user@api.example.com/",
        "https://api.example.com@evil.com/",
        "https://api.example.com\\@evil.com/",
        "https://api.example.com\\.evil.com/",
        "https://api.example.com%00.evil.com/",
        "https://api.example.com\x00.evil.com/",
        "https://api.example.com\r\nHost: evil.com/",
        "https://api.example.com/\nx",
        "https:// api.example.com/",
        "https://api_example.com/",
        "https://*.example.com/",
        "https://-a.example.com/",
        "https://a..example.com/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://::1/",
        "https://api.example.com:0/",
        "https://api.example.com:65536/",
        "https://api.example.com:443x/",
        "https://api.example.com:-1/",
        "https://api.example.com:٤٤٣/",
        "https://exämple.com/",
        "https://" + "a" * 17000 + ".com/",
    ],
)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url):
    with pytest.raises(TargetRefused):
        read_target(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/", "https://API.EXAMPLE.COM./", "https://a.b.cdn.example.com/"],
)
def test_what_the_grant_names_is_allowed(url):
    decided = grant("api.example.com", "*.cdn.example.com").decide(read_target(url))

    assert decided.rule is not None
    assert not decided.exact


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/",
        "https://evilapi.example.com/",
        "https://api.example.com.evil.com/",
        "https://x.api.example.com/",
        "https://cdn.example.com/",  # the apex of the wildcard
        "https://evilcdn.example.com/",
        "https://api.example.com:8443/",
    ],
)
def test_what_the_grant_does_not_name_is_refused(url):
    assert grant("api.example.com", "*.cdn.example.com").decide(read_target(url)).rule is None


def test_an_empty_grant_allows_nothing():
    assert grant().decide(read_target("https://api.example.com/")).rule is None


def test_a_refusal_says_which_line_and_which_command_would_allow_it():
    plain = grant().decide(read_target("https://api.foo.com/v1")).refusal
    other = grant().decide(read_target("https://api.foo.com:8443/v1")).refusal

    assert plain == (
        "api.foo.com:443: its grant names no such host. "
        'Allow it with network = ["api.foo.com"] under [permissions] in plugin.toml and '
        "reinstall, or: stockade install SOURCE --allow-host api.foo.com"
    )
    assert 'network = ["api.foo.com:8443"]' in other
    assert other.endswith("--allow-host api.foo.com:8443")


def test_plain_http_is_for_the_very_host_and_port_that_the_operator_named():
    operator = ("localhost:8080", "*.lab.example.com:80")
    judged = grant("api.example.com:80", operator=operator)

    named = judged.decide(read_target("http://localhost:8080/"))
    in_manifest = judged.decide(read_target("http://api.example.com/"))
    by_wildcard = judged.decide(read_target("http://a.lab.example.com/"))

    assert named.rule is not None
    assert named.exact
    assert in_manifest.rule is by_wildcard.rule is None
    assert "https is required" in in_manifest.refusal
    assert "--allow-host api.example.com:80" in in_manifest.refusal


def test_an_operators_wildcard_allows_but_names_no_machine():
    judged = grant(operator=("*.corp.example.com",))

    decided = judged.decide(read_target("https://a.corp.example.com/"))

    assert decided.rule is not None
    assert not decided.exact
    assert not judged.names("a.corp.example.com", 443)
    assert not judged.names("corp.example.com", 443)
