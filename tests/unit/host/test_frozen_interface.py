"""Signatures that programs are written against: one that changes breaks them, and fails here.

To change one on purpose takes a new major version, and a line in the changelog.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, get_overloads

import pytest

from stockade import Host
from stockade.compat import ProviderRuntime, ProviderRuntimeBuilder
from stockade_sdk import DiscoveryOptions

BOUNDS = "timeout: 'float | None' = None, plugin: 'str | None' = None"
FROM_THE_CACHE = "DiscoveryOptions(remote=False, providers=(), refresh=False)"
FROZEN: dict[Callable[..., Any], tuple[bool, str]] = {  # whether it is awaited, and its signature
    Host.run: (
        True,
        f"(self, request: 'ProviderRequest', *, {BOUNDS}) -> 'ProviderResponse'",
    ),
    Host.stream: (
        False,
        f"(self, request: 'ChatRequest', *, {BOUNDS}) -> 'Answer'",
    ),
    Host.discover_models: (
        True,
        f"(self, options: 'DiscoveryOptions' = {FROM_THE_CACHE}) -> 'ModelCatalog'",
    ),
    Host.export_catalogue_json: (False, "(self) -> 'str'"),
    ProviderRuntime.builder: (False, "() -> 'ProviderRuntimeBuilder'"),
    ProviderRuntime.run: (True, "(self, request: 'ProviderRequest') -> 'ProviderResponse'"),
    ProviderRuntime.discover_models: (
        True,
        f"(self, options: 'DiscoveryOptions' = {FROM_THE_CACHE}) -> 'ModelCatalog'",
    ),
    ProviderRuntime.export_catalog_json: (False, "(self) -> 'str'"),
    ProviderRuntimeBuilder.home: (False, "(self, home: 'Path | str') -> 'ProviderRuntimeBuilder'"),
    ProviderRuntimeBuilder.settings: (
        False,
        "(self, settings: 'Settings') -> 'ProviderRuntimeBuilder'",
    ),
    ProviderRuntimeBuilder.build: (False, "(self) -> 'AsyncIterator[ProviderRuntime]'"),
}


@pytest.mark.parametrize("member", FROZEN, ids=lambda member: member.__qualname__)
def test_a_frozen_signature_is_as_it_was(member: Callable[..., Any]) -> None:
    found = (inspect.iscoroutinefunction(member), str(inspect.signature(member)))

    assert found == FROZEN[member]


def test_each_kind_of_request_has_its_own_kind_of_answer() -> None:
    pairs = {
        one.__annotations__["request"]: one.__annotations__["return"]
        for one in get_overloads(Host.run)
    }

    assert pairs == {
        f"{kind}Request": f"{kind}Response"
        for kind in (
            "Chat",
            "Embedding",
            "Image",
            "Transcription",
            "Speech",
            "Rerank",
            "Provider",
        )
    }


def test_the_options_of_a_discovery_are_as_they_were() -> None:
    assert DiscoveryOptions.__struct_fields__ == ("remote", "providers", "refresh")
