"""An application that has a host of its own: it asks, streams, and says what was tried.

    python app.py "What is a sandbox?"

Which plugins there are, what they may do and where requests go is the operator's: it is set with
`stockade` in the same STOCKADE_HOME, before or while this runs.
"""

import asyncio
import sys

from stockade import AllAttemptsFailed, Host, HostError
from stockade_sdk import ChatRequest, TextDelta

DEADLINE_S = 60.0  # of everything: waiting for a worker, all attempts, all tokens


async def whole(host: Host, prompt: str) -> None:
    """One answer as a whole, with who gave it and what was tried before."""
    response = await host.run(ChatRequest.of_text(prompt), timeout=DEADLINE_S)
    print(f"{response.provider}: {response.text}")
    for attempt in response.attempts:
        print(f"  {attempt.target}: {attempt.outcome}")


async def streamed(host: Host, prompt: str) -> None:
    """The same as it comes; after its first piece no other target takes over."""
    async with host.stream(ChatRequest.of_text(prompt), timeout=DEADLINE_S) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                print(event.text, end="", flush=True)
    print()


async def side_by_side(host: Host, prompts: list[str]) -> None:
    """Several at once: the host starts workers as it needs them, and lets the rest wait."""
    async with asyncio.TaskGroup() as tasks:
        asked = [
            tasks.create_task(host.run(ChatRequest.of_text(prompt), timeout=DEADLINE_S))
            for prompt in prompts
        ]
    print(f"{len(asked)} answers, {len({task.result().text for task in asked})} different ones")


async def main(prompt: str) -> int:
    """Open one host for the life of the application, not one a request: workers live with it."""
    async with Host.open() as host:
        try:
            await whole(host, prompt)
            await streamed(host, prompt)
            await side_by_side(host, [f"{prompt} ({number})" for number in range(8)])
        except AllAttemptsFailed as failed:
            print(f"no answer: {failed.error}", file=sys.stderr)
            for attempt in failed.attempts:
                print(f"  {attempt.target}: {attempt.outcome}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(" ".join(sys.argv[1:]) or "hello")))
    except HostError as error:
        sys.exit(f"stockade: {error}")
