"""`test`: does a plugin keep its word, with a good vendor and with a bad one?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stockade.cli.failures import EXIT_FAILED
from stockade.cli.output import print_json, print_table, safe

if TYPE_CHECKING:
    from collections.abc import Callable

    from stockade.kit.conformance import Report, Result

__all__ = ["conform"]

_MARKS = {"passed": "ok", "warned": "warn", "failed": "FAIL", "skipped": "-"}


def conform(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="A plugin's folder or wheel, or its name.")
    ] = "",
    config: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="A setting of the plugin's. Repeatable."),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(metavar="FEATURE", help="What its models can and do not declare: tools, ..."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="CHECK", help="A check's id, or its first part. Repeatable."),
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Ask the vendor itself, with keys from the environment, and keep what it says.",
        ),
    ] = None,
    replay: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Let recordings play the vendor.")
    ] = None,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report for CI systems too.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Write conformance.json beside plugin.toml.")
    ] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Fetch no packages for it.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the checks; run none.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON with stable keys.")] = False,
) -> None:
    """Check that a plugin behaves, with a vendor played here.

    In its sandbox and in a home of its own. Exits with 1 where a check failed.
    """
    from stockade.errors import UsageError
    from stockade.kit.conformance import KEPT
    from stockade.kit.conformance import junit as as_junit

    if listed:
        _list(json=json)
        return
    if not path or (record is not None and replay is not None):
        raise UsageError(
            "there is nothing to test" if not path else "recordings are made or played, not both",
            remedy="give a plugin's folder, as in: stockade test ./my-plugin",
        )
    kept = Path(path).expanduser() / KEPT
    if keep and not kept.parent.is_dir():
        raise UsageError("a report can be kept in a plugin's folder alone", why=path)
    report = _run(path, _settings(config or []), feature, only, record, replay, offline, json)
    if junit is not None:
        _write(junit, as_junit(report))
    if keep:
        _write(kept, _as_file(report))
    if json:
        print_json(report.as_json())
    else:
        _tell(report)
    if not report.ok:
        raise typer.Exit(EXIT_FAILED)


def _run(
    path: str,
    config: dict[str, str],
    features: list[str] | None,
    only: list[str] | None,
    folder: Path | None,
    replay: Path | None,
    offline: bool,
    quiet: bool,
) -> Report:
    from functools import partial

    import anyio

    from stockade.kit.conformance import record, run
    from stockade.settings import Home, read_settings

    home = Home.find()
    call = partial(
        run if folder is None else record,
        path,
        config=config,
        features=tuple(features or ()),
        only=tuple(only or ()),
        settings=read_settings(home),
        offline=offline,
        base=home,
        on_result=_progress(quiet or not sys.stderr.isatty()),
    )
    if folder is None:
        call = partial(call, recordings=replay)
    else:
        call = partial(call, folder, keys=lambda name: os.environ.get(name, ""))
    found: Report = anyio.run(call)
    return found


def _progress(quiet: bool) -> Callable[[Result], None]:
    def told(result: Result) -> None:
        if not quiet:
            print(f"  {_MARKS[result.outcome]:<5}{result.id}", file=sys.stderr, flush=True)

    return told


def _settings(given: list[str]) -> dict[str, str]:
    from stockade.errors import UsageError

    for one in given:
        if "=" not in one:
            raise UsageError(f"--config takes KEY=VALUE, and {one!r} has no =")
    return {key: value for key, _, value in (one.partition("=") for one in given)}


def _write(path: Path, content: bytes) -> None:
    from stockade.errors import HostError

    try:
        path.write_bytes(content)
    except OSError as error:
        raise HostError(
            f"cannot write {path}", why=error.strerror or str(error), remedy="name another file"
        ) from error


def _as_file(report: Report) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(report.as_json()), indent=2) + b"\n"


def _list(*, json: bool) -> None:
    from stockade.kit.conformance import CHECKS

    if json:
        print_json([{"id": c.id, "title": c.title, "needs": c.needs} for c in CHECKS])
        return
    rows = [(check.id, " ".join(check.needs) or "anything", check.title) for check in CHECKS]
    width = max(len(row[0]) for row in rows)
    for id, needs, title in rows:
        print(f"{id:<{width}}  {title}\n{'':<{width}}    for: {needs}")


def _tell(report: Report) -> None:
    rows = [
        (_MARKS[result.outcome], result.id, result.ms, result.detail or result.title)
        for result in report.results
    ]
    print_table(("", "CHECK", "MS", "WHAT"), rows)
    for result in report.results:
        if result.outcome in ("failed", "warned"):
            print(f"\n{_MARKS[result.outcome]}: {result.id}: {result.title}")
            print(safe(f"  {result.detail}", 2_000))
            print(f"  what to do: {result.remedy}")
    counts = ", ".join(
        f"{report.count(word)} {word}" for word in ("passed", "warned", "failed", "skipped")
    )
    score = "none: nothing was tried" if report.score is None else f"{report.score:.0%}"
    print(safe(f"\n{report.plugin} {report.version} against {report.against}: {counts}."))
    print(f"Score: {score}")
