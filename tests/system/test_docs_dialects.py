"""The pages of dialects, and the vendor of ten lines, say and do what the code does."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stockade.models.catalogue import DOUBTS
from stockade_sdk import Provider
from stockade_sdk.manifest import read_manifest
from stockade_sdk.testing import Answer, provider_under_test
from tests.system.pages import DOCS, ROOT, blocks, files_of, place, rows, sections, words

DIALECTS = DOCS / "reference" / "dialects.md"
ADD_A_VENDOR = DOCS / "how-to" / "add-a-vendor.md"

SOURCES = ("sdk/stockade_sdk", "host/stockade", "plugins")
CODE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*(?:\.[a-z0-9_]+)?")
# An f-string among the codes, and what its blank may be (`dialects/openai_responses/finish.py`).
SPELLED_OUT = {
    "catalogue.{}": tuple(f"catalogue.{word}" for word in DOUBTS),
    "openai_incomplete_{}": (
        "openai_incomplete_content_filter",
        "openai_incomplete_max_output_tokens",
    ),
    "pricing.{}": (),  # its words are the first arguments of `_warning`, found beside them
}


@cache
def calls() -> list[tuple[Path, ast.Call]]:
    """Every call in the code that may make a warning, with its file."""
    return [
        (file, node)
        for source in SOURCES
        for file in sorted((ROOT / source).rglob("*.py"))
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]


def codes_in_the_code() -> set[str]:
    """The first arguments of every warning that is made: `RuntimeWarning(code, ...)`,
    `notes.add(code, message)`, and pricing's `_warning`.
    """
    return {code for _, call in calls() for code in codes_of(call)}


def codes_of(call: ast.Call) -> Iterator[str]:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    name = call.func.id if isinstance(call.func, ast.Name) else name
    given = [*call.args, *(one.value for one in call.keywords if one.arg == "code")]
    makes = name == "RuntimeWarning" or (name == "add" and len(given) == 2)
    if not given or not (makes or name == "_warning"):
        return
    for code in texts_of(given[0]):
        if code in SPELLED_OUT:
            yield from SPELLED_OUT[code]
        elif CODE.fullmatch(code):
            yield f"pricing.{code}" if name == "_warning" else code


def texts_of(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values):
            pieces = (one.value if isinstance(one, ast.Constant) else "{}" for one in values)
            yield "".join(map(str, pieces))
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts_of(body)
            yield from texts_of(orelse)


def pricing_words() -> set[str]:
    """The keys that pricing collects its warnings under before it makes them."""
    tree = ast.parse((ROOT / "host/stockade/models/pricing.py").read_text())
    return {
        "pricing." + str(node.slice.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == "said"
        and isinstance(node.slice, ast.Constant)
    }


def test_the_table_of_warnings_has_every_code_of_the_code_and_no_other() -> None:
    table = DIALECTS.read_text().partition("## Warnings")[2]
    told = [words(row[0])[0] for row in rows(table)]

    assert told == sorted(set(told)), "once each, in order"
    assert set(told) == codes_in_the_code() | pricing_words()


def test_no_warning_is_made_of_a_code_that_cannot_be_found() -> None:
    unknown = set()
    for file, call in calls():
        match call:
            case ast.Call(func=ast.Name(id="RuntimeWarning"), args=[first, *_]):
                texts = list(texts_of(first))
                if not texts or any("{}" in text and text not in SPELLED_OUT for text in texts):
                    unknown.add(f"{place(file)}: {ast.unparse(first)}")

    # `Notes.add` itself, whose callers are looked at; the gateway, which cuts what it passes on.
    assert unknown == {
        "sdk/stockade_sdk/dialects/overlay.py: code",
        "host/stockade/gateway/failures.py: one.code[:MAX_WARNING_CHARS]",
    }


@pytest.mark.parametrize(
    "name", ["openai_chat", "openai_responses", "anthropic_messages", "gemini"]
)
def test_the_functions_that_the_chat_dialects_share_are_there(name: str) -> None:
    dialect = importlib.import_module(f"stockade_sdk.dialects.{name}")
    shared = sections(DIALECTS.read_text())["Functions"].partition("What differs")[0]

    for row in rows(shared):
        for signature in words(row[0]):
            assert hasattr(dialect, signature.partition("(")[0]), signature


def test_every_dialect_is_on_the_page() -> None:
    folder = ROOT / "sdk/stockade_sdk/dialects"
    packages = {file.parent.name for file in folder.glob("*/__init__.py")} - {"failures"}
    told = {words(row[0])[0] for row in rows(DIALECTS.read_text().partition("## Functions")[0])}

    assert told == packages | {"rerank", "openrouter"}


def test_the_names_of_the_vendor_package_are_on_the_page() -> None:
    vendor = importlib.import_module("stockade_sdk.vendor")
    text = (DOCS / "reference" / "python.md").read_text().partition("## All public names")[2]
    paragraph = text.partition("`stockade_sdk.vendor`:")[2]

    assert sorted(words(paragraph)) == sorted(vendor.__all__)


@pytest.fixture
def example_cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The page's module, imported from the file that the reader is told to write."""
    source = files_of(ADD_A_VENDOR.read_text())["example-cloud/example_cloud.py"]
    (tmp_path / "example_cloud.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("example_cloud")
    del sys.modules["example_cloud"]


async def test_the_vendor_of_ten_lines_answers_as_its_page_says(example_cloud: Any) -> None:
    (example,) = blocks(ADD_A_VENDOR.read_text(), "python")
    scope: dict[str, Any] = {}
    exec(compile(example, str(ADD_A_VENDOR), "exec"), scope)

    await scope["test_the_answer_is_the_vendors_word"]()


def test_the_vendor_of_ten_lines_has_no_more_and_a_manifest_that_names_it(
    example_cloud: Any,
) -> None:
    manifest = read_manifest(files_of(ADD_A_VENDOR.read_text())["example-cloud/plugin.toml"])

    lines = Path(example_cloud.__file__).read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 10
    assert manifest.entry.module == example_cloud.__name__
    assert issubclass(getattr(example_cloud, manifest.entry.attribute), Provider)


async def test_the_vendor_of_ten_lines_streams_and_lists_its_models(example_cloud: Any) -> None:
    pieces = ({"choices": [{"index": 0, "delta": {"content": text}}]} for text in ("he", "llo"))
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    answers = [Answer.of_events(*pieces, end), Answer.of_json({"data": [{"id": "example-large"}]})]
    config = {"base_url": "https://api.example.com/v1"}
    async with provider_under_test(
        example_cloud.ExampleCloud, config=config, respond=answers
    ) as run:
        said = [getattr(event, "text", "") for event in await run.stream("hello")]
        listed = [model.id for model in await run.list_models()]

    assert "".join(said) == "hello"
    assert listed == ["example-large"]
