"""What the operator chose for foreign reasoning holds on the way to a worker."""

from pathlib import Path

import pytest

from stockade import Host
from stockade.settings import HandoffSettings, Home, Settings
from stockade_sdk import ChatRequest, Message, MessageRole, Text, Thinking
from tests.system.hostile import Site

REPEATS = """
class Provider:
    async def chat(self, request, ctx):
        said = [part.text for message in request.messages for part in message.content]
        return ChatResponse.of_text("|".join(said))
"""
HISTORY = (
    Message.of_text("user", "why?"),
    Message(MessageRole.ASSISTANT, (Thinking("hm", provider="anthropic"), Text("so"))),
    Message.of_text("user", "really?"),
)


@pytest.mark.parametrize(
    ("settings", "heard", "code"),
    [
        (HandoffSettings(), "why?|<thinking>hm</thinking>|so|really?", "thinking_tagged"),
        (HandoffSettings(thinking="dropped"), "why?|so|really?", "thinking_dropped"),
    ],
    ids=["tagged", "dropped"],
)
async def test_another_vendor_hears_of_reasoning_as_the_operator_says(
    tmp_path: Path, settings: HandoffSettings, heard: str, code: str
) -> None:
    home = Home(tmp_path / "home")
    home.ensure()
    (tmp_path / "sources").mkdir()
    name = Site(home, tmp_path / "sources").install(REPEATS, capabilities=("chat",))

    async with Host.open(home, settings=Settings(handoff=settings)) as host:
        response = await host.run(ChatRequest(messages=HISTORY), plugin=name, timeout=30)

    assert response.text == heard
    assert [warning.code for warning in response.warnings] == [code]
