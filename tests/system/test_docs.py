"""The tutorial is run as it stands: its files are written, its commands carried out in order."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial" / "first-plugin.md"
FENCE = re.compile(
    r"^```(?P<kind>\S*)[ \t]*(?P<rest>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)
CAPTION = re.compile(r":caption: (?P<path>\S+)\n\n")
COMMAND_S = 30.0


@dataclass(frozen=True)
class File:
    """A file that the reader is told to write."""

    path: str
    content: str


@dataclass(frozen=True)
class Command:
    """A command that the reader is told to run, and lines that its output then has, in order."""

    line: str
    shown: tuple[str, ...]


class PageFailed(AssertionError):
    """What the page promises did not happen."""


def steps_of(page: str) -> Iterator[File | Command]:
    """What a reader of the page does, in order."""
    for fence in FENCE.finditer(page):
        match fence["kind"]:
            case "{code-block}":
                caption = CAPTION.match(fence["body"])
                assert caption is not None, f"a file without a name: {fence['body'][:60]!r}"
                yield File(caption["path"], fence["body"][caption.end() :])
            case "console":
                yield from commands_of(fence["body"])


def commands_of(block: str) -> Iterator[Command]:
    lines: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ ") and lines:
            yield Command(lines[0], tuple(lines[1:]))
            lines = []
        lines.append(line.removeprefix("$ "))
    if lines:
        yield Command(lines[0], tuple(lines[1:]))


def follow(page: str, folder: Path) -> int:
    """Do what the page says in `folder`; how many commands were run. Raises PageFailed."""
    exports: list[str] = []
    count = 0
    for step in steps_of(page):
        if isinstance(step, File):
            path = folder / step.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(step.content)
            continue
        count += 1
        check(step, run(step.line, exports, folder))
        if step.line.startswith("export "):
            exports.append(step.line)
    return count


def run(line: str, exports: list[str], folder: Path) -> str:
    """One command in a shell of its own, after the page's exports; what it wrote."""
    programs = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-c", "\n".join([*exports, line])],
        cwd=folder,
        env={
            "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_S,
        check=False,
    )
    if done.returncode:
        raise PageFailed(f"$ {line}\n{done.stdout}exit code {done.returncode}")
    return done.stdout


def check(command: Command, output: str) -> None:
    lines = iter(output.splitlines())
    for shown in command.shown:
        if not any(shown in line for line in lines):
            raise PageFailed(f"$ {command.line}\n{output}lacks, at its place: {shown}")


@pytest.mark.timeout(180)
def test_the_tutorial_does_what_it_says(tmp_path: Path) -> None:
    page = TUTORIAL.read_text()

    count = follow(page, tmp_path)

    assert count == page.count("\n$ ")
    assert (tmp_path / "home" / "state.db").is_file(), "it used another home than its own"


def test_a_page_whose_command_fails_fails(tmp_path: Path) -> None:
    page = "```console\n$ stockade validate nowhere\n```\n"

    with pytest.raises(PageFailed, match="exit code 2"):
        follow(page, tmp_path)


def test_a_page_whose_output_is_another_fails(tmp_path: Path) -> None:
    page = "```console\n$ printf 'one\\ntwo\\n'\ntwo\none\n```\n"

    with pytest.raises(PageFailed, match="lacks, at its place: one"):
        follow(page, tmp_path)


def test_a_page_writes_its_files_and_keeps_its_exports(tmp_path: Path) -> None:
    page = (
        "```{code-block} text\n:caption: a/b.txt\n\nhello\n```\n"
        '```console\n$ export NAME="a b"\n$ cat a/b.txt && echo "$NAME"\nhello\na b\n```\n'
    )

    assert follow(page, tmp_path) == 2
