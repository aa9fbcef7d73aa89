"""A plugin that has taken over its worker's socket and speaks for it, through a whole host.

The worker is ended with the reason, every call of its fails at once and typed, the fallback
answers, and the host neither grows nor forgets anyone else.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import re

import anyio
import pytest

from stockade.errors import AllAttemptsFailed
from tests.system.hostile import PATIENCE_S, Site, Stage, new_site

TAKEN_OVER = """
from stockade_worker import loop

def worker():
    gc.unfreeze()
    return next(found for found in gc.get_objects() if isinstance(found, loop.Worker))

def connection():
    "The connected socket below libzmq."
    for number in range(3, 256):  # there is no /proc to look it up in
        with contextlib.suppress(OSError):
            found = socket.socket(fileno=os.dup(number))
            try:
                found.getpeername()
                if found.getsockname():  # not the event loop's own pair
                    found.setblocking(True)
                    return found
            except OSError:
                found.close()

def pour(*pieces):
    "Write below libzmq until the host hangs up."
    found = connection()
    with contextlib.suppress(OSError):
        while True:
            for piece in pieces:
                found.sendall(piece)

answer = ChatResponse.of_text("forged")
late = 0

class Provider:
    def __init__(self):
        self.waiting = 0

    async def chat(self, request, ctx):
        match request.last_text:
            case "wait":
                self.waiting = ctx._call
                await asyncio.Event().wait()
            case "waiting?":
                return ChatResponse.of_text(str(self.waiting))
            case "well?":
                return FINE
        send, call, other = worker().send_bytes, ctx._call, self.waiting
{scenario}
        await asyncio.Event().wait()

    async def stream_chat(self, request, ctx):
        send, call, other = worker().send_bytes, ctx._call, self.waiting
{scenario}
        await asyncio.Event().wait()
        yield ""

    async def embed(self, request, ctx):
        pass
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("frames"))


def taken_over(scenario: str) -> str:
    body = "\n".join(f"        {line}" for line in scenario.strip().splitlines())
    return TAKEN_OVER.replace("{scenario}", body)


def frame(expression: str) -> str:
    return f"send(wire.encode({expression}))"


BREACHES = {
    # the book of calls
    "answers twice": (
        frame("wire.Result(other, wire.embed(answer))") + "\n"
        "time.sleep(0.05)\n" + frame("wire.Result(other, wire.embed(answer))"),
        r"answered call \d+ a second time",
    ),
    "answers a call that was never made": (
        frame("wire.Result(1 << 40, wire.embed(answer))"),
        "answered call 1099511627776 that was never made",
    ),
    "answers call 0": (frame("wire.Result(0, wire.embed(answer))"), "call 0 that was never made"),
    "answers call -1": (
        frame("wire.Result(-1, wire.embed(answer))"),
        "call -1 that was never made",
    ),
    "fails a call that was never made": (
        frame("wire.Failed(77777, ErrorInfo(kind=ErrorKind.AUTH))"),
        "call 77777 that was never made",
    ),
    "fails a call twice": (
        "for _ in range(2):\n    " + frame("wire.Failed(other, ErrorInfo(kind=ErrorKind.AUTH))"),
        r"answered call \d+ a second time",
    ),
    "streams to a call that wants one answer": (
        frame("wire.Items(call, wire.embed([]))"),
        r"streamed to call \d+, which wants one answer",
    ),
    "streams to a call that was never made": (
        frame("wire.Items(1 << 40, wire.embed([]), True)"),
        "that was never made",
    ),
    # what it says of itself
    "says hello twice": (
        frame(
            "wire.Hello(protocol_min=1, protocol_max=1, launch='', plugin='', digest='', pid=1, "
            "sdk='', python='', layers=(), acts={})"
        ),
        "said hello twice",
    ),
    "loads its plugin twice": (frame("wire.Loaded(('chat',))"), "loaded its plugin twice"),
    "answers a ping that was never sent": (
        frame("wire.Pong(1 << 40)"),
        "a ping that was never sent",
    ),
    "answers pings before they come": (
        "for number in range(1000):\n    " + frame("wire.Pong(number)"),
        "a ping that was never sent|answered a ping twice",
    ),
    "loads 16 million methods": (
        "send(b'\\x92\\x15\\xdd' + (16_000_000).to_bytes(4, 'big') + b'\\xa0' * 16_000_000)",
        "a frame about itself has 16000007 bytes",
    ),
    "uses an HTTP id again": (
        "for _ in range(2):\n    "
        + frame("wire.HttpOpen(5, call, 'GET', 'https://a.test', (), None, 1000)"),
        "HTTP exchange id 5 again",
    ),
    "asks for HTTP with millions of headers": (
        (
            "send(b'\\x98\\x1c\\x01' + bytes((call,)) + b'\\xa3GET\\xa5a:b:c\\xdd' + (5_000_000).to_bytes(4, 'big')"
            " + b'\\x92\\xa0\\xa0' * 5_000_000 + b'\\xc0\\x01')"
        ),
        "no frame for a host: Expected `array` of length <= 512",
    ),
    # what is no frame
    "sends an empty message": ("send(b'')", "no frame for a host"),
    "sends a frame of an unknown kind": ("send(b'\\x92\\x63\\x01')", "no frame for a host"),
    "sends a frame meant for a worker": (frame("wire.Ping(1)"), "no frame for a host"),
    "sends a map": ("send(b'\\x81\\x01\\x02')", "no frame for a host"),
    "sends bytes after a frame": (
        "send(wire.encode(wire.Result(other, wire.embed(answer))) + b'\\x00')",
        "no frame for a host",
    ),
    "sends half a frame": (
        "send(wire.encode(wire.Result(other, wire.embed(answer)))[:-3])",
        "no frame for a host",
    ),
    "sends NaN as an id": (
        "send(msgspec.msgpack.encode([23, math.nan, None]))",
        "no frame for a host",
    ),
    "sends text that is no UTF-8": (
        "send(b'\\x94\\x1b\\xa2\\xff\\xfe\\xa0\\x80')",
        "text that is not UTF-8",
    ),
    "claims an array of 4 GiB": (
        "send(b'\\x92\\x15\\xdd\\xff\\xff\\xff\\xff')",
        "no frame for a host",
    ),
    "claims bytes of 4 GiB": (
        "send(b'\\x93\\x17\\x01\\xc6\\xff\\xff\\xff\\xff')",
        "no frame for a host",
    ),
    "claims text of 4 GiB": ("send(b'\\x94\\x1b\\xdb\\xff\\xff\\xff\\xff')", "no frame for a host"),
    "claims a map of 4 GiB": (
        "send(b'\\x93\\x17\\x01\\xdf\\xff\\xff\\xff\\xff')",
        "no frame for a host",
    ),
    "claims an envelope of 4 GiB": (
        "send(b'\\xdd\\xff\\xff\\xff\\xff\\x17')",
        "no frame for a host",
    ),
    "nests a body 100,000 deep": (
        "send(b'\\x93\\x17' + bytes((call,)) + b'\\x91' * 100_000 + b'\\x90')",
        "nested too deeply",
    ),
    "nests an envelope 100,000 deep": ("send(b'\\x91' * 100_000)", "no frame|nested too deeply"),
    # answers that are none
    "answers with another type": (
        frame("wire.Result(other, wire.embed([1, 2, 3]))"),
        "its answer to chat is none",
    ),
    "answers with text that is no UTF-8": (
        "send(b'\\x93\\x17' + bytes((other,)) + b'\\x82\\xa4type\\xa4chat\\xa6output\\x91\\xff')",
        "its answer to chat is none|no frame",
    ),
    "answers without what an answer needs": (
        frame("wire.Result(other, wire.embed({'type': 'chat'}))"),
        "its answer to chat is none",
    ),
    # below the frames
    "announces more than a frame holds": (
        "connection().sendall(b'\\x02' + (1 << 40).to_bytes(8, 'big') + bytes(1000))",
        "a frame of 1099511627776 bytes was announced",
    ),
    "sends a frame that is too large": (
        "send(bytes(wire.MAX_FRAME_BYTES + 1))",
        "a frame of 16777217 bytes was announced",
    ),
    "announces a length below nought": (
        "connection().sendall(b'\\x02' + b'\\xff' * 8)",
        "top bit set",
    ),
    "writes random bytes": ("pour(bytes(range(255, -1, -1)) * 64)", "reserved flag bits"),
    "sends frames that never end": ("pour(b'\\x01\\x01x' * 4096)", "more than one frame"),
    "sends large frames that never end": (
        "pour(b'\\x03' + (1 << 20).to_bytes(8, 'big') + bytes(1 << 20))",
        "more than one frame",
    ),
    "sends commands nobody knows": ("pour(b'\\x04\\x05\\x04WHAT')", "a command came after"),
    "floods with pings": (
        "pour(b'\\x04\\x07\\x04PING\\x00\\x00' * 4096)",
        "a command came after the handshake",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
async def test_a_worker_is_ended_that(site: Site, name: str) -> None:
    scenario, reason = BREACHES[name]
    rogue = site.install(taken_over(scenario))
    others: list[AllAttemptsFailed | str] = []

    async with site.host(rogue) as stage, stage.unharmed():

        async def wait() -> None:
            try:
                others.append(await stage.text("wait", plugin=rogue))
            except AllAttemptsFailed as failed:
                others.append(failed)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            await until_waiting(stage)
            answer = await stage.ask("go")

        failed = answer.attempts[0]
        assert (answer.provider, failed.kind) == ("steady", "protocol")
        assert re.search(reason, failed.message or ""), failed.message
        assert re.search(reason, await stage.died())
        (other,) = others
        assert other == "forged" or (
            isinstance(other, AllAttemptsFailed) and other.error.kind in ("protocol", "auth")
        )
        with anyio.fail_after(PATIENCE_S):  # another worker serves, with nothing of the old one
            assert await stage.text("well?", plugin=rogue) == "fine"


async def until_waiting(stage: Stage) -> None:
    with anyio.fail_after(PATIENCE_S):
        while await stage.text("waiting?", plugin=stage.rogue) == "0":
            pass


ZMTP = """
def zmtp(frame):
    return bytes((0, len(frame))) + frame
"""

FLOODS = {
    "logs": "pour(zmtp(wire.encode(wire.Log('info', 'noise ' * 20, {}))) * 512)",
    "HTTP requests for a call that is over": (
        "pour(zmtp(wire.encode(wire.HttpOpen(1, 1 << 30, 'GET', 'http://a.test', (), None, 1))) * 512)"
    ),
    "HTTP requests to where it may not go": (
        "pour(*(b''.join(zmtp(wire.encode(wire.HttpOpen(id, call, 'GET', 'http://a.test', (), None, 1)))"
        " for id in range(at, at + 1000)) for at in range(1, 1_000_000, 1000)))"
    ),
    "credit for what it never got": "pour(zmtp(wire.encode(wire.HttpCredit(1, 1 << 62))) * 512)",
    "closings of what it never opened": "pour(zmtp(wire.encode(wire.HttpClose(1))) * 512)",
}


@pytest.mark.parametrize("name", FLOODS)
async def test_the_host_stays_small_and_serves_others_under_a_flood_of(
    site: Site, name: str
) -> None:
    rogue = site.install(ZMTP + taken_over(FLOODS[name]))

    async with site.host(rogue) as stage, stage.unharmed():
        answer = await stage.ask("go", timeout=3.0)

        assert answer.provider == "steady"
        assert answer.attempts[0].kind in ("timeout", "protocol")
