"""The pages of the gateway, the admin API and operation say what the code says."""

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast, get_args, get_origin

import pytest
import yaml  # type: ignore[import-untyped]

from stockade.admin import application
from stockade.admin.endpoint import Endpoint
from stockade.admin.endpoints import ROWS
from stockade.admin.failures import KINDS, STATUSES
from stockade.gateway import asked, call, chat, connection, images, messages, models, openai_chat
from stockade.gateway.endpoints import routes_of
from stockade.gateway.failures import (
    MAX_ATTEMPTS_SHOWN,
    MAX_WARNINGS_BYTES,
    MAX_WARNINGS_SHOWN,
    OVERLOADED_AT_ANTHROPIC,
    STATUS,
)
from stockade.gateway.serves import Serves
from stockade.settings import GatewaySettings, parse_settings
from stockade.settings.values import TelemetrySettings
from stockade.telemetry.metrics import Metrics
from stockade_sdk.errors import ErrorKind
from stockade_sdk.units import format_size, parse_duration, parse_size
from tests.system.pages import DOCS, ROOT, blocks, files_of, rows, sections, words

HTTP = DOCS / "reference" / "http.md"
ADMIN = DOCS / "reference" / "admin-api.md"
UNIT = DOCS / "how-to" / "run-under-systemd.md"
WATCH = DOCS / "how-to" / "watch-a-host.md"
CONTAINER = DOCS / "how-to" / "run-in-a-container.md"


def page(path: Path) -> dict[str, str]:
    return sections(path.read_text())


def test_every_endpoint_of_the_gateway_is_there_with_its_method_and_dialect() -> None:
    routes = routes_of(cast("Serves", None))
    there = [*vars(routes)["_whole"].values(), *vars(routes)["_below"]]
    told = {words(row[0])[0]: (row[1], row[4]) for row in rows(page(HTTP)["Endpoints"])}

    anthropic = {path for path, (_, dialect) in told.items() if dialect == "Anthropic"}
    assert {path: {method} for path, (method, _) in told.items()} == {
        one.path: set(one.methods) for one in there
    }
    assert anthropic == {
        one.path for one in there if one.wire.overloaded == OVERLOADED_AT_ANTHROPIC
    }


def test_each_kind_of_error_has_its_status() -> None:
    table = page(HTTP)["Statuses"].partition("Of the request itself")[0]
    told = {words(row[0])[0]: int(row[1][:3]) for row in rows(table)}

    assert told == {kind.value: status for kind, status in STATUS.items()}
    assert set(told) == set(ErrorKind)
    assert f"Anthropic's dialect {OVERLOADED_AT_ANTHROPIC}" in table


def test_the_limits_are_those_of_the_code() -> None:
    told = {row[0]: (row[1], words(row[2])) for row in rows(page(HTTP)["Limits"])}
    defaults = GatewaySettings()

    by_setting = {keys[0]: most for most, keys in told.values() if keys}
    for key, most in by_setting.items():
        if hasattr(defaults, f"{key}_bytes"):
            assert parse_size(most) == getattr(defaults, f"{key}_bytes"), key
        elif hasattr(defaults, f"{key}_s"):
            assert parse_duration(most.replace(" ", "")) == getattr(defaults, f"{key}_s"), key
        else:
            assert int(most) == getattr(defaults, key), key
    assert set(by_setting) == {
        name.removesuffix("_bytes").removesuffix("_s")
        for name in GatewaySettings.__struct_fields__
        if name.startswith("max_") or name.endswith(("timeout_s", "interval_s"))
    }
    fixed = {what: most for what, (most, keys) in told.items() if not keys}
    assert fixed == {
        "a request's line and headers": (
            f"{format_size(connection.MAX_HEAD_BYTES)}, {connection.MAX_HEADERS} headers"
        ),
        "requests sent ahead on one connection": f"{connection.MAX_PIPELINED}",
        "time for a TLS handshake": f"{connection.LINGER_S:.0f} s",
        "a connection at rest": f"{connection.KEEP_ALIVE_S:.0f} s",
        "entries of `messages` or `input`": f"{asked.MAX_MESSAGES}",
        "a body of the admin API": format_size(application.MAX_BODY_BYTES),
    }


def test_numbers_in_the_sentences_are_those_of_the_code() -> None:
    text = " ".join(HTTP.read_text().split())

    for said in (
        f"at most {MAX_ATTEMPTS_SHOWN}, then",
        f"of up to {MAX_WARNINGS_SHOWN} [warnings]",
        f"{MAX_WARNINGS_BYTES // 1024} KiB at most",
        f"above 0, at most {call.MAX_TIMEOUT_S:.0f}",
        f"`n` of a chat is 1 to {openai_chat.MAX_CHOICES}.",
        f"`n` (1 to {images.MAX_IMAGES})",
        f"`limit` up to {models.MAX_PAGE}",
        f"up to {messages.MAX_BETAS} names",
        f"the comment `{connection.COMMENT.decode().strip()}`",
        f'"{chat.EXTENSION}": {{"warnings"',
    ):
        assert said in text, said


@pytest.mark.parametrize(
    ("table", "kind"), [("gateway", GatewaySettings), ("telemetry", TelemetrySettings)]
)
def test_every_setting_of_serve_is_on_its_page(table: str, kind: type[Any]) -> None:
    told = {
        key
        for row in rows((DOCS / "reference" / "settings.md").read_text())
        if row[0].startswith(f"`[{table}]`")
        for key in words(row[0])[1:]
    }

    assert told == {re.sub("_(bytes|s)$", "", name) for name in kind.__struct_fields__}


def gives(endpoint: Endpoint) -> str:
    answer = endpoint.answer
    if answer is None:
        return f"{endpoint.status}"
    if get_origin(answer) is list:
        return f"{endpoint.status} list of `{get_args(answer)[0].__name__}`"
    return f"{endpoint.status} `{answer.__name__}`"


def takes(endpoint: Endpoint) -> str:
    fields = " ".join(f"`{field}`" for field in endpoint.query.__struct_fields__)
    body = f"`{endpoint.body.__name__}`" if endpoint.body else ""
    return ", ".join(part for part in (f"query {fields}" if fields else "", body) if part)


def test_the_admin_api_is_that_of_its_table() -> None:
    told = [tuple(row) for row in rows(page(ADMIN)["Endpoints"])]

    assert told == [
        (f"`{one.method} {one.path}`", takes(one), gives(one), one.summary) for one in ROWS
    ]


def test_the_admin_apis_failures_are_all_there() -> None:
    told = {(int(row[0]), words(row[1])[0]) for row in rows(page(ADMIN)["Failures"])}

    assert told == {*((status, kind) for _, status, kind in STATUSES), *KINDS.items()}


def test_every_metric_in_a_rule_or_a_question_is_one_that_is_told() -> None:
    told = set()
    for family in Metrics().families():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        told |= {name, f"{name}_bucket"} if family.type == "histogram" else {name}
    text = WATCH.read_text()

    asked_for = set(re.findall(r"\bstockade_[a-z_]+", text))
    assert len(asked_for) > 10
    assert asked_for <= told


def test_the_files_for_prometheus_are_yaml_of_its_shape() -> None:
    files = files_of(WATCH.read_text())
    scrape = yaml.safe_load(files["prometheus.yml"])
    rules = yaml.safe_load(files["stockade.rules.yml"])

    assert scrape["scrape_configs"][0]["job_name"] == "stockade"
    assert scrape["rule_files"] == ["stockade.rules.yml"]
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert all(set(rule) <= {"alert", "expr", "for"} for rule in alerts)
    assert len({rule["alert"] for rule in alerts}) == len(alerts)


def unit() -> configparser.ConfigParser:
    """The unit; of a key that stands twice the parser would make an error."""
    found = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    found.optionxform = str  # type: ignore[assignment, method-assign]
    found.read_string(files_of(UNIT.read_text())["/etc/systemd/system/stockade.service"])
    return found


def test_the_unit_has_nothing_that_the_page_says_must_stay_off() -> None:
    service = dict(unit()["Service"])
    off = [
        word.partition("=")
        for row in rows(page(UNIT)["What has to stay off"])
        for word in words(row[0])
    ]

    assert len(off) > 7
    for name, _, value in off:
        assert name not in service or (value and service[name] != value), name


def test_the_unit_gives_a_drain_its_time_and_keeps_the_token_out_of_the_journal() -> None:
    service = unit()["Service"]

    assert parse_duration(service["TimeoutStopSec"]) > GatewaySettings().drain_s
    assert service["KillMode"] == "mixed"
    assert service["StandardOutput"] == "null"
    assert int(service["LimitNOFILE"]) > 3 * GatewaySettings().max_connections


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = files_of(UNIT.read_text())["/etc/systemd/system/stockade.service"]
    file = tmp_path / "stockade.service"
    # It looks whether the program is there.
    file.write_text(text.replace("/opt/stockade/bin/stockade", sys.executable))

    done = subprocess.run(
        ["systemd-analyze", "verify", str(file)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_what_the_container_runs_is_a_verb_with_its_options() -> None:
    file = files_of(CONTAINER.read_text())["Containerfile"]
    (line,) = [line for line in file.splitlines() if line.startswith("ENTRYPOINT")]

    assert "stockade serve --host 0.0.0.0 --insecure" in line
    assert ">/dev/null" in line, "the printed address carries a token"
    assert re.search(r"^USER [1-9]", file, re.MULTILINE), "not as root"


@pytest.mark.parametrize("name", ["behind-a-proxy.md", "watch-a-host.md", "run-under-systemd.md"])
def test_settings_on_pages_of_operation_can_be_read(name: str) -> None:
    examples = blocks((DOCS / "how-to" / name).read_text(), "toml")

    assert examples
    for example in examples:
        parse_settings(example.encode())


@pytest.mark.parametrize("room", ["how-to", "reference", "explanation", "decisions"])
def test_every_page_is_in_the_index_of_its_room(room: str) -> None:
    index = (DOCS / room / "index.md").read_text()
    tree = index.partition("```{toctree}")[2].splitlines()

    assert {path.stem for path in (DOCS / room).glob("*.md")} - {"index"} <= set(tree)


@pytest.mark.parametrize("path", sorted((DOCS / "decisions").glob("*.md")), ids=lambda p: p.stem)
def test_a_decision_has_the_form_of_the_house(path: Path) -> None:
    if path.stem == "index":
        pytest.skip("the list of them")
    text = path.read_text()

    at = [text.find(f"**{part}.**") for part in ("Context", "Decision", "Measurement", "Rejected")]
    assert -1 < at[0] < at[1] < at[2] < at[3]


def test_the_rows_of_the_threat_model_name_tests_that_are_there() -> None:
    table = (DOCS / "explanation" / "threat-model.md").read_text()
    files = {path.stem for path in (ROOT / "tests").rglob("test_*.py")}

    gateway = table.partition("### The gateway, the API and the page")[2].partition("\n## ")[0]
    named = {word for row in rows(gateway) for word in words(row[3])}
    assert len(named) > 5
    assert named <= files
