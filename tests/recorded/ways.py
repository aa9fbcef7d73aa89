"""Which shipped plugin an interaction goes through, and where its requests then arrive."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from stockade_sdk import ChatRequest, ChatResponse, ProviderError
from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.sse import EventReader
from stockade_sdk.stream import fold
from tests.recorded.interactions import CHAT, GEMINI, MESSAGES, RESPONSES, Interaction

PLUGINS = {  # by the provider of an interaction; of the others, see `plugin_of`
    "openai": "openai",
    "anthropic": "anthropic",
    "gemini": "gemini",
    "vertex": "gemini",
    "azure": "azure-openai",
    "openrouter": "openrouter",
    "deepseek": "deepseek",
    "qwen": "qwen",
    "moonshot": "moonshot",
    "mistral": "mistral",
    "groq": "groq",
}
COMPATIBLE = "openai-compatible"
SPEAK_RESPONSES = ("openai", "azure-openai")
BASES = {"anthropic": "", "gemini": "/v1beta", "azure-openai": ""}
DIALECTS: dict[str, Any] = {
    CHAT: openai_chat,
    RESPONSES: openai_responses,
    MESSAGES: anthropic_messages,
    GEMINI: gemini,
}
ASKING = [{"role": "user", "content": "?"}]
UNRECORDED = {
    CHAT: {"model": "unrecorded", "messages": ASKING},
    RESPONSES: {"model": "unrecorded", "input": "?"},
    MESSAGES: {"model": "unrecorded", "max_tokens": 9, "messages": ASKING},
    GEMINI: {"contents": [{"role": "user", "parts": [{"text": "?"}]}]},
}


@dataclass(frozen=True)
class Way:
    """One plugin and the beginning of the paths it asks."""

    plugin: str
    base: str


def way_of(interaction: Interaction) -> Way:
    """The plugin of the vendor; that of the wire where the vendor has none."""
    plugin = PLUGINS.get(interaction.provider, COMPATIBLE)
    if interaction.wire == RESPONSES and plugin not in SPEAK_RESPONSES:
        plugin = "openai"
    return Way(plugin, BASES.get(plugin, "/v1"))


def request_of(interaction: Interaction) -> ChatRequest:
    """The canonical request, with its model as a full id."""
    payload = interaction.request or UNRECORDED[interaction.wire]
    if interaction.wire == GEMINI:
        request: ChatRequest = gemini.decode_request(payload, model=model_in_url(interaction.path))
    else:
        request = DIALECTS[interaction.wire].decode_request(payload)
    return request


def model_in_url(path: str) -> str:
    """The model of a Gemini path, or the deployment of an Azure one."""
    for before in ("/models/", "/deployments/"):
        if before in path:
            return unquote(path.partition(before)[2].partition("/")[0].partition(":")[0])
    return "unrecorded"


def arriving_at(interaction: Interaction, way: Way, model: str) -> str:
    """The path at which its request arrives."""
    match interaction.wire:
        case "gemini":
            verb = "streamGenerateContent?alt=sse" if interaction.streamed else "generateContent"
            return f"{way.base}/models/{model}:{verb}"
        case "anthropic_messages":
            return f"{way.base}/v1/messages"
        case "openai_responses" if way.plugin == "azure-openai":
            return "/openai/v1/responses"
        case "openai_responses":
            return f"{way.base}/responses"
    if way.plugin == "azure-openai":
        return f"/openai/deployments/{model}/chat/completions"
    return f"{way.base}/chat/completions"


def made_of(interaction: Interaction) -> ChatResponse | ProviderError:
    """What the translator alone makes of the recorded answer: its own tests hold it to the record.

    An error where the vendor refused, and where a fixture's authors broke their own stream.
    """
    dialect = DIALECTS[interaction.wire]
    if interaction.failed:
        headers = dict(interaction.headers)
        error: ProviderError = dialect.classify_error(interaction.status, headers, interaction.body)
        return error
    try:
        return read_answer(interaction)
    except ProviderError as error:
        return error


def read_answer(interaction: Interaction) -> ChatResponse:
    """The canonical answer; raises the error that it holds."""
    dialect = DIALECTS[interaction.wire]
    if not interaction.streamed:
        response: ChatResponse = dialect.decode_response(
            openai_chat.parse_json(interaction.body),
            response_format=request_of(interaction).response_format,
        )
        return response
    reader, decoder = EventReader(), dialect.StreamDecoder()
    sent = [*reader.feed(interaction.body), *reader.end()]
    events = [event for one in sent for event in decoder.feed(one.data, one.event)]
    return fold([*events, *decoder.finish()])
