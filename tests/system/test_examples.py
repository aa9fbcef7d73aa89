"""The examples, installed from their folders, do what their pages say; vendors are played here."""

import os
import ssl
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from shutil import copytree

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stockade import AllAttemptsFailed, Host
from stockade.errors import HostError
from stockade.kit import wires
from stockade.kit.answers import whole
from stockade.kit.vendor import Vendor
from stockade.packages import commit_install, plan_install
from stockade.packages.source import UNSIGNED, Source
from stockade.settings import Home
from stockade.state import Secrets, State
from stockade_sdk import ChatRequest, ErrorKind
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest import read_manifest_file
from tests.system.egress_sink import Sink, saying
from tests.system.installed_wheels import wheelhouse_of
from tests.system.pages import DOCS

EXAMPLES = DOCS / "examples"
PLUGINS = sorted(path.parent.name for path in EXAMPLES.glob("*/plugin.toml"))
KEY = "sk-canary-5d0fa2c6e1b7"
TIMEOUT_S = 30.0


def installed(home: Home, folder: Path, wheelhouse: Path | None = None, *hosts: HostRule) -> str:
    """Install an example with all that it asks for; its name."""
    home.ensure()
    source = Source(
        kind="folder", path=folder, trust=UNSIGNED, origin=str(folder), wheelhouse=wheelhouse
    )
    with State.open(home) as state:
        proposal = plan_install(home, state, source)
        commit_install(
            home, state, proposal, granted=proposal.asked, operator_hosts=hosts, offline=True
        )
    return proposal.manifest.name


@pytest.mark.parametrize("name", PLUGINS)
def test_an_example_says_all_that_its_readers_look_for(name: str) -> None:
    folder = EXAMPLES / name
    manifest = read_manifest_file(folder / "plugin.toml")
    page = (folder / "README.md").read_text()

    assert f"stockade install ./docs/examples/{name}" in page
    assert manifest.name in page
    assert all(secret.name in page for secret in manifest.permissions.secrets)


def test_the_application_asks_streams_and_says_what_was_tried(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    installed(home, DOCS.parent / "plugins" / "echo")

    done = subprocess.run(
        [sys.executable, EXAMPLES / "embedding-app" / "app.py", "hello"],
        env={**os.environ, "STOCKADE_HOME": str(home.root)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    page = (EXAMPLES / "embedding-app" / "README.md").read_text()
    assert done.stdout in page, done.stdout


def test_the_application_says_where_no_plugin_answers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "embedding-app" / "app.py", "hello"],
        env={**os.environ, "STOCKADE_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )

    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr


async def test_a_dependency_is_there_for_the_plugin_that_requires_it(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    wheels = wheelhouse_of(tmp_path / "wheels", "markdown-it-py")
    name = installed(home, EXAMPLES / "own-dependency", wheels)

    async with Host.open(home) as host:
        answer = await host.run(ChatRequest.of_text("*hello*"), plugin=name, timeout=TIMEOUT_S)
    with State.open(home) as state:
        packages = state.require(name).packages

    assert answer.text == "<p><em>hello</em></p>\n"
    assert [line.partition("==")[0] for line in packages] == ["markdown-it-py", "mdurl"]


def test_without_its_dependency_it_is_not_installed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(HostError, match=r"packages that it brings|cannot be had as wheels"):
        installed(Home(tmp_path / "home"), EXAMPLES / "own-dependency", tmp_path / "empty")


@pytest.mark.timeout(180)
async def test_a_vendors_library_goes_out_through_the_host_and_has_no_key(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    wheels = wheelhouse_of(tmp_path / "wheels", "openai", "httpx")
    name = installed(home, EXAMPLES / "vendor-sdk", wheels)
    Secrets(home).set(name, "OPENAI_API_KEY", KEY)
    hello = ChatRequest.of_text("are you there?")

    async with (
        Vendor.open(wires.good) as vendor,
        Host.open(home, redirect=vendor.redirect) as host,
    ):
        answer = await host.run(hello, plugin=name, timeout=TIMEOUT_S)
        good = vendor.asked[0]
        vendor.forget()
        refused = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        vendor.answers = lambda _: whole(refused, 429)
        with pytest.raises(AllAttemptsFailed) as failed:
            await host.run(hello, plugin=name, timeout=TIMEOUT_S)
        again = len(vendor.asked)

    assert answer.text == "you said: are you there?"
    assert good.host == "api.openai.com"
    assert good.header("authorization") == f"Bearer {KEY}"
    assert failed.value.attempts[-1].kind == ErrorKind.RATE_LIMITED
    assert again == len(failed.value.attempts), "the library tried again by itself"


async def test_a_library_with_connections_of_its_own_goes_through_the_tunnel(
    tmp_path: Path,
) -> None:
    folder = copytree(EXAMPLES / "through-the-tunnel", tmp_path / "plugin")
    (folder / "tunnelled_vendor" / "authority.pem").write_bytes(certified(tmp_path / "server.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "server.pem")
    home = Home(tmp_path / "home")
    said = {"choices": [{"message": {"role": "assistant", "content": "fine"}}]}

    async with Sink.open(saying(msgspec.json.encode(said), ["connection: close"]), tls) as sink:
        name = installed(home, folder, None, sink.rule)
        Secrets(home).set(name, "EXAMPLE_API_KEY", KEY)
        with State.open(home) as state:
            state.set_config(name, "base_url", f"https://127.0.0.1:{sink.port}/v1")
        async with Host.open(home) as host:
            answer = await host.run(
                ChatRequest.of_text("are you there?"), plugin=name, timeout=TIMEOUT_S
            )

    assert answer.text == "fine"
    assert sink.requests[0].path == "/v1/chat/completions"
    assert sink.requests[0].all("authorization") == [f"Bearer {KEY}"]
    assert b"are you there?" in sink.requests[0].body


def certified(server: Path) -> bytes:
    """Write a key with a certificate for 127.0.0.1, its own authority; that certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of one's own")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    shown = made.public_bytes(serialization.Encoding.PEM)
    hidden = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    server.write_bytes(hidden + shown)
    return shown
