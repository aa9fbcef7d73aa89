"""Transcription on OpenAI's wire: forms in; JSON, text, subtitles and events out."""

import msgspec
import pytest

from stockade_sdk import Audio, ErrorKind, ProviderError, TranscriptionRequest
from stockade_sdk.audio import TranscriptionResponse, TranscriptSpan
from stockade_sdk.dialects import openai_audio
from stockade_sdk.multipart import FormField

WAV = b"RIFF\x00\x00\x00\x00WAVEfmt "
FILE = FormField("file", WAV, "audio.wav", "audio/wav")
SRT = "1\n00:00:00,000 --> 00:00:01,500\nHello\nthere\n\n2\n00:01:01,500 --> 01:00:02,250\nyou\n\n"
VTT = (
    "WEBVTT\n\n00:00.000 --> 00:01.500\nHello there\n\n1:01.5 --> 01:00:02.250 align:left\nyou\n\n"
)


def name_of(field):
    return field.name


def form(request, **how):
    return openai_audio.encode_form(request, **how)[0]


def codes(warnings):
    return [warning.code for warning in warnings]


def test_every_setting_of_a_request_is_a_field():
    request = TranscriptionRequest(
        audio=Audio(data=WAV, format="wav"),
        model="m",
        language="de",
        prompt="names",
        temperature=0.25,
        timestamps=("word", "segment"),
    )

    assert form(request) == (
        FILE,
        FormField("model", "m"),
        FormField("language", "de"),
        FormField("prompt", "names"),
        FormField("temperature", "0.25"),
        FormField("response_format", "verbose_json"),  # timestamps come in no other form
        FormField("timestamp_granularities[]", "word"),
        FormField("timestamp_granularities[]", "segment"),
    )
    assert openai_audio.decode_form(form(request)) == request


@pytest.mark.parametrize(
    "fields",
    [
        (FILE, FormField("model", "m")),
        (FILE, FormField("response_format", "srt")),
        (FILE, FormField("temperature", "0.20")),
        (FILE, FormField("temperature", "warm")),
        (FILE, FormField("timestamp_granularities[]", "word")),
        (FILE, FormField("timestamp_granularities[]", "word"), FormField("response_format", "x")),
        (FILE, FormField("include[]", "logprobs"), FormField("include[]", "b")),
        (FormField("file", WAV, "my sound.MP3", "audio/x-wav"), FormField("diarize", "true")),
        (FormField("file", b"??", "a", "application/octet-stream"),),
    ],
)
def test_a_clients_form_comes_out_as_it_went_in(fields):
    request = openai_audio.decode_form(fields)
    request = msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=TranscriptionRequest)

    sent, warnings = openai_audio.encode_form(request)

    assert sorted(sent, key=name_of) == sorted(fields, key=name_of)  # names have no order
    assert warnings == ()


@pytest.mark.parametrize(
    ("field", "format"),
    [
        (FormField("file", b"??", "a.mp3", None), "mp3"),
        (FormField("file", b"??", "a.bin", "audio/x-m4a"), "m4a"),
        (FormField("file", b"fLaC", "noname", None), "flac"),
        (FormField("file", b"\xff\xfb\x90", "x", "application/octet-stream"), "mp3"),
        (FormField("file", b"OggS" + b"\0" * 24 + b"OpusHead", "x"), "opus"),
        (FormField("file", b"??", "archive.zip"), None),
    ],
)
def test_the_format_of_a_file_is_by_its_type_its_bytes_or_its_name(field, format):
    assert openai_audio.decode_form((field,)).audio.format == format


def test_a_stream_is_asked_for_by_the_caller_alone():
    request = openai_audio.decode_form((FILE, FormField("stream", "true")))

    assert form(request) == (FILE,)
    assert form(request, stream=True) == (FILE, FormField("stream", "true"))


def test_a_vendor_without_forms_of_answers_is_asked_for_none():
    request = TranscriptionRequest(audio=Audio(data=WAV), timestamps=("segment",))

    fields = form(request, formats=False)

    assert fields == (FILE, FormField("timestamp_granularities[]", "segment"))
    assert openai_audio.response_format(request, formats=False) == "json"


def test_sound_elsewhere_is_sent_where_the_vendor_fetches_it():
    by_url = TranscriptionRequest(audio=Audio(url="https://h/a.mp3"))
    by_id = TranscriptionRequest(audio=Audio(id="file-1"))

    assert form(by_url, by_reference=True) == (FormField("file_url", "https://h/a.mp3"),)
    assert form(by_id, by_reference=True) == (FormField("file_id", "file-1"),)
    assert openai_audio.decode_form(form(by_url, by_reference=True)) == by_url
    assert openai_audio.decode_form(form(by_id, by_reference=True)) == by_id
    with pytest.raises(ProviderError) as caught:
        form(by_url)
    assert caught.value.kind is ErrorKind.UNSUPPORTED


def test_a_translation_is_into_english_and_takes_no_language():
    fields = (FILE, FormField("model", "whisper-1"), FormField("language", "de"))
    request = openai_audio.decode_form(fields, translation=True)

    sent, warnings = openai_audio.encode_form(request)

    assert openai_audio.is_translation(request)
    assert sent == fields[:2]
    assert codes(warnings) == ["setting_dropped"]


def test_options_cannot_replace_what_the_request_says():
    options = {"openai_audio": {"model": "other", "diarize": True}}
    request = TranscriptionRequest(audio=Audio(data=WAV), model="m", provider_options=options)

    sent, warnings = openai_audio.encode_form(request)

    assert sent == (FILE, FormField("model", "m"), FormField("diarize", "true"))
    assert codes(warnings) == ["provider_option_ignored"]


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (FormField("model", "m"),),
        (FormField("file", b"", "a"),),
        (FormField("file", "RIFF"),),
        (FormField("file", b"\x89PNG", "a.png", "image/png"),),
        (FormField("file", b"hello", "a.txt", "text/plain"),),
    ],
)
def test_a_form_without_sound_is_invalid(fields):
    with pytest.raises(ProviderError) as caught:
        openai_audio.decode_form(fields)

    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_a_verbose_answer_gives_segments_words_and_length():
    answer = {
        "task": "transcribe",
        "language": "german",
        "duration": 1.5,
        "text": "Guten Tag",
        "segments": [{"id": 0, "start": 0, "end": 1.5, "text": " Guten Tag", "tokens": [1]}],
        "words": [
            {"word": "Guten", "start": 0.0, "end": 0.5},
            {"word": "Tag", "start": 0.5, "end": 1.5},
        ],
        "usage": {"type": "duration", "seconds": 2},
    }

    response = openai_audio.decode_response(answer)

    assert (response.text, response.language, response.duration_s) == ("Guten Tag", "german", 1.5)
    assert response.segments == (TranscriptSpan(text=" Guten Tag", start_s=0.0, end_s=1.5),)
    assert [word.text for word in response.words] == ["Guten", "Tag"]
    assert response.usage is None
    assert openai_audio.encode_response(response) == answer


def test_silence_is_an_empty_transcript_and_no_error():
    assert openai_audio.decode_response({"text": "", "segments": []}).text == ""


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"text": None},
        {"text": "x", "segments": ["y"]},
        {"text": "x", "words": [{"start": 1}]},
    ],
)
def test_an_answer_that_is_no_transcript_is_malformed(answer):
    with pytest.raises(ProviderError) as caught:
        openai_audio.decode_response(answer)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


@pytest.mark.parametrize("start", [-1, float("nan"), True, "soon", None, [1]])
def test_a_time_that_is_none_stays_unknown(start):
    response = openai_audio.decode_response({"text": "x", "words": [{"word": "x", "start": start}]})

    assert response.words == (TranscriptSpan(text="x"),)


def test_text_is_the_transcript_without_the_last_line_end():
    response = openai_audio.decode_text(" Hello\n")

    assert response.text == " Hello"
    assert openai_audio.encode_text(response) == " Hello\n"


@pytest.mark.parametrize(("format", "body"), [("srt", SRT), ("vtt", VTT)])
def test_subtitles_are_segments_and_stay_as_they_were(format, body):
    response = openai_audio.decode_text(body, format)

    assert response.text == "Hello there you"
    assert response.segments == (
        TranscriptSpan(text="Hello there", start_s=0.0, end_s=1.5),
        TranscriptSpan(text="you", start_s=61.5, end_s=3602.25),
    )
    assert openai_audio.encode_text(response, format) == body


def test_subtitles_are_written_from_segments():
    spans = (TranscriptSpan(text=" a --> b\n\nc", start_s=0.9996, end_s=3661.5),)
    response = TranscriptionResponse(text="a", segments=spans)

    assert openai_audio.encode_text(response, "srt") == (
        "1\n00:00:01,000 --> 01:01:01,500\na -> b c\n\n"
    )
    assert openai_audio.encode_text(response, "vtt") == (
        "WEBVTT\n\n00:00:01.000 --> 01:01:01.500\na -> b c\n\n"
    )
    assert openai_audio.encode_text(response) == "a\n"


def test_subtitles_need_times():
    with pytest.raises(ProviderError) as caught:
        openai_audio.encode_text(TranscriptionResponse(text="a"), "srt")

    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("body", "format"),
    [
        ("<html><body>hi</body></html>", "text"),
        ("not a subtitle", "srt"),
        ("1\nsoon --> later\nx\n", "srt"),
        ("WEBVTT\n\n00:00 -->\nx\n", "vtt"),
    ],
)
def test_text_that_is_no_transcript_is_malformed(body, format):
    with pytest.raises(ProviderError) as caught:
        openai_audio.decode_text(body, format)

    assert caught.value.kind is ErrorKind.MALFORMED_RESPONSE


def streamed(*sent):
    decoder = openai_audio.TranscriptDecoder()
    for one in sent:
        decoder.feed(one if isinstance(one, str) else msgspec.json.encode(one).decode())
    return decoder.finish()


def test_a_stream_of_pieces_is_one_transcript():
    usage = {"type": "tokens", "input_tokens": 3, "output_tokens": 2, "total_tokens": 5}

    response = streamed(
        {"type": "transcript.text.delta", "delta": "Guten "},
        {"type": "transcript.text.delta", "delta": "Tag"},
        {"type": "transcript.text.done", "text": "Guten Tag", "usage": usage},
        "[DONE]",
    )

    assert response == openai_audio.decode_response({"text": "Guten Tag", "usage": usage})
    assert openai_audio.encode_events(response) == [
        {"type": "transcript.text.delta", "delta": "Guten Tag"},
        {"type": "transcript.text.done", "text": "Guten Tag", "usage": usage},
    ]


def test_mistrals_names_for_the_events_are_read():
    response = streamed(
        {"type": "transcription.language", "audio_language": "de"},
        {"type": "transcription.text.delta", "text": "Guten"},
        {"type": "transcription.segment", "text": "Guten", "start": 0, "end": 1, "speaker_id": "a"},
        {"type": "transcription.done", "model": "v", "usage": {"prompt_tokens": 4}},
    )

    assert (response.text, response.language, response.model) == ("Guten", "de", "v")
    assert response.segments[0].speaker == "a"


def test_events_that_nobody_knows_are_passed_over():
    assert streamed({"type": "x"}, {"type": "transcript.text.done", "text": "a"}).text == "a"


@pytest.mark.parametrize(
    ("sent", "kind"),
    [
        ([], ErrorKind.MALFORMED_RESPONSE),
        ([{"type": "transcript.text.delta", "delta": "a"}], ErrorKind.MALFORMED_RESPONSE),
        (["{"], ErrorKind.MALFORMED_RESPONSE),
        (["[1]"], ErrorKind.MALFORMED_RESPONSE),
        ([{"error": {"code": 429, "message": "x"}}], ErrorKind.RATE_LIMITED),
        ([{"type": "error", "code": "x", "message": "overloaded"}], ErrorKind.OVERLOADED),
    ],
    ids=["empty", "cut", "no JSON", "no object", "error", "error event"],
)
def test_a_stream_that_is_not_whole_is_an_error(sent, kind):
    with pytest.raises(ProviderError) as caught:
        streamed(*sent)

    assert caught.value.kind is kind
