"""Recorded HTTP interactions as test parameters.

One JSON file, one interaction; the folder's README says what is in it. Taken are those on the
chat-completions wire, whoever spoke it, and the embeddings of the vendors below (other vendors'
embeddings are on wires of their own).
"""

import contextlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

CHAT = "openai.chat_completions"
EMBEDDINGS = "embeddings"
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


@dataclass(frozen=True)
class Interaction:
    """One recorded interaction: who was asked what, and what came back."""

    name: str
    provider: str
    api: str
    request: dict[str, Any] | None  # the JSON body; None where the response alone was published
    status: int
    headers: tuple[tuple[str, str], ...]
    body_kind: str
    json: Any
    text: str

    @property
    def streamed(self) -> bool:
        return self.body_kind == "sse"

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
    def unplayable(self) -> str | None:
        """Why it cannot be judged, where it cannot."""
        if self.failed or self.body_kind in ("json", "sse"):
            return None
        return f"a recorded body of kind {self.body_kind!r} is no answer of this wire"

    @property
    def body(self) -> bytes:
        """The body as it is served: server-sent events byte for byte, JSON encoded again."""
        if self.json is not None:
            return json.dumps(self.json, ensure_ascii=False, separators=(",", ":")).encode()
        return self.text.encode()


def takes(condition):
    """Say which interactions a test is for; see ``pytest_generate_tests``."""

    def mark(test):
        test.wanted = condition
        return test

    return mark


@cache
def interactions(folder: Path) -> tuple[Interaction, ...]:
    """The interactions of ``folder`` in a fixed order; empty where there is no such folder."""
    found = (read(file) for file in sorted(folder.glob("*/*.json")))
    return tuple(one for one in found if one is not None)


def read(file: Path) -> Interaction | None:
    recorded = json.loads(file.read_text(encoding="utf-8"))
    api, provider = recorded.get("api"), recorded.get("provider")
    request, response = recorded["request"], recorded["response"]
    if api == CHAT:
        if "/api/chat" in (request.get("url") or ""):  # Ollama's own wire
            return None
    elif api != EMBEDDINGS or provider not in EMBEDDING_VENDORS:
        return None
    body = request.get("json")
    return Interaction(
        name=f"{file.parent.name}/{file.stem}",
        provider=provider,
        api=api,
        request=body if isinstance(body, dict) else None,
        status=response["status"],
        headers=tuple((response.get("headers") or {}).items()),
        body_kind=response["body_kind"],
        json=response.get("json"),
        text=response.get("body") or "",
    )


def chunks_of(body: str) -> list[Any]:
    """The JSON of every ``data`` line that is JSON."""
    found = []
    for line in body.splitlines():
        if line.startswith("data:") and line[5:].strip() not in ("", "[DONE]"):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line[5:]))
    return found
