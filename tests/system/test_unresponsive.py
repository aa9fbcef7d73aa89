"""A worker that is stopped with SIGSTOP is replaced, and its callers are answered by others."""

from pathlib import Path

from stockade import AllAttemptsFailed
from stockade.supervisor import What
from stockade_sdk import ChatResponse
from stockade_sdk.errors import ErrorKind

from .patience import PATIENCE_S
from .stopping import stopping

DEADLINE_S = 8.0
SLACK_S = 1.0


async def test_the_fallback_answers_for_a_busy_worker_that_was_stopped(tmp_path: Path) -> None:
    async with stopping(tmp_path) as scene:
        took, answer = await scene.stop_busy(timeout=DEADLINE_S)
        await scene.news.until(What.READY, "first", 2)

    assert isinstance(answer, ChatResponse)
    assert answer.text.startswith("second ")
    assert [attempt.outcome for attempt in answer.attempts] == ["failed", "ok"]
    assert took <= DEADLINE_S + SLACK_S


async def test_without_a_fallback_the_caller_gets_a_typed_error_by_its_deadline(
    tmp_path: Path,
) -> None:
    async with stopping(tmp_path) as scene:
        took, failed = await scene.stop_busy(timeout=1.0, plugin="first")

    assert isinstance(failed, AllAttemptsFailed)
    assert failed.error.kind is ErrorKind.TIMEOUT
    assert took <= 1.0 + SLACK_S


async def test_an_idle_worker_that_was_stopped_is_replaced(tmp_path: Path) -> None:
    async with stopping(tmp_path) as scene:
        took, before, after = await scene.stop_idle()

    assert before != after
    assert after.startswith("first ")
    assert took <= PATIENCE_S
