"""`[gateway]` and `[telemetry]`: where `serve` listens, what it takes, and what it writes down."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar
from urllib.parse import urlsplit

from stockade.settings.table import Table, read_count, read_duration, read_switch, read_text
from stockade.settings.values import GatewaySettings, TelemetrySettings
from stockade_sdk.hosts import normalise_host
from stockade_sdk.text import TextRefused
from stockade_sdk.units import parse_size

__all__ = ["read_gateway", "read_telemetry"]

T = TypeVar("T")

MAX_ENTRIES: Final = 64  # of a list
MAX_HOST: Final = 253  # RFC 1035, 2.3.4, without the last dot
MAX_URL: Final = 1024
MAX_PATH: Final = 4096
LEAST_BODY_BYTES: Final = 1024
MOST_BODY_BYTES: Final = 1024**3  # Python holds it whole
MOST_BODIES_BYTES: Final = 1024**4
MOST_CONNECTIONS: Final = 100_000
_LOGS: Final[tuple[Literal["file", "stderr", "off"], ...]] = ("file", "stderr", "off")
_ORIGIN: Final = re.compile(r"https?://[^/?#@\\\s]+")


def read_gateway(table: Table) -> GatewaySettings:
    default = GatewaySettings()

    def get(key: str, read: Callable[[Any], T], field: str = "") -> T:
        value: T = table.get(key, read, getattr(default, field or key))
        return value

    settings = GatewaySettings(
        host=get("host", lambda value: read_text(value, MAX_HOST)),
        port=get("port", lambda value: read_count(value, 0, 65535)),
        hosts=get("hosts", _hosts),
        origins=get("origins", _origins),
        tls_certificate=get("tls_certificate", _file),
        tls_key=get("tls_key", _file),
        insecure=get("insecure", read_switch),
        max_body_bytes=get(
            "max_body", lambda value: _size(value, MOST_BODY_BYTES), "max_body_bytes"
        ),
        max_bodies_bytes=get(
            "max_bodies", lambda value: _size(value, MOST_BODIES_BYTES), "max_bodies_bytes"
        ),
        max_connections=get("max_connections", _count),
        max_requests=get("max_requests", _count),
        header_timeout_s=get("header_timeout", read_duration, "header_timeout_s"),
        body_timeout_s=get("body_timeout", read_duration, "body_timeout_s"),
        stall_timeout_s=get("stall_timeout", read_duration, "stall_timeout_s"),
        comment_interval_s=get("comment_interval", read_duration, "comment_interval_s"),
        drain_s=get("drain", read_duration, "drain_s"),
    )
    _refuse_halves(table, settings)
    table.finish()
    return settings


def read_telemetry(table: Table) -> TelemetrySettings:
    default = TelemetrySettings()
    settings = TelemetrySettings(
        log=table.get("log", _log, default.log), spans=table.get("spans", _collector, default.spans)
    )
    table.finish()
    return settings


def _refuse_halves(table: Table, settings: GatewaySettings) -> None:
    """What means nothing by itself, or what cannot be kept beside the rest."""
    if settings.tls_key is not None and settings.tls_certificate is None:
        raise table.error("tls_key", "has no certificate", "set tls_certificate as well")
    if settings.max_bodies_bytes < settings.max_body_bytes:
        key = "max_bodies" if "max_bodies" in table.values else "max_body"
        raise table.error(
            key, "leaves no room for one whole body", "let max_bodies be at least max_body"
        )


def _hosts(value: Any) -> tuple[str, ...]:
    return tuple(_host(item) for item in _list(value, '["llm.example.com"]'))


def _host(value: Any) -> str:
    """As a Host header has it, without a port; an address of IPv6 in brackets."""
    text = read_text(value, MAX_HOST)
    if "://" in text or "/" in text:
        raise TextRefused("names a URL, not a host", 'write it as in ["llm.example.com"]')
    if "*" in text:
        raise TextRefused(
            "has a *", "write each name: any name that leads here would let foreign pages in"
        )
    if ":" in text.rpartition("]")[2] and text.count(":") == 1:
        raise TextRefused("has a port", "write the name alone: it holds for every port")
    host = normalise_host(text)
    return f"[{host}]" if ":" in host else host


def _origins(value: Any) -> tuple[str, ...]:
    return tuple(_origin(item) for item in _list(value, '["https://app.example.com"]'))


def _origin(value: Any) -> str:
    """As a browser writes it: small letters, the scheme's own port left out (RFC 6454, 6.2)."""
    text = read_text(value, MAX_URL).lower().removesuffix("/")
    remedy = 'write it as in "https://app.example.com"'
    if text in ("*", "null"):
        raise TextRefused("would let any page in", remedy)
    if _ORIGIN.fullmatch(text) is None:
        raise TextRefused("is not an origin", remedy)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise TextRefused("is not an origin", remedy) from None
    host = normalise_host(parts.hostname or "")
    shown = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{shown}" + ("" if port in (None, usual) else f":{port}")


def _list(value: Any, example: str) -> list[Any]:
    if not isinstance(value, list) or len(value) > MAX_ENTRIES:
        raise TextRefused(f"is not a list of at most {MAX_ENTRIES}", f"write it as in {example}")
    return value


def _file(value: Any) -> str:
    path = read_text(value, MAX_PATH)
    if not path.startswith("/"):
        raise TextRefused("is not a whole path", 'write it as in "/etc/stockade/tls.pem"')
    return path


def _size(value: Any, most: int) -> int:
    if not isinstance(value, str):
        raise TextRefused("is not text with a unit", 'write it as in "32 MiB"')
    size = parse_size(value)
    if not LEAST_BODY_BYTES <= size <= most:
        raise TextRefused(
            "is out of range", f'write a size from "1 KiB" to "{most // 1024**3} GiB"'
        )
    return size


def _count(value: Any) -> int:
    return read_count(value, 1, MOST_CONNECTIONS)


def _log(value: Any) -> Literal["file", "stderr", "off"]:
    for known in _LOGS:
        if value == known:
            return known
    raise TextRefused("is no place for a log", 'write "file", "stderr" or "off"')


def _collector(value: Any) -> str:
    """The address of a collector; no credentials, for this file holds none."""
    text = read_text(value, MAX_URL)
    remedy = 'write it as in "http://127.0.0.1:4318"'
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise TextRefused("is not the URL of a collector", remedy) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise TextRefused("is not the URL of a collector", remedy)
    if parts.username is not None:
        raise TextRefused("has a password in it", remedy)
    return text
