"""`dev` and `call` without a host: what a save becomes, what is told of a request, whose keys."""

import os
from pathlib import Path

import anyio
import pytest

from stockade.app.developing import Stamp, stamp_of
from stockade.errors import HostError, UsageError
from stockade.kit.bench import config_of, keys_from
from stockade.kit.calling import read_request
from stockade.kit.dev import Developing, line_of_log, line_of_request
from stockade_sdk.chat import ChatRequest
from stockade_sdk.manifest import read_manifest

pytestmark = pytest.mark.anyio


class Author:
    """Saves while the watcher waits, as an author does."""

    def __init__(self, *saves: str) -> None:
        self.saves = list(saves)
        self.folder: Path

    async def sleep(self, seconds: float) -> None:
        if self.saves:
            await anyio.Path(self.folder / "code.py").write_text(self.saves.pop(0))


@pytest.fixture
def seen(tmp_path: Path) -> Stamp:
    (tmp_path / "code.py").write_text("first")
    return stamp_of(tmp_path)


def watching(
    folder: Path, seen: Stamp, author: Author, became: str | Exception
) -> tuple[Developing, list[str], list[str]]:
    author.folder = folder
    taken: list[str] = []
    said: list[str] = []

    def take_up() -> str:
        taken.append((folder / "code.py").read_text())
        if isinstance(became, Exception):
            raise became
        return became

    return Developing(folder, seen, take_up, said.append, sleep=author.sleep), taken, said


async def test_what_was_not_saved_is_not_taken_up(tmp_path: Path, seen: Stamp) -> None:
    watcher, taken, said = watching(tmp_path, seen, Author(), "in use")

    await watcher.look()

    assert (taken, said) == ([], [])


async def test_a_save_is_taken_up_once(tmp_path: Path, seen: Stamp) -> None:
    watcher, taken, said = watching(tmp_path, seen, Author(), "in use")
    await anyio.Path(tmp_path / "code.py").write_text("the second")

    await watcher.look()
    await watcher.look()

    assert taken == ["the second"]
    assert said == ["in use"]


async def test_a_save_under_way_waits_until_it_rests(tmp_path: Path, seen: Stamp) -> None:
    watcher, taken, _ = watching(tmp_path, seen, Author("half and the rest"), "in use")
    await anyio.Path(tmp_path / "code.py").write_text("half")

    await watcher.look()
    before = list(taken)
    await watcher.look()

    assert before == []
    assert taken == ["half and the rest"]


async def test_a_save_that_cannot_be_is_told_with_its_reason_and_the_next_one_is_taken(
    tmp_path: Path, seen: Stamp
) -> None:
    broken = HostError("it does not start", why="SyntaxError (code.py, line 2)")
    watcher, taken, said = watching(tmp_path, seen, Author(), broken)
    await anyio.Path(tmp_path / "code.py").write_text("broken")
    await watcher.look()
    await anyio.Path(tmp_path / "code.py").write_text("mended it")
    await watcher.look()

    assert taken == ["broken", "mended it"]
    assert "line 2" in said[0]
    assert "what ran before runs on" in said[0]


SEEN = '{{"request_id":"1","at":0,"method":"POST","capability":"chat",{}}}'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            SEEN.format('"status":200,"ms":12.3,"target":"acme/m","streamed":true'),
            "call    chat acme/m ok (200), 12 ms, streamed",
        ),
        (
            SEEN.format('"status":502,"ms":1,"model":"m","kind":"network"'),
            "call    chat m network (502), 1 ms",
        ),
        ('{"request_id":"1","at":0,"method":"GET","route":"/","status":200}', None),
        ("no JSON", None),
        ('{"at":1,"lost_lines":3}', None),
    ],
)
def test_a_request_is_one_line_and_the_pages_are_none(line: str, told: str | None) -> None:
    assert line_of_request(line) == told


def test_a_line_of_the_log_is_told_without_its_time() -> None:
    line = "2026-11-27T07:00:00.000+00:00 denied  network x.example"

    assert line_of_log(line) == "denied  network x.example"
    assert line_of_log("something else") == "something else"


MANIFEST = read_manifest("""\
manifest = 1
[plugin]
name = "acme-cloud"
version = "1.0.0"
entry = "acme:Acme"
sdk = ">=0.1"
capabilities = ["chat"]
[permissions]
network = ["api.acme.dev"]
[[permissions.secrets]]
name = "ACME_KEY"
hosts = ["api.acme.dev"]
""")
VARIABLE = "STOCKADE_SECRET_ACME_CLOUD__ACME_KEY"


@pytest.mark.parametrize(
    ("environ", "stand_in", "value"),
    [
        ({"ACME_KEY": "sk-1\n", "OTHER_KEY": "sk-2"}, "", "sk-1"),
        ({"ACME_KEY": " "}, "stand-in", "stand-in"),
        ({}, "", None),
    ],
)
def test_a_key_comes_from_the_variable_of_its_name_and_goes_with_the_block(
    environ: dict[str, str], stand_in: str, value: str | None
) -> None:
    before = dict(os.environ)

    with keys_from(environ, MANIFEST, stand_in):
        assert os.environ.get(VARIABLE) == value

    assert dict(os.environ) == before


def test_a_key_of_the_operators_stands_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "theirs")

    with keys_from({"ACME_KEY": "another"}, MANIFEST, ""):
        assert os.environ[VARIABLE] == "theirs"

    assert os.environ[VARIABLE] == "theirs"


def test_settings_are_key_and_value() -> None:
    assert config_of(["a=1", "b=x=y", "c="]) == {"a": "1", "b": "x=y", "c": ""}
    for wrong in ("a", "=1", ""):
        with pytest.raises(UsageError):
            config_of([wrong])


def test_a_request_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "request.json"
    path.write_text('{"type": "chat", "messages": []}')

    assert isinstance(read_request(path), ChatRequest)


@pytest.mark.parametrize(
    "text", ["", "{", '{"type": "chat", "messages": [], "more": 1}', "[" * 9999]
)
def test_what_is_no_request_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "request.json"
    path.write_text(text)

    with pytest.raises(UsageError, match="is no request"):
        read_request(path)
    with pytest.raises(UsageError, match="cannot read"):
        read_request(tmp_path / "nothing.json")
