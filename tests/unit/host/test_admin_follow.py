"""Following a log: each line as it comes, and an end for every reason."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from stockade.admin import values as v
from stockade.admin.application import AdminApp, admin_app
from stockade.admin.follow import follow
from stockade.errors import StateError
from tests.unit.host.admin_asks import GONE, Heard, ask, scope_of
from tests.unit.host.fake_operator import FakeOperator, a_line

FOLLOWED = "/api/plugins/openai/logs?follow=true"
STARTED = b'data: {"at":"2026-01-01T00:00:00Z","source":"host","text":"started"}\n\n'
DENIED = b'data: {"at":"2026-01-01T00:00:00Z","source":"denied","text":"no way to example.com"}\n\n'


class Reader:
    """One client, who reads until it goes."""

    def __init__(self) -> None:
        self.heard, self.goes = Heard(), anyio.Event()

    async def receive(self) -> Any:
        await self.goes.wait()
        return GONE

    async def reads(self, app: AdminApp, target: str) -> None:
        await app(scope_of("GET", target), self.receive, self.heard.send)


async def test_lines_come_as_events_until_the_log_ends() -> None:
    operator = FakeOperator()
    operator.more_lines.set()
    heard = await ask(admin_app(operator), "GET", FOLLOWED)
    assert heard.headers["content-type"] == "text/event-stream"
    assert heard.headers["cache-control"] == "no-store"
    assert heard.body == STARTED + DENIED
    assert heard.over.is_set()


async def test_of_the_lines_those_that_tell_of_refusals_can_be_asked_for() -> None:
    operator = FakeOperator()
    operator.more_lines.set()
    heard = await ask(admin_app(operator), "GET", FOLLOWED + "&denied=true")
    assert heard.body == DENIED


async def test_as_many_of_the_last_lines_come_as_were_asked_for() -> None:
    operator = FakeOperator()
    operator.more_lines.set()
    assert (await ask(admin_app(operator), "GET", FOLLOWED + "&lines=1")).body == DENIED
    assert (await ask(admin_app(operator), "GET", FOLLOWED + "&lines=0")).body == b""


async def test_a_reader_that_goes_ends_the_following() -> None:
    operator, reader = FakeOperator(), Reader()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.reads, admin_app(operator), FOLLOWED)
        await reader.heard.until(DENIED)
        assert operator.followers == 1
        reader.goes.set()
    assert operator.followers == 0


@pytest.mark.parametrize("target", [FOLLOWED, FOLLOWED + "&denied=true"])
async def test_the_end_of_the_host_ends_the_stream_whole(target: str) -> None:
    operator, reader = FakeOperator(), Reader()
    app = admin_app(operator)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader.reads, app, target)
        await reader.heard.until(DENIED)
        app.end()
    assert reader.heard.over.is_set()
    assert operator.followers == 0


async def test_a_log_that_is_not_there_is_not_found_before_the_stream_begins() -> None:
    heard = await ask(admin_app(FakeOperator()), "GET", "/api/plugins/none/logs?follow=true")
    assert (heard.status, heard.json["error"]["kind"]) == (404, "not_installed")


async def broken(error: Exception) -> AsyncIterator[v.LogLine]:
    yield a_line("started")
    raise error


async def sent(lines: AsyncIterator[v.LogLine], keep_alive_s: float = 60.0) -> Heard:
    heard = Heard()
    await follow(
        lines, anyio.sleep_forever, heard.send, ending=anyio.Event(), keep_alive_s=keep_alive_s
    )
    return heard


async def test_a_failure_among_the_lines_is_the_last_event() -> None:
    heard = await sent(broken(StateError("the log is gone", remedy="look elsewhere")))
    body = b"".join(one["body"] for one in heard.messages)
    said = (
        b'event: error\ndata: {"error":{"kind":"state","message":"the log is gone","why":"",'
        b'"remedy":"look elsewhere"}}\n\n'
    )
    assert body == STARTED + said
    assert heard.over.is_set()


async def test_a_bug_among_the_lines_is_told_plainly_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        heard = await sent(broken(KeyError("inner detail")))
    body = b"".join(one["body"] for one in heard.messages)
    assert b'"kind":"bug"' in body
    assert b"detail" not in body
    assert len(caplog.records) == 1


async def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    heard, ending = Heard(), anyio.Event()

    async def silent() -> AsyncIterator[v.LogLine]:
        await anyio.sleep_forever()
        yield a_line("never")

    async def two_comments() -> None:
        while len(heard.messages) < 2:
            heard.came = anyio.Event()
            await heard.came.wait()
        ending.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(two_comments)
        await follow(silent(), anyio.sleep_forever, heard.send, ending=ending, keep_alive_s=0.001)
    bodies = [one["body"] for one in heard.messages]
    assert bodies[0].startswith(b":")
    assert bodies[0].endswith(b"\n\n")
    assert (bodies[1], bodies[-1]) == (bodies[0], b"")


async def test_a_reader_that_does_not_read_holds_up_the_lines() -> None:
    made, stuck, goes = 0, anyio.Event(), anyio.Event()

    async def endless() -> AsyncIterator[v.LogLine]:
        nonlocal made
        while True:
            made += 1
            yield a_line("again")

    async def send(message: Any) -> None:
        stuck.set()
        await anyio.sleep_forever()

    async def receive() -> Any:
        await goes.wait()
        return GONE

    async def leaves() -> None:
        await stuck.wait()
        await anyio.wait_all_tasks_blocked()
        goes.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leaves)
        await follow(endless(), receive, send, ending=anyio.Event())
    assert made <= 2
