"""What an install would do, worked out before anything is written."""

import msgspec

import stockade_sdk
from stockade.errors import UsageError
from stockade.packages.folder import Snapshot, read_folder
from stockade.packages.names import names_near
from stockade.packages.permit import widened
from stockade.packages.source import SHIPPED, Source, resolve_source, shipped_plugins
from stockade.settings import Home
from stockade.state import Installed, State
from stockade_sdk.limits import LIMIT_KINDS, Limits, limits_as_written
from stockade_sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, read_manifest
from stockade_sdk.manifest.versions import specifier_allows
from stockade_sdk.permissions import Permissions

__all__ = ["Proposal", "plan_install"]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One install as it would be. Holds no file open; `digest` ties it to the folder's content.

    `replaces` is what is installed under the name now; `asked` is what the manifest asks for,
    `new` what of it goes beyond the present grant (all of it where there is none). `differences`
    and `warnings` are sentences for people.
    """

    source: Source
    manifest: Manifest
    manifest_text: str
    digest: str
    replaces: Installed | None = None
    asked: Permissions = Permissions()
    new: Permissions = Permissions()
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        """Whether exactly this is installed already."""
        return self.replaces is not None and self.replaces.digest == self.digest


def plan_install(home: Home, state: State, source: str) -> Proposal:
    """Read what SOURCE names and say what installing it would mean. Writes nothing.

    Raises `UsageError` for a source, folder or manifest that cannot be used.
    """
    found = resolve_source(source)
    snapshot = read_folder(found.path)
    manifest = _manifest_of(found, snapshot)
    replaces = state.get(manifest.name)
    granted = replaces.granted if replaces is not None else Permissions()
    return Proposal(
        source=found,
        manifest=manifest,
        manifest_text=snapshot.manifest.decode(),
        digest=snapshot.digest,
        replaces=replaces,
        asked=manifest.permissions,
        new=widened(granted, manifest.permissions),
        differences=_differences(replaces, manifest),
        warnings=_warnings(home, state, found, manifest),
    )


def _manifest_of(source: Source, snapshot: Snapshot) -> Manifest:
    try:
        manifest = read_manifest(snapshot.manifest, source=str(source.path / MANIFEST_NAME))
    except ManifestError as error:
        raise UsageError("the manifest cannot be used", why=str(error)) from error
    if not specifier_allows(manifest.sdk, stockade_sdk.__version__):
        raise UsageError(
            f"{manifest.name} does not work with this stockade",
            why=f'plugin.sdk says "{manifest.sdk}", and the SDK here is {stockade_sdk.__version__}',
            remedy="get another version of the plugin, or of stockade",
        )
    if not snapshot.has_module(manifest.entry.module):
        stem = manifest.entry.module.replace(".", "/")
        raise UsageError(
            f'plugin.entry names "{manifest.entry}", and there is no such module in the folder',
            remedy=f"add {stem}.py or {stem}/__init__.py beside {MANIFEST_NAME}, or mend the line",
        )
    return manifest


def _warnings(home: Home, state: State, source: Source, manifest: Manifest) -> tuple[str, ...]:
    found = []
    if state.get(manifest.name) is None and home.data_of(manifest.name).exists():
        found.append("It gets the data that an earlier plugin of this name left behind.")
    if source.trust == SHIPPED:
        return tuple(found)
    shipped = shipped_plugins()
    if manifest.name in shipped:
        found.append(
            f"It has the name of {manifest.name}, which ships with stockade, and is not it."
        )
    installed = {record.name for record in state.list()}
    near = names_near(manifest.name, {*shipped, *installed})
    found += [f"Its name is close to {other}: check that it is the one you mean." for other in near]
    return tuple(found)


def _differences(replaces: Installed | None, manifest: Manifest) -> tuple[str, ...]:
    if replaces is None:
        return ()
    found = []
    if replaces.version != manifest.version:
        found.append(f"Version {replaces.version} becomes {manifest.version}.")
    if dropped := [key for key in replaces.config if key not in manifest.config]:
        found.append(f"These settings are no longer known and are dropped: {', '.join(dropped)}.")
    return (*found, *_limit_changes(replaces.limits, manifest.limits))


def _limit_changes(before: Limits, after: Limits) -> list[str]:
    old, new = limits_as_written(before), limits_as_written(after)
    return [
        f"Its limit of {key} goes from {old[key]} to {new[key]}."
        for key in LIMIT_KINDS
        if old[key] != new[key]
    ]
