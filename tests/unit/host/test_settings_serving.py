"""`[gateway]` and `[telemetry]` of stockade.toml."""

from __future__ import annotations

import pytest

from stockade.errors import SettingsError
from stockade.settings import GatewaySettings, Settings, TelemetrySettings, parse_settings

WHOLE = """
[gateway]
host = "0.0.0.0"
port = 0
hosts = ["LLM.Example.com", "10.0.0.7", "[FD00:0::7]", "fd00::8"]
origins = ["https://App.Example.com/", "http://localhost:3000", "https://a.example:443"]
tls_certificate = "/etc/stockade/tls.pem"
tls_key = "/etc/stockade/key.pem"
insecure = true
max_body = "1 MiB"
max_bodies = "2 GiB"
max_connections = 10
max_requests = 5
header_timeout = "1s"
body_timeout = "2s"
stall_timeout = "3s"
comment_interval = "500ms"
drain = "1m"

[telemetry]
log = "stderr"
spans = "https://collector.example:4318/v1/traces"
"""


def test_every_key_is_read() -> None:
    settings = parse_settings(WHOLE.encode())

    assert settings.gateway == GatewaySettings(
        host="0.0.0.0",
        port=0,
        hosts=("llm.example.com", "10.0.0.7", "[fd00::7]", "[fd00::8]"),
        origins=("https://app.example.com", "http://localhost:3000", "https://a.example"),
        tls_certificate="/etc/stockade/tls.pem",
        tls_key="/etc/stockade/key.pem",
        insecure=True,
        max_body_bytes=1024**2,
        max_bodies_bytes=2 * 1024**3,
        max_connections=10,
        max_requests=5,
        header_timeout_s=1.0,
        body_timeout_s=2.0,
        stall_timeout_s=3.0,
        comment_interval_s=0.5,
        drain_s=60.0,
    )
    assert settings.telemetry == TelemetrySettings(
        log="stderr", spans="https://collector.example:4318/v1/traces"
    )


def test_every_field_has_a_key() -> None:
    untouched = parse_settings(b"")
    told = parse_settings(WHOLE.encode())

    assert untouched == Settings()
    for field in GatewaySettings.__struct_fields__:
        assert getattr(told.gateway, field) != getattr(untouched.gateway, field), field
    for field in TelemetrySettings.__struct_fields__:
        assert getattr(told.telemetry, field) != getattr(untouched.telemetry, field), field


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('hosts = "llm.example.com"', "gateway.hosts is not a list"),
        ('hosts = ["*"]', "gateway.hosts has a *"),
        ('hosts = ["*.example.com"]', "gateway.hosts has a *"),
        ('hosts = ["https://llm.example.com"]', "gateway.hosts names a URL"),
        ('hosts = ["llm.example.com:8787"]', "gateway.hosts has a port"),
        ('hosts = ["a b"]', "gateway.hosts"),
        ("hosts = [1]", "gateway.hosts is not a line of text"),
        ('origins = ["*"]', "gateway.origins would let any page in"),
        ('origins = ["null"]', "gateway.origins would let any page in"),
        ('origins = ["app.example.com"]', "gateway.origins is not an origin"),
        ('origins = ["https://app.example.com/path"]', "gateway.origins is not an origin"),
        ('origins = ["https://me@app.example.com"]', "gateway.origins is not an origin"),
        ('origins = ["https://app.example.com:99999"]', "gateway.origins is not an origin"),
        ('origins = ["chrome-extension://abc"]', "gateway.origins is not an origin"),
        ('tls_certificate = "tls.pem"', "gateway.tls_certificate is not a whole path"),
        ('tls_key = "/key.pem"', "gateway.tls_key has no certificate"),
        ('insecure = "yes"', "gateway.insecure is neither true nor false"),
        ("max_body = 1000000", "gateway.max_body is not text with a unit"),
        ('max_body = "1 B"', "gateway.max_body is out of range"),
        ('max_body = "2 GiB"', "gateway.max_body is out of range"),
        ('max_body = "512 MiB"', "gateway.max_body leaves no room"),
        ('max_bodies = "1 MiB"', "gateway.max_bodies leaves no room"),
        ("max_connections = 0", "gateway.max_connections is not a number in range"),
        ("max_requests = true", "gateway.max_requests is not a number in range"),
        ("drain = 30", "gateway.drain is not text with a unit"),
        ('stall_timeout = "0s"', "gateway.stall_timeout is out of range"),
        ('drian = "30s"', "gateway.drian is not a setting; write drain"),
    ],
)
def test_what_the_gateway_cannot_use_is_refused_with_its_line(line: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(f"[gateway]\n{line}".encode())

    assert str(refused.value).startswith(f"stockade.toml, line 2: {told}")
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('log = "syslog"', "telemetry.log is no place for a log"),
        ("log = true", "telemetry.log is no place for a log"),
        ('spans = "collector"', "telemetry.spans is not the URL of a collector"),
        ('spans = "grpc://collector:4317"', "telemetry.spans is not the URL of a collector"),
        ('spans = "http://collector:99999"', "telemetry.spans is not the URL of a collector"),
        ('spans = "http://u:p@collector"', "telemetry.spans has a password in it"),
        ("metrics = true", "telemetry.metrics is not a setting"),
    ],
)
def test_what_telemetry_cannot_use_is_refused_with_its_line(line: str, told: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(f"[telemetry]\n{line}".encode())

    assert str(refused.value).startswith(f"stockade.toml, line 2: {told}")
    assert "u:p" not in str(refused.value)
