"""Plugins that misbehave, through a whole host: what their callers get, what becomes of the worker,
and that nobody else is touched.
"""

# ruff: noqa: E501 -- plugins in strings

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from stockade.errors import AllAttemptsFailed
from stockade_sdk import ChatRequest, ChatResponse, EmbeddingRequest, EmbeddingResponse
from stockade_sdk.provider import ProviderRequest
from tests.system.hostile import Site, new_site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return new_site(tmp_path_factory.mktemp("hostile"))


@dataclass(frozen=True)
class Case:
    """A plugin, how its failure is told (`kind` and a pattern), and a pattern of the reason for
    which its worker is ended; none where it lives on, unless `may_end` says that both are right.
    """

    name: str
    source: str
    kind: str
    says: str
    ended: str = ""
    may_end: str = ""
    limits: str = ""
    timeout_s: float = 20.0
    embedding: bool = False


def at_import(code: str) -> str:
    return f"{code}\n\nclass Provider:\n    async def chat(self, request, ctx):\n        return FINE\n    async def embed(self, request, ctx):\n        pass\n"


def in_chat(code: str) -> str:
    lines = code.strip().splitlines()
    body = "\n".join(f"            {line}" for line in lines)
    return f"""
class Provider:
    async def chat(self, request, ctx):
        if request.last_text == "well?":
            return FINE
        else:
{body}

    async def embed(self, request, ctx):
        return await self.chat(ChatRequest.of_text("go"), ctx)
"""


IMPORTS = [
    Case(
        "raises",
        at_import("raise ValueError('no luck today')"),
        "worker_died",
        "could not be loaded: ValueError: no luck today",
        ended="no luck today",
    ),
    Case(
        "hangs",
        at_import("time.sleep(600)"),
        "worker_died",
        r"not ready in time.*limits\.start_timeout",
        ended="not ready in time",
        limits='start_timeout = "1s"',
    ),
    Case(
        "calls sys.exit",
        at_import("sys.exit(3)"),
        "worker_died",
        "could not be loaded: SystemExit: 3",
        ended="SystemExit",
    ),
    Case(
        "calls os._exit",
        at_import("os._exit(7)"),
        "worker_died",
        "left with exit code 7",
        ended="exit code 7",
    ),
    Case(
        "raises BaseException",
        at_import("class Odd(BaseException): pass\nraise Odd('base')"),
        "worker_died",
        "could not be loaded: Odd: base",
        ended="Odd",
    ),
    Case(
        "reads where there is nothing",
        at_import("ctypes.string_at(0)"),
        "worker_died",
        "died of SIGSEGV",
        ended="SIGSEGV",
    ),
    Case(
        "closes its descriptors",
        at_import("os.closerange(0, 4096)"),
        "worker_died",
        "died of|closed its socket|left with|not ready in time",
        ended=".",
        limits='start_timeout = "2s"',
    ),
    Case(
        "runs out of memory",
        at_import("hoard = bytearray(1 << 40)"),
        "out_of_memory",
        r"limits\.memory",
        ended="memory",
    ),
    Case(
        "raises what cannot be shown",
        at_import(
            "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError('no words')\n"
            "raise Odd"
        ),
        "worker_died",
        "could not be loaded: Odd",
        ended="Odd",
    ),
    Case(
        "raises what cannot be encoded",
        at_import("raise ValueError('lone \\ud800 surrogate')"),
        "worker_died",
        r"could not be loaded: ValueError: lone .* surrogate",
        ended="ValueError",
    ),
    Case(
        "has no such entry",
        "del Provider\n",
        "worker_died",
        "could not be loaded: AttributeError",
        ended="AttributeError",
    ),
    Case(
        "raises when it is made",
        "class Provider:\n    def __init__(self):\n        raise OSError('cannot be made')\n",
        "worker_died",
        "could not be loaded: OSError: cannot be made",
        ended="cannot be made",
    ),
    Case(
        "raises when it is looked at",
        "class Provider:\n    @property\n    def chat(self):\n        sys.exit('do not look')\n",
        "worker_died",
        "could not be loaded: SystemExit: do not look",
        ended="do not look",
    ),
    Case(
        "lacks a method of its capability",
        "class Provider:\n    async def chat(self, request, ctx):\n        return FINE\n",
        "worker_died",
        'names "embedding" among its capabilities.*no method embed',
        ended="no method embed",
    ),
    Case(
        "replaces the encoder",
        at_import("wire.encode = lambda frame: b'\\xc1 no frame'"),
        "protocol",
        "broke the protocol",
        ended="broke the protocol",
    ),
    Case(
        "replaces msgspec's encoder",
        at_import(
            "class Liar:\n    def encode(self, value):\n        return b'\\x92\\x15\\x05'\n"
            "msgspec.msgpack.Encoder = Liar\nwire._encode = Liar().encode"
        ),
        "protocol",
        "broke the protocol",
        ended="broke the protocol",
    ),
]

CALLS = [
    Case("calls sys.exit", in_chat("sys.exit(3)"), "unknown", "chat raised SystemExit: 3"),
    Case(
        "raises BaseException",
        in_chat("raise type('Odd', (BaseException,), {})('base')"),
        "unknown",
        "chat raised Odd: base",
    ),
    Case(
        "raises KeyboardInterrupt",
        in_chat("raise KeyboardInterrupt"),
        "unknown",
        "chat raised KeyboardInterrupt",
    ),
    Case(
        "raises what cannot be shown",
        in_chat(
            "def words(self):\n    raise RuntimeError('no words')\nraise type('Odd', (Exception,), {'__str__': words})"
        ),
        "unknown",
        "chat raised Odd",
    ),
    Case(
        "raises what cannot be encoded",
        in_chat("raise ValueError('lone \\ud800 surrogate')"),
        "unknown",
        "chat raised ValueError: lone .* surrogate",
    ),
    Case(
        "raises a whole page",
        in_chat("raise ValueError('x' * (20 << 20))"),
        "unknown",
        "chat raised ValueError: xxx",
    ),
    Case(
        "raises an error with fields of the wrong type",
        in_chat("raise ProviderError('auth', 'odd', status=object(), code=b'\\xff')"),
        "auth",
        "odd",
    ),
    Case(
        "raises an error with a code of 20 MiB",
        in_chat("raise ProviderError('auth', 'odd', code='x' * (20 << 20))"),
        "auth",
        "odd",
    ),
    Case(
        "calls os._exit",
        in_chat("os._exit(7)"),
        "worker_died",
        "left with exit code 7",
        ended="exit code 7",
    ),
    Case(
        "reads where there is nothing",
        in_chat("ctypes.string_at(0)"),
        "worker_died",
        "died of SIGSEGV",
        ended="SIGSEGV",
    ),
    Case(  # no SIGABRT from itself to the first of its processes; abort(3) goes on to worse then
        "aborts",
        in_chat("os.abort()"),
        "worker_died",
        "died of SIG(SEGV|TRAP)",
        ended="SIG(SEGV|TRAP)",
    ),
    Case(
        "closes its descriptors",
        in_chat("os.closerange(0, 4096)\nreturn FINE"),
        "worker_died|protocol|timeout",
        "died of|closed its socket|left with|no answer|in time",
        ended=".",
        timeout_s=3.0,
    ),
    Case(
        "returns the wrong type",
        in_chat("return 'text'"),
        "malformed_response",
        "chat returned str, not ChatResponse",
    ),
    Case(
        "returns nested wrong types",
        in_chat("return ChatResponse(output=AssistantOutput(content=(5,)))"),
        "protocol",
        "its answer to chat is none",
        ended="its answer to chat is none",
    ),
    Case(
        "returns a number that is none",
        in_chat("return EmbeddingResponse(embeddings=((math.nan,),))"),
        "unknown",
        "raised ValueError: .*not finite",
        embedding=True,
    ),
    Case(
        "forges a number that is none",
        in_chat(
            "answer = EmbeddingResponse(embeddings=())\n"
            "msgspec.structs.force_setattr(answer, 'embeddings', ((math.nan,),))\nreturn answer"
        ),
        "protocol",
        "its answer to embed is none.*not finite",
        ended="its answer to embed is none",
        embedding=True,
    ),
    Case(
        "answers with 17 MiB",
        in_chat("return ChatResponse.of_text('x' * (17 << 20))"),
        "malformed_response",
        "a frame holds 16777216",
    ),
    Case(
        "nests its answer 100,000 deep",
        in_chat(
            "deep = []\nfor _ in range(100_000):\n    deep = [deep]\n"
            "return ChatResponse(output=AssistantOutput(), provider_metadata={'deep': deep})"
        ),
        "malformed_response",
        "the answer of chat cannot be sent",
    ),
    Case(
        "answers with a lone surrogate",
        in_chat("return ChatResponse.of_text('\\ud800')"),
        "malformed_response",
        "the answer of chat cannot be sent",
    ),
    Case(
        "never answers",
        in_chat("await asyncio.Event().wait()"),
        "timeout",
        "did not answer in time",
        timeout_s=1.0,
    ),
    Case(
        "blocks its event loop",
        in_chat("time.sleep(600)"),
        "timeout",
        "did not answer in time",
        ended="its event loop is blocked",
        timeout_s=1.0,
    ),
    Case(
        "runs out of memory",
        in_chat("return bytearray(1 << 40)"),
        "out_of_memory",
        r"limits\.memory",
    ),
    Case(
        "hoards memory bit by bit",
        in_chat("hoard = []\nwhile True:\n    hoard.append(b'x' * 65536)"),
        "out_of_memory",
        r"limits\.memory",
        limits='memory = "64 MiB"',
        # Without a control group its own limit (MemoryError) and the watch of the host race.
        may_end=r"ran out of memory.*limits\.memory",
    ),
    Case(
        "fills its scratch",
        in_chat(
            "with open('big', 'wb') as big:\n    for _ in range(4096):\n        big.write(bytes(4096))"
        ),
        "unknown",
        "File too large",
        limits='scratch = "1 MiB"',
    ),
    Case(
        "opens too many files",
        in_chat("held = [open('/dev/null') for _ in range(1000)]"),
        "unknown",
        "Too many open files",
        limits="open_files = 64",
    ),
    Case(
        "replaces the encoder",
        in_chat("wire.encode = lambda frame: b'\\xc1 no frame'\nreturn FINE"),
        "protocol",
        "broke the protocol: no frame for a host",
        ended="broke the protocol",
    ),
    Case(
        "replaces the answer's envelope",
        in_chat("wire.Result = lambda *fields: {'id': fields[0]}\nreturn FINE"),
        "protocol",
        "broke the protocol: no frame for a host",
        ended="broke the protocol",
    ),
    Case(
        "writes to every descriptor",
        in_chat(
            "def scribble():\n    for fd in range(3, 64):\n"
            "        with contextlib.suppress(OSError):\n"
            "            os.set_blocking(fd, False)\n            os.write(fd, b'scribble' * 512)\n"
            "threads = [threading.Thread(target=scribble) for _ in range(4)]\n"
            "for thread in threads:\n    thread.start()\n"
            "for thread in threads:\n    thread.join()\nawait asyncio.Event().wait()"
        ),
        "protocol|worker_died",
        "broke the protocol|died of|left with",
        ended=".",
    ),
]

UNSENDABLE = [
    Case(
        "posts 17 MiB",
        in_chat("await ctx.http.request('POST', 'http://a.test/', content=bytes(17 << 20))"),
        "invalid_request",
        "the HTTP request has some",
    ),
    Case(
        "sends 1,000 headers",
        in_chat(
            "await ctx.http.request('GET', 'http://a.test/', headers={f'x-{n}': 'y' for n in range(1000)})"
        ),
        "invalid_request",
        "has 1000 headers",
    ),
]


@pytest.mark.parametrize("case", IMPORTS, ids=lambda case: case.name)
async def test_a_plugin_that_at_its_import(site: Site, case: Case) -> None:
    await play(site, case)


@pytest.mark.parametrize("case", CALLS, ids=lambda case: case.name)
async def test_a_plugin_that_in_a_call(site: Site, case: Case) -> None:
    await play(site, case)


async def play(site: Site, case: Case) -> None:
    """The fallback answers, the failure is on record, the worker is ended where it must be."""
    rogue = site.install(case.source, limits=case.limits)

    async with site.host(rogue) as stage, stage.unharmed():
        response = await stage.ask(request_of(case), timeout=case.timeout_s)

        failed, answered = response.attempts  # the fallback's answer, with both on record
        assert (failed.target, failed.outcome) == (f"{rogue}/m", "failed")
        assert re.fullmatch(case.kind, failed.kind or "")
        assert re.search(case.says, failed.message or ""), failed.message
        assert (answered.target, answered.outcome) == ("steady/m", "ok")
        assert answer_of(response) in ("steady go", "0.5")
        if case.ended:
            reason = await stage.died()
            assert re.search(case.ended, reason), reason
        else:
            assert await stage.text("well?", plugin=rogue) == "fine"
            reasons = [event.reason for event in stage.deaths()]
            assert all(case.may_end and re.search(case.may_end, reason) for reason in reasons)


@pytest.mark.parametrize("case", [IMPORTS[0], CALLS[1], CALLS[7]], ids=lambda case: case.name)
async def test_without_a_fallback_the_caller_gets_a_typed_error_for_a_plugin_that(
    site: Site, case: Case
) -> None:
    rogue = site.install(case.source, limits=case.limits)

    async with site.host(rogue) as stage, stage.unharmed():
        with pytest.raises(AllAttemptsFailed) as failed:
            await stage.ask("go", plugin=rogue)

    assert failed.value.error.kind == case.kind
    assert re.search(case.says, failed.value.error.message)


@pytest.mark.parametrize("case", UNSENDABLE, ids=lambda case: case.name)
async def test_only_the_call_fails_of_a_plugin_that(site: Site, case: Case) -> None:
    rogue = site.install(case.source)

    async with site.host(rogue) as stage, stage.unharmed():
        with pytest.raises(AllAttemptsFailed) as failed:
            await stage.ask("go")

        assert failed.value.error.kind == case.kind
        assert re.search(case.says, failed.value.error.message)
        assert await stage.text("well?", plugin=rogue) == "fine"
        assert not stage.deaths()


def request_of(case: Case) -> ProviderRequest:
    return EmbeddingRequest.of_texts("go") if case.embedding else ChatRequest.of_text("go")


def answer_of(response: object) -> str:
    if isinstance(response, ChatResponse):
        return response.text
    assert isinstance(response, EmbeddingResponse)
    return str(response.embeddings[0][0])
