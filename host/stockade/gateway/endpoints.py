"""Every endpoint of `/v1`: its path, its methods, and the dialect in which it fails."""

from __future__ import annotations

from stockade_sdk.dialects import anthropic_messages, openai_chat
from stockade_sdk.errors import ErrorKind

from .call import Call
from .chat import Chat, ChatWire
from .embeddings import Embeddings
from .failures import OVERLOADED_AT_ANTHROPIC, Rejected
from .images import Images
from .messages import AnthropicMessages
from .models import PATH as MODELS
from .models import Models
from .openai_chat import OpenAIChat
from .rerank import Rerank
from .responses import OpenAIResponses
from .serves import Serves
from .speech import Speech
from .transcriptions import Transcriptions
from .wires import Endpoint, Handle, Routes, Wire


def routes_of(serves: Serves) -> Routes:
    """The endpoints, answered by ``serves``; what is none of them fails as OpenAI's would."""
    openai = Wire(openai_chat.encode_error)
    anthropic = Wire(anthropic_messages.encode_error, OVERLOADED_AT_ANTHROPIC)
    models = Models(anthropic, serves)
    posts: dict[str, tuple[Wire, Handle]] = {
        "/v1/chat/completions": _chat(OpenAIChat(), serves),
        "/v1/responses": _chat(OpenAIResponses(), serves),
        "/v1/messages": _chat(AnthropicMessages(), serves),
        "/v1/messages/count_tokens": (anthropic, _counts_no_tokens),
        "/v1/embeddings": (openai, Embeddings(serves)),
        "/v1/images/generations": (openai, Images(openai, serves)),
        "/v1/images/edits": (openai, Images(openai, serves, edits=True)),
        "/v1/audio/transcriptions": (openai, Transcriptions(openai, serves)),
        "/v1/audio/translations": (openai, Transcriptions(openai, serves, translation=True)),
        "/v1/audio/speech": (openai, Speech(openai, serves)),
        "/v1/rerank": (openai, Rerank(serves)),
    }
    return Routes(
        (
            *(Endpoint(path, wire, {"POST": handle}) for path, (wire, handle) in posts.items()),
            Endpoint(MODELS, openai, {"GET": models.all}),
            Endpoint(f"{MODELS}/", openai, {"GET": models.one}),
        ),
        openai,
    )


def _chat(wire: ChatWire, serves: Serves) -> tuple[Wire, Handle]:
    return wire, Chat(wire, serves)


async def _counts_no_tokens(call: Call) -> None:
    """Each vendor has its own tokens, and an estimate would pass for a count."""
    raise Rejected(
        404,
        "tokens are not counted here: each vendor counts its own; an answer's usage has them",
        kind=ErrorKind.UNSUPPORTED,
    )
