"""From what was typed to a canonical request."""

import io
import sys
from pathlib import Path

import pytest

from stockade.cli.prompts import MAX_IMAGE_BYTES, media_type_of, read_image, request_of
from stockade.errors import UsageError
from stockade_sdk.audio import SpeechRequest
from stockade_sdk.chat import ChatRequest, Image, Text
from stockade_sdk.embedding import EmbeddingRequest
from stockade_sdk.image import ImageRequest

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def test_a_prompt_is_a_chat_with_one_message() -> None:
    assert request_of("hi", "m", None, []) == ChatRequest.of_text("hi", model="m")


def test_a_capability_without_a_model_is_a_way_to_name_its_route() -> None:
    found = request_of("hi", None, "vision", [])

    assert isinstance(found, ChatRequest)
    assert found.model == "vision"


def test_a_model_stays_where_a_capability_is_named_too() -> None:
    assert request_of("hi", "a/b", "chat", []).model == "a/b"


@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ("embedding", EmbeddingRequest.of_texts("hi")),
        ("image_gen", ImageRequest(prompt="hi")),
        ("audio_tts", SpeechRequest(input="hi")),
    ],
)
def test_a_capability_chooses_the_kind_of_request(capability: str, expected: object) -> None:
    assert request_of("hi", None, capability, []) == expected


def test_a_misspelt_capability_is_refused_with_the_right_word() -> None:
    with pytest.raises(UsageError) as refused:
        request_of("hi", None, "embeding", [])

    assert refused.value.remedy == "write embedding"


@pytest.mark.parametrize("capability", ["audio_stt", "rerank"])
def test_a_capability_that_takes_no_prompt_is_refused(capability: str) -> None:
    with pytest.raises(UsageError, match="cannot be written as a prompt"):
        request_of("hi", None, capability, [])


def test_a_dash_reads_the_prompt_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("grüezi\n".encode())))

    assert request_of("-", None, None, []) == ChatRequest.of_text("grüezi\n")


def test_a_prompt_on_stdin_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe")))

    with pytest.raises(UsageError, match="not UTF-8"):
        request_of("-", None, None, [])


def test_an_image_becomes_a_part_beside_the_text(tmp_path: Path) -> None:
    path = tmp_path / "named.txt"  # what it is called says nothing
    path.write_bytes(PNG)

    found = request_of("what is it?", None, None, [str(path)])

    assert isinstance(found, ChatRequest)
    assert found.messages[0].content == (
        Text("what is it?"),
        Image(data=PNG, media_type="image/png"),
    )


def test_an_image_with_an_embedding_is_refused() -> None:
    with pytest.raises(UsageError, match="takes no image"):
        request_of("hi", None, "embedding", ["a.png"])


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x18ftypheic", "image/heic"),
        (b"\x00\x00\x00\x18ftypavif", "image/avif"),
        (b"II*\x00", "image/tiff"),
        (b"RIFF\x00\x00\x00\x00WAVE", None),
        (b"\x00\x00\x00\x18ftypmp42", None),
        (b"<svg>", None),
        (b"", None),
    ],
)
def test_what_an_image_is_is_read_from_its_content(content: bytes, media_type: str | None) -> None:
    assert media_type_of(content) == media_type


def test_a_file_that_is_no_image_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("root:x:0:0")

    with pytest.raises(UsageError, match="no image that can be sent"):
        read_image(path)


def test_a_file_of_too_many_bytes_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as file:
        file.write(PNG)
        file.truncate(MAX_IMAGE_BYTES + 1)

    with pytest.raises(UsageError, match="larger than 15 MiB"):
        read_image(path)


@pytest.mark.parametrize("name", ["absent.png", ".", "a\0b"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read the image"):
        read_image(tmp_path / name)
