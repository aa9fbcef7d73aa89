"""Checks of chat: whole and streamed answers, tools, pictures, shapes of answers, reasoning."""

from __future__ import annotations

from functools import partial
from typing import Any

from msgspec.structs import replace

from stockade.kit.vendor import Asked
from stockade.kit.wires import Asking, Call, Says, asking_of
from stockade_sdk.capability import Capability
from stockade_sdk.chat import ChatRequest, ChatResponse, FinishReason, Thinking, ToolCall
from stockade_sdk.stream import TextDelta, fold

from .requests import FORMAT, TOOLS, chat, marked, results, seeing
from .subject import Subject
from .values import Unmet, unmet

CHAT = Capability.CHAT
PAIR = (
    Call(id="call_one", name="weather_of", arguments={"city": "Oslo"}),
    Call(id="call_two", name="time_of", arguments={"city": "Lima"}),
)


async def unary(subject: Subject) -> str:
    request = chat(marked("chat.unary"), subject.model(CHAT))
    asked, answer = await _answered(subject, "chat.unary", request)
    if not answer.text:
        raise unmet("a text", f"the answer has none: {answer.output.content}")
    if answer.finish_reason is not FinishReason.STOP:
        raise unmet("the finish reason stop", f"it is {answer.finish_reason}")
    if asked is not None and asked.prompt not in answer.text:
        raise unmet(f"the text that the vendor sent, with {asked.prompt!r}", f"{answer.text!r}")
    return _of_usage(answer) if asked is not None else ""


def _of_usage(answer: ChatResponse) -> str:
    if answer.usage is None or answer.usage.total is None:
        return "warning: the vendor counted tokens, and usage is missing: costs stay unknown"
    return ""


async def stream(subject: Subject) -> str:
    request = chat(marked("chat.stream"), subject.model(CHAT))
    subject.script("chat.stream")
    events = await subject.stream(request)
    try:
        folded = fold(events)
    except ValueError as error:
        raise unmet("events whose fold is an answer", str(error)) from error
    answer: ChatResponse = await subject.ask(request)
    if subject.playing.speaks and _bare(folded) != _bare(answer):
        raise unmet(f"the unary answer, {_bare(answer)}", f"the stream folds to {_bare(folded)}")
    pieces = sum(isinstance(event, TextDelta) for event in events)
    declared = subject.model(CHAT, "streaming") is not None
    if declared and subject.asks_vendors and subject.playing.speaks and pieces < 2:
        raise unmet("text in the pieces in which it came", f"there was {pieces} piece in all")
    return ""


def _bare(answer: ChatResponse) -> dict[str, Any]:
    """What has to be the same in both: not the vendor's ids, nor what it says of the connection."""
    return {
        "text": answer.text,
        "calls": [(call.name, call.arguments) for call in answer.tool_calls],
        "thinking": "".join(p.text for p in answer.output.content if isinstance(p, Thinking)),
        "finish": answer.finish_reason,
        "tokens": None if answer.usage is None else answer.usage.total,
    }


async def tools(subject: Subject) -> str:
    model = subject.model(CHAT, "tools")
    request = chat(marked("chat.tools", "the weather in Oslo?"), model, tools=TOOLS[:1])
    asked, answer = await _answered(subject, "chat.tools", request)
    calls = _calls(answer, 1)
    if asked is not None and [tool.name for tool in asked.tools] != [TOOLS[0].name]:
        raise unmet("the vendor to be offered the tool", f"it was offered {asked.tools}")
    await _streamed_calls(subject, request, calls)
    asked, answer = await _answered(subject, "chat.tools", results(request, calls, "rain for"))
    if asked is not None and not any("rain for" in result for result in asked.results):
        raise unmet("the tool's result at the vendor", f"it got {asked.results}")
    if not answer.text:
        raise unmet("a text after the result", f"it has none: {answer.output.content}")
    return ""


async def parallel_tools(subject: Subject) -> str:
    model = subject.model(CHAT, "parallel_tools", "tools")
    request = chat(marked("chat.parallel_tools", "weather and time?"), model, tools=TOOLS)
    subject.need_wire()
    script = subject.script(
        "chat.parallel_tools", partial(subject.playing.good, says=Says(calls=PAIR))
    )
    answer = await subject.ask(request)
    calls = _calls(answer, 2)
    wanted = [(call.name, call.arguments) for call in PAIR]
    if [(call.name, call.arguments) for call in calls] != wanted:
        raise unmet(f"both calls in order, {wanted}", f"{calls}")
    if len({call.id for call in calls}) != len(calls):
        raise unmet("calls with ids of their own", f"{[call.id for call in calls]}")
    await _streamed_calls(subject, request, calls)
    script.answer = subject.playing.good
    await subject.ask(results(request, calls, "result of"))
    asked = asking_of(script.asked[-1])
    if asked is not None:
        for call in calls:
            if not any(f"result of {call.name}" in result for result in asked.results):
                raise unmet(f"the result of {call.name} at the vendor", f"it got {asked.results}")
    return ""


async def _streamed_calls(
    subject: Subject, request: ChatRequest, calls: tuple[ToolCall, ...]
) -> None:
    """The same calls come out of a stream."""
    folded = fold(await subject.stream(request))
    said = [(call.name, call.arguments) for call in folded.tool_calls]
    wanted = [(call.name, call.arguments) for call in calls]
    if subject.playing.speaks and said != wanted:
        raise unmet(f"the same calls in a stream, {wanted}", f"{said}")


def _calls(answer: ChatResponse, count: int) -> tuple[ToolCall, ...]:
    calls = answer.tool_calls
    if len(calls) != count:
        raise unmet(f"{count} tool call(s) in the answer", f"it has {answer.output.content}")
    for call in calls:
        if not isinstance(call.arguments, dict):
            raise unmet("arguments as a JSON object", f"{call.name} has {call.arguments!r}")
    if answer.finish_reason is not FinishReason.TOOL_CALLS:
        raise unmet("the finish reason tool_calls", f"it is {answer.finish_reason}")
    return calls


async def vision(subject: Subject) -> str:
    request = seeing(marked("vision.image"), subject.model(Capability.VISION))
    asked, answer = await _answered(subject, "vision.image", request)
    if asked is not None and asked.images != 1:
        raise unmet("one picture at the vendor", f"it got {asked.images}")
    if not answer.text:
        raise unmet("a text", f"the answer has none: {answer.output.content}")
    return ""


async def json_object(subject: Subject) -> str:
    model = subject.model(CHAT, "json_object")
    shape = replace(FORMAT, type="json_object", schema=None, name=None, strict=None)
    request = chat(marked("chat.json_object", "as JSON"), model, response_format=shape)
    _, answer = await _answered(subject, "chat.json_object", request)
    if not isinstance(answer.output.structured_output, dict):
        raise unmet("structured_output as an object", f"it is {answer.output.structured_output!r}")
    return ""


async def json_schema(subject: Subject) -> str:
    model = subject.model(CHAT, "json_schema")
    request = chat(marked("chat.json_schema", "as JSON"), model, response_format=FORMAT)
    asked, answer = await _answered(subject, "chat.json_schema", request)
    properties = set((FORMAT.schema or {})["properties"])
    if asked is not None and not properties <= set((asked.schema or {}).get("properties", ())):
        raise unmet("the schema at the vendor", f"it got {asked.schema}")
    found = answer.output.structured_output
    if not isinstance(found, dict) or not properties <= set(found):
        raise unmet("structured_output that keeps the schema", f"it is {found!r}")
    return ""


async def reasoning(subject: Subject) -> str:
    model = subject.model(CHAT, "reasoning")
    subject.need_wire()
    script = subject.script(
        "chat.reasoning", partial(subject.playing.good, says=Says(thinking="let me see"))
    )
    request = chat(marked("chat.reasoning"), model, max_output_tokens=4096)
    await subject.ask(request)
    answer: ChatResponse = await subject.ask(replace(request, reasoning_effort="high"))
    if not answer.text:
        raise unmet("a text beside the reasoning", f"{answer.output.content}")
    thought = any(isinstance(part, Thinking) for part in answer.output.content)
    bodies = [asked.body for asked in script.asked]
    if not thought and bodies[0] == bodies[-1]:
        return "warning: the effort did not reach the vendor, and its reasoning did not come out"
    return ""


async def length(subject: Subject) -> str:
    subject.need_wire()
    subject.script("chat.length", partial(subject.playing.good, says=Says(finish="length")))
    answer = await subject.ask(chat(marked("chat.length"), subject.model(CHAT)))
    if answer.finish_reason is not FinishReason.LENGTH:
        raise unmet("the finish reason length", f"it is {answer.finish_reason}")
    return ""


async def _answered(
    subject: Subject, check: str, request: ChatRequest
) -> tuple[Asking | None, ChatResponse]:
    """The answer, and what the vendor understood; None where nobody was asked or it is not known
    what was said.
    """
    script = subject.script(check)
    answer: ChatResponse = await subject.ask(request)
    if not subject.asks_vendors:
        return None, answer
    return understood(subject, script.asked), answer


def understood(subject: Subject, asked: list[Asked]) -> Asking | None:
    """The last request as the vendor understood it. Raises where the vendor was not asked."""
    if not asked:
        raise Unmet("expected a request to the vendor with the prompt in it; none came")
    return asking_of(asked[-1]) if subject.known(asked[-1]) else None
