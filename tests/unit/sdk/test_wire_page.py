"""The bytes on the page "The wire" are what this version of the protocol writes and reads."""

import re
from pathlib import Path

import msgspec
import pytest

from stockade_sdk import ChatRequest, ChatResponse, wire
from stockade_sdk.errors import ErrorInfo, ErrorKind
from stockade_sdk.stream import TextDelta

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "wire.md"
ROW = re.compile(r"\| ([→←]) \| `(\w+)`.* \| `([0-9a-f ]+)` \|")
FOUND = [
    (arrow == "→", name, bytes.fromhex(octets))
    for arrow, name, octets in ROW.findall(PAGE.read_text())
]
REQUEST = ChatRequest.of_text("hi", model="echo")
SAYS: dict[str, wire.ToWorker | wire.ToHost] = {
    "Load": wire.Load(
        entry="./bin/echo",
        path=("/stockade/plugin",),
        config={},
        secrets={},
        environment={},
        data_dir=None,
        concurrency=8,
    ),
    "Loaded": wire.Loaded(("chat", "stream_chat")),
    "Ping": wire.Ping(7),
    "Pong": wire.Pong(7),
    "Call": wire.Call(1, "chat", 60_000, wire.embed(REQUEST)),
    "Result": wire.Result(1, wire.embed(ChatResponse.of_text("hi"))),
    "Items": wire.Items(2, wire.embed([TextDelta("0", "hi")])),
    "Credit": wire.Credit(2, 80),
    "Cancel": wire.Cancel(2),
    "Failed": wire.Failed(2, ErrorInfo(kind=ErrorKind.CANCELLED)),
    "Stop": wire.Stop(),
}


def test_the_page_has_all_of_them() -> None:
    assert [name for _, name, _ in FOUND] == list(SAYS)


@pytest.mark.parametrize(("to_worker", "name", "octets"), FOUND, ids=list(SAYS))
def test_a_row_is_the_frame_that_it_says(to_worker: bool, name: str, octets: bytes) -> None:
    frame = (wire.decode_to_worker if to_worker else wire.decode_to_host)(octets)

    assert type(frame).__name__ == name
    assert values(wire.encode(frame)) == values(octets) == values(wire.encode(SAYS[name]))


def values(octets: bytes) -> object:
    """What they say, however they say it: maps in any order, lengths of any width."""
    return msgspec.msgpack.decode(octets)


def test_the_tables_have_every_frame_and_its_fields() -> None:
    rows = re.findall(r"\| (\d+) \| `(\w+)` \| to the \w+ \|((?: `\w+`)*)", PAGE.read_text())
    said = {name: (int(number), re.findall(r"\w+", fields)) for number, name, fields in rows}

    frames = [*wire.ToWorker.__args__, *wire.ToHost.__args__]
    assert said == {
        frame.__name__: (frame.__struct_config__.tag, list(frame.__struct_fields__))
        for frame in frames
    }
