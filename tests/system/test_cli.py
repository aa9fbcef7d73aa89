"""The command itself, as a process: requests, exit codes, terminals, interruptions."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
ATTEMPT = ["target", "outcome", "kind", "ms"]


class Stockade:
    """The command over one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {
            "STOCKADE_HOME": str(home),
            "PATH": os.environ.get("PATH", ""),
            "PYTHONWARNINGS": "error::ResourceWarning",
        }

    def __call__(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "stockade", *arguments]
        return subprocess.run(
            command, input=stdin, capture_output=True, env=self.env, check=False, timeout=50
        )

    def json(self, *arguments: str, stdin: bytes = b"") -> Any:
        return json.loads(self(*arguments, "--json", stdin=stdin).stdout)

    def on_terminal(self, *arguments: str, typed: bytes) -> tuple[int, bytes]:
        """Run it on a terminal of its own and type; exit code and all that was shown."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "stockade", *arguments]
        with subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=self.env
        ) as process:
            os.close(theirs)
            os.write(ours, typed)
            shown = b""
            try:
                while piece := os.read(ours, 4096):
                    shown += piece
            except OSError:  # EIO: the other side has no holder any more
                pass
            finally:
                os.close(ours)
            return process.wait(), shown


@pytest.fixture
def stockade(tmp_path: Path) -> Stockade:
    return Stockade(tmp_path / "home")


@pytest.fixture
def with_echo(stockade: Stockade) -> Stockade:
    installed = stockade("install", "echo", "--yes")
    assert installed.returncode == 0, installed.stderr
    return stockade


def test_a_request_is_answered_on_stdout_and_nothing_else_is(with_echo: Stockade) -> None:
    done = with_echo("run", "hello there")

    assert (done.returncode, done.stdout, done.stderr) == (0, b"hello there\n", b"")


def test_an_answer_as_json_has_exactly_the_promised_keys(with_echo: Stockade) -> None:
    found = with_echo.json("run", "hello")

    assert list(found) == ["text", "response", "attempts", "cost"]
    assert found["text"] == "hello"
    assert found["response"]["provider"] == "echo"
    assert [list(attempt) for attempt in found["attempts"]] == [ATTEMPT]
    assert found["attempts"][0]["target"] == "echo/echo-1"
    assert found["attempts"][0]["outcome"] == "ok"
    assert found["attempts"][0]["kind"] is None
    assert found["cost"]["total_cost"] == "0"


def test_a_streamed_answer_is_the_same_text_and_the_same_json(with_echo: Stockade) -> None:
    streamed = with_echo("run", "a  b\tc\nd", "--stream")
    whole = with_echo.json("run", "a b c", "--stream")

    assert streamed.stdout == b"a  b\tc\nd\n"
    assert list(whole) == ["text", "response", "attempts", "cost"]
    assert whole["text"] == "a b c"
    assert [attempt["outcome"] for attempt in whole["attempts"]] == ["ok"]


def test_a_prompt_comes_from_stdin(with_echo: Stockade) -> None:
    assert with_echo("run", "-", stdin="grüezi".encode()).stdout == "grüezi\n".encode()


def test_an_answer_cannot_act_on_the_terminal(with_echo: Stockade) -> None:
    for more in ([], ["--stream"]):
        done = with_echo("run", "\x1b]0;owned\x07ok", *more)

        assert done.stdout == b"\\u001b]0;owned\\u0007ok\n"


def test_an_image_makes_it_a_request_for_vision(with_echo: Stockade, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)

    done = with_echo("run", "what is it?", "--image", str(tmp_path / "a.png"))

    assert (done.returncode, done.stdout) == (0, b"what is it?\n")


def test_vectors_are_summarised_for_people_and_whole_for_programs(with_echo: Stockade) -> None:
    people = with_echo("run", "hello", "--capability", "embedding").stdout.decode()
    programs = with_echo.json("run", "hello", "--capability", "embedding")

    assert people.startswith("16 numbers of length 1.0000: ")
    assert programs["text"] is None
    assert len(programs["response"]["embeddings"][0]) == 16


@pytest.mark.parametrize(
    ("arguments", "code", "kind"),
    [
        (["--model", "nonesuch"], 2, "invalid_request"),
        (["--plugin", "nonesuch"], 2, "invalid_request"),
        (["--capability", "nonesuch"], 2, "invalid_request"),
        (["--timeout", "0"], 2, "invalid_request"),
        (["--stream", "--capability", "embedding"], 2, "invalid_request"),
        (["--capability", "image_gen"], 1, "unsupported"),
    ],
)
def test_a_request_that_cannot_be_answered_says_so_to_people_and_programs(
    with_echo: Stockade, arguments: list[str], code: int, kind: str
) -> None:
    done = with_echo("run", "hello", "--json", *arguments)

    assert done.returncode == code
    assert done.stderr.startswith(b"stockade: ")
    found = json.loads(done.stdout)
    assert list(found) == ["error", "attempts"]
    assert list(found["error"]) == ["kind", "message"]
    assert found["error"]["kind"] == kind


def test_a_refused_host_is_a_refusal(stockade: Stockade) -> None:
    stockade("install", "openai-compatible", "--yes")
    stockade("config", "set", "openai-compatible", "base_url", "https://api.example.com/v1")

    done = stockade("run", "hello", "--json")

    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert found["error"]["kind"] == "permission_denied"
    assert 'network = ["api.example.com"]' in found["error"]["message"]
    assert [list(attempt) for attempt in found["attempts"]] == [ATTEMPT]
    assert found["attempts"][0]["kind"] == "permission_denied"


def test_without_any_plugin_a_request_fails_in_words(stockade: Stockade) -> None:
    done = stockade("run", "hello")

    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr.startswith(b"stockade: ")


def test_a_plugin_that_cannot_be_started_fails_and_its_words_are_in_its_log(
    stockade: Stockade, tmp_path: Path
) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "plugin.toml").write_text(
        'manifest = 1\n[plugin]\nname = "broken"\nversion = "1.0"\nsdk = ">=0.1"\n'
        'entry = "broken_plugin:P"\ncapabilities = ["chat"]\n'
    )
    (folder / "broken_plugin.py").write_text("print('on my way out')\nraise ValueError('no')\n")
    stockade("install", str(folder), "--yes", "--no-smoke")

    done = stockade("run", "hello", "--plugin", "broken", "--timeout", "20")

    assert done.returncode == 1
    assert b"ValueError" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"on my way out" in stockade("logs", "broken").stdout


def test_a_stream_that_breaks_off_shows_its_beginning_and_fails(
    stockade: Stockade, tmp_path: Path
) -> None:
    folder = tmp_path / "brittle"
    folder.mkdir()
    (folder / "plugin.toml").write_text(
        'manifest = 1\n[plugin]\nname = "brittle"\nversion = "1.0"\nsdk = ">=0.1"\n'
        'entry = "brittle_plugin:P"\ncapabilities = ["chat"]\n'
    )
    (folder / "brittle_plugin.py").write_text(
        "from stockade_sdk import Provider, ProviderError\n"
        "class P(Provider):\n"
        "    async def stream_chat(self, request, ctx):\n"
        "        yield 'so far '\n"
        "        yield 'so good'\n"
        "        raise ProviderError('server_error', 'it fell over')\n"
    )
    stockade("install", str(folder), "--yes")

    people = stockade("run", "hello", "--stream")
    programs = stockade("run", "hello", "--stream", "--json")

    assert people.returncode == programs.returncode == 1
    assert people.stdout.startswith(b"so far ")
    assert b"it fell over" in people.stderr
    found = json.loads(programs.stdout)
    assert found["error"] == {"kind": "server_error", "message": "it fell over"}
    assert [attempt["kind"] for attempt in found["attempts"]] == ["server_error"]


def test_health_is_asked_of_every_plugin(with_echo: Stockade) -> None:
    with_echo("install", "openai-compatible", "--yes")

    done = with_echo("health", "--json")

    assert done.returncode == 1  # one of them is not configured
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["echo"]["ok"] is True
    assert rows["openai-compatible"]["ok"] is False
    assert "base_url" in rows["openai-compatible"]["detail"]
    assert with_echo("health", "echo").returncode == 0
    assert with_echo("health", "nobody").returncode == 2


def test_what_happened_to_a_worker_is_in_its_log(with_echo: Stockade) -> None:
    with_echo("run", "hello")

    lines = with_echo("logs", "echo", "-n", "3").stdout.decode().splitlines()

    assert [line.split(maxsplit=2)[2] for line in lines] == [
        "started",
        "ready",
        "ended: the host is closing",
    ]


@pytest.mark.parametrize(("typed", "code"), [(b"y\n", 0), (b"n\n", 3), (b"\n", 3)])
def test_on_a_terminal_an_install_is_asked_for(stockade: Stockade, typed: bytes, code: int) -> None:
    left, shown = stockade.on_terminal("install", "echo", typed=typed)

    assert left == code
    assert b"Install echo? [y/N]" in shown
    assert len(stockade.json("list")) == (1 if code == 0 else 0)


def test_a_key_typed_on_a_terminal_is_not_shown(stockade: Stockade) -> None:
    stockade("install", "openai-compatible", "--yes", "--allow-host", "127.0.0.1:9")
    words = ("secrets", "set", "openai-compatible", "OPENAI_COMPATIBLE_API_KEY")

    # A line typed before the prompt would be echoed by the terminal itself: type at the prompt.
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "stockade", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=stockade.env,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"API_KEY: " not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, b"sk-typed\n")
        try:
            while piece := os.read(ours, 4096):
                shown += piece
        except OSError:
            pass
        finally:
            os.close(ours)
        assert process.wait() == 0

    assert b"sk-typed" not in shown
    assert b"sk-typed" in (stockade.home / "secrets.json").read_bytes()


def test_a_reader_that_leaves_early_is_no_error(with_echo: Stockade) -> None:
    command = [sys.executable, "-m", "stockade", "inspect", "echo", "--json"]
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            command, stdout=writing, stderr=subprocess.PIPE, env=with_echo.env, check=False
        )
    finally:
        os.close(writing)

    assert done.returncode == 1
    assert done.stderr == b""
