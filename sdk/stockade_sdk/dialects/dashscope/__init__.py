"""Alibaba's own wire (DashScope), where its OpenAI-compatible mode has nothing: images, which are
made by tasks that are asked after, and reranking.

What the vendor says beyond the canonical types travels in ``provider_options["dashscope"]`` (with
its own nesting: ``input``, ``parameters``) and ``provider_metadata["dashscope"]``.
Source: https://www.alibabacloud.com/help/en/model-studio/text-to-image-v2-api-reference and
.../manage-asynchronous-tasks, .../text-rerank-api, .../error-code.
"""

from .errors import classify_error, encode_error
from .images import (
    IMAGE_EDIT_PATH,
    IMAGE_PATH,
    decode_image_request,
    decode_image_response,
    encode_image_request,
    encode_image_response,
    image_path,
)
from .overlay import DIALECT
from .rerank import (
    RERANK_PATH,
    decode_rerank_request,
    decode_rerank_response,
    encode_rerank_request,
    encode_rerank_response,
)
from .tasks import Task, decode_task, encode_task, task_path

__all__ = [
    "DIALECT",
    "IMAGE_EDIT_PATH",
    "IMAGE_PATH",
    "RERANK_PATH",
    "Task",
    "classify_error",
    "decode_image_request",
    "decode_image_response",
    "decode_rerank_request",
    "decode_rerank_response",
    "decode_task",
    "encode_error",
    "encode_image_request",
    "encode_image_response",
    "encode_rerank_request",
    "encode_rerank_response",
    "encode_task",
    "image_path",
    "task_path",
]
