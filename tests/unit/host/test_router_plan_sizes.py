"""A plan made without a size stands for every request that fits its window, and names that may be
anything never break a plan.
"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stockade.errors import UsageError
from stockade.router import Catalogue, Needs, Plan, Standing, candidates, explain
from stockade.settings import RoutingPolicy
from stockade_sdk.capability import Capability, ModelInfo

PLUGINS = ("a", "b", "c")
IDS = ("one", "two", "a/one", "auto", "chat")
NAMES = st.sampled_from(
    [*IDS, *(f"{plugin}/{id}" for plugin in (*PLUGINS, "gone") for id in IDS), "x", "y", "", " "]
)
TOKENS = st.integers(0, 30)
CAPABILITIES = st.sampled_from([Capability.CHAT, Capability.VISION])
models = st.builds(
    ModelInfo,
    id=st.sampled_from(IDS),
    capabilities=st.sets(CAPABILITIES).map(tuple),
    features=st.sets(st.sampled_from(["tools", "streaming"])).map(tuple),
    context_tokens=st.none() | TOKENS,
    aliases=st.sets(NAMES, max_size=2).map(tuple),
)
catalogues = st.builds(
    Catalogue,
    st.lists(st.tuples(st.sampled_from(PLUGINS), models), max_size=8),
    st.sets(st.sampled_from(PLUGINS)).map(sorted),
)
routes = st.dictionaries(
    CAPABILITIES,
    st.builds(RoutingPolicy, st.lists(NAMES, max_size=4).map(tuple), enabled=st.booleans()),
)
options = st.fixed_dictionaries(
    {
        "model": st.none() | NAMES,
        "plugin": st.none() | st.sampled_from(PLUGINS),
        "routes": routes,
        "aliases": st.dictionaries(NAMES, NAMES, max_size=4),
        "health": st.dictionaries(
            NAMES | st.sampled_from(PLUGINS),
            st.builds(Standing, st.sampled_from(["cooling", "stopped"]), st.floats(0, 9)),
        ),
    }
)
FEATURES = st.sampled_from([(), ("tools",)])


def planned(catalogue: Catalogue, needs: Needs, given: dict) -> Plan | str:
    try:
        return candidates(needs, catalogue, **given)
    except UsageError as error:
        return str(error)


@given(catalogues, CAPABILITIES, FEATURES, options, TOKENS)
def test_what_fits_the_window_of_a_plan_goes_where_the_plan_says(
    catalogue, capability, features, given, tokens
) -> None:
    plan = planned(catalogue, Needs(capability, features), given)
    sized = planned(catalogue, Needs(capability, features, tokens), given)

    if isinstance(plan, str) or isinstance(sized, str):
        assert plan == sized
        return
    if plan.window is None or tokens <= plan.window:
        assert sized.targets == plan.targets
        assert sized.policy == plan.policy
    assert bool(sized.targets) == bool(plan.targets)  # an estimate alone refuses nobody


@given(catalogues, CAPABILITIES, FEATURES, options, st.none() | TOKENS)
def test_every_plan_is_sound_and_explained(catalogue, capability, features, given, tokens) -> None:
    needs = Needs(capability, features, tokens)

    plan = planned(catalogue, needs, given)

    if isinstance(plan, str):
        return
    names = [target.name for target in plan.targets]
    assert len(names) == len(set(names))
    assert all(target.plugin in catalogue.plugins for target in plan.targets)
    assert not set(names) & {name for name, why in plan.rejected if "window" in why}
    small = [t for t in plan.targets if tokens is not None and t.window < tokens]
    assert not small or (
        len(names) == 1 and "request_may_not_fit" in [one.code for one in plan.warnings]
    )
    told = explain(needs, catalogue, **given)
    assert [one.target for one in told.targets] == names
    assert (told.policy is None) == (told.route is None)
