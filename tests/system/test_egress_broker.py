"""The broker against real sockets: who is reached, what arrives, what comes back."""

import os
import subprocess
import sys

import pytest

from stockade_sdk.errors import ErrorKind, PermissionDenied
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import (
    MIB,
    Sink,
    client_tls,
    resolving,
    saying,
    server_tls,
    way_out,
    writing,
)


async def test_a_request_arrives_as_the_plugin_wrote_it_and_its_answer_comes_back():
    async with Sink.open(saying(b"pong", ["x-a: 1", "x-a: 2"], "418 Teapot")) as sink:
        async with way_out(sink.rule) as way:
            upstream, body = await way.fetch(
                sink.url + "v1/x?q=%2F%7e",
                "POST",
                [("content-type", "application/json"), ("x-b", "3")],
                b'{"a": 1}',
            )

        (request,) = sink.requests
        assert (request.method, request.path) == ("POST", "/v1/x?q=%2F%7e")
        assert request.body == b'{"a": 1}'
        assert request.all("content-type") == ["application/json"]
        assert request.all("x-b") == ["3"]
        assert request.all("accept-encoding") == ["gzip, deflate"]
        assert (upstream.status, body) == (418, b"pong")
        assert upstream.headers == (("x-a", "1"), ("x-a", "2"))


async def test_the_host_writes_host_and_length_itself():
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        await way.fetch(
            sink.url,
            "POST",
            [
                ("host", "evil.example.net"),
                ("content-length", "3"),
                ("transfer-encoding", "chunked"),
                ("connection", "close"),
                ("expect", "100-continue"),
            ],
            b"hello",
        )
        await way.fetch(sink.url, "POST", [], b"again")

        first = sink.requests[0]
        assert first.all("host") == [f"127.0.0.1:{sink.port}"]
        assert first.all("content-length") == ["5"]
        assert first.all("transfer-encoding") == []
        assert first.all("expect") == []
        assert sink.connections == 1


async def test_a_header_that_would_end_its_line_is_refused_and_nothing_is_sent():
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url, headers=[("x-a", "1\r\nx-b: 2")])

        assert failed.kind is ErrorKind.INVALID_REQUEST
        assert sink.connections == 0


@pytest.mark.parametrize("method", ["CONNECT", "TRACE", "GET /", "P\r\nX"])
async def test_a_method_that_opens_a_tunnel_or_repeats_the_key_is_refused(method):
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        failed = await way.failure(sink.url, method=method)

        assert failed.kind is ErrorKind.INVALID_REQUEST
        assert sink.connections == 0


async def test_a_body_of_megabytes_arrives_whole():
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        body = os.urandom(3 * MIB)

        await way.fetch(sink.url, "POST", [], body)

        assert sink.requests[0].body == body
        assert sink.requests[0].all("content-length") == [str(len(body))]
        assert sink.requests[0].all("content-type") == []
        assert way.log[0].bytes_out == len(body)


async def test_what_no_grant_names_is_denied_and_logged_and_never_connected():
    async with Sink.open(saying()) as sink, way_out(network=["api.example.com"]) as way:
        denied = await way.failure(f"https://127.0.0.1:{sink.port}/")

        assert isinstance(denied, PermissionDenied)
        assert denied.message == (
            f"plugin 'x' may not reach 127.0.0.1:{sink.port}: its grant names no such host. Allow "
            f'it with network = ["127.0.0.1:{sink.port}"] under [permissions] in plugin.toml and '
            f"reinstall, or: stockade install SOURCE --allow-host 127.0.0.1:{sink.port}"
        )
        assert sink.connections == 0
        (logged,) = way.log
        assert (logged.plugin, logged.host, logged.port) == ("x", "127.0.0.1", sink.port)
        assert (logged.allowed, logged.rule, logged.status) == (False, None, None)
        assert "its grant names no such host" in logged.reason


async def test_another_port_of_an_allowed_host_is_denied():
    async with Sink.open(saying()) as allowed, Sink.open(saying()) as other:
        async with way_out(allowed.rule) as way:
            denied = await way.failure(other.url)
            await way.fetch(allowed.url)

        assert isinstance(denied, PermissionDenied)
        assert (len(allowed.requests), other.connections) == (1, 0)


async def test_an_allowed_request_is_logged_with_its_rule_bytes_and_status():
    async with Sink.open(saying(b"12345")) as sink, way_out(sink.rule) as way:
        await way.fetch(sink.url, "POST", [], b"123")

        (logged,) = way.log
        assert (logged.allowed, logged.rule, logged.reason) == (True, str(sink.rule), "")
        assert (logged.bytes_out, logged.bytes_in, logged.status) == (3, 5, 200)


async def test_a_manifest_alone_opens_no_loopback_address():
    async with Sink.open(saying()) as sink:
        async with way_out(network=[f"127.0.0.1:{sink.port}"]) as way:
            denied = await way.failure(f"https://127.0.0.1:{sink.port}/")

        assert isinstance(denied, PermissionDenied)
        assert "a loopback address" in denied.message
        assert f"--allow-host 127.0.0.1:{sink.port}" in denied.message
        assert (way.log[0].allowed, sink.connections) == (False, 0)


@pytest.mark.parametrize(
    ("addresses", "kind"),
    [
        (("10.1.2.3",), "an address of a private network"),
        (("169.254.169.254",), "a cloud metadata address"),
        (("93.184.216.34", "10.1.2.3"), "an address of a private network"),
        (("::ffff:127.0.0.1",), "a loopback address"),
        (("64:ff9b::7f00:1",), "a loopback address"),
        (("0.0.0.0",), "no address of any machine"),
    ],
)
async def test_a_granted_name_that_stands_for_an_internal_address_is_denied(addresses, kind):
    async with way_out(network=["*.example.com"], lookup=resolving(addresses)) as way:
        denied = await way.failure("https://api.example.com/")

        assert isinstance(denied, PermissionDenied)
        assert kind in denied.message
        assert addresses[-1] not in denied.message  # no map of the network for plugins
        assert addresses[-1] in way.log[0].reason
        assert (way.log[0].allowed, way.log[0].rule) == (False, "*.example.com")


async def test_an_operators_wildcard_opens_no_internal_address():
    async with Sink.open(saying(), server_tls()) as sink:
        wildcard = HostRule.parse(f"*.example.test:{sink.port}")
        lookup = resolving(("127.0.0.1",))
        async with way_out(wildcard, lookup=lookup, tls=client_tls()) as way:
            denied = await way.failure(f"https://api.example.test:{sink.port}/")

        assert isinstance(denied, PermissionDenied)
        assert sink.connections == 0


async def test_a_name_cannot_change_what_it_stands_for_after_the_check():
    async with Sink.open(saying(), server_tls()) as sink:
        rule = HostRule.parse(f"api.example.test:{sink.port}")
        lookup = resolving(("127.0.0.1",), ("0.0.0.0",))
        async with way_out(rule, lookup=lookup, tls=client_tls()) as way:
            url = f"https://api.example.test:{sink.port}/"
            await way.fetch(url)  # checked once, connected to what was checked
            await way.fetch(url)  # the same connection
            assert len(lookup.calls) == 1
            sink.reply = writing(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            await way.fetch(url)
            denied = await way.failure(url)  # a new connection is a new check

        assert lookup.calls == [("api.example.test", sink.port)] * 2
        assert isinstance(denied, PermissionDenied)


async def test_two_plugins_share_no_connection():
    async with Sink.open(saying(), server_tls()) as sink:
        named = HostRule.parse(f"api.example.test:{sink.port}")
        lookup = resolving(("127.0.0.1",))
        async with way_out(named, lookup=lookup, tls=client_tls()) as way:
            url = f"https://api.example.test:{sink.port}/"
            await way.fetch(url)
            other = way.broker.outlet("y", network=(named,))  # granted, not named by the operator
            with pytest.raises(PermissionDenied):
                async with other.open("GET", url, [], None, timeout_s=5):
                    pass

        assert len(sink.requests) == 1


async def test_a_certificate_of_another_host_or_authority_is_a_network_failure_that_says_so():
    async with Sink.open(saying(), server_tls()) as sink:
        right = HostRule.parse(f"api.example.test:{sink.port}")
        wrong = HostRule.parse(f"other.example.test:{sink.port}")
        lookup = resolving(("127.0.0.1",))
        async with way_out(right, wrong, lookup=lookup, tls=client_tls()) as way:
            _, body = await way.fetch(f"https://api.example.test:{sink.port}/")
            mismatch = await way.failure(f"https://other.example.test:{sink.port}/")
        async with way_out(right, lookup=lookup) as way:
            unknown = await way.failure(f"https://api.example.test:{sink.port}/")

        assert body == b"hello"
        assert mismatch.kind is unknown.kind is ErrorKind.NETWORK
        assert "other.example.test" in mismatch.message
        assert "certificate" in mismatch.message
        assert "certificate" in unknown.message
        assert len(sink.requests) == 1


async def test_plain_http_needs_the_very_host_and_port_from_the_operator():
    async with Sink.open(saying()) as sink:
        async with way_out(network=[f"127.0.0.1:{sink.port}"]) as way:
            denied = await way.failure(sink.url)

        assert isinstance(denied, PermissionDenied)
        assert "https is required" in denied.message
        assert sink.connections == 0


async def test_a_redirect_is_handed_back_and_not_followed():
    async with Sink.open(saying()) as away:
        moved = saying(b"", [f"location: {away.url}"], "307 Temporary Redirect")
        async with Sink.open(moved) as sink, way_out(sink.rule, away.rule) as way:
            upstream, _ = await way.fetch(sink.url)

        assert upstream.status == 307
        assert upstream.headers == (("location", away.url),)
        assert away.connections == 0


async def test_cookies_are_handed_on_and_not_kept():
    async with Sink.open(saying(b"", ["set-cookie: a=1", "set-cookie: b=2"])) as sink:
        async with way_out(sink.rule) as way:
            upstream, _ = await way.fetch(sink.url)
            await way.fetch(sink.url)

        assert upstream.headers == (("set-cookie", "a=1"), ("set-cookie", "b=2"))
        assert sink.requests[1].all("cookie") == []


async def test_proxies_of_the_environment_are_not_used(monkeypatch):
    async with Sink.open(saying(b"from the proxy")) as proxy, Sink.open(saying()) as sink:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        async with way_out(sink.rule) as way:
            _, body = await way.fetch(sink.url)

        assert (body, proxy.connections) == (b"hello", 0)


async def test_a_body_read_to_its_end_keeps_the_connection():
    async with Sink.open(saying()) as sink, way_out(sink.rule) as way:
        for _ in range(3):
            await way.fetch(sink.url)

        assert (len(sink.requests), sink.connections) == (3, 1)


async def test_a_head_request_has_no_body():
    async with Sink.open(writing(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", None)) as sink:
        async with way_out(sink.rule) as way:
            upstream, body = await way.fetch(sink.url, "HEAD")
            await way.fetch(sink.url, "HEAD")

        assert (upstream.headers, body) == ((("content-length", "9"),), b"")
        assert sink.connections == 1


async def test_a_plugins_own_spelling_of_an_allowed_host_is_resolved_as_the_host():
    async with Sink.open(saying()) as sink:
        rule = HostRule.parse(f"localhost:{sink.port}")
        async with way_out(rule, lookup=resolving(("127.0.0.1",))) as way:
            await way.fetch(f"http://LOCALHOST.:{sink.port}/")

        assert sink.requests[0].all("host") == [f"localhost:{sink.port}"]


def test_importing_the_broker_does_not_import_the_http_client():
    code = "import stockade.egress, sys; print(sorted({'aiohttp', 'yarl'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
