"""Recorded requests at the vendor they were made for: the handoff leaves them as they are."""

from importlib import import_module

from stockade.handoff import hand_over
from tests.recorded.interactions import CHAT, takes

PLUGINS = {"openai_responses": "openai", "anthropic_messages": "anthropic", "gemini": "gemini"}
BY_PROVIDER = {"azure": "azure-openai"}  # of the chat wire, where the plugin has another name
WIRES = frozenset({CHAT, *PLUGINS})


@takes(lambda one: one.wire in WIRES and one.request is not None and not one.failed)
def test_a_request_goes_to_its_own_vendor_as_it_is(interaction) -> None:
    dialect = import_module(f"stockade_sdk.dialects.{interaction.wire}")
    request = dialect.decode_request(interaction.request)
    own = PLUGINS.get(interaction.wire) or BY_PROVIDER.get(
        interaction.provider, interaction.provider
    )

    for plugin in {own, "openai-compatible"} if interaction.wire == CHAT else {own}:
        assert hand_over(request, plugin) == (request, ())
        assert hand_over(request, plugin)[0] is request
