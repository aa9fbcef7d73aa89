"""What a refusal says in fields: the rule that would have allowed it, and where it has to stand."""

import pytest

from stockade.egress import ALLOW_HOST, BINDING, NETWORK, BoundSecret, Broker, Decision
from stockade_sdk.errors import PermissionDenied, ProviderError
from stockade_sdk.hosts import HostRule


async def decided(url, network=(), secrets=(), headers=(), addresses=("93.184.216.34",)):
    log: list[Decision] = []

    async def lookup(host, port):
        return addresses

    async with Broker.open(1, 1, 1, on_decision=log.append, lookup=lookup) as broker:
        granted = tuple(map(HostRule.parse, network))
        outlet = broker.outlet("x", network=granted, secrets=tuple(secrets))
        sent = [(name, value.format(**outlet.placeholders)) for name, value in headers]
        with pytest.raises(ProviderError) as failed:
            async with outlet.open("GET", url, sent, None, timeout_s=5):
                pass
    assert isinstance(failed.value, PermissionDenied)
    (decision,) = log
    assert not decision.allowed
    assert not decision.tunnel
    return decision


async def test_a_host_that_is_not_granted_wants_a_line_of_the_manifest():
    one = await decided("https://api.example.com:8443/v1")

    assert (one.scheme, one.host, one.port) == ("https", "api.example.com", 8443)
    assert (one.wanted, one.wanted_in) == ("api.example.com:8443", NETWORK)
    assert HostRule.parse(one.wanted).matches(one.host, one.port)


async def test_plain_http_wants_the_operator():
    one = await decided("http://api.example.com/", network=["api.example.com:80"])

    assert (one.scheme, one.wanted, one.wanted_in) == ("http", "api.example.com:80", ALLOW_HOST)


async def test_an_internal_address_wants_the_operator():
    one = await decided("https://a.example.com/", ["a.example.com"], addresses=["10.1.2.3"])

    assert (one.rule, one.wanted, one.wanted_in) == ("a.example.com", "a.example.com", ALLOW_HOST)


@pytest.mark.parametrize("address", ["224.0.0.1", "0.0.0.0", "255.255.255.255"])
async def test_what_nothing_opens_wants_nothing(address):
    one = await decided("https://a.example.com/", ["a.example.com"], addresses=[address])

    assert (one.wanted, one.wanted_in) == ("", "")


async def test_a_url_that_cannot_be_read_wants_nothing():
    one = await decided("https://a.example.com@evil.com/")

    assert (one.host, one.port, one.scheme, one.wanted) == ("", 0, "", "")


async def test_a_key_on_its_way_to_another_host_wants_that_host_bound_to_it():
    key = BoundSecret(
        "KEY", "sk-0123456789", "authorization", rules=(HostRule.parse("b.example.com"),)
    )
    one = await decided(
        "https://a.example.com/", ["a.example.com"], [key], [("authorization", "{KEY}")]
    )

    assert (one.wanted, one.wanted_in, one.secret) == ("a.example.com", BINDING, "KEY")
    assert "sk-0123456789" not in repr(one)


async def test_a_placeholder_that_is_none_of_its_own_is_refused():
    stranger = ("authorization", "Bearer stk_placeholder_OTHER_0123456789abcdef")
    one = await decided("https://a.example.com/", ["a.example.com"], headers=[stranger])

    assert "no secret of its own" in one.reason
