"""Providers: who is there, how a key is given to them, what they may propose. Pure.

`registry` keeps registrations, built-in ones first; `installed` makes them from manifests, `legacy`
from what older plugins say of themselves. `patches` judges a proposed change of configuration,
`changes` works out what an accepted one comes to. `views` are what other parts ask of the registry.
"""

from stockade.registry.changes import Changes, plan_changes
from stockade.registry.diagnostics import Diagnostic
from stockade.registry.ids import normalise_id, try_normalise_id
from stockade.registry.installed import registration_of, registry_of
from stockade.registry.legacy import read_legacy, read_metadata
from stockade.registry.patches import Proposed, Verdict, check_patch
from stockade.registry.registration import AuthMethod, Checked, Registration
from stockade.registry.registry import (
    DuplicateProvider,
    InvalidRegistration,
    NotRegistered,
    ProviderRegistry,
)
from stockade.registry.views import (
    AuthChoice,
    ProfileRule,
    advisories,
    api_key_specs,
    auth_choices,
    environment_variables,
    legacy_profile_rules,
    runtime_tags,
)

__all__ = [
    "AuthChoice",
    "AuthMethod",
    "Changes",
    "Checked",
    "Diagnostic",
    "DuplicateProvider",
    "InvalidRegistration",
    "NotRegistered",
    "ProfileRule",
    "Proposed",
    "ProviderRegistry",
    "Registration",
    "Verdict",
    "advisories",
    "api_key_specs",
    "auth_choices",
    "check_patch",
    "environment_variables",
    "legacy_profile_rules",
    "normalise_id",
    "plan_changes",
    "read_legacy",
    "read_metadata",
    "registration_of",
    "registry_of",
    "runtime_tags",
    "try_normalise_id",
]
