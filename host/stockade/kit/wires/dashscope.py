"""Alibaba's own wire: images as tasks, and ranks.

Source: alibabacloud.com/help/en/model-studio, "Wan text-to-image V2 API", "Text rerank".
"""

from __future__ import annotations

from typing import Any, Final

from stockade.kit.answers import Answer, whole

from .media import ranked
from .words import Asking, Request, Says, json_in

__all__ = ["error", "read", "write"]

TASK: Final = "kit-task-1"
IMAGE: Final = "https://dashscope-result.example.com/kit/image.png"


def read(request: Request) -> Asking:
    """What is asked: to make a task, after a task (its path), or for ranks."""
    raw, path = json_in(request), request.path.partition("?")[0]
    given, parameters = raw.get("input"), raw.get("parameters")
    given = given if isinstance(given, dict) else {}
    parameters = parameters if isinstance(parameters, dict) else {}
    count = parameters.get("n", 1)
    documents = given.get("documents")
    return Asking(
        wire="dashscope",
        what="rerank" if "/rerank" in path else "image_task" if "/tasks/" in path else "image",
        model=str(raw.get("model", "")),
        prompt=str(given.get("query", given.get("prompt", ""))),
        inputs=tuple(map(str, documents)) if isinstance(documents, list) else (),
        images=len(given["images"]) if isinstance(given.get("images"), list) else 0,
        count=count if isinstance(count, int) else 1,
        raw=raw,
    )


def write(asking: Asking, says: Says) -> Answer:
    """The answer; a task is waiting when it was made, and done when it is asked after."""
    match asking.what:
        case "rerank":
            output: dict[str, Any] = {"results": ranked(asking)}
            usage: dict[str, Any] = {"total_tokens": says.input_tokens}
        case "image_task" if asking.path.endswith("/cancel"):
            output, usage = {}, {}
        case "image_task":
            output = {"task_id": asking.path.rpartition("/")[2], "task_status": "SUCCEEDED"}
            output["results"] = [{"url": IMAGE}]
            usage = {"image_count": 1}
        case _:
            output, usage = {"task_id": TASK, "task_status": "PENDING"}, {}
    answer = {"request_id": "kit", "output": output}
    return whole({**answer, "usage": usage} if usage else answer)


_CODES: Final = {
    400: "InvalidParameter",
    401: "InvalidApiKey",
    403: "AccessDenied",
    404: "ModelNotFound",
    429: "Throttling.RateQuota",
    503: "ServiceUnavailable",
}


def error(status: int, message: str) -> dict[str, Any]:
    """The body of a refusal."""
    code = _CODES.get(status, "InternalError")
    return {"code": code, "message": message, "request_id": "kit"}
