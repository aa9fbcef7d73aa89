"""Cases of health checks."""

from typing import Any

import anyio

from stockade.app.health import Checks, Health
from stockade.app.health.subjects import Subject, missing, subject_of
from stockade.state import Installed
from stockade_sdk.capability import HealthReport
from stockade_sdk.errors import ProviderError
from stockade_sdk.hosts import HostRule
from stockade_sdk.permissions import Permissions, SecretRequest
from stockade_sdk.provider import Method

KEY = SecretRequest(name="API_KEY", hosts=(HostRule.parse("api.example.com"),))
MANIFEST = """
manifest = 1
[plugin]
name = "vendor"
version = "1.0.0"
entry = "vendor:Vendor"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
"""
VENDOR = Installed(
    name="vendor",
    version="1.0.0",
    digest="0",
    manifest=MANIFEST,
    granted=Permissions(secrets=(KEY,)),
)


def judge_check_provider_health(given: dict[str, Any], expect: dict[str, Any]) -> None:
    asked: list[str] = []

    async def ask(plugin: str, method: Method, *, timeout: float) -> HealthReport:
        asked.append(plugin)
        if "probe_error" in given:
            raise ProviderError("network", given["probe_error"])
        return HealthReport(ok=given.get("probe", True))

    health = anyio.run(checked, subject(given), ask)

    found = {
        "ok": health.ok,
        "reason": health.reason,
        "probed": health.probed,
        "has_latency_ms": health.latency_ms is not None,
        "raises": False,
    }
    assert {name: found[name] for name in expect} == expect
    assert health.probed == bool(asked)


def subject(given: dict[str, Any]) -> Subject:
    if not given.get("exists", True):
        return missing("vendor")
    return subject_of(VENDOR, lambda plugin, name: given.get("api_key"))


async def checked(subject: Subject, ask: Any) -> Health:
    checks = Checks(ask, lambda plugin, kept: None, wall=lambda: 0.0, steady=lambda: 0.0)
    (health,) = await checks.check([subject])
    return health


JUDGES: dict[str, Any] = {"check_provider_health": judge_check_provider_health}
EXCEPTIONS: dict[str, str] = {}
