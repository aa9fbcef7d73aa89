"""What a provider says of itself, read and checked. Pure; raises nothing for any decoded value.

The rules are those of OpenClaw's registry and of its provider validation: without an id there is no
provider; of two methods with one id the first stays (error); an alias that is empty, no id, the id
itself or there twice is left out (warn). A stranger's text is capped and made plain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, get_args

import msgspec
from msgspec.structs import asdict, replace

from stockade.registry.diagnostics import Diagnostic, Notes, plain
from stockade.registry.ids import normalise_id, try_normalise_id
from stockade.registry.patches import Proposed, check_patch
from stockade_sdk.capability import Capability, ModelRef
from stockade_sdk.hosts import HostRule
from stockade_sdk.manifest.config_values import check_url
from stockade_sdk.permissions import SecretRequest, check_environment_name
from stockade_sdk.text import TextRefused, show

__all__ = ["AuthKind", "AuthMethod", "Checked", "Registration", "check", "check_registration"]

AuthKind = Literal["api_key", "oauth", "token", "none", "custom"]
KINDS: Final[tuple[AuthKind, ...]] = get_args(AuthKind)

MAX_LABEL_CHARS: Final = 120
MAX_TEXT_CHARS: Final = 500
MAX_ITEMS: Final = 64  # of any list that a provider gives
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,63}")
_PROFILE: Final = re.compile(r"[!-~]{1,200}")


class AuthMethod(msgspec.Struct, frozen=True, kw_only=True):
    """One way to give a provider its credentials."""

    id: str
    label: str = ""
    kind: AuthKind = "custom"
    hint: str = ""


class Registration(msgspec.Struct, frozen=True, kw_only=True):
    """One provider. ``id`` is normalised, ``plugin`` the name under which requests are routed to it
    ("" where no plugin stands behind it): the two differ where the name is another spelling.

    ``environment`` are variables that the vendor's own tools read its key from. ``keys`` and
    ``hosts`` are those of a manifest's permissions. ``legacy_profiles`` are profile ids of older
    versions, ``<id>:<name>``. Only ``builtin`` ones may have a reserved id.
    """

    id: str
    label: str = ""
    plugin: str = ""
    aliases: tuple[str, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    features: tuple[str, ...] = ()
    auth: tuple[AuthMethod, ...] = ()
    environment: tuple[str, ...] = ()
    keys: tuple[SecretRequest, ...] = ()
    hosts: tuple[HostRule, ...] = ()
    config_patch: Proposed | None = None
    default_model: str | None = None
    docs_url: str | None = None
    advisories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    legacy_profiles: tuple[str, ...] = ()
    version: str = ""
    builtin: bool = False
    source: str = ""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """A registration, or None where it cannot be one, and what is wrong with it."""

    registration: Registration | None
    diagnostics: tuple[Diagnostic, ...] = ()


# What a stranger's mapping may say. Whether it is built in, which keys and which hosts it has, and
# the plugin behind it, are for the host to know.
SAYABLE: Final = frozenset(Registration.__struct_fields__) - {
    "plugin",
    "keys",
    "hosts",
    "builtin",
    "source",
}


def check_registration(registration: Registration) -> Checked:
    """Check a registration made in the host; what only the host can say is kept as it is."""
    said = {key: value for key, value in asdict(registration).items() if key in SAYABLE}
    said["auth"] = [asdict(method) for method in registration.auth]
    read = check(said)
    if read.registration is None:
        return read
    told = replace(
        read.registration,
        plugin=registration.plugin,
        keys=registration.keys,
        hosts=registration.hosts,
        builtin=registration.builtin,
        source=registration.source,
    )
    return Checked(registration=told, diagnostics=read.diagnostics)


def check(said: Mapping[str, Any]) -> Checked:
    """Read what a provider says, under the names of ``Registration``; see ``legacy`` for others."""
    try:
        id = normalise_id(said.get("id") if said.get("id") is not None else "")
    except TextRefused as refused:
        raw = said.get("id")
        missing = raw is None or (isinstance(raw, str) and not raw.strip())
        notes = Notes("")
        code = "missing_id" if missing else "invalid_id"
        what = "a provider" if missing else f"the provider {show(raw)}"
        notes.error(code, f"{what} was not registered: its id {refused}")
        return Checked(registration=None, diagnostics=notes.all)
    notes = Notes(id)
    if unknown := [plain(key, 60) for key in said if key not in SAYABLE]:
        notes.warn("unknown_key", f"{id} says what no provider can: {', '.join(unknown)}", unknown)
    registration = Registration(
        id=id,
        label=plain(said.get("label"), MAX_LABEL_CHARS) or id,
        aliases=_aliases(notes, said.get("aliases")),
        capabilities=tuple(map(Capability, _kept(notes, said, "capabilities", _capability))),
        features=_kept(notes, said, "features", _word),
        auth=_methods(notes, said.get("auth")),
        environment=_kept(notes, said, "environment", check_environment_name),
        config_patch=_patch(notes, said.get("config_patch")),
        default_model=_default_model(notes, said.get("default_model")),
        docs_url=_docs(notes, said.get("docs_url")),
        advisories=_texts(notes, said.get("advisories")),
        tags=_kept(notes, said, "tags", _word),
        legacy_profiles=_profiles(notes, said.get("legacy_profiles")),
        version=plain(said.get("version"), MAX_LABEL_CHARS),
    )
    return Checked(registration=registration, diagnostics=notes.all)


def _items(notes: Notes, field: str, value: Any) -> list[Any]:
    """A list of at most MAX_ITEMS; what is no list is one problem."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        notes.warn("invalid_value", f"{notes.provider}: {field} is not a list", (field,))
        return []
    if len(value) > MAX_ITEMS:
        notes.warn(
            "too_many", f"{notes.provider}: {field} has {len(value)} items; the first are kept"
        )
    return list(value[:MAX_ITEMS])


def _aliases(notes: Notes, value: Any) -> tuple[str, ...]:
    kept: dict[str, str] = {}
    wrong: list[str] = []
    for alias in _items(notes, "aliases", value):
        id = try_normalise_id(alias)
        if id is None or id == notes.provider or id in kept:
            text = plain(alias, 60) if isinstance(alias, str) else "(no text)"
            wrong.append(text or "(empty)")
        else:
            kept[id] = alias.strip()
    if wrong:
        listed = ", ".join(wrong[:10])
        notes.warn("invalid_alias", f"{notes.provider}: aliases left out: {listed}", wrong)
    return tuple(kept.values())


def _methods(notes: Notes, value: Any) -> tuple[AuthMethod, ...]:
    found: dict[str, AuthMethod] = {}
    for method in _items(notes, "auth", value):
        said = method if isinstance(method, dict) else {}
        id = plain(said.get("id"), MAX_LABEL_CHARS)
        if not id:
            notes.error("missing_auth_id", f"{notes.provider}: a way to log in has no id")
        elif id in found:
            notes.error(
                "duplicate_auth_id",
                f"{notes.provider}: a second method called {show(id)} was left out",
                (id,),
            )
        else:
            found[id] = AuthMethod(
                id=id,
                label=plain(said.get("label"), MAX_LABEL_CHARS) or id,
                kind=_kind(notes, id, said.get("kind")),
                hint=plain(said.get("hint"), MAX_TEXT_CHARS),
            )
    return tuple(found.values())


def _kind(notes: Notes, method: str, value: Any) -> AuthKind:
    for kind in KINDS:
        if value == kind:
            return kind
    if value is not None:
        notes.warn(
            "unknown_auth_kind",
            f"{notes.provider}: the method {show(method)} is of no known kind",
            (plain(value, 60),),
        )
    return "custom"


def _kept(
    notes: Notes, said: Mapping[str, Any], field: str, check: Callable[[str], str]
) -> tuple[str, ...]:
    """The items of a list that pass ``check``, each once."""
    kept: dict[str, None] = {}
    wrong: list[str] = []
    for item in _items(notes, field, said.get(field)):
        try:
            kept[check(item.strip() if isinstance(item, str) else "")] = None
        except ValueError:
            wrong.append(plain(item, 60) or "(no text)")
    if wrong:
        listed = ", ".join(wrong[:10])
        notes.warn("invalid_value", f"{notes.provider}: {field} left out: {listed}", wrong)
    return tuple(kept)


def _capability(text: str) -> str:
    return Capability(text).value


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


def _patch(notes: Notes, patch: Any) -> Proposed | None:
    if patch is None or isinstance(patch, Proposed):
        return patch
    verdict = check_patch(notes.provider, patch)
    notes.extend(verdict.diagnostics)
    return verdict.changes


def _default_model(notes: Notes, value: Any) -> str | None:
    """``<id>/model``; a bare model is the provider's own, another provider's is refused."""
    if value is None:
        return None
    text = plain(value, 300)
    try:
        target = ModelRef.parse(text if "/" in text else f"{notes.provider}/{text}")
    except ValueError:
        target = ModelRef("", "")
    if try_normalise_id(target.provider) == notes.provider:
        return f"{notes.provider}/{target.model}"
    notes.warn(
        "foreign_default_model",
        f"{notes.provider}: its default model {show(text)} is none of its own",
        (text,),
    )
    return None


def _docs(notes: Notes, value: Any) -> str | None:
    """An https URL, or a path within the documentation, as older plugins have it."""
    text = plain(value, 2048)
    if not text:
        return None
    try:
        return text if text.startswith("/") else check_url(text)
    except TextRefused as refused:
        notes.warn("invalid_docs", f"{notes.provider}: the address of its docs {refused.message}")
        return None


def _texts(notes: Notes, value: Any) -> tuple[str, ...]:
    found = (plain(item, MAX_TEXT_CHARS) for item in _items(notes, "advisories", value))
    return tuple(dict.fromkeys(text for text in found if text))


def _profiles(notes: Notes, value: Any) -> tuple[str, ...]:
    """Only under the provider's own id: a rule for another's profile would take its credentials."""
    kept: dict[str, None] = {}
    wrong: list[str] = []
    for item in _items(notes, "legacy_profiles", value):
        text = plain(item, 200)
        owner, colon, _ = text.partition(":")
        if colon and _PROFILE.fullmatch(text) and try_normalise_id(owner) == notes.provider:
            kept[text] = None
        elif text:
            wrong.append(text)
    if wrong:
        notes.warn(
            "foreign_profile",
            f"{notes.provider}: profiles that are not its own: {', '.join(wrong[:10])}",
            wrong,
        )
    return tuple(kept)
