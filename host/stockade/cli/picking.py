"""Choosing some of a plugin's models, and what the guard of config patches lets become of it.

A chosen model gets a short name. It is proposed as a plugin would propose it, so the same rules
hold: nothing that the operator set is changed, and no name comes to hide another model.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from stockade.cli.asking import line
from stockade.cli.known import Known, price_cells
from stockade.cli.output import note, table
from stockade.cli.stored import manifest_of

if TYPE_CHECKING:
    from stockade.models import Listed
    from stockade.registry import Changes, Verdict
    from stockade.state import Installed
    from stockade_sdk.capability import ModelInfo

__all__ = ["Pick", "apply", "asked_for", "judged", "named", "numbered", "recommended", "told"]

MAX_SHOWN: Final = 20  # lines that a terminal shows at once
TRIES: Final = 3


class Pick(NamedTuple):
    """A model of the plugin's by its id, and the name it is to have; None: no name."""

    model: str
    alias: str | None


def recommended(found: Known, record: Installed) -> tuple[ModelInfo, ...]:
    """The models to choose from: of what the plugin declares, and of what its vendor listed not
    long ago, those with a name of their own and the first that serves each capability. Of a plugin
    that declares none, what the vendor listed.
    """
    listed = [one for one in found.knowledge.listing.models if one.info.provider == record.name]
    if not manifest_of(record).models:
        return tuple(one.info for one in listed if _is_fresh(found, one))[:MAX_SHOWN]
    chosen: list[ModelInfo] = []
    served: set[str] = set()
    for one in listed:
        if one.source == "scan" and not _is_fresh(found, one):
            continue
        if one.info.aliases or not served.issuperset(one.info.capabilities):
            chosen.append(one.info)
            served.update(one.info.capabilities)
    return tuple(chosen[:MAX_SHOWN])


def _is_fresh(found: Known, one: Listed) -> bool:
    from stockade.models import age_of, is_fresh

    if one.fetched_at is None:
        return False
    return is_fresh(age_of(one.fetched_at, time.time()), found.settings.catalogue.ttl_s)


def asked_for(found: Known, record: Installed) -> list[Pick]:
    """What the operator chooses on the terminal; none where there is nothing to choose from.

    Raises UsageError where that cannot be made out several times.
    """
    from stockade.errors import UsageError

    shown = recommended(found, record)
    if not shown:
        return []
    print(_menu(record, shown), file=sys.stderr)
    for left in reversed(range(TRIES)):
        answer = line("Numbers, as in 1 3, or with a name of yours as in 1=fast; Enter for none: ")
        try:
            picks = numbered(answer, record, shown)
            if picks:
                judged(found, record, picks)
        except UsageError as error:
            if not left:
                raise
            note(str(error))
        else:
            return picks
    return []


def _menu(record: Installed, shown: Sequence[ModelInfo]) -> str:
    rows = []
    for number, model in enumerate(shown, start=1):
        price = price_cells(model.price)
        words = ",".join(model.capabilities) or None
        rows.append((number, model.id, words, model.context_tokens, *price))
    titles = ("", "MODEL", "CAPABILITIES", "WINDOW", "IN $/1M", "OUT $/1M")
    return f"Models of {record.name} that may have a short name:\n{table(titles, rows)}"


def numbered(answer: str, record: Installed, shown: Sequence[ModelInfo]) -> list[Pick]:
    """What was typed at the list: numbers, each with a name if wanted, as in `1 3=fast`. Nothing,
    or a 0, chooses none. Raises UsageError.
    """
    from stockade.errors import UsageError
    from stockade_sdk.text import show

    words = [word for word in re.split(r"[\s,]+", answer) if word]
    if words == ["0"]:
        return []
    picks = []
    for word in words:
        number, name = _parted(word)
        if not (number.isascii() and number.isdigit() and 0 < int(number[:6]) <= len(shown)):
            raise UsageError(
                f"{show(word)} is no number of the list",
                remedy=f"give numbers from 1 to {len(shown)}, or 0 for none",
            )
        picks.append(_pick(record, shown[int(number) - 1], name))
    return _each_once(picks)


def named(text: str, found: Known, record: Installed) -> list[Pick]:
    """The models of `--models ID,...`, each with a name if wanted: `ID=NAME`. Raises UsageError."""
    from stockade.errors import UsageError
    from stockade_sdk.capability import ModelInfo
    from stockade_sdk.text import nearest, show

    known = {
        one.info.id: one.info
        for one in found.knowledge.listing.models
        if one.info.provider == record.name
    }
    picks = []
    for word in filter(None, map(str.strip, text.split(","))):
        id, name = _parted(word)
        if id not in known:
            id = id.removeprefix(f"{record.name}/")
        if id not in known and manifest_of(record).models:
            near = nearest(id, known)
            raise UsageError(
                f"{record.name} has no model {show(id)}",
                remedy=f"did you mean {near}?"
                if near
                else f"see: stockade models list --provider {record.name}",
            )
        picks.append(_pick(record, known.get(id) or ModelInfo(id=id), name))
    if not picks:
        raise UsageError("--models names no model", remedy="write ID or ID=NAME, with commas")
    return _each_once(picks)


def _each_once(picks: Iterable[Pick]) -> list[Pick]:
    """Of two names for one model the last one counts."""
    return list({pick.model: pick for pick in picks}.values())


def _parted(word: str) -> tuple[str, str | None]:
    head, equals, name = word.partition("=")
    return head.strip(), name.strip() if equals else None


def _pick(record: Installed, model: ModelInfo, name: str | None) -> Pick:
    """``name``, else the one that the plugin gives the model, else the last part of its id."""
    if name is not None:
        return Pick(model.id, name)
    own = Pick(model.id, model.aliases[0] if model.aliases else model.id.rpartition("/")[2])
    return own if _verdict(record, [own]).accepted else Pick(model.id, None)


def judged(found: Known, record: Installed, picks: Sequence[Pick]) -> Changes:
    """What the guard lets become of the choice; what it left out is in the diagnostics.

    Raises UsageError where it takes nothing at all.
    """
    from stockade.errors import UsageError
    from stockade.registry import plan_changes

    verdict = _verdict(record, picks)
    if verdict.changes is None:
        raise UsageError(
            "no model was chosen",
            why="; ".join(one.message for one in verdict.diagnostics),
            remedy="give another name: ID=NAME",
        )
    return plan_changes(
        verdict.changes,
        record,
        manifest_of(record),
        aliases=found.knowledge.aliases,
        models=(one.info for one in found.knowledge.listing.models),
    )


def _verdict(record: Installed, picks: Iterable[Pick]) -> Verdict:
    from stockade.registry import check_patch, normalise_id

    models: dict[str, Any] = {
        f"{record.name}/{pick.model}": {} if pick.alias is None else {"alias": pick.alias}
        for pick in picks
    }
    patch = {"agents": {"defaults": {"models": models}}}
    return check_patch(normalise_id(record.name), patch)


def apply(found: Known, record: Installed, changes: Changes) -> None:
    """Do what the guard let through. Raises UsageError, StateError."""
    fields = manifest_of(record).config
    for key, value in changes.settings.items():
        found.state.set_config(record.name, key, value, is_address=fields[key].type == "url")
    if changes.aliases:
        found.state.policies.set_aliases(changes.aliases)


def told(record: Installed, picks: Iterable[Pick], changes: Changes) -> list[str]:
    """What became of each chosen model, a sentence each; diagnostics say what was left out."""
    left_out = {name for one in changes.diagnostics for name in one.keys}
    lines = []
    for pick in picks:
        target = f"{record.name}/{pick.model}"
        if pick.alias is None:
            lines.append(f"{target} has no short name; it goes by its whole one.")
        elif changes.aliases.get(pick.alias) == target:
            lines.append(f"{pick.alias} is {target} from now on.")
        elif pick.alias not in left_out:
            lines.append(f"{pick.alias} is {target} already.")
    return lines
