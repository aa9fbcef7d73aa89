"""The log of requests: a line each, in a bounded file, never in a request's way."""

import json
import os
import resource
import threading
from pathlib import Path

import anyio
import msgspec
import pytest

from stockade.telemetry import RequestLog
from stockade.telemetry.log import MAX_LINE_BYTES, MAX_WAITING_BYTES
from stockade.telemetry.sinks import FileSink, StreamSink


class Line(msgspec.Struct, omit_defaults=True):
    id: int
    model: str = ""


class Memory:
    """Holds lines; takes as many of a write as ``room`` says."""

    def __init__(self, room: int | None = None) -> None:
        self.lines: list[bytes] = []
        self.room = room
        self.threads: set[int] = set()

    def write(self, lines: list[bytes]) -> int:
        self.threads.add(threading.get_ident())
        taken = lines if self.room is None else lines[: self.room]
        self.lines += taken
        return len(taken)

    def close(self) -> None:
        """Nothing to close."""


class Gate:
    """A disk that hangs until it is let go."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.entered, self.let_go = threading.Event(), threading.Event()

    def write(self, lines: list[bytes]) -> int:
        self.entered.set()
        assert self.let_go.wait(30)
        self.lines += lines
        return len(lines)

    def close(self) -> None:
        """Nothing to close."""


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.leak_check
async def test_lines_that_wait_are_written_by_a_flush_and_by_closing(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    log = RequestLog.file(path)
    log.write(Line(1, "auto"))
    assert not path.exists()
    await log.flush()
    log.write(Line(2))
    assert read(path) == [{"id": 1, "model": "auto"}]
    log.close()

    assert read(path)[1:] == [{"id": 2}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert log.lost == 0


async def test_a_task_beside_the_server_writes_in_another_thread() -> None:
    sink = Memory()
    log = RequestLog(sink)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.keep)
        log.write(Line(1))
        with anyio.fail_after(30):
            while not sink.lines:
                await anyio.wait_all_tasks_blocked()
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()

    assert sink.threads.isdisjoint({threading.get_ident()})


async def test_a_disk_that_hangs_holds_up_nobody_and_loses_nothing() -> None:
    gate = Gate()
    log = RequestLog(gate)
    log.write(Line(1))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(log.keep)
        await anyio.to_thread.run_sync(gate.entered.wait, 30)
        log.write(Line(2))  # the loop still turns
        tasks.cancel_scope.cancel()
        gate.let_go.set()
    log.close()

    assert gate.lines == [b'{"id":1}\n', b'{"id":2}\n']
    assert log.lost == 0


async def test_lines_beyond_the_bound_are_dropped_counted_and_told_of() -> None:
    sink = Memory()
    log = RequestLog(sink, clock=lambda: 1_700_000_000.0)
    line = Line(1, "x" * 10_000)
    for _ in range(1_000):
        log.write(line)
    await log.flush()
    log.write(Line(2))
    await log.flush()
    log.close()

    lost, *kept, last = [json.loads(text) for text in sink.lines]
    assert sum(map(len, sink.lines)) < MAX_WAITING_BYTES + 2_000
    assert lost == {"at": 1_700_000_000.0, "lost_lines": log.lost}
    assert len(kept) + log.lost == 1_000
    assert last == {"id": 2}


async def test_what_a_full_disk_does_not_take_is_told_of_when_it_takes_lines_again() -> None:
    sink = Memory(room=1)
    log = RequestLog(sink, clock=lambda: 5.0)
    for number in range(3):
        log.write(Line(number))
    await log.flush()
    assert log.lost == 2
    sink.room = 0
    log.write(Line(3))
    await log.flush()
    assert log.lost == 3
    sink.room = None
    log.write(Line(4))
    await log.flush()

    assert [json.loads(line) for line in sink.lines] == [
        {"id": 0},
        {"at": 5.0, "lost_lines": 3},
        {"id": 4},
    ]


@pytest.mark.parametrize("line", [Line(1, "x" * MAX_LINE_BYTES), Line(1, "\ud800")])
def test_a_line_that_cannot_be_one_is_lost_and_counted(line: Line) -> None:
    sink = Memory()
    log = RequestLog(sink)
    log.write(line)
    log.close()

    assert log.lost == 1
    assert [json.loads(text).get("lost_lines") for text in sink.lines] in ([1], [])


def test_a_terminal_that_shows_the_log_obeys_nobody() -> None:
    sink = Memory()
    log = RequestLog(sink)
    hostile = "a\nb\x1b[2J\x9b2J\u202eé\U000e0001"
    log.write(Line(1, hostile))
    log.close()

    [text] = sink.lines
    assert text.decode().removesuffix("\n").isprintable()
    assert "é" in text.decode()
    assert json.loads(text) == {"id": 1, "model": hostile}


def test_two_files_of_bounded_size_hold_the_latest_lines(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    sink = FileSink(path, max_bytes=1_000)
    for batch in range(20):
        lines = [b'{"id":%d}\n' % (batch * 50 + number) for number in range(50)]
        assert sink.write(lines) == 50
    sink.close()

    older = tmp_path / "requests.jsonl.1"
    assert sorted(tmp_path.iterdir()) == [path, older]
    assert max(path.stat().st_size, older.stat().st_size) <= 1_000
    numbers = [line["id"] for line in read(older) + read(path)]
    assert numbers == list(range(1_000 - len(numbers), 1_000))


def test_a_second_host_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    for number in range(2):
        log = RequestLog.file(tmp_path / "requests.jsonl")
        log.write(Line(number))
        log.close()

    assert [line["id"] for line in read(tmp_path / "requests.jsonl")] == [0, 1]


def test_a_folder_that_is_gone_loses_lines_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    sink = FileSink(folder / "requests.jsonl")
    assert sink.write([b"1\n"]) == 0
    folder.mkdir()
    assert sink.write([b"2\n"]) == 1
    sink.close()

    assert (folder / "requests.jsonl").read_bytes() == b"2\n"


def test_a_line_that_a_full_disk_tore_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    sink = FileSink(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (25, hard))  # the next byte is EFBIG
    try:
        assert sink.write([b'{"id":1}\n'] * 5) == 0
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert sink.write([b'{"id":2}\n']) == 1
    sink.close()

    assert path.read_bytes().splitlines() == [b'{"id":1}', b'{"id":1}', b'{"id":1', b'{"id":2}']


@pytest.mark.parametrize("what", ["link", "fifo"])
def test_what_stands_in_the_files_place_is_not_written_to(tmp_path: Path, what: str) -> None:
    path, target = tmp_path / "requests.jsonl", tmp_path / "target"
    if what == "link":
        path.symlink_to(target)
    else:
        os.mkfifo(path)

    assert FileSink(path).write([b"1\n"]) == 0
    assert not target.exists()


def test_standard_error_that_nobody_reads_costs_lines_and_no_more_than_the_wait() -> None:
    reader, writer = os.pipe()
    try:
        lines = [b"x" * 10_000 + b"\n"] * 1_000
        done = StreamSink(writer, wait_s=0.05).write(lines)
        assert 0 < done < 1_000
        received = os.read(reader, 10 * 2**20)
        assert received.count(b"\n") == done
    finally:
        os.close(reader)
    try:
        assert StreamSink(writer).write([b"1\n"]) == 0  # the other end is gone: EPIPE
    finally:
        os.close(writer)


def test_standard_error_that_is_read_gets_every_line() -> None:
    reader, writer = os.pipe()
    lines = [b"%d" % number + b"x" * 9_000 + b"\n" for number in range(100)]
    received: list[bytes] = []

    def drain() -> None:
        with os.fdopen(reader, "rb") as end:
            received.extend(end)

    thread = threading.Thread(target=drain)
    thread.start()
    assert StreamSink(writer).write(lines) == 100
    os.close(writer)
    thread.join(30)

    assert received == lines
