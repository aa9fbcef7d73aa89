"""The guides to the gateway are followed as they stand: a home, `stockade serve`, and what a reader
types, with what is then shown.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.pages import DOCS, blocks, files_of
from tests.system.served import Served, served
from tests.system.test_docs import Command, commands_of

SERVE = DOCS / "how-to" / "serve-the-gateway.md"
PAGES = (
    SERVE,
    DOCS / "how-to" / "settings-page.md",
    DOCS / "how-to" / "watch-a-host.md",
    DOCS / "reference" / "admin-api.md",
)
WRITTEN = "http://127.0.0.1:8787"  # in place of which the gateway of the test is asked
COMMAND_S = 60.0
LOG_S = 15.0
# Not run: what needs another machine, and what goes on until somebody ends it.
LEFT_OUT = ("ssh ", "stockade logs echo -f")
MISSING_CURL = shutil.which("curl") is None and "CI" not in os.environ


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Served]:
    home = tmp_path / "home"
    said = shell("stockade install echo --yes", {"STOCKADE_HOME": str(home)}, home.parent)
    assert said.returncode == 0, said.stdout
    with served(home) as found:
        yield found


def shell(
    line: str, variables: dict[str, str], folder: Path, program: str = "bash"
) -> subprocess.CompletedProcess[str]:
    """What a reader has of a line in a shell, or of a program of Python's."""
    programs = Path(sys.executable).parent
    return subprocess.run(
        [program, "-c", line],
        cwd=folder,
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            **variables,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )


def is_shown(shown: str, line: str) -> bool:
    """Whether a line has what the page shows; an ellipsis there is anything."""
    return re.search(".*".join(map(re.escape, shown.split("…"))), line) is not None


def check(command: Command, said: str) -> None:
    lines = iter(said.splitlines())
    for shown in command.shown:
        assert any(is_shown(shown, line) for line in lines), (
            f"$ {command.line}\n{said}lacks, at its place: {shown}"
        )


def follow(text: str, gateway: Served, folder: Path) -> int:
    """Do what the page's console does; how many commands were run."""
    variables = {"STOCKADE_HOME": str(gateway.home)}
    count = 0
    for block in blocks(text, "console"):
        for command in commands_of(block):
            line = command.line.replace(WRITTEN, gateway.address)
            if line == "stockade serve" or line.startswith(LEFT_OUT):
                continue
            if "requests.jsonl" in line:
                wait_for_the_log(gateway.home)
            exported = re.match(r"export (\w+)=", line)
            if exported:  # a shell of its own for each line: what it exports is handed on
                line = f'{line}; printf %s "${exported[1]}"'
            done = shell(line, variables, folder)
            assert done.returncode == 0, f"$ {line}\n{done.stdout}"
            if exported:
                variables[exported[1]] = done.stdout.splitlines()[-1]
            else:
                check(command, done.stdout)
            count += 1
    return count


def wait_for_the_log(home: Path) -> None:
    """Lines are written within half a second."""
    file, until = home / "logs" / "requests.jsonl", time.monotonic() + LOG_S
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < until, "no line came"
        time.sleep(0.05)


@pytest.mark.skipif(MISSING_CURL, reason="curl is not installed")
@pytest.mark.timeout(240)
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_commands_of_a_guide_do_what_it_says(
    path: Path, gateway: Served, tmp_path: Path
) -> None:
    text = path.read_text()

    count = follow(text, gateway, tmp_path)

    left_out = sum(
        line.startswith(tuple(f"$ {word}" for word in LEFT_OUT)) or line == "$ stockade serve"
        for line in text.splitlines()
    )
    assert count == text.count("\n$ ") - left_out
    assert count


def test_serve_prints_what_its_guide_shows(tmp_path: Path) -> None:
    (shown,) = [
        command.shown
        for block in blocks(SERVE.read_text(), "console")
        for command in commands_of(block)
        if command.line == "stockade serve"
    ]
    home = tmp_path / "home"
    process = subprocess.Popen(
        [sys.executable, "-m", "stockade", "serve", "--port", "0"],
        env={**os.environ, "STOCKADE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().rstrip("\n") for _ in shown]
    finally:
        process.terminate()
        process.communicate(timeout=COMMAND_S)

    for expected, line in zip(shown, lines, strict=True):
        assert is_shown(expected, re.sub(r"(127\.0\.0\.1):\d+", r"\1:8787", line)), line


CLIENTS = [
    (re.search(r"^(?:from|import) (?!os)(\w+)", example, re.MULTILINE), example)
    for example in blocks(SERVE.read_text(), "python")
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    "example", [example for _, example in CLIENTS], ids=[found[1] for found, _ in CLIENTS if found]
)
def test_a_client_is_pointed_at_it_as_its_guide_says(
    example: str, gateway: Served, tmp_path: Path
) -> None:
    done = shell(
        example.replace(WRITTEN, gateway.address),
        {"STOCKADE_TOKEN": gateway.token, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        tmp_path,
        sys.executable,
    )

    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "are you there?", done.stdout


def test_the_guide_has_the_four_clients() -> None:
    names = [found[1] for found, _ in CLIENTS if found]

    assert names == ["openai", "anthropic", "litellm", "langchain_openai"]


def test_the_containers_health_check_goes_by_the_answer(gateway: Served, tmp_path: Path) -> None:
    text = (DOCS / "how-to" / "run-in-a-container.md").read_text()
    file = files_of(text)["Containerfile"].replace("\\\n", "")
    (found,) = re.findall(r"^HEALTHCHECK .*? CMD (\[.*\])$", file, re.MULTILINE)
    program, _, code = json.loads(found)
    port = gateway.address.rpartition(":")[2]

    well = shell(code.replace("8787", port), {}, tmp_path, sys.executable)
    other = shell(code.replace("8787", port).replace("/healthz", "/v1/models"), {}, tmp_path,
                  sys.executable)  # fmt: skip
    gone = shell(code.replace("8787", "1"), {}, tmp_path, sys.executable)

    assert program == "python"
    assert (well.returncode, other.returncode) == (0, 1)
    assert gone.returncode != 0
