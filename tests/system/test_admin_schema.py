"""The admin API of a real host keeps to its own document: under generated requests, and answer by
answer in what an operator does.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import psutil
import pytest
from jsonschema_rs import Draft202012Validator

from stockade.admin.endpoints import ENDPOINTS
from stockade.settings import Home
from tests.system.besieged import KEYRING, comes
from tests.system.cli_vendors import vendors
from tests.system.lifecycle_plugins import SMOKE, version_folder
from tests.system.served import Served, served
from tests.system.upstreams import KEY, PLUGINS, Upstreams

EXAMPLES: Final = 10  # of each operation and mode, beside the cases of every bound in its schema
RUN_S: Final = 280.0
JOB_S: Final = 30.0
CHAT: Final = "/v1/chat/completions"
WORDS: Final = [{"role": "user", "content": "hello"}]
# A request that fits its schema may still mean nothing here (404, 409, 422) or not be allowed.
# Logs that are followed have no end, and each would be waited for: they have a test of their own
# below. Where a plugin's name stands in a path, what is generated is that of none; so that bodies
# are looked at as well, those operations that take one are told of a plugin that there is.
CONFIG: Final = """
[checks]
positive_data_acceptance.expected-statuses = ["2xx", 401, 403, 404, 409, 422]

[[operations]]
include-operation-id = "logs"
parameters = { "query.follow" = "false" }
"""
NAMED: Final = """
[[operations]]
include-operation-id = "{id}"
parameters = {{ "path.name" = "echo" }}
"""
OF_A_PLUGIN: Final = ("propose_grant", "grant", "revoke", "set_config")


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    with vendors() as upstreams:
        yield upstreams


@pytest.fixture
def gateway(tmp_path: Path, upstreams: Upstreams) -> Iterator[Served]:
    upstreams.install(Home(tmp_path / "home"), "echo", "openai")
    with served(tmp_path / "home", environment=KEYRING) as gateway:
        yield gateway
        said = gateway.stop()
    assert "Traceback" not in said
    assert KEY not in said


@pytest.mark.timeout(300)
def test_generated_requests_get_what_the_document_says(gateway: Served, tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG + "".join(NAMED.format(id=id) for id in OF_A_PLUGIN))
    done = subprocess.run(
        [
            sys.executable, "-m", "schemathesis.cli", "--config-file", str(config),
            "run", f"{gateway.address}/api/openapi.json",
            "--header", f"Authorization: Bearer {gateway.token}",
            "--seed", "1", "--max-examples", str(EXAMPLES), "--request-timeout", "20",
            "--report", "json", "--report-json-path", str(tmp_path / "report.json"),
        ],
        cwd=tmp_path, env={**os.environ, "NO_PROXY": "*", "NO_COLOR": "1"},
        capture_output=True, text=True, timeout=RUN_S, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["operations"]["tested"] == len(ENDPOINTS)
    assert report["test_cases"]["generated"] > 10 * len(ENDPOINTS)
    assert (report["failures"], report["errors"]) == ([], [])
    assert gateway.token not in done.stdout
    with gateway.client() as client:
        _answers_again(client)
        _has_no_more_workers_than_it_says(client, gateway)


def _answers_again(client: httpx.Client) -> None:
    """A chat is answered; what was generated may have taken the plugin or its permissions away."""
    if not any(row["name"] == "echo" for row in client.get("/api/plugins").json()):
        looked = client.post("/api/plugins/propose", json={"source": "echo"}).json()
        agreed = {"source": "echo", "digest": looked["digest"]}
        job = client.post("/api/plugins", json=agreed).json()
        comes(lambda: client.get(f"/api/jobs/{job['id']}").json()["state"] == "done", JOB_S)
    client.post("/api/plugins/echo/enable").raise_for_status()
    asked = {"model": "echo/echo-1", "messages": WORDS}
    answer = client.post(CHAT, json=asked)
    assert answer.status_code == 200, answer.text


def _has_no_more_workers_than_it_says(client: httpx.Client, gateway: Served) -> None:
    """Each process below it is the nursery, a worker that it lists, or the one child that a nursery
    forks in advance: that one has not been confined yet.
    """

    def strangers() -> list[int]:
        listed = {row["pid"] for row in client.get("/api/workers").json()}
        (nursery, *others) = psutil.Process(gateway.process.pid).children()
        below = {one.pid for one in nursery.children(recursive=True)} | {one.pid for one in others}
        unlisted = sorted(below - listed)
        return [pid for pid in unlisted if _is_confined(pid)] or unlisted[1:]

    comes(lambda: not strangers())


def _is_confined(pid: int) -> bool:
    """Whether the kernel filters its system calls (proc_pid_status(5))."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it ended meanwhile
        return False
    return "Seccomp:\t0" not in status.splitlines()


class Checked:
    """A client whose every answer is held against the document; ``seen`` are the operations that
    succeeded so.
    """

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.document = client.get("/api/openapi.json").json()
        self.seen: set[str] = set()

    def __call__(self, id: str, /, *, query: Any = None, body: Any = None, **names: str) -> Any:
        """Do what the operation ``id`` says; its answer."""
        method, path, operation = self._operation(id)
        answer = self.client.request(method, path.format(**names), params=query or {}, json=body)
        assert answer.is_success, f"{id}: {answer.status_code} {answer.text}"
        said = operation["responses"].get(str(answer.status_code))
        assert said is not None, f"{id}: {answer.status_code} is not in the document"
        self.seen.add(id)
        if "content" not in said:
            assert not answer.content
            return None
        assert answer.headers["content-type"] == "application/json"
        self.check(said["content"]["application/json"]["schema"], answer.json())
        for header in said.get("headers", {}):
            assert header in answer.headers
        return answer.json()

    def check(self, schema: Any, value: Any) -> None:
        """Against a schema of the document."""
        components = {"components": self.document["components"]}
        Draft202012Validator({**schema, **components}).validate(value)

    def job(self, started: Any) -> Any:
        """The job once it is done; its result."""
        deadline = time.monotonic() + JOB_S
        while (job := self("job", id=started["id"]))["state"] == "running":
            assert time.monotonic() < deadline, job
            time.sleep(0.05)
        assert job["error"] is None, job
        return job["result"]

    def follow(self, query: dict[str, Any], **names: str) -> list[Any]:
        """The first line of a log that is followed."""
        _, path, operation = self._operation("logs")
        event = operation["responses"]["200"]["content"]["text/event-stream"]["schema"]
        line = event["properties"]["data"]["contentSchema"]
        with self.client.stream("GET", path.format(**names), params=query) as stream:
            assert stream.headers["content-type"] == "text/event-stream"
            found = next(one for one in stream.iter_lines() if one.startswith("data: "))
        self.check(line, json.loads(found.removeprefix("data: ")))
        return [json.loads(found.removeprefix("data: "))]

    def _operation(self, id: str) -> tuple[str, str, Any]:
        return next(
            (method.upper(), path, operation)
            for path, methods in self.document["paths"].items()
            for method, operation in methods.items()
            if operation["operationId"] == id
        )


def test_each_answer_of_a_working_day_fits_its_schema(
    gateway: Served, upstreams: Upstreams, tmp_path: Path
) -> None:
    upstreams.lists["openai"] = ("gpt-4o", "gpt-new")
    with gateway.client() as client:
        api = Checked(client)
        _plugins(api, upstreams)
        _versions(api, tmp_path)
        _names_and_routes(api)
        _who_may_come_in(api)
        for path, model in ((CHAT, "openai/gpt-4o"), (CHAT, "echo/echo-1")):
            client.post(path, json={"model": model, "messages": WORDS}).raise_for_status()
        _what_happens(api)
        _ends(api)

    assert api.seen == {endpoint.id for endpoint in ENDPOINTS}


def _plugins(api: Checked, upstreams: Upstreams) -> None:
    """What is there; one more is installed, granted, set and given a key."""
    host = str(upstreams.sink.rule)
    assert {row["name"] for row in api("plugins")} == {"echo", "openai"}
    assert any(row["name"] == "qwen" and row["china"] for row in api("offers"))
    source = {"source": str(PLUGINS / "groq"), "allow_hosts": [host]}
    looked = api("propose_install", body=source)
    result = api.job(api("install", body={**source, "digest": looked["digest"]}))
    api.check({"$ref": "#/components/schemas/Plugin"}, result)
    assert api("plugin", name="groq")["plugin"]["name"] == "groq"
    word = next(row["word"] for row in api("permissions", name="groq") if row["granted"])
    api("revoke", name="groq", body={"permissions": [word]})
    again = {"permissions": [word], "hosts": [host]}
    assert word in api("propose_grant", name="groq", body=again)["new"]
    rows = api("grant", name="groq", body=again)
    assert next(row for row in rows if row["word"] == word)["granted"]
    url = f"{upstreams.sink.url}groq/v1"
    rows = api("set_config", name="groq", key="base_url", body={"value": url})
    assert next(row for row in rows if row["key"] == "base_url")["value"] == url
    assert api("config", name="groq") == rows
    api("unset_config", name="groq", key="base_url")
    given = api("set_secret", plugin="groq", name="GROQ_API_KEY", body={"value": KEY})
    assert given["is_set"]
    assert KEY not in json.dumps(api("secrets"))
    api("remove_secret", plugin="groq", name="GROQ_API_KEY")


def _versions(api: Checked, place: Path) -> None:
    """A plugin is upgraded and goes back; its files are looked at, and what is left over goes."""
    first = version_folder(place, "1.0.0")
    looked = api("propose_install", body={"source": str(first)})
    api.job(api("install", body={"source": str(first), "digest": looked["digest"]}))
    source = {"source": str(version_folder(place, "1.1.0", smoke=SMOKE))}
    looked = api("propose_upgrade", name="changing", body=source)
    assert (looked["replaces"], looked["version"]) == ("1.0.0", "1.1.0")
    assert any("1.1.0" in line for line in looked["differences"])
    agreed = {**source, "digest": looked["digest"]}
    assert api.job(api("upgrade", name="changing", body=agreed))["version"] == "1.1.0"
    kept = api("versions", name="changing")
    assert [(row["version"], row["current"]) for row in kept] == [("1.1.0", True), ("1.0.0", False)]
    assert api.job(api("rollback", name="changing", body={}))["version"] == "1.0.0"
    found = api.job(api("verify", name="changing"))
    assert found == {"name": "changing", "ok": True, "problems": []}
    found = api.job(api("gc", body={"keep": 0}))
    assert found["removed"]
    assert found["freed_bytes"] > 0
    assert len(api("versions", name="changing")) == 1
    key = "ed25519:" + base64.b64encode(bytes(range(32))).decode()
    assert api("trust", name="ann", body={"key": key})["plugins"] == []
    assert [row["key"] for row in api("trusted")] == [key]
    api("distrust", name="ann")
    api("uninstall", name="changing")


def _names_and_routes(api: Checked) -> None:
    api("set_alias", name="fast", body={"target": "openai/gpt-4o"})
    assert [row["name"] for row in api("aliases")] == ["fast"]
    assert api("resolve", query={"name": "fast"})["targets"] == ["openai/gpt-4o"]
    api("remove_alias", name="fast")
    targets = {"targets": ["openai/gpt-4o", "echo/echo-1"], "retries": 1, "timeout_s": 5.5}
    api("set_route", capability="chat", body=targets)
    assert any(row["source"] for row in api("routes"))
    assert api("dry_run", capability="chat", body={"features": ["streaming"]})["steps"]
    api("remove_route", capability="chat")
    preset = api("presets")[0]["name"]
    api("apply_preset", name=preset)
    found = api("models", query={"text": "gpt-4o", "limit": 2, "capability": "chat"})
    assert found["total"] >= len(found["models"]) >= 1
    scanned = api.job(api("scan", body={"plugins": ["openai"]}))
    assert scanned


def _who_may_come_in(api: Checked) -> None:
    given = api("create_token", body={"name": "worker", "scope": "use"})
    bearer = {"authorization": f"Bearer {given['text']}"}
    assert api.client.get("/v1/models", headers=bearer).status_code == 200
    assert given["text"] not in json.dumps(api("tokens"))
    api("revoke_token", name="worker")
    assert api.client.get("/v1/models", headers=bearer).status_code == 401


def _what_happens(api: Checked) -> None:
    assert {row["plugin"] for row in api("workers")} >= {"echo", "openai"}
    assert api("status")["workers"] >= 2
    comes(lambda: len(api("attempts", query={"limit": 5})) == 2)  # they are written in a while
    rows = api("attempts")
    assert {row["target"] for row in rows} == {"openai/gpt-4o", "echo/echo-1"}
    chart = api("attempt_chart", query={"span_s": 60, "buckets": 6})
    assert sum(row["answered"] for row in chart) >= 2
    rows = api.job(api("check_health", body={"plugins": ["openai"]}))
    api.check({"type": "array", "items": {"$ref": "#/components/schemas/HealthRow"}}, rows)
    assert {row["plugin"] for row in api("health")} >= {"openai"}
    doctor = api.job(api("doctor"))
    assert doctor["tier"] == api("status")["tier"]
    assert {"name", "ok", "detail", "remedy"} <= {*doctor["checks"][0]}
    kinds = {"scan", "health", "install", "doctor", "upgrade", "rollback", "verify", "gc"}
    assert {job["kind"] for job in api("jobs")} == kinds
    assert api("logs", name="openai", query={"lines": 10})
    assert api.follow({"follow": True, "lines": 1}, name="openai")


def _ends(api: Checked) -> None:
    assert api("disable", name="groq")["state"] == "disabled"
    assert api("enable", name="groq")["state"] == "enabled"
    api("restart", name="echo")
    api("uninstall", name="groq", query={"keep_data": True})
    api("refresh")
    api("reload")
    assert {row["name"] for row in api("plugins")} == {"echo", "openai"}
