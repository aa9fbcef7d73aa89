"""Keys: a worker never has one that is not handed over, and none is found anywhere."""

# ruff: noqa: ASYNC240 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from stockade.state import Secrets
from stockade_sdk.hosts import HostRule
from tests.system.egress_sink import Sink, saying
from tests.system.worker_memory import has_in_memory

from .site import Inmates, Site

KEY = "sk-canary-5f0c2a7b9e41"
OF_THE_HOST = "variable-canary-83ab10"
MARK = "remembered-" + "canary-77d2"
PERMISSIONS = """
write = ["data"]
network = ["api.example.test"]
[[permissions.secrets]]
name = "KEEPER_KEY"
header = "authorization"
format = "Bearer {}"
hosts = ["api.example.test"]
"""


@pytest.fixture(scope="module")
async def sink() -> AsyncIterator[Sink]:
    async with Sink.open(saying(b"pong")) as one:
        yield one


@pytest.fixture(scope="module")
async def vault(site: Site, tier: str, sink: Sink) -> AsyncIterator[Inmates]:
    """`keeper` has a key for the sink, `thief` has none; the host has a variable."""
    rule = f"127.0.0.1:{sink.port}"
    site.install("keeper", permissions=PERMISSIONS, operator_hosts=[rule])
    site.install("thief", permissions='write = ["data"]')
    Secrets(site.home).set("keeper", "KEEPER_KEY", KEY, (HostRule.parse(rule),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STOCKADE_TEST_CANARY", OF_THE_HOST)
        async with site.host(tier, "keeper", "thief") as inmates:
            await inmates.attempt("keeper", "fetch", url=f"http://{rule}/")  # a connection is kept
            yield inmates


@pytest.mark.row("S1")
async def test_the_hosts_variables_are_nobodys_business(vault: Inmates) -> None:
    for name in ("keeper", "thief"):
        told = await vault.attempt(name, "everything_told")
        assert set(told["python"]) <= {"LANG", "HOME", "TMPDIR", "PATH"}
        assert OF_THE_HOST not in str(told)
        for who in ("self", 1, os.getpid()):
            for what in ("environ", "cmdline"):
                seen = await vault.attempt(name, "read", path=f"/proc/{who}/{what}")
                assert seen["outcome"] != "done"
        for process in family(vault.pid(name)):
            assert OF_THE_HOST.encode() not in Path(f"/proc/{process}/environ").read_bytes()
    assert OF_THE_HOST in os.environ["STOCKADE_TEST_CANARY"]


@pytest.mark.row("S2")
async def test_another_plugins_key_is_in_no_workers_memory(vault: Inmates, sink: Sink) -> None:
    url = f"http://127.0.0.1:{sink.port}/"
    sent = await vault.attempt("keeper", "fetch_with_key", url=url, name="KEEPER_KEY")
    await vault.attempt("thief", "remember", text=MARK)

    assert sent["outcome"] == "done"
    assert sent["key"] != KEY
    assert sink.requests[-1].all("authorization") == [f"Bearer {KEY}"]
    for name in ("keeper", "thief"):
        assert not has_in_memory(vault.pid(name), KEY.encode())
    assert has_in_memory(vault.pid("thief"), MARK.encode())
    assert not has_in_memory(vault.pid("keeper"), MARK.encode())


@pytest.mark.row("S3")
async def test_a_key_is_found_nowhere_but_in_its_store(vault: Inmates, sink: Sink) -> None:
    url = f"http://127.0.0.1:{sink.port}/"
    assert (await vault.attempt("keeper", "fetch_with_key", url=url, name="KEEPER_KEY"))[
        "outcome"
    ] == "done"
    site = vault.site

    store = site.home.secrets_file
    found = [
        path for path in site.everything_written(but=[store]) if KEY.encode() in path.read_bytes()
    ]
    assert found == []
    assert KEY.encode() in store.read_bytes()
    assert store.stat().st_mode & 0o077 == 0
    for process in (os.getpid(), *family(vault.pid("keeper"))):
        for what in ("cmdline", "environ", "cgroup", "comm"):
            assert KEY.encode() not in Path(f"/proc/{process}/{what}").read_bytes()
    assert KEY not in repr(vault.host.status("keeper"))


@pytest.mark.row("S4")
async def test_a_key_that_is_not_declared_is_refused(vault: Inmates) -> None:
    declared = await vault.attempt("keeper", "ask_secret", name="KEEPER_KEY")
    undeclared = await vault.attempt("thief", "ask_secret", name="KEEPER_KEY")

    assert declared["outcome"] == "done"
    assert declared["value"] != KEY
    assert undeclared["outcome"] == "invalid_request"
    assert undeclared["value"] == ""


def family(pid: int) -> Iterator[int]:
    """A worker, its nursery and all that the nursery has."""
    nursery = psutil.Process(pid).parent()
    assert nursery is not None
    yield nursery.pid
    for one in nursery.children(recursive=True):
        yield one.pid
