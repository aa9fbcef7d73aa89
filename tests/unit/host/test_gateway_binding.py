"""Where the gateway listens, with which certificate, and how many connections fit."""

from __future__ import annotations

import datetime
import socket
import ssl
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stockade.errors import Refused, SettingsError, UsageError
from stockade.gateway.binding import bind, may_listen, resolve, sockets_at
from stockade.gateway.room import Room, room_for
from stockade.gateway.tls import context_of
from stockade.settings import GatewaySettings
from tests.unit.host.gateway_listener import Client, request, served

pytestmark = pytest.mark.leak_check

YEAR = datetime.timedelta(days=365)


def certified(folder: Path, password: bytes | None = None) -> tuple[str, str]:
    """Paths of a certificate for localhost, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now - YEAR, now + YEAR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    hidden = serialization.BestAvailableEncryption(password) if password else None
    (folder / "tls.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            hidden or serialization.NoEncryption(),
        )
    )
    return str(folder / "tls.pem"), str(folder / "key.pem")


@pytest.mark.parametrize(
    ("addresses", "loopback"),
    [
        (["127.0.0.1"], True),
        (["127.8.9.1"], True),
        (["::1"], True),
        (["::1", "127.0.0.1"], True),
        (["::ffff:127.0.0.1"], True),
        (["0.0.0.0"], False),
        (["::"], False),
        (["192.168.1.4"], False),
        (["fe80::1%eth0"], False),
        (["::ffff:10.0.0.1"], False),
        (["127.0.0.1", "10.0.0.1"], False),
    ],
)
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("insecure", [True, False])
def test_beyond_loopback_it_takes_tls_or_the_operators_word(
    addresses: list[str], loopback: bool, tls: bool, insecure: bool
) -> None:
    if loopback or tls or insecure:
        may_listen("name", addresses, tls=tls, insecure=insecure)
        return
    with pytest.raises(Refused) as refused:
        may_listen("name", addresses, tls=tls, insecure=insecure)
    assert "tls_certificate" in refused.value.remedy
    assert "--insecure" in refused.value.remedy
    assert addresses[-1] in str(refused.value)


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1"), ("localhost", "http://localhost"), ("::1", "http://[::1]")],
)
def test_bound_it_can_be_connected_to_under_its_url(host: str, url: str) -> None:
    with bind(GatewaySettings(host=host, port=0)) as bound:
        shown, _, port = bound.address.rpartition(":")
        for one in bound.sockets:
            assert one.getsockname()[1] == int(port)
            with socket.create_connection(one.getsockname()[:2], 5):
                pass

    assert shown == url


def test_a_name_that_leads_elsewhere_is_beyond_loopback() -> None:
    settings = GatewaySettings(host="here.example", port=0)

    with (
        pytest.raises(Refused, match=r"10\.0\.0\.9"),
        bind(settings, lambda host: ["127.0.0.1", "10.0.0.9"]),
    ):
        pass


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_everywhere_is_shown_as_a_url_that_works_here(host: str) -> None:
    with pytest.raises(Refused), bind(GatewaySettings(host=host, port=0)):
        pass
    with bind(GatewaySettings(host=host, port=0, insecure=True)) as bound:
        where = bound.address.removeprefix("http://")
        name, _, port = where.rpartition(":")
        with socket.create_connection((name.strip("[]"), int(port)), 5):
            pass


def test_a_port_that_is_taken_is_said_in_words() -> None:
    (first,) = sockets_at("127.0.0.1", ["127.0.0.1"], 0)
    with first, pytest.raises(UsageError) as refused:
        sockets_at("127.0.0.1", ["127.0.0.1"], first.getsockname()[1])

    assert "taken" in refused.value.why
    assert "--port" in refused.value.remedy


def test_an_address_of_another_machine_and_a_name_of_none_are_said_in_words() -> None:
    with pytest.raises(UsageError, match=r"192\.0\.2\.1"):
        sockets_at("192.0.2.1", ["192.0.2.1"], 0)
    with pytest.raises(UsageError, match="no address"):
        resolve("no-such-host.invalid")
    with pytest.raises(UsageError, match="no address"):
        resolve("a" * 64 + ".example")


def test_no_certificate_is_no_tls(tmp_path: Path) -> None:
    assert context_of(GatewaySettings()) is None


def test_certificates_that_cannot_be_used_are_said_in_words(tmp_path: Path) -> None:
    certificate, key = certified(tmp_path / "one")
    _, other = certified(tmp_path / "two")
    _, hidden = certified(tmp_path / "three", b"password")
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")

    def why(certificate: str, key: str | None) -> str:
        with pytest.raises(SettingsError) as refused:
            context_of(GatewaySettings(tls_certificate=certificate, tls_key=key))
        assert refused.value.remedy
        return str(refused.value)

    assert "cannot read" in why(str(tmp_path / "none.pem"), key)
    assert "cannot read" in why(certificate, str(tmp_path / "none.pem"))
    assert "is not that of" in why(certificate, other)
    assert "is encrypted" in why(certificate, hidden)
    assert "cannot use" in why(str(rubbish), key)
    assert "cannot use" in why(certificate, None)


@pytest.mark.anyio
async def test_over_tls_requests_are_answered_and_a_client_without_it_is_not(
    tmp_path: Path,
) -> None:
    certificate, key = certified(tmp_path)
    tls = context_of(GatewaySettings(tls_certificate=certificate, tls_key=key))
    trusting = ssl.create_default_context(cafile=certificate)
    async with served(tls=tls) as gateway:
        async with await anyio.connect_tcp(
            "127.0.0.1", gateway.port, ssl_context=trusting, tls_hostname="localhost"
        ) as stream:
            one = Client(stream)  # type: ignore[arg-type]
            lines = ("Origin: https://localhost",)
            await one.send(request("/v1/once", "GET", host="localhost", headers=lines))
            answer = await one.answer()
            await one.send(request("/v1/echo", body=b"x" * 100_000, token="wrong"))
            refused = await one.answer()
        async with await anyio.connect_tcp("127.0.0.1", gateway.port) as plain:
            without = Client(plain)
            await without.send(request("/v1/once", "GET"))
            rest = await without.rest()

    assert (answer.status, refused.status) == (200, 401)
    assert b"HTTP" not in rest


@pytest.mark.parametrize(
    ("wanted", "descriptors", "taken", "expected"),
    [
        (1_024, 524_288, 50, Room(1_024, 2_048)),
        (1_024, 1_024, 64, Room(298, 298)),
        (1_024, 128, 34, Room(10, 10)),
        (4, 1_024, 64, Room(4, 298)),
        (1_024, 64, 60, Room(8, 8)),
    ],
)
def test_connections_are_no_more_than_descriptors_allow(
    wanted: int, descriptors: int, taken: int, expected: Any
) -> None:
    assert room_for(wanted, descriptors, taken) == expected
