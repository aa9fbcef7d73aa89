"""What Qwen does differently on OpenAI's wire, and what only Alibaba's own wire has.

Sources: alibabacloud.com/help/en/model-studio, "Deep thinking", "OpenAI compatible - Chat", "Text
rerank" and "Wan text-to-image V2 API reference".
"""

from __future__ import annotations

import msgspec

from stockade_sdk import ChatRequest, Context, RerankRequest, RerankResponse
from stockade_sdk.dialects import dashscope, rerank
from stockade_sdk.vendor import with_warnings
from stockade_sdk.vendor.openai import (
    OpenAIChat,
    OpenAIEmbeddings,
    OpenAIModels,
    Payload,
    Warnings,
    Wire,
)
from stockade_sdk.vendor.openai_fit import without

from .tasks import ImageTasks, native

COMPATIBLE_RERANK = "qwen3-rerank"  # the models that have a compatible endpoint and no native one


class Qwen(ImageTasks, OpenAIChat, OpenAIEmbeddings, OpenAIModels):
    """Keeps nothing between calls; the host puts the key on."""

    plugin = "qwen"
    wire = Wire(max_tokens_field="max_tokens", developer_role=False)
    classify = staticmethod(dashscope.classify_error)  # knows both of the vendor's forms

    def encode_chat(
        self, request: ChatRequest, ctx: Context, *, stream: bool
    ) -> tuple[Payload, Warnings]:
        """The body, with thinking as the vendor has it: a switch, and no effort."""
        payload, warnings = super().encode_chat(request, ctx, stream=stream)
        effort = payload.get("reasoning_effort")
        if effort == "none":
            del payload["reasoning_effort"]
            payload.setdefault("enable_thinking", False)
        elif effort is not None:
            payload.setdefault("enable_thinking", True)
            reason = "this vendor switches thinking on or off, and knows no effort"
            warnings = without(payload, "reasoning_effort", warnings, reason)
        if not stream and thinks_in_streams_alone(str(payload.get("model"))):
            # They think unless told otherwise, and then answer a call without streaming with 400:
            # "parameter.enable_thinking must be set to false for non-streaming calls".
            if payload.get("enable_thinking") is True:
                reason = "this model thinks in streams alone"
                warnings = without(payload, "enable_thinking", warnings, reason)
            payload["enable_thinking"] = False
        return payload, warnings

    async def rerank(self, request: RerankRequest, ctx: Context) -> RerankResponse:
        """The documents, best first; no answer may point beyond them."""
        model = self.model_of(request.model, ctx, "rerank_model")
        request = msgspec.structs.replace(request, model=model)
        count = len(request.documents)
        if str(model).startswith(COMPATIBLE_RERANK):
            payload, warnings = rerank.encode_request(request)
            url = native(ctx, "reranks", below="compatible-api/v1")
            answer = await self.exchange(ctx, "POST", url, json=payload)
            return with_warnings(rerank.decode_response(answer, documents=count), warnings)
        payload, warnings = dashscope.encode_rerank_request(request)
        url = native(ctx, dashscope.RERANK_PATH)
        answer = await self.exchange(ctx, "POST", url, json=payload)
        return with_warnings(dashscope.decode_rerank_response(answer, documents=count), warnings)


def thinks_in_streams_alone(model: str) -> bool:
    """Whether it is one of the open Qwen3 models that can think and can answer at once: a size and
    no variant (``qwen3-32b``, ``qwen3-235b-a22b``).
    """
    family, _, size = model.lower().partition("-")
    parts = size.split("-")
    return (
        family == "qwen3"
        and all(part.endswith("b") and part[-2:-1].isdigit() for part in parts)
        and len(parts) <= 2
    )
