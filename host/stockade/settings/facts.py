"""What the operator knows of models: `[models."plugin/model"]`, keyed as a manifest's model is.

It stands before what the plugin says of the same model, field by field. What a model costs is under
`[prices]`.
"""

from typing import Any

from stockade.settings.table import MAX_TARGET, refuse_first
from stockade_sdk.capability import ModelInfo
from stockade_sdk.manifest.problems import Problems, Section
from stockade_sdk.manifest.sections import read_model

__all__ = ["read_facts"]

MODEL_REMEDY = 'write a table, as in [models."openai/gpt-4o"]'


def read_facts(values: dict[str, Any], text: str, source: str) -> dict[str, ModelInfo]:
    """Models by `plugin/model`, in the order of the file. ``text`` is the whole file's.

    Raises `SettingsError` with the line, the key and what would be right, for the first problem.
    """
    problems = Problems(text)
    table = Section(problems, ("models",), values)
    found: dict[str, ModelInfo] = {}
    for target in values:
        plugin, slash, id = (part.strip() for part in target.partition("/"))
        if not (slash and plugin and id and target.isprintable() and len(target) <= MAX_TARGET):
            table.add(target, "names no model", 'write "plugin/model"')
            continue
        if table.get(target, dict, MODEL_REMEDY) is None:
            continue
        section = table.table(target)
        if "price" in section.values:
            section.add("price", "stands elsewhere", f'write it under [prices."{plugin}/{id}"]')
            continue
        read = read_model(section, id)
        section.finish()
        found.setdefault(
            f"{plugin.lower()}/{id}",
            ModelInfo(
                id=id,
                provider=plugin.lower(),
                name=read.name,
                capabilities=read.capabilities,
                features=read.features,
                context_tokens=read.context_tokens,
                max_output_tokens=read.max_output_tokens,
                aliases=read.aliases,
            ),
        )
    refuse_first(problems, source)
    return found
