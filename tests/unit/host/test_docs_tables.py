"""Pages that repeat a table of the code say what the code says."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.main import get_command

from stockade.cli.program import program
from stockade.packages.permit import DENY_WORDS
from stockade.router import presets
from stockade.router.cooling import rest_s
from stockade.router.outages import OUTAGE_MODELS, OUTAGE_S
from stockade.router.rules import AFTER, LATE, NEXT, PERSIST, RETRY, STOP
from stockade.router.scopes import IN_A_ROW, MODEL_ON_KEY, WHOLE_KEY
from stockade.settings import CooldownSettings, parse_settings
from stockade.state.schema import MIGRATIONS
from stockade.supervisor.lifecycle import State, mermaid
from stockade_sdk import wire
from stockade_sdk.errors import ErrorKind
from stockade_sdk.limits import LIMIT_KINDS, Limits, limits_as_written
from stockade_sdk.manifest import read_manifest
from stockade_sdk.units import format_duration, format_size, parse_duration

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
ROOT_PAGES = [
    ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md")
]
PLUGIN_PAGES = sorted((ROOT / "plugins").glob("*/README.md"))


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def page(name: str) -> str:
    return (DOCS / name).read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def rows(text: str, columns: int) -> list[list[str]]:
    """The rows of all tables with so many columns, cells as written."""
    found = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in found if len(row) == columns]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_the_supervision_page_has_the_lifecycle_table() -> None:
    text = page("explanation/supervision.md")

    assert mermaid() in blocks(text, "text")
    assert [words(row[0]) for row in rows(text, 2)[1 : len(State) + 1]] == [
        [name] for name in State
    ]


def test_the_errors_page_says_what_the_router_does() -> None:
    told = {words(row[0])[0]: row[2:] for row in rows(page("reference/errors.md"), 4)[1:]}

    assert list(told) == list(ErrorKind)
    for kind, rule in AFTER.items():
        then, again = told[kind]
        if kind is ErrorKind.CONTEXT_LENGTH:
            assert (then, again) == ("a larger one", "no")
            continue
        expected = {
            NEXT: ("next", "no"),
            STOP: ("stop", "no"),
            RETRY: ("next", "once"),
            LATE: ("next", "if its route says so"),
            PERSIST: ("next", "up to five times"),
        }[rule]
        if kind is ErrorKind.RATE_LIMITED:
            expected = ("next", "once, if the vendor says when")
        assert (then, again) == expected, kind


def test_the_routing_guide_has_the_targets_of_the_china_first_preset() -> None:
    text = page("how-to/route-and-fall-back.md").partition("## See what would be tried")[0]
    told = [(words(row[0])[0], words(row[1])) for row in rows(text, 2) if words(row[0])]

    assert told == [
        (capability.value, [str(target) for target in targets])
        for capability, targets in presets()["china-first"].routes.items()
    ]


def test_the_routing_guide_names_every_preset() -> None:
    text = page("how-to/route-and-fall-back.md")

    assert {name for name in presets() if f"`{name}`" not in text} == set()


def test_the_routing_page_has_the_progression_of_rests() -> None:
    told = {row[0]: row[1:] for row in rows(page("explanation/routing.md"), 5)}
    options = CooldownSettings()

    for label, kind in (("rest", ErrorKind.SERVER_ERROR), ("rest after `quota`", ErrorKind.QUOTA)):
        shown = [
            parse_duration(cell.replace(" min", "m").replace(" h", "h")) for cell in told[label]
        ]
        assert shown == [rest_s(kind, failures, options) for failures in (1, 2, 3, 4)], label
        assert shown[-1] == rest_s(kind, 1_000, options), label


def test_the_routing_page_says_whom_each_kind_is_held_against() -> None:
    text = page("explanation/routing.md").partition("## Who rests")[2].partition("A rest is")[0]
    told = {frozenset(words(row[0])): (row[1], row[2]) for row in rows(text, 3) if words(row[0])}

    assert {kinds: begins for kinds, (_, begins) in told.items()} == {
        frozenset(map(str, WHOLE_KEY)): "at once",
        frozenset(map(str, MODEL_ON_KEY)): "at once",
        frozenset(map(str, IN_A_ROW)): "after three in a row",
    }
    assert CooldownSettings().failures == OUTAGE_MODELS == 3
    assert OUTAGE_S == 5 * 60


def test_the_registry_page_has_every_code_of_a_diagnostic() -> None:
    text = page("reference/registry.md").partition("## Diagnostics")[2]
    told = {word for row in rows(text, 2)[1:4] for word in words(row[1])}

    assert told == codes_of_diagnostics()


def codes_of_diagnostics() -> set[str]:
    """The first argument of every remark that the registry makes; a name stands for `code`."""
    found: set[str] = {"missing_id", "invalid_id"}  # which of them is chosen by what was said
    for path in (ROOT / "host/stockade/registry").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("error", "warn", "info")
                and isinstance(node.args[0], ast.Constant)
            ):
                found.add(str(node.args[0].value))
    return found


def test_the_rooms_that_decide_are_where_the_table_says() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## Where is X decided?")[2]
    named = {word for row in rows(text, 2) for word in words(row[1]) if "/" in word}
    rooms = {word.rstrip("/") for word in named if "<" not in word}
    roots = (ROOT, ROOT / "host/stockade", ROOT / "sdk")

    assert len(rooms) > 30
    for room in sorted(rooms):
        places = [root / room for root in roots]
        assert any(one.is_dir() or one.with_suffix(".py").is_file() for one in places), room


def test_the_wire_page_has_every_frame_with_its_number_and_fields() -> None:
    directions = {"to the worker": wire.ToWorker, "to the host": wire.ToHost}
    expected = [
        (str(frame.__struct_config__.tag), frame.__name__, where, list(frame.__struct_fields__))
        for where, union in directions.items()
        for frame in get_args(union)
    ]

    told = [
        (number, words(name)[0], where, words(fields))
        for number, name, where, fields in rows(page("reference/wire.md"), 4)
        if where in directions
    ]

    assert told == expected


def test_the_manifest_page_has_the_limits_with_defaults_and_bounds() -> None:
    defaults = limits_as_written(Limits())
    told = {words(row[0])[0]: row[1:5] for row in rows(page("reference/manifest.md"), 6)[1:]}

    assert list(told) == list(LIMIT_KINDS)
    for key, kind in LIMIT_KINDS.items():
        default = defaults[key]
        shown = {
            "size": lambda value: f'"{format_size(int(value))}"',
            "duration": lambda value: f'"{format_duration(value)}"',
        }.get(kind.form, lambda value: f"{value:g}" if value < 1e5 else str(value))
        written = f'"{default}"' if isinstance(default, str) else f"{default:g}"
        expected = [kind.form, written, shown(kind.least), shown(kind.most)]
        assert [told[key][0], *(words(cell)[0] for cell in told[key][1:])] == expected, key


def test_the_manifest_pages_example_can_be_read() -> None:
    (example,) = blocks(page("reference/manifest.md"), "toml")

    assert read_manifest(example).name == "example-cloud"


@pytest.mark.parametrize(
    "name",
    [
        "reference/settings.md",
        "how-to/route-and-fall-back.md",
        "how-to/models-and-aliases.md",
        "how-to/budgets-and-health.md",
        "how-to/migrate-from-a-single-model.md",
    ],
)
def test_settings_on_pages_can_be_read(name: str) -> None:
    examples = blocks(page(name), "toml")

    assert examples
    for example in examples:
        parse_settings(example.encode())


def test_the_files_page_has_every_table_with_its_columns() -> None:
    made = [statement for migration in MIGRATIONS for statement in migration]
    tables = {
        found[1]: re.findall(r"^        ([a-z_]+) [A-Z]", found[2], re.MULTILINE)
        for statement in made
        if (found := re.match(r"CREATE TABLE (\w+) \((.*)\)", statement, re.DOTALL))
    }
    told = {words(row[0])[0]: words(row[2]) for row in rows(page("reference/files.md"), 3)[1:]}

    assert told == tables


def test_the_command_page_has_every_verb_and_every_word_of_deny() -> None:
    text = page("reference/cli.md")
    told = {
        tuple(word for word in span.split() if word.islower())
        for row in rows(text.partition("## JSON keys")[0], 2)
        for span in words(row[0])
    }

    for path in verb_paths():
        if path[0] == "plugins":
            assert f"`{' '.join(path)}`" in text, path
        else:
            assert path in told, path
    for word in DENY_WORDS:
        assert f"`{word}`" in text, word


@cache
def commands() -> dict[str, Any]:
    return get_command(program((), whole=True)).commands  # type: ignore[attr-defined]


def verb_paths() -> Iterator[tuple[str, ...]]:
    for name, command in commands().items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield (name,)
        else:
            yield from ((name, verb) for verb in inner)


def commands_on(path: Path) -> Iterator[str]:
    for block in blocks(path.read_text(), "console"):
        for line in block.splitlines():
            # What is left of a pipe and of `||` alone: options are looked up, nothing is run.
            for part in re.split(r"\|\|?|;", line.removeprefix("$ ")) if line[:2] == "$ " else ():
                if part.strip().startswith("stockade "):
                    yield part.strip()


@pytest.mark.parametrize("path", [*PAGES, *ROOT_PAGES, *PLUGIN_PAGES], ids=place)
def test_commands_on_a_page_are_there_with_their_options(path: Path) -> None:
    for line in commands_on(path):
        name, *arguments = shlex.split(line)[1:]
        assert name in commands(), f"{line}: there is no {name}"
        command = commands()[name]
        if hasattr(command, "commands"):
            verb = arguments.pop(0)
            assert verb in command.commands, f"{line}: there is no {verb}"
            command = command.commands[verb]
        known = {option for one in command.params for option in one.opts} | {"--help"}
        used = {word.partition("=")[0] for word in arguments if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{line}: there is no {used - known}"


@pytest.mark.parametrize("path", [*ROOT_PAGES, *PLUGIN_PAGES], ids=place)
def test_links_of_pages_outside_the_documentation_lead_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)[^)]*\)", text)

    for target in targets:
        assert (path.parent / target).exists(), f"{path.name} links to {target}"
