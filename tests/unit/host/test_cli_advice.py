"""A request that failed for its key, or for its rate, says which command mends it."""

from pathlib import Path

import pytest

from stockade.cli.failures import explain
from stockade.errors import AllAttemptsFailed
from stockade_sdk.capability import Attempt
from stockade_sdk.errors import ProviderError
from tests.unit.host.cli_calls import Call, calling

HOST = "127.0.0.1:9"
SET = "stockade secrets set openai OPENAI_API_KEY"


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    return calling(tmp_path / "home", monkeypatch, capsys)


def failed(kind: str, wait_s: float | None = None) -> AllAttemptsFailed:
    attempt = Attempt(target="openai/gpt-4o", outcome="failed", kind=kind, message="no")
    return AllAttemptsFailed((attempt,), ProviderError(kind, "no", retry_after_s=wait_s))


def test_a_key_that_was_never_set_is_named_with_the_command_that_sets_it(call: Call) -> None:
    call("install", "openai", "--yes")

    told = explain(failed("auth"))

    assert told.what == "no answer from openai/gpt-4o"
    assert told.remedy == f"no key is set; set it: {SET}"


def test_a_key_that_is_not_bound_to_the_operators_host_is_told_so(call: Call) -> None:
    shown = call("install", "openai", "--yes", "--allow-host", HOST)
    assert f"{SET} --host {HOST}" in shown.out
    call("secrets", "set", "openai", "OPENAI_API_KEY", stdin=b"sk-test-1234567890\n")

    assert explain(failed("auth")).remedy == (
        f"the key is not bound to every host that you allowed; set it again: {SET} --host {HOST}"
    )


def test_a_key_that_was_refused_is_to_be_replaced(call: Call) -> None:
    call("install", "openai", "--yes")
    call("secrets", "set", "openai", "OPENAI_API_KEY", stdin=b"sk-test-1234567890\n")

    assert explain(failed("auth")).remedy == f"the key was refused; set another: {SET}"


def test_a_plugin_that_is_gone_leaves_the_general_advice(call: Call) -> None:
    assert explain(failed("auth")).remedy == "check the key: stockade secrets list"


def test_a_vendors_wait_is_told() -> None:
    told = explain(failed("rate_limited", wait_s=7.0))

    assert told.remedy == "try again in 7 s, or give the request a fallback"
