"""Images: a task is made, asked after with growing pauses until done, and given up in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import msgspec

from stockade_sdk import Context, ErrorKind, ImageRequest, ImageResponse, ProviderError
from stockade_sdk.dialects import dashscope
from stockade_sdk.errors import TimeoutPhase
from stockade_sdk.vendor import endpoint, exchange, with_warnings
from stockade_sdk.vendor.openai import OpenAIWire

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 5.0  # the vendor allows 20 questions a second and account
GROWTH = 1.5
RESERVE_S = 2.0  # of the deadline, for the last question and for giving the task up
MAX_MISSED = 3  # questions in a row without an answer; the task goes on, and has been paid for
MISSED = (ErrorKind.RATE_LIMITED, ErrorKind.OVERLOADED, ErrorKind.NETWORK, ErrorKind.SERVER_ERROR)
ASYNC = {"x-dashscope-async": "enable"}  # the only way in which the vendor makes these images


class ImageTasks(OpenAIWire):
    """``generate_image``. ``pause`` waits that many seconds."""

    pause: ClassVar[Callable[[float], Awaitable[None]]] = staticmethod(asyncio.sleep)

    async def generate_image(self, request: ImageRequest, ctx: Context) -> ImageResponse:
        """The images by URL, where the vendor keeps them for a day; they are not fetched.

        Raises ProviderError(timeout) where the deadline comes first; the task is cancelled then,
        if the vendor has not begun with it.
        """
        keys = ("image_edit_model",) if request.images else ("image_model",)
        model = self.model_of(request.model, ctx, *keys)
        request = msgspec.structs.replace(request, model=model)
        payload, warnings = dashscope.encode_image_request(request)
        url = native(ctx, dashscope.image_path(request))
        answer = await exchange(
            ctx,
            "POST",
            url,
            json=payload,
            headers={**self.headers(ctx), **ASYNC},
            classify=self.classify,
        )
        answer = await self._done(ctx, answer)
        response = dashscope.decode_image_response(answer, expected=request.n)
        return with_warnings(response, warnings)

    async def _done(self, ctx: Context, answer: Any) -> Any:
        """The vendor's answer once the task is no longer running."""
        task, pause, missed = dashscope.decode_task(answer), FIRST_PAUSE_S, 0
        url = native(ctx, dashscope.task_path(task))
        while task.is_running:
            if ctx.deadline < pause + RESERVE_S:
                await self._give_up(ctx, task, url)
            await self.pause(pause)
            pause = min(pause * GROWTH, MAX_PAUSE_S)
            try:
                answer = await self.exchange(ctx, "GET", url)
            except ProviderError as error:
                missed += 1
                if error.kind not in MISSED or missed >= MAX_MISSED:
                    raise
                ctx.log.warning("a task was asked after in vain", task=task.id, kind=error.kind)
                pause = max(pause, error.retry_after_s or 0.0)
                continue
            task, missed = dashscope.decode_task(answer), 0
        return answer

    async def _give_up(self, ctx: Context, task: dashscope.Task, url: str) -> None:
        """Cancel the task where that can be done, and raise ProviderError(timeout)."""
        told = "it goes on at the vendor's"
        if task.can_be_cancelled:
            try:
                await self.exchange(ctx, "POST", f"{url}/cancel")
                told = "it was cancelled"
            except ProviderError as error:  # it may have begun meanwhile; the timeout says more
                ctx.log.warning("a task could not be cancelled", task=task.id, error=str(error))
        raise ProviderError(
            ErrorKind.TIMEOUT,
            f"the task {task.id} was {task.status} when the time was over; {told}",
            phase=TimeoutPhase.TOTAL,
        )


def native(ctx: Context, path: str, *, below: str = "api/v1") -> str:
    """The URL of ``path`` on the vendor's own wire: beside the compatible mode of ``base_url``, or
    at the root of its host where it names another path.
    """
    address = endpoint(ctx, "", plugin="qwen").partition("?")[0]
    root, compatible, _ = address.partition("/compatible-mode/")
    if not compatible:
        root = "/".join(address.split("/", 3)[:3])
    return f"{root}/{below}/{path}"
