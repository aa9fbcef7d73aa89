"""Names to targets: the order of the readings, and what is no name."""

from __future__ import annotations

import time

import pytest

from stockade.errors import NotInstalled
from stockade.router import AliasLoop, AmbiguousModel, Catalogue, MatchedBy, NoSuchModel, resolve
from stockade_sdk.capability import Capability, ModelInfo


def model(full_id: str, *aliases: str) -> tuple[str, ModelInfo]:
    plugin, _, id = full_id.partition("/")
    return plugin, ModelInfo(id=id, capabilities=(Capability.CHAT,), aliases=aliases)


CATALOGUE = Catalogue(
    [
        model("openai/gpt-4o", "gpt4"),
        model("openai/gpt-4o-mini"),
        model("openrouter/anthropic/claude-sonnet", "or-sonnet"),
        model("openrouter/openai/gpt-4o"),
        model("openrouter/auto"),
        model("groq/llama", "fast"),
        model("mistral/llama"),
        model("mistral/fast-one", "quick"),
        model("groq/quick"),
    ],
    ["openai", "openrouter", "groq", "mistral", "anthropic"],
)


def names(name: str, **options) -> list[str]:
    return [target.name for target in resolve(name, CATALOGUE, **options).targets]


@pytest.mark.parametrize(
    ("name", "expected", "by"),
    [
        ("mine", "openai/gpt-4o", MatchedBy.USER_ALIAS),
        ("gpt4", "openai/gpt-4o", MatchedBy.PLUGIN_ALIAS),
        ("gpt-4o", "openai/gpt-4o", MatchedBy.SHORT_NAME),
        ("openai/gpt-4o", "openai/gpt-4o", MatchedBy.FULL_ID),
        (" OpenAI /gpt-4o ", "openai/gpt-4o", MatchedBy.FULL_ID),
        ("openrouter/anthropic/claude-sonnet", "openrouter/anthropic/claude-sonnet", "full_id"),
    ],
)
def test_a_name_is_read_as_what_it_is(name, expected, by) -> None:
    found = resolve(name, CATALOGUE, aliases={"mine": "gpt4"})

    assert [target.name for target in found.targets] == [expected]
    assert found.by == by


def test_a_full_id_reaches_an_installed_plugin_though_no_catalogue_lists_it() -> None:
    found = resolve("groq/brand-new", CATALOGUE)

    assert [(t.plugin, t.model, t.info) for t in found.targets] == [("groq", "brand-new", None)]
    assert found.by is MatchedBy.FULL_ID


def test_what_another_plugin_lists_never_takes_over_a_full_id() -> None:
    # openrouter lists models called openai/gpt-4o and anthropic/claude-sonnet
    assert names("openai/gpt-4o") == ["openai/gpt-4o"]
    assert names("anthropic/claude-sonnet") == ["anthropic/claude-sonnet"]


def test_a_model_id_with_a_slash_is_a_short_name_where_no_such_plugin_is_installed() -> None:
    catalogue = Catalogue([model("openrouter/meta/llama")], ["openrouter"])

    found = resolve("meta/llama", catalogue)

    assert [target.name for target in found.targets] == ["openrouter/meta/llama"]
    assert found.by is MatchedBy.SHORT_NAME


def test_the_operators_alias_may_hide_a_full_id_and_says_so() -> None:
    found = resolve("openai/gpt-4o", CATALOGUE, aliases={"openai/gpt-4o": "groq/llama"})

    assert [target.name for target in found.targets] == ["groq/llama"]
    assert [warning.code for warning in found.warnings] == ["name_shadowed"]
    assert "openai/gpt-4o" in found.warnings[0].message


def test_an_alias_that_hides_nothing_gives_no_warning() -> None:
    aliases = {"mine": "openai/gpt-4o", "gpt-4o-mini": "openai/gpt-4o-mini"}

    assert resolve("mine", CATALOGUE, aliases=aliases).warnings == ()
    assert resolve("gpt-4o-mini", CATALOGUE, aliases=aliases).warnings == ()


def test_a_plugins_alias_that_hides_anothers_model_says_so() -> None:
    found = resolve("quick", CATALOGUE)

    assert [target.name for target in found.targets] == ["mistral/fast-one"]
    assert "groq/quick" in found.warnings[0].message


def test_a_short_name_of_two_plugins_is_an_error_with_both() -> None:
    with pytest.raises(AmbiguousModel, match="groq/llama, mistral/llama") as raised:
        resolve("llama", CATALOGUE)

    assert raised.value.candidates == ("groq/llama", "mistral/llama")
    assert raised.value.exit_code == 2


def test_an_ambiguous_name_is_not_saved_by_a_default_plugin() -> None:
    with pytest.raises(AmbiguousModel):
        resolve("llama", CATALOGUE, default_plugin="groq")


def test_an_unknown_name_suggests_up_to_three() -> None:
    with pytest.raises(NoSuchModel) as raised:
        resolve("gpt-4oo", CATALOGUE)

    assert "gpt-4o" in raised.value.suggestions
    assert 1 <= len(raised.value.suggestions) <= 3
    assert "did you mean gpt-4o" in str(raised.value)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gtp-4o", "gpt-4o"),
        ("pgt-4o-mini", "gpt-4o-mini"),
        ("openai/gpt-4", "openai/gpt-4o"),
        ("gpt-4o-min", "gpt-4o-mini"),
        ("opnai/gpt-4o", "openai/gpt-4o"),
    ],
)
def test_a_slip_at_either_end_is_found_among_thousands_of_names(typed, meant) -> None:
    others = [model(f"p{n}/m{n * m}") for n in range(50) for m in range(40)]
    catalogue = Catalogue(
        [*others, model("openai/gpt-4o"), model("openai/gpt-4o-mini")], ["nobody"]
    )

    with pytest.raises(NoSuchModel) as raised:
        resolve(typed, catalogue)

    assert meant in raised.value.suggestions


def test_where_nobody_reads_suggestions_none_are_looked_for() -> None:
    with pytest.raises(NoSuchModel) as raised:
        resolve("gpt-4oo", CATALOGUE, suggest=False)

    assert raised.value.suggestions == ()


def test_an_alias_to_a_slip_suggests_what_was_meant() -> None:
    with pytest.raises(NoSuchModel) as raised:
        resolve("mine", CATALOGUE, aliases={"mine": "gpt-4oo"})

    assert "gpt-4o" in raised.value.suggestions


def test_an_alias_of_the_operators_is_suggested_too() -> None:
    with pytest.raises(NoSuchModel) as raised:
        resolve("zebrra", CATALOGUE, aliases={"zebra": "gpt4"})

    assert raised.value.suggestions == ("zebra",)


def test_a_long_name_with_escape_codes_is_quoted_short_and_harmless() -> None:
    with pytest.raises(NoSuchModel) as raised:
        resolve("\x1b[31m" + "x" * 100_000, CATALOGUE)

    assert "\x1b" not in str(raised.value)
    assert len(str(raised.value)) < 1_000


@pytest.mark.parametrize("name", ["", "   ", "/gpt-4o", "openai/", "nobody/nothing", "GPT-4O"])
def test_what_is_no_name_is_refused(name) -> None:
    with pytest.raises(NoSuchModel):
        resolve(name, CATALOGUE)


def test_an_unknown_name_goes_to_the_default_plugin_where_there_is_one() -> None:
    found = resolve("zzz", CATALOGUE, default_plugin="openrouter")

    assert [target.name for target in found.targets] == ["openrouter/zzz"]
    assert found.by is MatchedBy.DEFAULT_PLUGIN


def test_the_default_plugin_is_read_as_every_plugins_name_is() -> None:
    found = resolve("gpt-4o-mini-2", CATALOGUE, default_plugin=" OpenAI ")

    assert [target.name for target in found.targets] == ["openai/gpt-4o-mini-2"]


def test_aliases_may_lead_to_aliases() -> None:
    assert names("a", aliases={"a": "b", "b": " gpt4 "}) == ["openai/gpt-4o"]


@pytest.mark.parametrize("name", ["auto", "vision"])
def test_the_operators_alias_for_a_route_holds_and_says_so(name) -> None:
    found = resolve(name, CATALOGUE, aliases={name: "openai/gpt-4o"})

    assert [target.name for target in found.targets] == ["openai/gpt-4o"]
    assert [warning.code for warning in found.warnings] == ["name_shadowed"]


def test_an_alias_may_name_several_targets_in_order() -> None:
    aliases = {"a": ("fast", "gpt4", "groq/llama")}

    assert names("a", aliases=aliases) == ["groq/llama", "openai/gpt-4o"]


@pytest.mark.parametrize(
    "aliases", [{"a": "a"}, {"a": "b", "b": "c", "c": "a"}, {"a": ("gpt4", "b"), "b": "a"}]
)
def test_a_loop_of_aliases_is_an_error_that_shows_the_way_round(aliases) -> None:
    with pytest.raises(AliasLoop, match="leads back") as raised:
        resolve("a", CATALOGUE, aliases=aliases)

    assert raised.value.path[0] == raised.value.path[-1]


def test_an_alias_to_nothing_names_the_alias() -> None:
    with pytest.raises(NoSuchModel, match=r"the alias 'a' leads to it"):
        resolve("a", CATALOGUE, aliases={"a": "gone"})


def test_auto_and_capabilities_follow_their_route_whatever_plugins_call_their_models() -> None:
    auto, vision = resolve("auto", CATALOGUE), resolve("vision", CATALOGUE)

    assert (auto.by, auto.targets) == (MatchedBy.AUTO, ())
    assert (vision.by, vision.capability) == (MatchedBy.CAPABILITY, Capability.VISION)


def test_an_alias_may_lead_to_a_capability() -> None:
    assert resolve("see", CATALOGUE, aliases={"see": "vision"}).capability is Capability.VISION


@pytest.mark.parametrize(
    ("name", "plugin", "expected"),
    [
        ("llama", "mistral", "mistral/llama"),
        ("mistral/llama", "mistral", "mistral/llama"),
        ("openai/gpt-4o", "openrouter", "openrouter/openai/gpt-4o"),
        ("gpt-4o", "groq", "groq/gpt-4o"),  # the plugin that was named wins over the catalogue
        ("or-sonnet", "openrouter", "openrouter/anthropic/claude-sonnet"),
    ],
)
def test_a_named_plugin_decides(name, plugin, expected) -> None:
    assert names(name, plugin=plugin) == [expected]


def test_of_a_named_plugin_an_alias_comes_before_a_models_id() -> None:
    catalogue = Catalogue([model("p/one"), model("p/two", "one")], ["p"])

    assert resolve("one", catalogue, plugin="p").targets[0].name == "p/two"


def test_a_plugin_that_is_listed_and_may_not_run_cannot_be_named() -> None:
    with pytest.raises(NotInstalled):
        resolve("m", Catalogue([model("p/m")]), plugin="p")


def test_a_plugin_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotInstalled, match="'gone' is not installed"):
        resolve("m", CATALOGUE, plugin="gone")


def test_an_alias_to_another_plugin_than_the_named_one_is_an_error() -> None:
    with pytest.raises(NoSuchModel, match="your alias means openai/gpt-4o"):
        resolve("mine", CATALOGUE, aliases={"mine": "gpt4"}, plugin="groq")


def test_the_first_of_two_models_with_one_id_stays() -> None:
    first = ModelInfo(id="m", context_tokens=1)
    catalogue = Catalogue([("p", first), ("p", ModelInfo(id="m", context_tokens=2))], ["p"])

    assert resolve("m", catalogue).targets[0].info == first


def test_an_error_names_some_of_many_candidates_and_says_how_many_more_there_are():
    models = [("p", ModelInfo(id=f"m{at}", aliases=("best",))) for at in range(5_000)]

    with pytest.raises(AmbiguousModel) as raised:
        resolve("best", Catalogue(models, ["p"]))

    assert "p/m0, " in str(raised.value)
    assert "or 4990 others" in str(raised.value)
    assert len(str(raised.value)) < 1_000
    assert len(raised.value.candidates) == 5_000


def test_one_alias_of_all_models_costs_no_square_of_their_number():
    """Each further model would copy all that came before: 15 s with 64 aliases."""
    words = tuple(f"a{at}" for at in range(16))
    models = [("p", ModelInfo(id=f"m{at}", aliases=words)) for at in range(5_000)]

    began = time.process_time()
    catalogue = Catalogue(models, ["p"])

    assert time.process_time() - began < 1.0
    assert len(catalogue.aliases["a0"]) == 5_000


GONE = Catalogue(
    [model("mirror/openai/gpt-4o", "openai/gpt-4"), model("mirror/nobody/m")],
    ["mirror"],
    disabled=["openai"],
)


@pytest.mark.parametrize("name", ["openai/gpt-4o", "OpenAI/gpt-4o", "openai/gpt-4"])
def test_a_disabled_plugins_full_ids_are_nobody_elses(name):
    with pytest.raises(NoSuchModel, match="is disabled"):
        resolve(name, GONE)
    with pytest.raises(NoSuchModel):
        resolve("mine", GONE, aliases={"mine": name})


def test_what_an_operator_wrote_in_full_is_no_name_for_another_plugins_model():
    assert [one.name for one in resolve("nobody/m", GONE).targets] == ["mirror/nobody/m"]
    for options in ({"aliases": {"mine": "nobody/m"}}, {"in_full": True}):
        with pytest.raises(NoSuchModel):
            resolve("mine" if "aliases" in options else "nobody/m", GONE, **options)


def test_a_long_way_round_is_found_soon_and_told_in_short():
    aliases = {f"a{at}": f"a{(at + 1) % 20_000}" for at in range(20_000)}

    began = time.process_time()
    with pytest.raises(AliasLoop) as raised:
        resolve("a0", CATALOGUE, aliases=aliases)

    assert time.process_time() - began < 1.0
    assert len(raised.value.path) == 20_001
    assert raised.value.why == "a0 -> a1 -> a2 -> a3 -> a4 -> a5 -> a6 -> a7 -> a8 -> ... -> a0"


@pytest.mark.parametrize("part", ["a", "ab", "aab"])
def test_a_list_made_to_be_compared_slowly_holds_nobody_up(part):
    """Requests for unknown names are compared with known ones in the event loop."""
    listed = [("p", ModelInfo(id=(part * 100)[: 20 + at % 130] + str(at))) for at in range(5_000)]
    catalogue = Catalogue(listed, ["p"])
    catalogue.near("x")  # the index is made

    began = time.process_time()
    for _ in range(5):
        catalogue.near((part * 100)[:119])
        catalogue.near((part * 100)[:58] + "b")

    assert time.process_time() - began < 1.0  # without bounds 2 to 8 s
