"""How many tokens a request is taken for."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from stockade.router.sizes import tokens_of
from stockade_sdk.audio import SpeechRequest, TranscriptionRequest
from stockade_sdk.chat import (
    Audio,
    ChatRequest,
    ContentPart,
    File,
    Image,
    Message,
    MessageRole,
    ResponseFormat,
    Text,
    Thinking,
    ToolCall,
    ToolDefinition,
    ToolResult,
)
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest
from stockade_sdk.rerank import RerankRequest

SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "x" * 400}}}


def chat(*parts: ContentPart, **more) -> ChatRequest:
    return ChatRequest(messages=(Message(MessageRole.USER, parts),), **more)


def grown(*parts: ContentPart) -> int:
    """What these parts add to a turn that has none."""
    return tokens_of(chat(*parts)) - tokens_of(chat())


@pytest.mark.parametrize(
    ("text", "most", "least"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 100, 1_200, 950),
        ("今天天气很好我们一起去公园散步吧。" * 100, 1_500, 1_100),
        ("x", 1, 0),
        ("", 0, 0),
    ],
)
def test_text_is_taken_for_about_as_many_tokens_as_it_is(text, most, least) -> None:
    assert least <= grown(Text(text)) <= most


def test_one_foreign_character_does_not_make_a_long_text_another_one() -> None:
    plain = "It is a long story. " * 5_000

    assert abs(grown(Text(plain + "漢")) - grown(Text(plain))) < 200


def test_a_large_text_that_is_not_ascii_is_estimated_within_a_twentieth() -> None:
    text = "naïve café, Ünïcödé und so weiter: 漢字 " * 30_000

    exact = len(text.encode()) / 4
    assert grown(Text(text)) == pytest.approx(exact, rel=0.05)


def test_a_text_with_half_a_surrogate_pair_has_a_size_too() -> None:
    assert grown(Text("\ud83d" * 4)) == 3


def test_the_output_that_is_asked_for_has_to_fit_as_well() -> None:
    assert tokens_of(chat(Text("x"), max_output_tokens=4_096)) == tokens_of(chat(Text("x"))) + 4_096
    assert tokens_of(chat(Text("x"), max_output_tokens=-5)) == tokens_of(chat(Text("x")))


def test_tools_and_schemas_count_as_their_json() -> None:
    plain, json_tokens = tokens_of(chat()), len(json.dumps(SCHEMA)) // 4
    tool = ToolDefinition("weather", "the weather of a city", SCHEMA)
    wanted = ResponseFormat(type="json_schema", schema=SCHEMA)

    assert plain + json_tokens * 0.9 < tokens_of(chat(tools=(tool,))) < plain + json_tokens + 50
    assert plain + json_tokens * 0.9 < tokens_of(chat(response_format=wanted))


@pytest.mark.parametrize(
    "part",
    [
        ToolCall("1", "weather", {"city": "x" * 400}),
        ToolCall("1", "weather", '{"city": "' + "x" * 400),
        ToolResult("1", "x" * 400),
        ToolResult("1", {"found": "x" * 400}),
        ToolResult("1", (Text("x" * 400),)),
        Thinking("x" * 400),
        File(data=b"x" * 400, media_type="text/plain"),
        Audio(id="1", transcript="x" * 400),
    ],
)
def test_every_part_with_text_counts_by_its_text(part) -> None:
    assert 100 <= grown(part) <= 108


def test_media_count_by_what_vendors_take_them_for_not_by_their_bytes() -> None:
    photo = Image(data=b"x" * 3_000_000, media_type="image/png")
    minute = Audio(data=b"x" * 60 * 16_000, format="mp3")

    assert 250 <= grown(photo) <= 1_600
    assert grown(photo) == grown(Image(url="https://x.test/a.png"))
    assert grown(ToolResult("1", (photo,))) == grown(photo)
    assert 500 <= grown(minute) <= 2_000
    assert 250 <= grown(File(data=b"x" * 9_000_000, media_type="application/pdf")) <= 3_000


@pytest.mark.parametrize("value", [{"o": object()}, {1j: 1}, {"half": "\ud83d"}])
def test_what_cannot_be_sent_at_all_is_no_matter_of_size(value) -> None:
    assert grown(ToolCall("1", "t", value)) == 0


def test_of_what_is_taken_one_by_one_the_longest_counts() -> None:
    assert tokens_of(EmbeddingRequest.of_texts("x" * 40, "x" * 400, "x")) == 100
    assert tokens_of(EmbeddingRequest(input=((1, 2, 3), (1,)))) == 3
    assert tokens_of(EmbeddingRequest(input=())) == 0
    assert tokens_of(RerankRequest(query="x" * 40, documents=("x" * 360, "x"))) == 100


def test_speech_and_pictures_count_by_their_words_and_sound_not_at_all() -> None:
    assert tokens_of(SpeechRequest(input="x" * 400)) == 100
    assert tokens_of(ImageRequest(prompt="x" * 400)) == 100
    assert tokens_of(TranscriptionRequest(audio=Audio(data=b"x" * 10_000))) == 0


def test_a_large_request_is_not_copied_to_be_measured() -> None:
    large = chat(Text("x" * 4_000_000), Text("ü" * 4_000_000), Image(data=b"x" * 4_000_000))
    tokens_of(chat(Text("ü")))

    tracemalloc.start()
    tokens_of(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 100_000
