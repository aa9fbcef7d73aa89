"""litellm and LangChain's ChatOpenAI as clients, for chat and stream."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.sdks.vendors import Vendors
from tests.system.served import Served
from tests.system.vendor_wires import TEXT

SCRIPT = Path(__file__).with_name("framework_clients.py")
PATIENCE_S = 150.0  # both are slow to import, and this machine is shared

pytestmark = pytest.mark.timeout(PATIENCE_S + 30)


@pytest.fixture(scope="module")
def found(running: Vendors, gateway: Served) -> Any:
    """What each client of the script got."""
    running.begin()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(SCRIPT), gateway.address, gateway.token],
        env={
            **os.environ,
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # it would fetch its prices from the network
            "LANGSMITH_TRACING": "false",
            "NO_PROXY": "*",
        },
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("client", ["litellm_openai", "litellm_anthropic", "langchain"])
def test_it_is_answered_whole_and_in_a_stream(found: Any, client: str) -> None:
    got = found[client]

    assert "raised" not in got, got
    assert (got["whole"], got["stream"]) == (TEXT, TEXT)
    assert (got["usage"], got["finish"]) == (4, "stop")


def test_langchain_hears_the_usage_of_a_stream(found: Any) -> None:
    assert found["langchain"].get("stream_usage") == 4, found["langchain"]


def test_langchain_is_answered_by_another_vendor(found: Any) -> None:
    got = found["langchain_of_another_vendor"]

    assert (got.get("stream"), got.get("with_tools")) == (TEXT, TEXT), got


def test_litellm_has_its_own_class_for_a_failure(found: Any) -> None:
    got = found["litellm_failure"]

    assert got.get("error") == "NotFoundError", got
    assert "no model called" in got["message"]
