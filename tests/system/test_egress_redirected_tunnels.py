"""No tunnel is opened while requests are redirected; without a redirect the same one is."""

from stockade.egress import Redirect
from tests.system.egress_sink import Sink, saying, server_tls
from tests.system.tunnelling import NAME, named, tunnelled


async def test_no_tunnel_is_opened_under_a_redirect():
    async with Sink.open(saying(b"pong"), server_tls()) as sink:
        authority = f"{NAME}:{sink.port}"
        request = f"CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\n\r\n".encode()
        async with tunnelled(named(sink), redirect=Redirect("127.0.0.1", sink.port)) as tunnel:
            said = await tunnel.ask(request)
            (logged,) = await tunnel.decided()
        assert sink.connections == 0

        async with tunnelled(named(sink)) as tunnel:
            assert b"pong" in await tunnel.fetch(authority)

    assert said.startswith(b"HTTP/1.1 403 ")
    assert b"cannot be redirected" in said
    assert not logged.allowed
