"""What the pages say of providers is what their manifests and the code say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.settings import parse_settings
from stockade_sdk.manifest import Manifest, read_manifest_file
from tests.system.pages import DOCS, ROOT, blocks, place, rows, sections, words

READMES = (ROOT / "README.md", ROOT / "README.zh.md")
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
PLUGIN_PAGES = sorted((ROOT / "plugins").glob("*/README.md"))
SET_UP = DOCS / "how-to" / "set-up-providers.md"
ROUTES = DOCS / "how-to" / "route-and-fall-back.md"
PROVIDERS = DOCS / "reference" / "providers.md"

MANIFESTS: dict[str, Manifest] = {
    file.parent.name: read_manifest_file(file)
    for file in sorted((ROOT / "plugins").glob("*/plugin.toml"))
}
VENDORS = [name for name in MANIFESTS if name != "echo"]


def capabilities(manifest: Manifest) -> set[str]:
    return {str(word) for model in manifest.served_models for word in model.capabilities}


def arguments(text: str) -> Iterator[list[str]]:
    """The words of each `stockade` command of a page."""
    for block in blocks(text, "console"):
        for line in block.splitlines():
            if line.startswith("$ stockade "):
                yield line.removeprefix("$ stockade ").split()


@pytest.mark.parametrize("path", READMES, ids=place)
@pytest.mark.parametrize("term", ["provider plugin", "capability routing", "China-first"])
def test_both_readmes_have_the_terms(path: Path, term: str) -> None:
    assert term.lower() in path.read_text(encoding="utf-8").lower()


def test_the_readmes_lead_to_each_other() -> None:
    english, chinese = (path.read_text(encoding="utf-8") for path in READMES)

    assert "](README.zh.md)" in english
    assert "](README.md)" in chinese


@pytest.mark.parametrize("name", VENDORS)
def test_every_vendor_has_an_example_that_installs_it_and_sets_its_key(name: str) -> None:
    commands = list(arguments(SET_UP.read_text()))
    secrets = {secret.name for secret in MANIFESTS[name].permissions.secrets}

    assert ["install", name] in [command[:2] for command in commands]
    assert any(
        command[:3] == ["secrets", "set", name] and command[3] in secrets for command in commands
    )


def test_the_table_of_shipped_plugins_is_that_of_the_manifests() -> None:
    text = sections(SET_UP.read_text())["The plugins that ship"]

    told = {words(row[0])[0]: (set(words(row[1])), set(words(row[2]))) for row in rows(text)}

    assert told == {
        name: (
            capabilities(manifest),
            {secret.name for secret in manifest.permissions.secrets},
        )
        for name, manifest in MANIFESTS.items()
    }


@pytest.mark.parametrize("name", MANIFESTS)
def test_the_reference_has_each_setting_default_and_secret(name: str) -> None:
    text = sections(PROVIDERS.read_text())[name]
    manifest = MANIFESTS[name]

    told = {key: row[1] for row in rows(text) for key in words(row[0])}

    assert set(told) == set(manifest.config)
    for key, field in manifest.config.items():
        if field.default is not None:
            assert f"`{field.default}`" in told[key], key
        if field.required:
            assert told[key] == "required", key
    for secret in manifest.permissions.secrets:
        assert f"`{secret.name}`" in text
        assert secret.expose or (secret.header or "").lower() in text.lower()


@pytest.mark.parametrize("path", PLUGIN_PAGES, ids=place)
def test_a_plugins_own_page_has_its_settings(path: Path) -> None:
    told = [key for row in rows(path.read_text()) for key in words(row[0]) if key.islower()]

    assert sorted(told) == sorted(MANIFESTS[path.parent.name].config)


@pytest.mark.parametrize("path", [*PAGES, *READMES, *PLUGIN_PAGES], ids=place)
def test_settings_and_keys_in_commands_are_there(path: Path) -> None:
    for command in arguments(path.read_text(encoding="utf-8")):
        match command:
            case ["config", "set" | "unset", name, key, *_] if name in MANIFESTS:
                assert key in MANIFESTS[name].config, command
            case ["secrets", "set" | "remove", name, key, *_] if name in MANIFESTS:
                known = {secret.name for secret in MANIFESTS[name].permissions.secrets}
                assert key in known, command


def is_known(target: str) -> bool:
    """Whether a target names a model that its plugin lists, or one that only the operator knows."""
    plugin, _, model = target.partition("/")
    if plugin not in MANIFESTS or model == "default":
        return plugin in MANIFESTS
    known = [name for one in MANIFESTS[plugin].models for name in (one.id, *one.aliases)]
    return model in known


@pytest.mark.parametrize("path", [SET_UP, ROUTES, *READMES], ids=place)
def test_models_in_routes_serve_what_they_are_routed_for(path: Path) -> None:
    found = 0
    for example in blocks(path.read_text(encoding="utf-8"), "toml"):
        if example.startswith("manifest"):
            continue
        settings = parse_settings(example.encode())
        for capability, policy in settings.routes.items():
            for target in policy.targets:
                found += 1
                assert is_known(target), target
                plugin, _, model = target.partition("/")
                served = [one for one in MANIFESTS[plugin].models if one.id == model]
                if served:
                    assert capability in served[0].capabilities, target
        for target in settings.aliases.values():
            assert is_known(str(target)), target

    assert found or path in (READMES[0], SET_UP)


def test_routes_have_an_example_for_each_capability() -> None:
    routed = {
        str(capability)
        for example in blocks(ROUTES.read_text(), "toml")
        for capability, policy in parse_settings(example.encode()).routes.items()
        if policy.fallbacks
    }

    assert {"chat", "vision", "image_gen", "audio_stt", "audio_tts", "embedding"} <= routed


@pytest.mark.parametrize("path", [SET_UP, ROUTES, *READMES, *PLUGIN_PAGES], ids=place)
def test_models_in_commands_are_listed(path: Path) -> None:
    for command in arguments(path.read_text(encoding="utf-8")):
        if command[0] != "run" or "--model" not in command:
            continue
        model = command[command.index("--model") + 1]
        plugin = command[command.index("--plugin") + 1] if "--plugin" in command else ""
        own = plugin and not model.startswith(f"{plugin}/")
        target = f"{plugin}/{model}" if own else model
        assert "/" not in target or is_known(target), command
