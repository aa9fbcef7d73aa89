"""What a manifest says of the plugin, its models and its settings, one function a section."""

import keyword
import re
import sys

import msgspec

from stockade_sdk.capability import Capability, Price
from stockade_sdk.manifest.config_values import (
    CONFIG_TYPES,
    ConfigField,
    ConfigType,
    ConfigValue,
    check_config_value,
    check_url,
)
from stockade_sdk.manifest.prices import PRICE_REMEDY, read_price
from stockade_sdk.manifest.problems import Section
from stockade_sdk.manifest.values import FEATURES, PROGRAM_MARK, EntryPoint, ManifestModel
from stockade_sdk.manifest.versions import parse_requirement, parse_version, split_specifier
from stockade_sdk.permissions import MAX_HELP
from stockade_sdk.text import TextRefused, check_plain_text, nearest, show

__all__ = ["AboutPlugin", "read_config", "read_models", "read_plugin"]

MAX_PLUGIN_NAME = 40
MAX_ENTRY = 200
MAX_SUMMARY = 200
MAX_SHORT = 120  # a name, an author, a licence
MAX_MODEL_ID = 200  # the longest in the wild are cloud resource names of about 150
MAX_MODELS = 500
MAX_CONFIG = 64
MAX_CHOICES = 64
MAX_CHOICE = 100
MAX_TOKENS = 10**9

_PLUGIN_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_MODULE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
# In a folder, since what stands alone at the top of a wheel is code or metadata.
_PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*(?:/[A-Za-z0-9_][A-Za-z0-9._+-]*)+")
# Without blank, comma, semicolon and quotes: ids stand in headers and tables. A target is
# split at its first slash, so that an id may hold more of them.
_MODEL_ID = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+~-]*")
_ALIAS = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*")
_FEATURE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_CONFIG_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")

_OURS = frozenset({"stockade", "stockade_sdk", "stockade_worker", "msgspec", "zmq"})
_RESERVED_ALIASES = frozenset({"auto", *Capability})
_GIVEN = frozenset({"stockade", "stockade-sdk", "stockade-worker"})


class AboutPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """The table `[plugin]`; what was missing or refused is None."""

    name: str | None
    version: str | None
    entry: EntryPoint | None
    sdk: str | None
    summary: str
    authors: tuple[str, ...]
    license: str | None
    homepage: str | None
    requires: tuple[str, ...]
    capabilities: tuple[Capability, ...]


def read_plugin(table: Section) -> AboutPlugin:
    """Read `[plugin]`."""
    if table.values:
        table.require("name", 'write a name as in "my-provider"')
        table.require("version", 'write a version as in "1.0.0"')
        table.require("entry", 'write "module:Class", as in "my_provider:MyProvider"')
        table.require("sdk", 'write the SDK versions it works with, as in ">=0.1,<0.2"')
    about = AboutPlugin(
        name=table.parsed("name", _plugin_name),
        version=table.parsed("version", _version),
        entry=table.parsed("entry", _entry),
        sdk=table.parsed("sdk", _specifier),
        summary=table.line("summary", MAX_SUMMARY) or "",
        authors=table.parsed_list("authors", lambda text: check_plain_text(text, MAX_SHORT)),
        license=table.line("license", MAX_SHORT),
        homepage=table.parsed("homepage", check_url),
        requires=table.parsed_list("requires", _requirement),
        capabilities=table.parsed_list("capabilities", _capability),
    )
    table.finish()
    return about


def _plugin_name(text: str) -> str:
    if len(text) > MAX_PLUGIN_NAME or not _PLUGIN_NAME.fullmatch(text):
        raise TextRefused(
            "is not a plugin's name",
            f'write at most {MAX_PLUGIN_NAME} of a-z, 0-9 and single hyphens, as in "my-provider"',
        )
    return text


def _version(text: str) -> str:
    parse_version(text)
    return text


def _specifier(text: str) -> str:
    split_specifier(text)
    return text


def _requirement(text: str) -> str:
    requirement = parse_requirement(text)
    if requirement.name in _GIVEN:
        raise TextRefused("is stockade itself", "leave it out; sdk says which versions fit")
    return str(requirement)


def _entry(text: str) -> EntryPoint:
    if text.startswith(PROGRAM_MARK):
        return _program(text)
    module, colon, attribute = text.partition(":")
    if (
        not colon
        or len(text) > MAX_ENTRY
        or not all(_MODULE.fullmatch(side) for side in (module, attribute))
        or any(keyword.iskeyword(part) for part in re.split(r"[.:]", text))
    ):
        raise TextRefused(
            "is not a module and a class", 'write "module:Class", as in "my_provider:MyProvider"'
        )
    top = module.partition(".")[0]
    if top in _OURS or top in sys.stdlib_module_names or top == "__main__":
        raise TextRefused(
            f"is in the module {top}, which is not the plugin's own", "name the plugin's package"
        )
    return EntryPoint(module=module, attribute=attribute)


def _program(text: str) -> EntryPoint:
    path = text.removeprefix(PROGRAM_MARK)
    if len(text) > MAX_ENTRY or not _PROGRAM.fullmatch(path):
        raise TextRefused(
            "is not a program in a folder of the plugin's",
            'write "./FOLDER/FILE" in letters, digits and . _ + -, as in "./bin/my-provider"',
        )
    return EntryPoint(program=path)


def _capability(text: str) -> Capability:
    try:
        return Capability(text)
    except ValueError:
        near = nearest(text, Capability)
        known = show(near) if near else f"one of {', '.join(Capability)}"
        raise TextRefused("is not a capability", f"write {known}") from None


def read_models(top: Section) -> tuple[ManifestModel, ...]:
    """Read `[[models]]`; no name is taken twice, as an id or as an alias."""
    found: list[ManifestModel] = []
    taken: set[str] = set()
    for table in top.tables("models", MAX_MODELS):
        table.require("id", "write the id that the vendor uses")
        table.require("capabilities", 'write what it can do, as in capabilities = ["chat"]')
        model = read_model(table, table.parsed("id", _model_id) or "")
        if table.values.get("capabilities") == []:
            table.add("capabilities", "is empty", 'write what it can do, as in ["chat"]')
        for key, name in [("id", model.id), *(("aliases", alias) for alias in model.aliases)]:
            if name and name in taken:
                table.add(key, f"{show(name)} is taken by a model above", "give each its own name")
            taken.add(name)
        table.finish()
        found.append(model)
    return tuple(found)


def read_model(table: Section, id: str) -> ManifestModel:
    """What a table says of the model ``id``."""
    return ManifestModel(
        id=id,
        name=table.line("name", MAX_SHORT),
        capabilities=table.parsed_list("capabilities", _capability),
        features=table.parsed_list("features", _feature),
        context_tokens=table.count("context_tokens", MAX_TOKENS),
        max_output_tokens=table.count("max_output_tokens", MAX_TOKENS),
        aliases=table.parsed_list("aliases", _alias),
        price=_price(table),
    )


def _model_id(text: str) -> str:
    if len(text) > MAX_MODEL_ID or not _MODEL_ID.fullmatch(text):
        raise TextRefused(
            "is not a model's id",
            f"write at most {MAX_MODEL_ID} letters, digits and . _ : / @ + ~ -, a letter in front",
        )
    return text


def _alias(text: str) -> str:
    if len(text) > MAX_MODEL_ID or not _ALIAS.fullmatch(text):
        raise TextRefused("is not an alias", 'write letters, digits and . _ : @ + -, as in "gpt4o"')
    if text.lower() in _RESERVED_ALIASES:
        raise TextRefused("stands for a route", "choose a name that is no capability and not auto")
    return text


def _feature(text: str) -> str:
    near = None if text in FEATURES else nearest(text, FEATURES, cutoff=0.85)
    if near is not None or not _FEATURE.fullmatch(text):
        raise TextRefused("is not a feature", f'write "{near or FEATURES[0]}"')
    return text


def _price(table: Section) -> Price | None:
    if table.get("price", dict, PRICE_REMEDY) is None:
        return None
    return read_price(table.table("price"))


def read_config(table: Section) -> dict[str, ConfigField]:
    """Read `[config.<name>]`."""
    if len(table.values) > MAX_CONFIG:
        table.problems.add(
            table.path, f"has {len(table.values)} keys", f"write at most {MAX_CONFIG}"
        )
    found: dict[str, ConfigField] = {}
    for name in list(table.values)[:MAX_CONFIG]:
        if not _CONFIG_NAME.fullmatch(name):
            table.add(name, "is not a setting's name", 'write a-z, 0-9 and _, as in "base_url"')
        field = _config_field(table.table(name))
        if field is not None:
            found[name] = field
    return found


def _config_field(table: Section) -> ConfigField | None:
    table.require("type", f"write one of {', '.join(CONFIG_TYPES)}")
    kind = table.parsed("type", _config_type)
    choices = table.parsed_list("choices", _choice, MAX_CHOICES)
    if kind == "choice" and not table.values.get("choices"):
        table.add("choices", "is missing", 'write the choices, as in ["fast", "exact"]')
    if kind is not None and kind != "choice" and "choices" in table.values:
        table.add("choices", f"does not go with type {show(kind)}", 'write type = "choice"')
    required = table.flag("required")
    words = table.line("help", MAX_HELP) or ""
    table.finish(["default"])
    if kind is None:
        return None
    field = ConfigField(type=kind, required=required, help=words, choices=choices)
    return msgspec.structs.replace(field, default=_default(table, field))


def _choice(text: str) -> str:
    return check_plain_text(text, MAX_CHOICE)


def _config_type(text: str) -> ConfigType:
    for kind in CONFIG_TYPES:
        if kind == text:
            return kind
    near = nearest(text, CONFIG_TYPES)
    known = show(near) if near else f"one of {', '.join(CONFIG_TYPES)}"
    raise TextRefused("is not a type of setting", f"write {known}")


def _default(table: Section, field: ConfigField) -> ConfigValue | None:
    value = table.values.get("default")
    if value is None:
        return None
    shown = show(value) if isinstance(value, str) else "the value"
    if isinstance(value, str) and field.type in ("integer", "number", "boolean"):
        table.add("default", f"{shown} is text", f"write it without quotes, as type {field.type}")
        return None
    try:
        return check_config_value(field, value)
    except TextRefused as refused:
        table.add("default", f"{shown} {refused.message}", refused.remedy)
        return None
