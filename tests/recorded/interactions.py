"""Recorded HTTP interactions as test parameters.

One JSON file, one interaction; the folder's README says what is in it. Every interaction has a
``wire``: the translator that it is for, or empty where no shipped plugin speaks that wire; then
``outside`` says why.
"""

import base64
import contextlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CHAT = "openai_chat"
RESPONSES = "openai_responses"
MESSAGES = "anthropic_messages"
GEMINI = "gemini"
EMBEDDINGS = "openai_embeddings"
GEMINI_EMBEDDINGS = "gemini_embeddings"
IMAGES = "openai_images"
QWEN_IMAGES = "qwen_images"
TRANSCRIPTION = "openai_transcription"
SPEECH = "openai_speech"
RERANK = "rerank"
MODELS = "models"

EMBEDDING_VENDORS = (
    "openai",
    "azure",
    "openrouter",
    "deepseek",
    "qwen",
    "mistral",
    "groq",
    "moonshot",
    "xai",
    "together",
)
MODEL_LISTS = ("openai", "anthropic", "gemini", "openrouter", "qwen", "mistral", "cerebras")
CHATS = {
    "openai.chat_completions": CHAT,
    "openai.responses": RESPONSES,
    "anthropic.messages": MESSAGES,
    "gemini.generate_content": GEMINI,
}
OUTSIDE = {  # wires that no shipped plugin speaks, and why
    "completions": "text completions without messages have no canonical request",
    "count_tokens": "counting tokens is no capability",
    "moderation": "moderation is no capability",
    "ocr": "document recognition is no capability",
    "video": "video is no capability",
    "dashscope_text": "the plugin speaks the vendor's compatible mode",
    "dashscope_multimodal": "the plugin speaks the vendor's compatible mode",
}
NO_PLUGIN = "no shipped plugin speaks this vendor's own wire"


@dataclass(frozen=True)
class Interaction:
    """One recorded interaction: who was asked what, and what came back."""

    name: str
    provider: str
    api: str
    wire: str  # one of the words above; empty where it is outside
    method: str
    url: str
    request: dict[str, Any] | None  # the JSON body; None where the response alone was published
    multipart: Any  # fields of a form, where the body was one
    status: int
    headers: tuple[tuple[str, str], ...]
    body_kind: str
    json: Any
    text: str
    head: bytes  # the beginning of a binary body
    cut: tuple[str, ...]  # what was cut, as the folder's README says

    @property
    def streamed(self) -> bool:
        return self.body_kind == "sse"

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def failed(self) -> bool:
        return self.status >= 400

    @property
    def refused(self) -> bool:
        """Whether the answer is an error, by its status or inside an answer of 200."""
        if self.failed:
            return True
        answers = chunks_of(self.text) if self.streamed else [self.json]
        return any(isinstance(one, dict) and bool(one.get("error")) for one in answers)

    @property
    def outside(self) -> str:
        """Why no plugin could have had this interaction; empty where one could."""
        return "" if self.wire else OUTSIDE.get(self.api, NO_PLUGIN)

    @property
    def unplayable(self) -> str | None:
        """Why it cannot be judged, where it cannot."""
        if self.failed or self.body_kind in ("json", "sse", "binary"):
            return None
        return f"a recorded body of kind {self.body_kind!r} is no answer of this wire"

    @property
    def body(self) -> bytes:
        """The body as it is served: server-sent events byte for byte, JSON encoded again."""
        if self.json is not None:
            return json.dumps(self.json, ensure_ascii=False, separators=(",", ":")).encode()
        return self.head or self.text.encode()


def takes(condition):
    """Say which interactions a test is for; see ``pytest_generate_tests``."""

    def mark(test):
        test.wanted = condition
        return test

    return mark


@cache
def interactions(folder: Path) -> tuple[Interaction, ...]:
    """The interactions of ``folder`` in a fixed order; empty where there is no such folder."""
    return tuple(read(file) for file in sorted(folder.glob("*/*.json")))


def read(file: Path) -> Interaction:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    request, response = recorded["request"], recorded["response"]
    body = request.get("json")
    return Interaction(
        name=f"{file.parent.name}/{file.stem}",
        provider=recorded["provider"],
        api=recorded["api"],
        wire=wire_of(recorded["provider"], recorded["api"], request.get("url") or ""),
        method=request.get("method") or "POST",
        url=request.get("url") or "",
        request=body if isinstance(body, dict) else None,
        multipart=request.get("multipart"),
        status=response["status"],
        headers=tuple((response.get("headers") or {}).items()),
        body_kind=response["body_kind"],
        json=response.get("json"),
        text=response.get("body") or "",
        head=base64.b64decode(response.get("body_b64_head") or ""),
        cut=tuple(f"{cut['path']}: {cut['what']}" for cut in recorded.get("truncated") or ()),
    )


def wire_of(provider: str, api: str, url: str) -> str:
    """The wire of an interaction; empty where no shipped plugin speaks it."""
    if api in CHATS:
        return "" if "/api/chat" in url else CHATS[api]  # Ollama's own wire
    match api:
        case "embeddings" if provider in EMBEDDING_VENDORS:
            return EMBEDDINGS
        case "embeddings" if ":embedContent" in url or ":batchEmbedContents" in url:
            return GEMINI_EMBEDDINGS
        case "models" if provider in MODEL_LISTS:
            return MODELS
        case "image" | "task_poll" if provider == "qwen":
            return QWEN_IMAGES
        case "image" if provider in ("openai", "openrouter", "azure"):
            return IMAGES
        case "transcription" if "/audio/trans" in url and provider != "cohere":
            return TRANSCRIPTION
        case "speech" if "/audio/speech" in url:
            return SPEECH
        case "rerank" if provider in ("openrouter", "qwen"):
            return RERANK
    return ""


def chunks_of(body: str) -> list[Any]:
    """The JSON of every ``data`` line that is JSON."""
    found = []
    for line in body.splitlines():
        if line.startswith("data:") and line[5:].strip() not in ("", "[DONE]"):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line[5:]))
    return found
