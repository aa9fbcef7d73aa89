"""What a chat request says, read from the raw JSON of any of the four wires.

By other means than the product's, so that what went in on one wire can be held against what comes
out on another: texts by who said them, media by their bytes, calls with their results, tools.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from tests.recorded.interactions import CHAT, GEMINI, MESSAGES, RESPONSES

TAGS = ("<thinking>", "</thinking>")
FOR_URLS = str.maketrans("-_", "+/")  # base64 as Google's own clients write it


@dataclass
class Asked:
    """One request. ``said`` is in order, ``(role, text)``; a call and a result break it there."""

    system: list[str] = field(default_factory=list)
    said: list[tuple[str, str]] = field(default_factory=list)
    thinking: list[str] = field(default_factory=list)
    media: list[tuple[str, bytes | str]] = field(default_factory=list)  # kind, bytes or address
    calls: list[tuple[str, str, Any]] = field(default_factory=list)  # id, name, arguments
    results: list[tuple[str, Any]] = field(default_factory=list)  # id (or name), what it says
    tools: dict[str, Any] = field(default_factory=dict)  # name, schema
    carried: int = 0  # parts and items that only this wire has

    def say(self, role: str, text: str) -> None:
        """More text; what one speaker says without a break is one."""
        if not text:
            return
        if role == "system":
            self.system.append(text)
        elif self.said and self.said[-1][0] == role:
            self.said[-1] = (role, self.said[-1][1] + text)
        else:
            self.said.append((role, text))

    def untag(self) -> list[str]:
        """Take reasoning that was put into tags out of the assistant's texts."""
        tagged: list[str] = []
        for at, (role, text) in enumerate(self.said):
            while role == "assistant" and TAGS[0] in text:
                before, _, rest = text.partition(TAGS[0])
                inner, _, after = rest.partition(TAGS[1])
                tagged.append(inner)
                text = before + after
            self.said[at] = (role, text)
        self.said = joined(self.said)
        return tagged

    @property
    def answered(self) -> list[int | None]:
        """By result, the number of the call that it answers; ``None`` where there is none."""
        open_calls = list(enumerate(self.calls))
        found: list[int | None] = []
        for id, _ in self.results:
            match = next((n for n, (_, call) in enumerate(open_calls) if id in call[:2]), None)
            found.append(None if match is None else open_calls.pop(match)[0])
        return found


def joined(said: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Texts of one speaker in a row as one."""
    result = Asked()
    for role, text in said:
        result.say(role, text)
    return result.said


def asked(wire: str, payload: dict[str, Any]) -> Asked:
    """What ``payload`` says on its wire."""
    total = Asked()
    {CHAT: chat, RESPONSES: responses, MESSAGES: messages, GEMINI: gemini}[wire](total, payload)
    return total


def chat(total: Asked, payload: dict[str, Any]) -> None:
    for tool in payload.get("tools") or []:
        function = tool.get("function")
        if tool.get("type", "function") == "function" and isinstance(function, dict):
            total.tools[function["name"]] = function.get("parameters")
    for message in payload["messages"]:
        role, content = message["role"], message.get("content")
        role = "system" if role == "developer" else role
        if role in ("tool", "function"):
            id = message.get("tool_call_id") or message.get("name")
            total.results.append((id, chat_text(content)))
            total.media += [media for media in map(chat_media, parts_of(content)) if media]
            continue
        details = message.get("reasoning_details") or []
        written = "".join(one.get("text") or one.get("summary") or "" for one in details)
        thought = message.get("reasoning_content") or message.get("reasoning") or written
        total.thinking += [thought] if thought else []
        for part in parts_of(content):
            chat_part(total, role, part)
        for call in message.get("tool_calls") or []:
            body = call.get("function") or call["custom"]
            arguments = loaded(body.get("arguments", body.get("input")))
            total.calls.append((call.get("id"), body["name"], arguments))
        if message.get("function_call"):
            call = message["function_call"]
            total.calls.append((call["name"], call["name"], loaded(call.get("arguments"))))


def chat_part(total: Asked, role: str, part: dict[str, Any]) -> None:
    media = chat_media(part)
    if media is not None:
        total.media.append(media)
    elif part.get("type") == "thinking":
        total.thinking.append("".join(piece["text"] for piece in part["thinking"]))
    elif part.get("type") in ("text", "refusal"):
        total.say(role, part.get("text") or part.get("refusal") or "")
    else:
        total.carried += 1


def chat_media(part: dict[str, Any]) -> tuple[str, bytes | str] | None:
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            return "image", content_of(url)
        case {"type": "image_url", "image_url": str(url)}:
            return "image", content_of(url)
        case {"type": "input_audio", "input_audio": {"data": data}}:
            return "audio", content_of(data, bare=True)
        case {"type": "file", "file": {"file_data": data}}:
            return "file", content_of(data, bare=True)
        case {"type": "file", "file": {"file_id": id}}:
            return "file", id
        case {"type": "document_url", "document_url": url}:
            return "file", content_of(url)
    return None


def chat_text(content: Any) -> Any:
    texts = [part.get("text", "") for part in parts_of(content) if part.get("type") == "text"]
    return loaded("".join(texts))


def responses(total: Asked, payload: dict[str, Any]) -> None:
    for tool in payload.get("tools") or []:
        if tool.get("type") == "function":
            total.tools[tool["name"]] = tool.get("parameters")
    if isinstance(payload.get("instructions"), str):
        total.say("system", payload["instructions"])
    given = payload.get("input") or []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        match item.get("type", "message"):
            case "message" if "role" in item:
                role = "system" if item["role"] == "developer" else item["role"]
                for part in parts_of(item.get("content")):
                    responses_part(total, role, part)
            case "reasoning":
                pieces = [*(item.get("summary") or []), *(item.get("content") or [])]
                total.thinking += [piece["text"] for piece in pieces]
            case "function_call" | "custom_tool_call":
                arguments = loaded(item.get("arguments", item.get("input")))
                total.calls.append((item["call_id"], item["name"], arguments))
            case "function_call_output" | "custom_tool_call_output":
                output = parts_of(item["output"])
                text = "".join(part.get("text", "") for part in output)
                total.results.append((item["call_id"], loaded(text)))
                for part in output:
                    if "text" not in part:
                        responses_part(total, "tool", part)
            case _:
                total.carried += 1


def responses_part(total: Asked, role: str, part: dict[str, Any]) -> None:
    match part:
        case {"type": "input_text" | "output_text" | "text", "text": text}:
            total.say(role, text)
        case {"type": "refusal", "refusal": text}:
            total.say(role, text)
        case {"type": "input_image", "image_url": str(url)}:
            total.media.append(("image", content_of(url)))
        case {"type": "input_image", "file_id": str(id)}:
            total.media.append(("image", id))
        case {"type": "input_audio", "input_audio": {"data": data}}:
            total.media.append(("audio", content_of(data, bare=True)))
        case {"type": "input_file", "file_data": str(data)}:
            total.media.append(("file", content_of(data, bare=True)))
        case {"type": "input_file", "file_url": str(url)}:
            total.media.append(("file", url))
        case {"type": "input_file", "file_id": str(id)}:
            total.media.append(("file", id))
        case _:
            total.carried += 1


def messages(total: Asked, payload: dict[str, Any]) -> None:
    for tool in payload.get("tools") or []:
        if tool.get("type") in (None, "custom") and "name" in tool:
            total.tools[tool["name"]] = tool.get("input_schema")
    for part in parts_of(payload.get("system")):
        total.say("system", part["text"])
    for turn in payload["messages"]:
        for block in parts_of(turn.get("content")):
            messages_block(total, turn["role"], block)


def messages_block(total: Asked, role: str, block: dict[str, Any]) -> None:
    match block:
        case {"type": "text", "text": text}:
            total.say(role, text)
        case {"type": "thinking", "thinking": text}:
            total.thinking.append(text)
        case {"type": "redacted_thinking"}:
            total.thinking.append("")
        case {"type": "tool_use", "id": id, "name": name, "input": arguments}:
            total.calls.append((id, name, arguments))
        case {"type": "tool_result", "tool_use_id": id}:
            inner = parts_of(block.get("content"))
            text = "".join(part["text"] for part in inner if part["type"] == "text")
            total.results.append((id, loaded(text)))
            for part in inner:
                if part["type"] != "text":
                    messages_block(total, "tool", part)
        case {"type": "image" | "document" as kind, "source": dict(source)}:
            messages_source(total, "image" if kind == "image" else "file", source)
        case _:
            total.carried += 1


def messages_source(total: Asked, kind: str, source: dict[str, Any]) -> None:
    match source:
        case {"type": "base64", "data": data}:
            total.media.append((kind, bytes_of(data)))
        case {"type": "text", "data": data}:
            total.media.append((kind, data.encode()))
        case {"type": "url", "url": url}:
            total.media.append((kind, url))
        case {"type": "file", "file_id": id}:
            total.media.append((kind, id))
        case _:
            total.carried += 1


def gemini(total: Asked, payload: dict[str, Any]) -> None:
    payload = camel(payload)
    for tool in map(camel, payload.get("tools") or []):
        for one in map(camel, tool.get("functionDeclarations") or []):
            total.tools[one["name"]] = one.get("parametersJsonSchema", one.get("parameters"))
    contents = payload.get("contents") or []
    system = payload.get("systemInstruction")
    for turn in [
        *([{**system, "role": "system"}] if system else []),
        *([contents] if isinstance(contents, dict) else contents),
    ]:
        role = {"model": "assistant", "system": "system"}.get(turn.get("role"), "user")
        given = turn.get("parts") or []
        for part in [given] if isinstance(given, dict) else given:
            gemini_part(total, role, camel(part))


def gemini_part(total: Asked, role: str, part: dict[str, Any]) -> None:
    match part:
        case {"text": text, "thought": True}:
            total.thinking.append(text)
        case {"text": text}:
            total.say(role, text)
        case {"functionCall": call}:
            total.calls.append((call.get("id") or call["name"], call["name"], call.get("args", {})))
        case {"functionResponse": result}:
            id = result.get("id") or result["name"]
            total.results.append((id, gemini_said(result.get("response"))))
            for inner in result.get("parts") or []:
                gemini_part(total, "tool", camel(inner))
        case {"inlineData": blob}:
            blob = camel(blob)
            kind = gemini_kind(blob.get("mimeType"))
            total.media.append((kind, bytes_of(blob["data"])))
        case {"fileData": file}:
            file = camel(file)
            total.media.append((gemini_kind(file.get("mimeType")), file["fileUri"]))
        case _:
            total.carried += 1


def gemini_said(response: Any) -> Any:
    """What a result says: the wire wants an object, so text stands in a field of one."""
    if isinstance(response, dict) and len(response) == 1:
        name, value = next(iter(response.items()))
        if name in ("output", "error") and isinstance(value, str):
            return loaded(value)
    return response


def gemini_kind(media_type: str | None) -> str:
    kind = (media_type or "").partition("/")[0]
    return kind if kind in ("image", "audio") else "file"


def camel(value: dict[str, Any]) -> dict[str, Any]:
    """The keys of one level in camelCase; Google's wire takes both."""
    return {camel_key(key): one for key, one in value.items()}


def camel_key(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(word.capitalize() for word in others)


def parts_of(content: Any) -> list[dict[str, Any]]:
    """A content that may be a string, a list or nothing, as a list of parts."""
    if isinstance(content, list):
        return [{"type": "text", "text": one} if isinstance(one, str) else one for one in content]
    return [{"type": "text", "text": content}] if content else []


def content_of(text: str, *, bare: bool = False) -> bytes | str:
    """The bytes of a data URL, or of ``bare`` base64; any other address as it is."""
    if text.startswith("data:") and ";base64," in text:
        return bytes_of(text.partition(";base64,")[2])
    if bare and not text.startswith(("http://", "https://")):
        return bytes_of(text)
    return text


def bytes_of(text: str) -> bytes | str:
    """The bytes of base64 in either alphabet; the text itself where a recording was cut in it."""
    try:
        return base64.b64decode(text.translate(FOR_URLS), validate=True)
    except ValueError:
        return text


def loaded(text: Any) -> Any:
    """JSON text as its value, other text as it is; no text is no arguments."""
    if not isinstance(text, str):
        return {} if text is None else text
    if not text.strip():
        return {}
    try:
        return json.loads(text)
    except ValueError:
        return text


def names_in(schema: Any) -> dict[str, Any]:
    """The properties of a schema and of those inside it: what Google's own spelling has too."""
    properties = (schema or {}).get("properties") or {}
    return {name: names_in(inner) for name, inner in properties.items() if type(inner) is dict}
