"""The models of what is installed, in the order in which a request without a model finds them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from msgspec.structs import replace

from stockade.models import Listed, Merged, PriceRule, PriceTable, Source, merge
from stockade.models.prices import read_price
from stockade.settings import Settings
from stockade.state import Installed
from stockade.state.lists import ModelList
from stockade.state.manifests import manifest_of
from stockade_sdk.capability import Capability, ModelInfo, Price, RuntimeWarning
from stockade_sdk.manifest import ManifestError
from stockade_sdk.text import show

__all__ = ["catalogue_of", "models_of", "operators_prices", "routed"]

# Settings by which an operator chooses the model for requests that name none, where a plugin has
# them; vendors' plugins share these names (`stockade_sdk.vendor`).
CHOICES: Final[Mapping[str, tuple[Capability, ...]]] = MappingProxyType(
    {
        "model": (Capability.CHAT, Capability.VISION),
        "embedding_model": (Capability.EMBEDDING,),
        "image_model": (Capability.IMAGE_GEN,),
        "transcription_model": (Capability.AUDIO_STT,),
        "speech_model": (Capability.AUDIO_TTS,),
        "rerank_model": (Capability.RERANK,),
    }
)
NO_LISTS: Final[Mapping[str, ModelList]] = MappingProxyType({})


def catalogue_of(
    records: Iterable[Installed],
    settings: Settings,
    lists: Mapping[str, ModelList] = NO_LISTS,
) -> Merged:
    """Every model of these plugins: what they declare, what the operator says of them, and what
    scans found (``lists``, by plugin).

    Plugins as they come; of each first what the operator chose, then as its manifest has it, then
    what only the operator lists, then what only a scan found, by id. A plugin whose record cannot
    be read has no models, and a warning.
    """
    own = _Own()
    for record in records:
        own.read(record)
    facts, warnings = _facts(settings.models, own.plugins)
    lists = {name: found for name, found in lists.items() if name in own.plugins}
    scanned = (
        owned
        for name, found in lists.items()
        for model in found.models
        if (owned := _owned(model, name, own.plugins[name])) is not None
    )
    merged = merge(
        facts,
        own.declared,
        scanned,
        assumed=own.assumed,
        first=own.first,
        fetched_at={name: found.fetched_at for name, found in lists.items()},
    )
    prices = operators_prices(settings)
    models = tuple(_repriced(merged.models, prices)) if prices else merged.models
    return Merged(models, (*own.warnings, *warnings, *merged.warnings))


def models_of(records: Iterable[Installed]) -> list[tuple[str, ModelInfo]]:
    """What installed plugins declare, each model with its plugin."""
    return routed(catalogue_of(records, Settings()))


def routed(catalogue: Merged) -> list[tuple[str, ModelInfo]]:
    """The catalogue as the router takes it: each model with its plugin."""
    return [(listed.info.provider, listed.info) for listed in catalogue.models]


def operators_prices(settings: Settings) -> dict[str, Price]:
    """What the operator says that models cost, by ``plugin/model``: under `[prices]`, and with the
    facts of single models under `[models]`, which no pattern of the first may hide.
    """
    facts = {name: info.price for name, info in settings.models.items() if info.price is not None}
    return {**facts, **settings.prices}


class _Own:
    """What plugins' records say of their models."""

    def __init__(self) -> None:
        self.plugins: dict[str, frozenset[Capability]] = {}  # what each one's manifest declares
        self.declared: list[ModelInfo] = []
        self.assumed: list[ModelInfo] = []
        self.first: list[tuple[str, str]] = []
        self.warnings: list[RuntimeWarning] = []

    def read(self, record: Installed) -> None:
        self.plugins[record.name] = frozenset()
        try:
            manifest = manifest_of(record)
        except ManifestError:
            text = f"the manifest of {record.name} in state.db cannot be read: install it again"
            self.warnings.append(RuntimeWarning("catalogue.bad_manifest", text))
            return
        declared = [
            ModelInfo(
                id=model.id,
                provider=record.name,
                name=model.name,
                capabilities=model.capabilities,
                features=model.features,
                context_tokens=model.context_tokens,
                max_output_tokens=model.max_output_tokens,
                aliases=model.aliases,
                price=model.price,
            )
            for model in manifest.served_models
        ]
        self.plugins[record.name] = served_by(declared)
        self.declared += declared
        if manifest.models:  # else its one model, `default`, is the plugin's own to resolve
            chosen = chosen_of(declared, record.config)
            known = {model.id for model in declared}
            self.first += [(record.name, model.id) for model in chosen]
            self.assumed += [model for model in chosen if model.id not in known]


def chosen_of(declared: list[ModelInfo], config: Mapping[str, Any]) -> list[ModelInfo]:
    """The models that ``config`` chooses; one that is not declared is taken to serve what it was
    chosen for, as far as any model of the plugin does.
    """
    served = served_by(declared)
    by_id = {model.id: model for model in declared}
    chosen: dict[str, ModelInfo] = {}
    for key, capabilities in CHOICES.items():
        id = config.get(key)
        if not isinstance(id, str) or not id or id in chosen:
            continue
        serving = tuple(one for one in capabilities if one in served)
        if id in by_id:
            chosen[id] = by_id[id]
        elif serving:
            chosen[id] = ModelInfo(id=id, provider=declared[0].provider, capabilities=serving)
    return list(chosen.values())


def served_by(declared: Iterable[ModelInfo]) -> frozenset[Capability]:
    """All that these models serve."""
    return frozenset(capability for model in declared for capability in model.capabilities)


def _facts(
    facts: Mapping[str, ModelInfo], plugins: Iterable[str]
) -> tuple[list[ModelInfo], list[RuntimeWarning]]:
    """The operator's facts as models of the plugins they name."""
    models, warnings = [], []
    for target, info in facts.items():
        plugin, _, id = target.partition("/")
        if plugin in plugins:
            models.append(replace(info, provider=plugin, id=id))
            continue
        text = f"stockade.toml has facts of {show(target)}, and no such plugin is enabled"
        warnings.append(RuntimeWarning("catalogue.no_plugin", text))
    return models, warnings


def _owned(model: ModelInfo, plugin: str, served: frozenset[Capability]) -> ModelInfo | None:
    """A scanned model as its plugin's; None where the plugin declares nothing that it serves.

    The operator agreed to what the manifest declares. A list that claims more would draw requests
    of other kinds to the plugin, and away from those that have them now.
    """
    if served.issuperset(model.capabilities):
        return model if model.provider == plugin else replace(model, provider=plugin)
    capabilities = tuple(one for one in model.capabilities if one in served)
    return replace(model, provider=plugin, capabilities=capabilities) if capabilities else None


def _repriced(models: Iterable[Listed], prices: Mapping[str, Price]) -> Iterator[Listed]:
    """The models at the operator's prices, where one of these names them. One that is no possible
    price is kept back, and no other is put in its place.
    """
    rules: dict[str, list[PriceRule]] = {}
    for target, price in prices.items():
        plugin, _, pattern = target.partition("/")
        rules.setdefault(plugin, []).append(PriceRule(pattern, price))
    tables = {plugin: PriceTable(its) for plugin, its in rules.items()}
    sound = {target: price for target, price in prices.items() if read_price(price) is not None}
    for listed in models:
        info = listed.info
        rule = tables[info.provider].rule_of(info.id) if info.provider in tables else None
        if rule is None:
            yield listed
        else:
            own = sound.get(f"{info.provider}/{rule}")
            by = None if own is None else Source.OPERATOR
            yield replace(listed, info=replace(info, price=own), priced_by=by)
