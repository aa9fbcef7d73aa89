"""The operator's network: a proxy, exceptions from it, authorities, and the host's own ports."""

import pytest

from stockade.egress import OwnPorts
from stockade.egress.own import is_of_this_machine
from stockade.egress.resolve import NotFound, TooManyLookups
from stockade.errors import SettingsError
from stockade.settings import EgressSettings
from stockade_sdk.errors import ErrorKind, PermissionDenied
from stockade_sdk.hosts import HostRule
from tests.system.egress_proxy import ProxyServer
from tests.system.egress_sink import (
    AUTHORITY,
    Sink,
    client_tls,
    resolving,
    saying,
    server_tls,
    way_out,
)
from tests.system.tunnelling import NAME, named, tunnelled

PASSWORD = "s3cret-of-the-proxy"


async def unknown(host, port):
    raise NotFound("Name or service not known")


def through(proxy, *rules, granted=(), lookup=unknown, settings=None, **options):
    return way_out(
        *rules,
        network=granted,
        lookup=lookup,
        operators_network=settings or proxy.settings(),
        **options,
    )


async def test_https_goes_through_the_proxy_which_resolves_the_name():
    async with Sink.open(saying(b"pong"), server_tls()) as sink, ProxyServer.open() as proxy:
        settings = proxy.settings(f"user:{PASSWORD}@")
        async with through(proxy, named(sink), settings=settings, tls=client_tls()) as way:
            _, body = await way.fetch(f"https://{NAME}:{sink.port}/x")

    assert body == b"pong"
    (head,) = proxy.heads
    assert head.startswith(f"CONNECT {NAME}:{sink.port} HTTP/1.1\r\n")
    assert "Basic dXNlcjpzM2NyZXQtb2YtdGhlLXByb3h5" in head
    assert sink.requests[0].all("proxy-authorization") == []
    assert PASSWORD not in repr(way.log) + repr(settings)


async def test_plain_http_goes_to_the_proxy_in_absolute_form_where_the_operator_allowed_it():
    async with Sink.open(saying(b"pong")) as sink, ProxyServer.open() as proxy:
        settings = proxy.settings(f"user:{PASSWORD}@")
        async with through(proxy, named(sink), settings=settings) as way:
            _, body = await way.fetch(f"http://{NAME}:{sink.port}/x")
            denied = await way.failure(f"http://other.example.test:{sink.port}/x")

    assert body == b"pong"
    assert len(proxy.heads) == 1
    assert proxy.heads[0].startswith(f"GET http://{NAME}:{sink.port}/x HTTP/1.1\r\n")
    assert "Basic dXNlcjpzM2NyZXQtb2YtdGhlLXByb3h5" in proxy.heads[0]
    assert isinstance(denied, PermissionDenied)


async def test_a_password_that_the_proxys_answer_repeats_is_redacted():
    echo = f"you are Basic dXNlcjpzM2NyZXQtb2YtdGhlLXByb3h5, {PASSWORD}".encode()
    async with Sink.open(saying(echo)) as sink, ProxyServer.open() as proxy:
        settings = proxy.settings(f"user:{PASSWORD}@")
        async with through(proxy, named(sink), settings=settings) as way:
            _, body = await way.fetch(f"http://{NAME}:{sink.port}/x")

    assert body == b"you are Basic [redacted], [redacted]"


async def test_an_exception_and_this_machine_itself_are_connected_to_directly():
    async with Sink.open(saying(b"pong"), server_tls()) as sink, ProxyServer.open() as proxy:
        settings = proxy.settings(no_proxy=["*.example.test"])
        known = resolving(("127.0.0.1",))
        rule = HostRule.parse(f"localhost:{sink.port}")
        async with through(
            proxy, named(sink), settings=settings, lookup=known, tls=client_tls()
        ) as way:
            _, body = await way.fetch(f"https://{NAME}:{sink.port}/")
        async with through(proxy, rule, lookup=known, tls=client_tls()) as way:
            failed = await way.failure(f"https://localhost:{sink.port}/")

    assert body == b"pong"
    assert "certificate" in failed.message  # it got there: the certificate is another host's
    assert proxy.heads == []


@pytest.mark.parametrize(
    ("url", "lookup"),
    [
        ("https://10.1.2.3/", unknown),
        ("https://169.254.169.254/", unknown),
        ("https://api.example.com/", resolving(("10.1.2.3",))),
        ("https://api.example.com/", resolving(("93.184.216.34", "127.0.0.1"))),
    ],
)
async def test_what_is_known_to_be_internal_is_not_asked_of_the_proxy(url, lookup):
    granted = ("10.1.2.3", "169.254.169.254", "api.example.com")
    async with ProxyServer.open() as proxy, through(proxy, granted=granted, lookup=lookup) as way:
        denied = await way.failure(url)

    assert isinstance(denied, PermissionDenied)
    assert proxy.heads == []
    assert way.log[0].wanted_in == "allow-host"


async def test_a_name_that_was_not_looked_up_is_not_asked_of_the_proxy():
    async def busy(host, port):
        raise TooManyLookups("32 earlier lookups of this plugin have had no answer")

    async with (
        ProxyServer.open() as proxy,
        through(proxy, granted=("api.example.com",), lookup=busy) as way,
    ):
        failed = await way.failure("https://api.example.com/")

    assert failed.kind is ErrorKind.NETWORK
    assert proxy.heads == []


async def test_the_proxy_itself_is_no_target():
    async with ProxyServer.open() as proxy:
        rule = HostRule.parse(f"127.0.0.1:{proxy.port}")
        async with through(proxy, rule) as way:
            denied = await way.failure(f"http://127.0.0.1:{proxy.port}/")

    assert isinstance(denied, PermissionDenied)
    assert proxy.heads == []


async def test_a_proxy_that_refuses_or_is_not_there_is_a_network_failure_that_names_the_host():
    async with ProxyServer.open() as proxy:
        proxy.answer = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
        settings = proxy.settings(f"user:{PASSWORD}@")
        async with through(proxy, granted=("api.example.com",), settings=settings) as way:
            refused = await way.failure("https://api.example.com/")
    async with through(proxy, granted=("api.example.com",), settings=settings) as way:
        absent = await way.failure("https://api.example.com/")

    assert refused.kind is absent.kind is ErrorKind.NETWORK
    assert "api.example.com:443" in refused.message
    assert "status 407" in refused.message
    assert "proxy does not answer: Connection refused" in absent.message
    assert PASSWORD not in f"{refused} {absent} {way.log}"


async def test_tunnels_go_through_the_proxy_too():
    async with Sink.open(saying(b"pong"), server_tls()) as sink, ProxyServer.open() as proxy:
        settings = proxy.settings(f"user:{PASSWORD}@")
        async with tunnelled(named(sink), lookup=unknown, operators_network=settings) as tunnel:
            answer = await tunnel.fetch(f"{NAME}:{sink.port}")
            proxy.answer = b"HTTP/1.1 403 Forbidden\r\n\r\n"
            refused = await tunnel.ask(f"CONNECT {NAME}:{sink.port} HTTP/1.1\r\n\r\n".encode())

    assert answer.endswith(b"pong")
    assert proxy.heads[0].startswith(f"CONNECT {NAME}:{sink.port} HTTP/1.1\r\n")
    assert refused.startswith(b"HTTP/1.1 502 ")
    assert b"refused it with status 403" in refused


async def test_an_authority_of_the_operators_is_trusted_and_none_else(tmp_path):
    file = tmp_path / "corp.pem"
    file.write_text(AUTHORITY)
    async with Sink.open(saying(b"pong"), server_tls()) as sink:
        lookup = resolving(("127.0.0.1",))
        trusting = EgressSettings(ca_file=str(file))
        async with way_out(named(sink), lookup=lookup, operators_network=trusting) as way:
            _, body = await way.fetch(f"https://{NAME}:{sink.port}/")
        async with way_out(named(sink), lookup=lookup) as way:
            failed = await way.failure(f"https://{NAME}:{sink.port}/")

    assert body == b"pong"
    assert "certificate" in failed.message


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_authorities_that_cannot_be_read_keep_the_broker_shut(tmp_path, content):
    file = tmp_path / "corp.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(SettingsError, match=r"corp\.pem cannot be read"):
        async with way_out(operators_network=EgressSettings(ca_file=str(file))):
            pass


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::ffff:127.0.0.1", "::1"])
async def test_no_rule_opens_the_hosts_own_port_at_any_of_its_addresses(address):
    own = OwnPorts()
    async with Sink.open(saying()) as admin, Sink.open(saying(b"pong")) as sink:
        own.add(admin.port)
        lookup = resolving((address,))
        names = (named(admin), named(sink), admin.rule)
        async with way_out(*names, lookup=lookup, forbidden=own) as way:
            by_name = await way.failure(f"http://{NAME}:{admin.port}/")
            by_address = await way.failure(f"http://127.0.0.1:{admin.port}/")
        async with way_out(*names, lookup=resolving(("127.0.0.1",)), forbidden=own) as way:
            _, body = await way.fetch(f"http://{NAME}:{sink.port}/")
            own.discard(admin.port)
            await way.fetch(admin.url)

    for denied in (by_name, by_address):
        assert isinstance(denied, PermissionDenied)
        assert "a port of the host's own" in denied.message
        assert "--allow-host" not in denied.message
    assert body == b"pong"
    assert admin.connections == 1


def test_an_address_of_another_machine_is_not_this_machines():
    assert is_of_this_machine("127.0.0.1")
    assert not is_of_this_machine("192.0.2.1")
    assert not is_of_this_machine("2001:db8::1")


async def test_idle_connections_are_bounded_however_many_hosts_there_are():
    async with Sink.open(saying()) as sink:
        wildcard = [HostRule.parse(f"h{index}.example.test:{sink.port}") for index in range(100)]
        async with way_out(*wildcard, lookup=resolving(("127.0.0.1",))) as way:
            for index in range(100):
                await way.fetch(f"http://h{index}.example.test:{sink.port}/")
            await sink.closed.wait()
            before = sink.connections
            await way.fetch(f"http://h0.example.test:{sink.port}/")

    assert before == 100
    assert sink.connections == 100  # the first are kept
