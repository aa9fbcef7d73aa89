"""A new plugin's folder, filled from the templates beside this file. Runs nothing."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from stockade.errors import HostError, UsageError
from stockade.packages import shipped_plugins
from stockade.packages.names import names_near
from stockade.state.rows import PluginName
from stockade_sdk import __version__ as sdk_version
from stockade_sdk.capability import Capability
from stockade_sdk.text import nearest, show

__all__ = ["WIRES", "Created", "create_plugin"]

TEMPLATES: Final = Path(__file__).parent / "templates"
COLUMNS: Final = 100
TAKEN: Final = frozenset({"stockade_sdk", "stockade_worker"})  # modules that are not the plugin's


class Wire(NamedTuple):
    """What a template speaks: its capabilities, where it asks, and the header of its key."""

    serves: tuple[Capability, ...]
    features: str
    base_url: str
    base_help: str
    header: str


class Served(NamedTuple):
    """One capability on OpenAI's wire: its mix-in, and its model's last name."""

    mixin: str
    model: str


OPENAI: Final = {
    Capability.CHAT: Served("OpenAIChat", "chat"),
    Capability.VISION: Served("OpenAIChat", "chat"),
    Capability.EMBEDDING: Served("OpenAIEmbeddings", "embed"),
    Capability.IMAGE_GEN: Served("OpenAIImages", "image"),
    Capability.AUDIO_STT: Served("OpenAITranscription", "listen"),
    Capability.AUDIO_TTS: Served("OpenAISpeech", "speak"),
    Capability.RERANK: Served("Reranking", "rerank"),
}
BEARER: Final = 'header = "authorization"\nformat = "Bearer {}"'
WIRES: Final = {
    "openai": Wire(
        tuple(OPENAI),
        '["streaming", "tools", "parallel_tools", "json_object", "json_schema"]',
        "https://api.example.com/v1",
        "With the version path",
        BEARER,
    ),
    "anthropic": Wire(
        (Capability.CHAT, Capability.VISION),
        '["streaming", "tools", "parallel_tools"]',
        "https://api.example.com",
        "Without the version path",
        'header = "x-api-key"',
    ),
    "own": Wire(
        (Capability.CHAT,),
        '["streaming"]',
        "https://api.example.com/v1",
        "With the version path",
        BEARER,
    ),
}
SMOKES: Final = {
    Capability.CHAT: '{"type": "chat", "messages": [{"role": "user", "content": '
    '[{"type": "text", "text": "Say hello."}]}], "max_output_tokens": 64}\n',
    Capability.EMBEDDING: '{"type": "embedding", "input": ["hello"]}\n',
    Capability.RERANK: '{"type": "rerank", "query": "sea", "documents": ["hill", "boat"]}\n',
}
RECORDINGS: Final = """
`stockade test` knows no wire of its own: most checks need recordings of the vendor. Make them once,
with your key: `@SECRET@=... stockade test . --record recordings`.
"""


class Created(NamedTuple):
    """A folder that was made, its files below it, and what its author should know."""

    folder: Path
    files: tuple[str, ...]
    warnings: tuple[str, ...]


def create_plugin(
    name: str, parent: Path, *, wire: str = "openai", capabilities: Sequence[str] = ()
) -> Created:
    """Make `parent/name`, whole or not at all; `capabilities` are those of `Capability`.

    Raises `UsageError` for a name, a wire or a capability that cannot be, and where something is
    there already: nothing is overwritten.
    """
    _check_name(name)
    spoken = _wire(wire)
    served = _capabilities(wire, spoken, capabilities)
    target = parent / name
    if target.exists() or target.is_symlink():
        raise UsageError(
            f"{show(str(target), 300)} is there already, and nothing is overwritten",
            remedy="choose another name, or another place with --dir",
        )
    files = _filled(name, wire, spoken, served)
    _write(parent, target, files)
    near = names_near(name, shipped_plugins())
    warnings = tuple(
        f"its name is close to {other}, which ships with stockade: who installs it is warned"
        for other in near
    )
    return Created(target, tuple(sorted(files)), warnings)


def module_of(name: str) -> str:
    """The package of a plugin, which hides no module of Python's or of another's."""
    module = f"stockade_{name.replace('-', '_')}"
    return f"{module}_plugin" if module in TAKEN else module


def class_of(name: str) -> str:
    """The class of a plugin."""
    return "".join(part.capitalize() for part in name.split("-"))


def _check_name(name: str) -> None:
    try:
        msgspec.convert(name, PluginName)
    except msgspec.ValidationError:
        raise UsageError(
            f"{show(name)} is not a plugin's name",
            remedy='write at most 40 of a-z, 0-9 and single hyphens, as in "my-provider"',
        ) from None
    if name in shipped_plugins():
        raise UsageError(
            f"{name} ships with stockade, and its name is taken", remedy="choose another name"
        )


def _wire(word: str) -> Wire:
    if word not in WIRES:
        raise UsageError(
            f"there is no template for the wire {show(word)}",
            remedy=f"write one of: {', '.join(WIRES)}",
        )
    return WIRES[word]


def _capabilities(wire: str, spoken: Wire, words: Sequence[str]) -> tuple[Capability, ...]:
    """What the plugin is to serve, in the order of `Capability`; chat where nothing is said."""
    names = [capability.value for capability in spoken.serves]
    for word in words:
        if word not in names:
            near = nearest(word, names)
            raise UsageError(
                f"the template for the wire {wire} has no capability {show(word)}",
                remedy=f"write {near}" if near else f"write some of: {', '.join(names)}",
            )
    wanted = set(words or ["chat"])
    if "vision" in wanted:  # of the same method and the same model
        wanted.add("chat")
    return tuple(capability for capability in spoken.serves if capability.value in wanted)


def _filled(name: str, wire: str, spoken: Wire, served: Sequence[Capability]) -> dict[str, str]:
    """The text of each file, by its path below the plugin's folder."""
    module = module_of(name)
    templates = {
        "plugin.toml": "plugin.toml",
        f"{module}/__init__.py": "init.py",
        f"{module}/provider.py": f"provider_{wire}.py",
        "README.md": "README.md",
        ".gitignore": "gitignore",
        "pyproject.toml": "pyproject.toml",
        ".github/workflows/ci.yml": "ci.yml",
    }
    for capability in served:
        if capability is not Capability.VISION:
            templates[f"tests/test_{capability.value}.py"] = f"test_{capability.value}_{wire}.py"
    words = _words(name, wire, spoken, served)
    files = {path: _fill(_template(stem), words) for path, stem in templates.items()}
    smoke = next((SMOKES[one] for one in served if one in SMOKES), None)
    if smoke is not None:
        files["smoke.json"] = smoke
    return files


def _words(name: str, wire: str, spoken: Wire, served: Sequence[Capability]) -> dict[str, str]:
    mixins = [*dict.fromkeys(OPENAI[one].mixin for one in served), "OpenAIModels"]
    secret = f"{name.upper().replace('-', '_')}_API_KEY"
    return {
        # First, for it holds others.
        "RECORDINGS": RECORDINGS if wire == "own" else "",
        "NAME": name,
        "MODULE": module_of(name),
        "CLASS": class_of(name),
        "SUMMARY": f"{_spoken_of(served)} with Example's models",
        "SDK": _sdk_range(),
        "BASE_URL": spoken.base_url,
        "BASE_HELP": spoken.base_help,
        "SECRET": secret,
        "HEADER": spoken.header,
        "MODELS": _models(name, spoken, served),
        "HEAD": _listed(f"class {class_of(name)}(", mixins, "):"),
        "IMPORTS": _imports([*mixins, "Wire"]),
    }


def _spoken_of(served: Sequence[Capability]) -> str:
    words = {"image_gen": "images", "audio_stt": "transcripts", "audio_tts": "speech"}
    names = [words.get(one.value, one.value) for one in served]
    text = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return text[0].upper() + text[1:]


def _sdk_range() -> str:
    """From this SDK's series up to the next, which may break what it likes (0.x)."""
    major, minor = (int(part) for part in sdk_version.split(".")[:2])
    following = f"{major + 1}.0" if major else f"0.{minor + 1}"
    return f">={major}.{minor},<{following}"


def _imports(names: Sequence[str]) -> str:
    line = f"from stockade_sdk.vendor import {', '.join(sorted(names))}"
    if len(line) <= COLUMNS:
        return line
    return _listed("from stockade_sdk.vendor import (", sorted(names), ")")


def _listed(before: str, names: Sequence[str], after: str) -> str:
    """Names on one line, or one a line where that would be too long."""
    line = f"{before}{', '.join(names)}{after}"
    if len(line) <= COLUMNS:
        return line
    lines = "".join(f"    {name},\n" for name in names)
    return f"{before}\n{lines}{after}"


def _models(name: str, spoken: Wire, served: Sequence[Capability]) -> str:
    """The tables of the models: one a mix-in, so that vision is the chat model's."""
    by_model: dict[str, list[str]] = {}
    for capability in served:
        by_model.setdefault(OPENAI[capability].model, []).append(capability.value)
    tables = []
    for last, words in by_model.items():
        written = ", ".join(f'"{word}"' for word in words)
        table = f'[[models]]\nid = "{name}-{last}"\ncapabilities = [{written}]\n'
        if last == "chat":
            table += f"features = {spoken.features}\ncontext_tokens = 128000\n"
            table += 'price = { input = "0.50", output = "1.50" }\n'
        tables.append(table)
    return "\n".join(tables).rstrip("\n")


def _template(stem: str) -> str:
    return (TEMPLATES / f"{stem}.in").read_text(encoding="utf-8")


def _fill(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def _write(parent: Path, target: Path, files: dict[str, str]) -> None:
    """Beside its place first, so that what has the name is whole."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=parent, prefix=f".{target.name}-"))
        try:
            for path, text in files.items():
                (building / path).parent.mkdir(parents=True, exist_ok=True)
                (building / path).write_text(text, encoding="utf-8")
            building.chmod(0o755)  # mkdtemp's 0700 is for secrets, and this is to be shared
            building.rename(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    except OSError as error:
        raise HostError(
            f"{show(str(target), 300)} cannot be made",
            why=error.strerror or str(error),
            remedy="choose a place that you may write to, with --dir",
        ) from error
