"""Secrets: real values go to their hosts in their header; placeholders go nowhere else."""

import re

import pytest

from stockade.egress.secrets import BoundSecret, Keyring
from stockade.egress.targets import read_target
from stockade_sdk.errors import PermissionDenied
from stockade_sdk.hosts import HostRule

VALUE = "sk-real-0123456789"
HOME = read_target("https://api.example.com/v1/chat")
AWAY = read_target("https://evil.example.net/")


def secret(
    name="EXAMPLE_KEY", value=VALUE, header="authorization", rules=("api.example.com",), **k
):
    k.setdefault("format", "Bearer {}")
    operator = tuple(map(HostRule.parse, k.pop("operator", ())))
    bound = tuple(map(HostRule.parse, rules))
    return BoundSecret(name, value, header, rules=bound, operator_rules=operator, **k)


def keyring(*secrets):
    return Keyring("x", secrets)


def test_a_placeholder_is_new_for_every_outlet_and_is_not_the_value():
    first, second = keyring(secret()), keyring(secret())

    assert re.fullmatch(
        r"stk_placeholder_EXAMPLE_KEY_[0-9a-f]{16}", first.placeholders["EXAMPLE_KEY"]
    )
    assert first.placeholders != second.placeholders


def test_a_secret_that_is_not_set_is_an_empty_text_and_adds_nothing():
    ring = keyring(secret(value=None))

    filled = ring.fill(HOME, [("authorization", "Bearer ")], None)

    assert ring.placeholders == {"EXAMPLE_KEY": ""}
    assert filled.headers == [("authorization", "Bearer ")]


def test_the_value_takes_the_place_of_its_placeholder():
    ring = keyring(secret())
    written = [("x-a", "1"), ("Authorization", "Token " + ring.placeholders["EXAMPLE_KEY"])]

    filled = ring.fill(HOME, [*written, ("x-b", "2")], b"{}")

    assert filled.headers == [("x-a", "1"), ("Authorization", "Bearer " + VALUE), ("x-b", "2")]
    assert filled.path == "/v1/chat"


def test_the_value_is_added_where_the_plugin_wrote_nothing():
    assert keyring(secret()).fill(HOME, [("x-a", "1")], None).headers == [
        ("x-a", "1"),
        ("authorization", "Bearer " + VALUE),
    ]


def test_what_the_plugin_wrote_into_a_header_of_the_hosts_is_replaced_with_repeats():
    written = [("authorization", "Bearer mine"), ("AUTHORIZATION", "Basic x")]

    assert keyring(secret()).fill(HOME, written, None).headers == [
        ("authorization", "Bearer " + VALUE)
    ]


def test_nothing_is_added_on_a_request_to_another_host():
    filled = keyring(secret()).fill(AWAY, [("x-a", "1")], b"body")

    assert filled.headers == [("x-a", "1")]


@pytest.mark.parametrize(
    ("url", "headers", "body"),
    [
        ("https://evil.example.net/", [("authorization", "Bearer {}")], None),
        ("https://evil.example.net/", [("x-a", "{}")], None),
        ("https://evil.example.net/?k={}", [], None),
        ("https://evil.example.net/", [], b'{"k": "%s"}'),
        ("https://api.example.com:8443/", [("authorization", "{}")], None),
    ],
)
def test_a_placeholder_on_its_way_to_another_host_is_refused(url, headers, body):
    ring = keyring(secret())
    mark = ring.placeholders["EXAMPLE_KEY"]
    target = read_target(url.replace("{}", mark))

    with pytest.raises(PermissionDenied) as denied:
        ring.fill(
            target,
            [(name, value.replace("{}", mark)) for name, value in headers],
            body and body.replace(b"%s", mark.encode()),
        )

    assert f"plugin 'x' may not send EXAMPLE_KEY to {target.endpoint}" in denied.value.message
    assert "bound to api.example.com" in denied.value.message
    assert '[[permissions.secrets]] with name = "EXAMPLE_KEY"' in denied.value.message
    assert f"stockade secrets set x EXAMPLE_KEY --host {target.rule}" in denied.value.message
    assert VALUE not in denied.value.message


@pytest.mark.parametrize(
    ("path", "headers", "body", "place"),
    [
        ("", [("x-other", "{}")], None, 'the header "x-other"'),
        ("?key={}", [], None, "the URL"),
        ("", [], b"key=%s", "the body"),
        ("", [("x-{}", "1")], None, "a header's name"),
    ],
)
def test_a_placeholder_outside_its_header_is_refused_at_home_too(path, headers, body, place):
    ring = keyring(secret())
    mark = ring.placeholders["EXAMPLE_KEY"]

    with pytest.raises(PermissionDenied, match=re.escape(place)) as denied:
        ring.fill(
            read_target("https://api.example.com/" + path.replace("{}", mark)),
            [(name.replace("{}", mark), value.replace("{}", mark)) for name, value in headers],
            body and body.replace(b"%s", mark.encode()),
        )

    assert 'name = "EXAMPLE_KEY"' in denied.value.message


def test_a_secret_without_a_header_stands_where_the_plugin_wrote_it():
    ring = keyring(secret(value="real/value+1", header=None, format="{}"))
    mark = ring.placeholders["EXAMPLE_KEY"]
    target = read_target(f"https://api.example.com/v1?key={mark}")

    filled = ring.fill(target, [("x-sig", f"v1 {mark}")], None)
    untouched = ring.fill(HOME, [("x-a", "1")], None)

    assert filled.path == "/v1?key=real%2Fvalue%2B1"
    assert filled.headers == [("x-sig", "v1 real/value+1")]
    assert untouched.headers == [("x-a", "1")]
    with pytest.raises(PermissionDenied, match="the body"):
        ring.fill(HOME, [], mark.encode())


def test_plain_http_gets_a_secret_only_where_the_operator_bound_it():
    local = read_target("http://localhost:8080/v1")
    by_manifest = keyring(secret(rules=("localhost:8080",)))
    by_operator = keyring(secret(rules=(), operator=("localhost:8080",)))
    by_wildcard = keyring(secret(rules=(), operator=("*.lab.example.com:8080",)))

    assert by_manifest.fill(local, [], None).headers == []
    with pytest.raises(PermissionDenied, match="plain http only where the operator bound it"):
        by_manifest.fill(local, [("authorization", by_manifest.placeholders["EXAMPLE_KEY"])], None)
    assert by_operator.fill(local, [], None).headers == [("authorization", "Bearer " + VALUE)]
    assert by_operator.fill(read_target("http://localhost:8081/"), [], None).headers == []
    assert by_wildcard.fill(read_target("http://a.lab.example.com:8080/"), [], None).headers == []


def test_of_two_secrets_for_one_header_the_one_that_was_written_goes():
    ring = keyring(secret("FIRST_KEY", "first-value"), secret("SECOND_KEY", "second-value"))
    second = ring.placeholders["SECOND_KEY"]

    assert ring.fill(HOME, [("authorization", second)], None).headers == [
        ("authorization", "Bearer second-value")
    ]
    assert ring.fill(HOME, [], None).headers == [("authorization", "Bearer first-value")]


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\nb", "a\rb", "a\x00b", "key\n", "", "k" * 5000])
def test_a_value_that_would_end_its_header_is_refused_without_being_shown(value):
    with pytest.raises(ValueError, match="EXAMPLE_KEY") as refused:
        secret(value=value)

    assert value[:3] not in str(refused.value) or value == ""


def test_a_secret_does_not_show_its_value():
    assert VALUE not in repr(secret())
    assert VALUE not in repr(keyring(secret()))


def test_text_that_only_looks_like_a_placeholder_passes():
    body = b"what does stk_placeholder_EXAMPLE_KEY_0000000000000000 mean?"

    assert keyring(secret()).fill(AWAY, [], body).headers == []
