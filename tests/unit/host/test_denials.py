"""What plugins were denied: kept, bounded, marked by who told it, with the line that would help."""

from __future__ import annotations

import time
import tomllib
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from stockade.egress import ALLOW_HOST, BINDING, NETWORK, Decision
from stockade.supervisor.allowing import line_for, secret_act
from stockade.supervisor.causes import Who, decode
from stockade.supervisor.denials import Act, Denials, merged, read_acts
from stockade.supervisor.records import Records
from stockade_sdk import wire
from stockade_sdk.limits import Limits

PATIENCE_S = 20.0


class Clock:
    """Seconds since 1970, one more at each look."""

    def __init__(self) -> None:
        self.at = 1_000_000.0

    def __call__(self) -> float:
        self.at += 1
        return self.at


class Lines:
    """What was written into logs."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str, str]] = []

    def __call__(self, plugin: str, source: str, text: str) -> None:
        self.written.append((plugin, source, text))


def refused(host: str = "api.example.com", **more: object) -> Decision:
    rest = {"wanted": host, "wanted_in": NETWORK, "reason": "no rule", **more}
    return Decision(plugin="echo", host=host, port=443, rule=None, allowed=False, **rest)  # type: ignore[arg-type]


def allowed(rule: str, **more: object) -> Decision:
    host = rule.replace("*", "a")
    return Decision(plugin="echo", host=host, port=443, rule=rule, allowed=True, reason="", **more)  # type: ignore[arg-type]


@pytest.fixture
def lines() -> Lines:
    return Lines()


@pytest.fixture
def denials(tmp_path: Path, lines: Lines) -> Denials:
    return Denials(tmp_path, now=Clock(), on_line=lines)


# -------------------------------------------------------------------------------------- recording


def test_a_refused_request_is_shown_with_the_line_that_would_allow_it(
    denials: Denials, lines: Lines
) -> None:
    denials.decided(refused())

    assert denials.shown("echo") == [
        {
            "kind": "network",
            "what": "api.example.com",
            "told_by": "host",
            "count": 1,
            "last_at": "1970-01-12T13:46:41+00:00",
            "reason": "no rule",
            "allowed_by": line_for("network", "api.example.com"),
        }
    ]
    (line,) = lines.written
    assert line[:2] == ("echo", "denied")
    assert 'network = ["api.example.com"]' in line[2]


def test_the_same_act_is_counted_and_told_in_the_log_once(denials: Denials, lines: Lines) -> None:
    for _ in range(3):
        denials.decided(refused())
    denials.decided(refused("b.example.com"))

    assert [(act["what"], act["count"]) for act in denials.shown("echo")] == [
        ("api.example.com", 3),
        ("b.example.com", 1),
    ]
    assert len(lines.written) == 2


def test_the_workers_word_is_marked_and_never_passes_for_the_hosts(
    denials: Denials, lines: Lines
) -> None:
    denials.told("echo", wire.Denied("network", "api.example.com"))
    denials.decided(refused())

    assert [act["told_by"] for act in denials.shown("echo")] == ["worker", "host"]
    assert "as its worker reports" in lines.written[0][2]
    assert "as its worker reports" not in lines.written[1][2]


def test_a_flood_of_a_worker_is_bounded_and_hides_nothing_of_the_hosts(
    denials: Denials, lines: Lines
) -> None:
    for number in range(1_000):
        denials.told("echo", wire.Denied("read", f"/{number}"))
    denials.decided(refused())

    told = [act["told_by"] for act in denials.shown("echo")]
    assert (told.count("worker"), told.count("host")) == (100, 1)
    assert len(lines.written) == 101


def test_a_plugins_text_is_escaped_and_cut(denials: Denials, lines: Lines) -> None:
    denials.told("echo", wire.Denied("read\x1b", "/a\n2026 host fine\x1b[2J\u202e" + "x" * 900))
    denials.decided(refused(reason="y" * 10_000))

    texts = [text for _, _, text in lines.written]
    assert all(text.isprintable() for text in texts)
    assert all(len(act["reason"]) <= 400 for act in denials.shown("echo"))
    assert denials.shown("echo")[0]["what"].isprintable()


@pytest.mark.parametrize(
    ("decision", "kind", "what"),
    [
        (refused(wanted_in=ALLOW_HOST, wanted="localhost:80"), "allow-host", "localhost:80"),
        (
            refused(wanted_in=BINDING, secret="KEY", wanted="a.example.com"),
            "secrets",
            secret_act("KEY", "a.example.com"),
        ),
        (refused(wanted="", wanted_in=""), "request", "api.example.com:443"),
        (refused("", wanted="", wanted_in=""), "request", "an unreadable address"),
    ],
)
def test_each_sort_of_refusal_keeps_what_would_be_needed(
    denials: Denials, decision: Decision, kind: str, what: str
) -> None:
    denials.decided(decision)

    (act,) = denials.shown("echo")
    assert (act["kind"], act["what"]) == (kind, what)


def test_what_a_grant_was_used_for_is_on_file_and_not_among_what_was_denied(
    denials: Denials, tmp_path: Path, lines: Lines
) -> None:
    for _ in range(3):
        denials.decided(allowed("*.example.com"))
    denials.decided(allowed("api.example.org", tunnel=True))
    denials.close()

    used = {(act.kind, act.what) for act in read_acts(tmp_path, "echo") if act.allowed}
    assert used == {("network", "*.example.com"), ("network", "api.example.org"), ("tunnel", "")}
    assert denials.shown("echo") == []
    assert lines.written == []


WHO = Who("echo", "1.0.0", Limits())


def test_a_death_of_a_limit_is_one_and_another_death_is_none(denials: Denials) -> None:
    denials.died("echo", decode(WHO, None, tail=("MemoryError",)).message)
    denials.died("echo", decode(WHO, None, tail=("it has limits.cpu = 1.0", "SIGSYS")).message)

    assert [(act["kind"], act["what"]) for act in denials.shown("echo")] == [("limit", "memory")]


def test_a_death_of_a_forbidden_system_call_is_kept(denials: Denials) -> None:
    from signal import SIGSYS

    from stockade.process import Exit

    denials.died("echo", decode(WHO, Exit(code=None, signal=SIGSYS)).message)

    (act,) = denials.shown("echo")
    assert act["kind"] == "syscall"
    assert act["allowed_by"].startswith("nothing")


# ------------------------------------------------------------------------------------------- file


@pytest.mark.leak_check
def test_another_process_reads_what_was_saved(denials: Denials, tmp_path: Path) -> None:
    denials.decided(refused())
    before = Denials(tmp_path).shown("echo")
    denials.close()

    assert before == []
    assert [act["what"] for act in Denials(tmp_path).shown("echo")] == ["api.example.com"]
    (file,) = tmp_path.iterdir()
    assert file.name == "echo.denials.json"
    assert file.stat().st_mode & 0o777 == 0o600


def test_two_hosts_add_to_one_file(tmp_path: Path) -> None:
    one, two = Denials(tmp_path, now=Clock()), Denials(tmp_path, now=Clock())
    one.decided(refused())
    two.decided(refused())
    two.decided(refused("b.example.com"))
    one.close()
    two.close()
    one.decided(refused())
    one.close()

    found = {act["what"]: act["count"] for act in Denials(tmp_path).shown("echo")}
    assert found == {"api.example.com": 3, "b.example.com": 1}


def test_the_file_keeps_the_latest_of_each_teller() -> None:
    acts = [Act(kind="read", what=f"/{n}", told_by="worker", at=n) for n in range(300)]
    host = [Act(kind="network", what="a.example.com", at=0)]

    kept = merged([*host, *acts[:100]], acts[100:])

    assert len(kept) == 101
    assert host[0] in kept
    assert {act.what for act in kept[1:]} == {f"/{n}" for n in range(200, 300)}


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"[" * 100_000, b'[{"kind":"read"}]'])
def test_a_damaged_file_counts_as_empty_and_is_replaced(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "echo.denials.json").write_bytes(content)
    denials = Denials(tmp_path)

    assert denials.shown("echo") == []
    denials.decided(refused())
    denials.close()
    assert len(Denials(tmp_path).shown("echo")) == 1


def test_a_link_in_the_files_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("mine")
    (tmp_path / "echo.denials.json").symlink_to(tmp_path / "elsewhere")
    denials = Denials(tmp_path)
    denials.decided(refused())
    denials.close()

    assert (tmp_path / "elsewhere").read_text() == "mine"
    assert len(Denials(tmp_path).shown("echo")) == 1


def test_a_folder_that_is_gone_loses_the_record_and_nothing_else(tmp_path: Path) -> None:
    denials = Denials(tmp_path / "gone")
    denials.decided(refused())
    denials.close()

    assert denials.lost == 1


def test_what_is_forgotten_is_not_written_again(denials: Denials, tmp_path: Path) -> None:
    denials.decided(refused())
    denials.forget("echo")
    denials.close()

    assert list(tmp_path.iterdir()) == []


async def test_what_comes_is_saved_beside_the_loop(denials: Denials, tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(denials.keep)
        denials.decided(refused())
        assert await anyio.to_thread.run_sync(saved, tmp_path) == ["api.example.com"]
        tasks.cancel_scope.cancel()


def saved(folder: Path) -> list[str]:
    """What is on file, as soon as there is something."""
    over_at = time.monotonic() + PATIENCE_S
    while not (acts := read_acts(folder, "echo")) and time.monotonic() < over_at:
        time.sleep(0.01)
    return [act.what for act in acts]


# ------------------------------------------------------------------------------------------ lines


@pytest.mark.parametrize(
    ("kind", "what", "key", "value"),
    [
        ("read", "/srv/models", "read", ["/srv/models"]),
        ("read", '/srv/a "b"/ä', "read", ['/srv/a "b"/ä']),
        ("write", "/srv/out", "write", ["/srv/out"]),
        ("process", "/usr/bin/ffmpeg", "subprocess", True),
        ("network", "api.example.com:443", "network", ["api.example.com"]),
        ("network", "[2001:db8::1]:8080", "network", ["[2001:db8::1]:8080"]),
    ],
)
def test_the_line_is_one_that_a_manifest_takes(
    kind: str, what: str, key: str, value: object
) -> None:
    line, _, place = line_for(kind, what).partition(" under ")

    assert tomllib.loads(line) == {key: value}
    assert place.startswith("[permissions] in plugin.toml")


@pytest.mark.parametrize(
    ("kind", "what", "command"),
    [
        (
            "allow-host",
            "localhost:8080",
            "stockade permissions grant echo --allow-host localhost:8080",
        ),
        (
            "secrets",
            secret_act("API_KEY", "b.example.com"),
            "stockade secrets set echo API_KEY --host b.example.com",
        ),
    ],
)
def test_what_is_the_operators_to_open_is_a_command(kind: str, what: str, command: str) -> None:
    assert command in line_for(kind, what, plugin="echo")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("read", "/"),
        ("read", "/proc/1/environ"),
        ("write", "/sys/kernel"),
        ("read", "relative"),
        ("read", "/home/*"),
        ("network", "*"),
        ("network", "10.1:80"),
        ("allow-host", "x y"),
        ("syscall", "bpf"),
        ("limit", "luck"),
        ("request", "an unreadable address"),
        ("something", "else"),
    ],
)
def test_what_nothing_allows_says_so(kind: str, what: str) -> None:
    assert line_for(kind, what).startswith("nothing: ")


def test_a_limit_names_its_key() -> None:
    assert "memory under [limits]" in line_for("limit", "memory")


# ---------------------------------------------------------------------------------------- records


@pytest.mark.parametrize("level", ["host", "egress", "denied", "stdout", "", "x" * 1000])
def test_no_log_record_passes_for_a_line_of_the_hosts(level: str) -> None:
    told: list[tuple[str, str]] = []
    records = Records(lambda level, text: told.append((level, text)), lambda: 0.0)

    records.take(wire.Log(level, "m", {}))
    records.take(wire.Log("warning", "m", {}))

    assert told == [("log", "m"), ("warning", "m")]
