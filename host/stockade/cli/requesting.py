"""`run`: one request through routing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stockade.cli.failures import explain, report_failure
from stockade.cli.output import note, print_json, safe, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from stockade.app import Host
    from stockade_sdk.capability import Attempt, CostBreakdown
    from stockade_sdk.chat import ChatResponse
    from stockade_sdk.provider import ProviderRequest, ProviderResponse

__all__ = ["run"]

UNPRICED = "pricing.missing_rule"  # of every answer of a plugin without prices: --json tells it


def run(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help='The text; "-" reads stdin.')],
    model: Annotated[
        str | None,
        typer.Option(metavar="ALIAS", help="An alias, a model, plugin/model, or auto."),
    ] = None,
    capability: Annotated[
        str | None,
        typer.Option(metavar="C", help="chat, vision, embedding, image_gen or audio_tts."),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Send an image with it. Repeatable."),
    ] = None,
    plugin: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask this plugin and no other.")
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print the answer as it comes.")] = False,
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="The whole request's deadline.")
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object: text, response, attempts, cost.")
    ] = False,
) -> None:
    """Send one request through routing and print the answer."""
    from stockade.cli.interrupts import run_async

    try:
        answer = run_async(
            _asked, prompt, model, capability, image or [], plugin, stream, timeout, json
        )
    except (KeyboardInterrupt, SystemExit, BrokenPipeError):
        raise
    except Exception as error:
        if json:
            print_json(failed_as_json(error))
        else:
            _note_attempts(error)
        raise typer.Exit(report_failure(error)) from error
    if json:
        print_json(answered_as_json(answer))
        return
    if not stream:
        _print_answer(answer)
    _note_way(answer)


async def _asked(
    prompt: str,
    model: str | None,
    capability: str | None,
    images: list[str],
    plugin: str | None,
    stream: bool,
    timeout: float | None,
    json: bool,
) -> ProviderResponse:
    """The answer. Raises what the host raises, not wrapped in a group."""
    import anyio.to_thread

    from stockade.app import Host
    from stockade.cli.prompts import request_of

    request = await anyio.to_thread.run_sync(request_of, prompt, model, capability, images)
    async with Host.open() as host:
        if not stream:
            return await host.run(request, timeout=timeout, plugin=plugin)
        return await _streamed(host, request, plugin, timeout, quiet=json)


async def _streamed(
    host: Host, request: ProviderRequest, plugin: str | None, timeout: float | None, *, quiet: bool
) -> ChatResponse:
    from msgspec.structs import replace

    from stockade.errors import AllAttemptsFailed, UsageError
    from stockade_sdk.chat import ChatRequest
    from stockade_sdk.errors import ProviderError
    from stockade_sdk.stream import Folding, TextDelta

    if not isinstance(request, ChatRequest):
        raise UsageError(
            "only chat can be streamed", remedy="leave out --stream, or ask for --capability chat"
        )
    folding = Folding()
    async with host.stream(request, timeout=timeout, plugin=plugin) as answer:
        try:
            async for event in answer:
                folding.add(event)
                if isinstance(event, TextDelta) and not quiet:
                    print(safe(event.text), end="", flush=True)
        except ProviderError as error:  # after its beginning was shown, so no other was tried
            raise AllAttemptsFailed(answer.attempts, error) from error
        finally:
            if not quiet:
                print(flush=True)
    response = folding.response()
    return replace(response, attempts=tuple(answer.attempts))


def answered_as_json(answer: ProviderResponse) -> dict[str, Any]:
    """What `run --json` prints of an answer."""
    return {
        "text": getattr(answer, "text", None),
        "response": answer,
        "attempts": attempts_as_json(answer.attempts),
        "cost": cost_as_json(answer.cost),
    }


def cost_as_json(cost: CostBreakdown | None) -> dict[str, Any] | None:
    """A cost with all its keys, those that are unknown too; null where nothing is known."""
    return None if cost is None else {key: getattr(cost, key) for key in cost.__struct_fields__}


def failed_as_json(error: BaseException) -> dict[str, Any]:
    """What `run --json` prints of a failure."""
    from stockade.errors import AllAttemptsFailed, Refused, UsageError
    from stockade_sdk.errors import ErrorKind, ProviderError

    failure = explain(error)
    kind, message = ErrorKind.UNKNOWN, "; ".join(filter(None, (failure.what, failure.why)))
    attempts: Sequence[Attempt] = ()
    match error:
        case AllAttemptsFailed():
            kind, message, attempts = error.error.kind, error.error.message, error.attempts
        case ProviderError():
            kind, message = error.kind, error.message
        case UsageError():
            kind = ErrorKind.INVALID_REQUEST
        case Refused():
            kind = ErrorKind.PERMISSION_DENIED
    return {
        "error": {"kind": kind, "message": message},
        "attempts": attempts_as_json(attempts),
    }


def attempts_as_json(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Attempts with exactly the keys that are promised."""
    return [
        {
            "target": attempt.target,
            "outcome": attempt.outcome,
            "kind": attempt.kind,
            "ms": round(attempt.ms, 3),
        }
        for attempt in attempts
    ]


def _print_answer(answer: ProviderResponse) -> None:
    from stockade.cli.answers import answer_lines

    for line in answer_lines(answer):
        print(safe(line))


def _note_attempts(error: BaseException) -> None:
    """Say on stderr what was tried, where it was more than one thing."""
    attempts = getattr(error, "attempts", ())
    if len(attempts) > 1:
        rows = [(one.target, one.outcome, one.kind, one.ms) for one in attempts]
        note(table(("TARGET", "OUTCOME", "KIND", "MS"), rows))


def _note_way(answer: ProviderResponse) -> None:
    """Say on stderr what the answer alone does not: failed attempts, warnings and the cost."""
    sys.stdout.flush()
    tried = [attempt for attempt in answer.attempts if attempt.outcome != "ok"]
    for attempt in tried:
        why = f": {attempt.message}" if attempt.message else ""
        note(f"note: {attempt.target} {attempt.outcome} ({attempt.kind}){why}")
    if tried:
        note(f"note: answered by {answer.attempts[-1].target}")
    for warning in answer.warnings:
        if warning.code != UNPRICED:
            note(f"note: {warning.message or warning.code}")
    if answer.cost is not None and answer.cost.total_cost not in (None, "0"):
        note(f"note: cost {answer.cost.total_cost} {answer.cost.currency}")
