"""What one dialect read, written by another: nothing is lost without a word."""

import json

import pytest

from stockade_sdk import (
    Audio,
    ChatEvent,
    ChatRequest,
    ChatResponse,
    ErrorKind,
    File,
    FinishReason,
    Image,
    Message,
    MessageRole,
    ProviderError,
    Text,
    ToolCall,
    ToolResult,
    Usage,
    fold,
)
from stockade_sdk.chat import AssistantOutput
from stockade_sdk.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from stockade_sdk.stream import (
    Finish,
    TextDelta,
    TextEnd,
    TextStart,
    ThinkingDelta,
    ThinkingEnd,
    ThinkingStart,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    unfold,
)

DIALECTS = (openai_chat, openai_responses, anthropic_messages, gemini)
FOREIGN = Text("", {"another_dialect": {"$part": {"type": "search"}}})
PDF = b"%PDF-1.4 \xfb\xef\xff"
PNG = b"\x89PNG\xfb\xef\xff"


def asking(*parts, role=MessageRole.USER) -> ChatRequest:
    ask = Message.of_text(MessageRole.USER, "?")
    return ChatRequest(messages=(ask, Message(role, parts)), model="m", max_output_tokens=9)


def codes(warnings) -> list[str]:
    return [warning.code for warning in warnings]


def answer(*parts, usage: Usage | None = None) -> ChatResponse:
    return ChatResponse(output=AssistantOutput(parts), id="a1", model="m", usage=usage)


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("role", [MessageRole.ASSISTANT, MessageRole.SYSTEM])
def test_a_part_of_another_wire_alone_is_left_out_with_a_warning(dialect, role):
    payload, warnings = dialect.encode_request(asking(FOREIGN, role=role))

    plain, _ = dialect.encode_request(ChatRequest.of_text("?", model="m"))
    conversation = "contents" if dialect is gemini else "messages"
    conversation = "input" if dialect is openai_responses else conversation
    assert payload[conversation] == plain[conversation]
    assert not {"system", "systemInstruction", "instructions"} & payload.keys()
    assert "part_dropped" in codes(warnings)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_part_of_another_wire_beside_words_leaves_the_words(dialect):
    payload, warnings = dialect.encode_request(asking(FOREIGN, Text("words")))

    plain, _ = dialect.encode_request(asking(Text("words")))
    assert payload == plain
    assert codes(warnings).count("part_dropped") == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_user_whose_whole_message_cannot_be_sent_is_refused(dialect):
    with pytest.raises(ProviderError, match="nothing of a message") as caught:
        dialect.encode_request(asking(FOREIGN))

    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_part_of_another_wire_in_a_result_is_warned_of(dialect):
    called = Message(MessageRole.ASSISTANT, (ToolCall("call_1", "look", {}),))
    result = ToolResult("call_1", (Text("found"), FOREIGN), name="look")
    ask = Message.of_text(MessageRole.USER, "?")
    messages = (ask, called, Message(MessageRole.TOOL, (result,)))

    payload, warnings = dialect.encode_request(ChatRequest(messages=messages, model="m"))

    assert "found" in json.dumps(payload)
    assert "found\\n" not in json.dumps(payload)
    assert "part_dropped" in codes(warnings)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_clients_see_nothing_of_a_part_of_another_wire(dialect):
    response = answer(FOREIGN, Text("words"))

    assert dialect.encode_response(response) == dialect.encode_response(answer(Text("words")))
    encoder = dialect.StreamEncoder(id="a1", model="m")
    again = heard(dialect, encoder.feed_all(unfold(response)))
    assert [type(part) for part in again.output.content] == [Text]
    assert again.text == "words"


def heard(dialect, payloads) -> ChatResponse:
    decoder = dialect.StreamDecoder()
    events = []
    for payload in payloads:
        events += decoder.feed(json.dumps(payload), payload.get("type", "message"))
    if dialect is openai_chat:
        events += decoder.feed("[DONE]", "message")
    return fold([*events, *decoder.finish()])


def test_a_pdf_in_a_data_url_is_sent_as_its_bytes_to_responses():
    url = "data:application/pdf;base64,JVBERg=="

    payload, _ = openai_responses.encode_request(asking(File(url=url)))

    assert payload["input"][1]["content"] == [{"type": "input_file", "file_data": url}]


def test_sound_at_an_address_of_googles_is_no_base64_for_openai():
    with pytest.raises(ProviderError) as caught:
        openai_chat.encode_request(asking(Audio(url="gs://bucket/a.wav", format="wav")))

    assert caught.value.kind is ErrorKind.UNSUPPORTED


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (Image(url="https://example.com/a.JPG?size=1.5"), "image/jpeg"),
        (Image(url="https://example.com/a/picture"), None),
        (Image(url="https://example.com/a.pdf"), None),
        (File(url="https://example.com/a.pdf#page=2"), "application/pdf"),
        (File(url="https://example.com/v1.2/answer"), None),
    ],
)
def test_google_is_told_what_an_address_holds_where_its_ending_says_it(part, kind):
    payload, _ = gemini.encode_request(asking(part))

    assert payload["contents"][1]["parts"][0]["fileData"].get("mimeType") == kind


@pytest.mark.parametrize(("kind", "type"), [("image/png", Image), ("application/pdf", File)])
def test_bytes_in_the_alphabet_for_urls_are_read_and_come_out_as_they_went_in(kind, type):
    given = "iVBORw37_-8=" if type is Image else "JVBERi0xLjQg--__"
    part = {"inlineData": {"mimeType": kind, "data": given}}
    result = {"name": "f", "response": {"output": "ok"}, "parts": [part]}
    call = {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}]}
    raw = {
        "contents": [
            {"role": "user", "parts": [part]},
            call,
            {"role": "user", "parts": [{"functionResponse": result}]},
        ]
    }

    request = gemini.decode_request(raw, model="gemini-2.5-flash")

    said = request.messages[0].content[0]
    assert isinstance(said, type)
    assert said.data is not None
    answered = request.messages[2].content[0]
    assert isinstance(answered, ToolResult)
    assert answered.content == (Text("ok"), said)
    assert gemini.encode_request(request)[0]["contents"] == raw["contents"]


@pytest.mark.parametrize("arguments", ["SELECT 1", [1, 2], None, {"a": 1}])
def test_arguments_for_a_client_of_anthropics_are_an_object(arguments):
    response = answer(ToolCall("call_1", "sql", arguments))

    block = anthropic_messages.encode_response(response)["content"][0]
    encoder = anthropic_messages.StreamEncoder(id="a1", model="m")
    call = heard(anthropic_messages, encoder.feed_all(unfold(response))).tool_calls[0]

    wanted = arguments if isinstance(arguments, dict) else {"arguments": arguments}
    assert block["input"] == call.arguments == ({} if arguments is None else wanted)


def test_an_objects_arguments_reach_a_client_of_anthropics_as_they_come():
    encoder = anthropic_messages.StreamEncoder(id="a1", model="m")
    encoder.feed(ToolCallStart("c", "f"))

    sent = encoder.feed_all(ToolCallDelta("c", text) for text in ("", " ", '{"a":', "1}"))

    assert [one["delta"]["partial_json"] for one in sent] == ["", " ", '{"a":', "1}"]


@pytest.mark.parametrize("said", [(), ("",)])
def test_a_call_without_arguments_has_an_object_for_clients_that_parse_it(said):
    deltas = (ToolCallDelta("c", text) for text in said)
    ends = (ToolCallEnd("c"), Finish(FinishReason.TOOL_CALLS))
    events: list[ChatEvent] = [ToolCallStart("c", "f"), *deltas, *ends]

    chunks = openai_chat.StreamEncoder(id="a1", model="m").feed_all(events)
    sent = openai_responses.StreamEncoder(id="a1", model="m").feed_all(events)

    calls = [chunk["choices"][0]["delta"].get("tool_calls") for chunk in chunks]
    assert "".join(call[0]["function"]["arguments"] for call in calls if call) == "{}"
    assert sent[-1]["response"]["output"][0]["arguments"] == "{}"
    pieces = [one["delta"] for one in sent if one["type"].endswith("arguments.delta")]
    assert "".join(pieces) == "{}"


@pytest.mark.parametrize(("total", "output"), [(334, 322), (14, 2), (None, 2)])
def test_reasoning_counted_beside_the_completion_is_part_of_the_output(total, output):
    raw = {
        "prompt_tokens": 12,
        "completion_tokens": 2,
        "completion_tokens_details": {"reasoning_tokens": 320},
    }
    raw |= {} if total is None else {"total_tokens": total}

    usage = openai_chat.decode_usage(raw)

    assert usage is not None
    assert usage.output_tokens == output
    message = {"role": "assistant", "content": "words"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    response = openai_chat.decode_response({"id": "a1", "choices": [choice], "usage": raw})
    assert openai_chat.encode_response(response)["usage"].items() >= raw.items()


def test_an_image_of_another_vendors_answer_is_beside_the_words_for_clients_of_openai():
    response = answer(Text("words"), Image(data=PNG, media_type="image/png"))

    message = openai_chat.encode_response(response)["choices"][0]["message"]
    items = openai_responses.encode_response(response)["output"]

    assert message["content"] == "words"
    assert message["images"][0]["image_url"]["url"].startswith("data:image/png;base64,iVBOR")
    assert [item["type"] for item in items] == ["message", "image_generation_call"]
    assert items[1]["result"].startswith("iVBOR")


def test_a_spoken_answer_of_another_vendor_is_the_audio_for_clients_of_openai():
    message = openai_chat.encode_response(answer(Audio(data=b"\0\1", format="pcm16")))["choices"][
        0
    ]["message"]

    assert (message["content"], message["audio"]["data"]) == ("", "AAE=")


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_text_and_a_call_under_one_id_stay_apart(dialect):
    events: list[ChatEvent] = [
        ToolCallStart("1", "f"),
        TextStart("1"),
        TextDelta("1", "words"),
        ToolCallDelta("1", "{}"),
        TextEnd("1"),
        ToolCallEnd("1"),
        Finish(FinishReason.TOOL_CALLS),
    ]

    again = heard(dialect, dialect.StreamEncoder(id="a1", model="m").feed_all(events))

    assert again.text == "words"
    assert [(call.name, call.arguments) for call in again.tool_calls] == [("f", {})]


def test_reasoning_that_only_its_vendor_reads_is_one_item_for_clients_of_responses():
    metadata = {"openai_chat": {"reasoning_details": [{"type": "reasoning.encrypted"}]}}
    events: list[ChatEvent] = [
        ThinkingStart("1"),
        ThinkingDelta("1", ""),
        ThinkingEnd("1", None, None, metadata),
        Finish(),
    ]

    sent = openai_responses.StreamEncoder(id="a1", model="m").feed_all(events)

    [item] = sent[-1]["response"]["output"]
    assert (item["type"], item["summary"]) == ("reasoning", [])
