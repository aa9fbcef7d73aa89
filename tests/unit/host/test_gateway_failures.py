"""Statuses and headers of failures, and of what went only nearly as asked."""

from urllib.parse import unquote

import pytest

from stockade.errors import HostError, NotInstalled, UsageError
from stockade.gateway.failures import (
    MAX_WARNINGS_BYTES,
    MAX_WARNINGS_SHOWN,
    as_provider_error,
    retry_after,
    shown_attempts,
    shown_warnings,
    status_of,
)
from stockade.router import AliasLoop
from stockade_sdk.capability import Attempt, RuntimeWarning
from stockade_sdk.errors import ErrorKind, ProviderError

CONTRACT = {  # docs: a provider's 401 is not the caller's
    502: "auth malformed_response server_error network worker_died out_of_memory protocol "
    "permission_denied unknown",
    429: "quota rate_limited over_budget",
    503: "overloaded",
    504: "timeout",
    400: "context_length content_filter invalid_request unsupported",
    404: "model_unavailable",
    499: "cancelled",
}


@pytest.mark.parametrize(
    ("kind", "status"),
    [(kind, status) for status, kinds in CONTRACT.items() for kind in kinds.split()],
)
def test_every_kind_has_the_status_of_the_contract(kind: str, status: int):
    assert status_of(ProviderError(kind, "")) == status


def test_the_contract_leaves_no_kind_out():
    assert {kind for kinds in CONTRACT.values() for kind in kinds.split()} == set(ErrorKind)


def test_a_dialect_may_have_its_own_status_for_overloaded_and_for_nothing_else():
    assert status_of(ProviderError("overloaded", ""), 529) == 529
    assert status_of(ProviderError("timeout", ""), 529) == 504


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (NotInstalled("no plugin x"), ErrorKind.MODEL_UNAVAILABLE),
        (AliasLoop(("a", "b", "a")), ErrorKind.MODEL_UNAVAILABLE),
        (UsageError("odd"), ErrorKind.INVALID_REQUEST),
        (HostError("the secret file /root/x is odd"), ErrorKind.SERVER_ERROR),
    ],
)
def test_what_the_host_says_has_a_kind(error: HostError, kind: ErrorKind):
    told = as_provider_error(error)

    assert told.kind is kind
    assert "/root" not in told.message  # what is wrong within is for the log


@pytest.mark.parametrize(("seconds", "said"), [(None, ()), (0, b"0"), (0.1, b"1"), (7.0, b"7")])
def test_a_wait_is_told_in_whole_seconds(seconds: float | None, said: bytes | tuple[()]):
    found = retry_after(ProviderError("rate_limited", "", retry_after_s=seconds))

    assert found == (((b"retry-after", said),) if said else ())


def test_attempts_are_in_order_repeats_included_and_fit_a_header():
    attempts = [
        Attempt(target="one/m", outcome="failed"),
        Attempt(target="one/m", outcome="failed"),
        Attempt(target="two/mö, x;\r\nset-cookie: a", outcome="ok"),
    ]
    shown = shown_attempts(attempts)

    assert shown.startswith("one/m;failed, one/m;failed, two/m")
    assert shown.isascii()
    assert shown.isprintable()
    assert [unquote(piece) for piece in shown.split(", ")][2] == "two/mö, x;\r\nset-cookie: a;ok"


def test_warnings_fit_a_header_whatever_a_plugin_says():
    hostile = "a\r\nset-cookie: b; é 100%"
    shown = shown_warnings([RuntimeWarning("odd", hostile), RuntimeWarning("bare")])

    assert shown.isascii()
    assert shown.isprintable()
    first, second = shown.split("; ")
    assert unquote(first) == f"odd: {hostile}"
    assert second == "bare"


def test_many_and_long_warnings_are_bounded():
    many = [RuntimeWarning(f"c{at}") for at in range(100)]
    long = [RuntimeWarning(f"c{at}", "é" * 10_000) for at in range(100)]

    assert len(shown_warnings(many).split("; ")) == MAX_WARNINGS_SHOWN
    assert 0 < len(shown_warnings(long)) <= MAX_WARNINGS_BYTES


def test_a_warning_is_told_once_and_without_a_key():
    key = "sk-proj-" + "x9Y8" * 8
    one = RuntimeWarning("odd", f"{'-' * 140} {key}")  # the cut would leave half a key
    shown = shown_warnings([one, one])

    assert "; " not in shown
    assert "sk-proj" not in shown
