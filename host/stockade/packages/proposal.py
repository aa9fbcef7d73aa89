"""What an install would do, worked out before anything is written."""

import msgspec

import stockade_sdk
from stockade.errors import UsageError
from stockade.packages.contents import read_source
from stockade.packages.differences import differences, is_downgrade, other_maker
from stockade.packages.names import names_near
from stockade.packages.permit import widened
from stockade.packages.signing import trust_of
from stockade.packages.snapshot import Snapshot
from stockade.packages.source import Source, resolve_source, shipped_plugins
from stockade.settings import Home
from stockade.state import Installed, State
from stockade_sdk.manifest import MANIFEST_NAME, Manifest, ManifestError, read_manifest
from stockade_sdk.manifest.versions import specifier_allows
from stockade_sdk.permissions import Permissions

__all__ = ["Proposal", "check_sdk", "plan_install"]

SHIPPED = "shipped"
SIGNED = "signed"
UNSIGNED = "unsigned"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """One install as it would be. Holds no file open; `snapshot` ties it to the source's content.

    `trust` is the tier that it gets, `signer` the fingerprint of the key that signed it, trusted or
    not, "" for none. `replaces` is what is installed under the name now; `asked` is what the
    manifest asks for, `new` what of it goes beyond the present grant: all of it where there is
    none, or `other_maker` says that nothing shows it to come from who had it. `downgrade`: it is an
    older version than there is. `differences` and `warnings` are sentences for people.
    """

    source: Source
    manifest: Manifest
    snapshot: Snapshot
    trust: str = UNSIGNED
    signer: str = ""
    replaces: Installed | None = None
    asked: Permissions = Permissions()
    new: Permissions = Permissions()
    other_maker: bool = False
    downgrade: bool = False
    differences: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of the content, in hexadecimal; its name in the store."""
        return self.snapshot.digest

    @property
    def manifest_text(self) -> str:
        """The manifest as it is written."""
        return self.snapshot.manifest.decode()

    @property
    def unchanged(self) -> bool:
        """Whether exactly this is installed already."""
        return self.replaces is not None and self.replaces.digest == self.digest

    @property
    def granted(self) -> Permissions:
        """What its maker was granted up to now."""
        if self.replaces is None or self.other_maker:
            return Permissions()
        return self.replaces.granted


def plan_install(home: Home, state: State, source: Source | str) -> Proposal:
    """Read what SOURCE names and say what installing it would mean. Writes nothing.

    A text is looked up as `resolve_source` does. Raises `UsageError` for a source, a content or a
    manifest that cannot be used.
    """
    found = resolve_source(source) if isinstance(source, str) else source
    snapshot = read_source(found)
    manifest = _manifest_of(found, snapshot)
    trust = trust_of(found.trust, snapshot.wheel, state.trusted.by_fingerprint)
    before = state.get(manifest.name)
    proposal = Proposal(
        source=found,
        manifest=manifest,
        snapshot=snapshot,
        trust=trust.tier,
        signer=trust.signer,
        replaces=before,
        asked=manifest.permissions,
        warnings=_warnings(home, state, trust.tier, manifest),
    )
    if before is not None:
        proposal = msgspec.structs.replace(
            proposal,
            other_maker=other_maker(before, trust.tier, trust.signer),
            downgrade=is_downgrade(before.version, manifest.version),
            differences=differences(before, manifest, snapshot.digest, trust.tier, trust.signer),
        )
    new = widened(proposal.granted, manifest.permissions)
    return msgspec.structs.replace(proposal, new=new)


def check_sdk(manifest: Manifest) -> None:
    """Raises `UsageError` where it is for another SDK than the one here."""
    if not specifier_allows(manifest.sdk, stockade_sdk.__version__):
        raise UsageError(
            f"{manifest.name} does not work with this stockade",
            why=f'plugin.sdk says "{manifest.sdk}", and the SDK here is {stockade_sdk.__version__}',
            remedy="get another version of the plugin, or of stockade",
        )


def _manifest_of(source: Source, snapshot: Snapshot) -> Manifest:
    try:
        manifest = read_manifest(snapshot.manifest, source=str(source.path / MANIFEST_NAME))
    except ManifestError as error:
        raise UsageError(
            "the manifest cannot be used",
            why=str(error),
            remedy="where it is yours, mend it; else tell its author",
        ) from error
    check_sdk(manifest)
    lack = snapshot.lacks(manifest.entry)
    if lack is not None:
        place = "wheel" if source.kind == "wheel" else "folder"
        raise UsageError(
            f'plugin.entry names "{manifest.entry}", and {lack[0]} in the {place}', remedy=lack[1]
        )
    return manifest


def _warnings(home: Home, state: State, trust: str, manifest: Manifest) -> tuple[str, ...]:
    found = []
    if state.get(manifest.name) is None and home.data_of(manifest.name).exists():
        found.append("It gets the data that an earlier plugin of this name left behind.")
    if trust == SHIPPED:
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
