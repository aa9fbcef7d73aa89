"""Every class of mistake has its exit code, and words that say what, why and what to do."""

import sys
from pathlib import Path

import pytest

from stockade.cli.failures import explain, report_failure
from stockade.errors import (
    AllAttemptsFailed,
    HostError,
    NotInstalled,
    Refused,
    SettingsError,
    StateError,
    UsageError,
)
from stockade_sdk.capability import Attempt
from stockade_sdk.errors import PermissionDenied, ProviderError
from stockade_sdk.manifest import ManifestError, Problem
from stockade_sdk.text import TextRefused

PROBLEM = Problem(line=3, key="plugin.name", message="is missing", remedy="write it")
TRIED = (Attempt(target="a/b", outcome="failed", kind="network"),)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (HostError("x"), 1),
        (StateError("x"), 1),
        (AllAttemptsFailed(TRIED, ProviderError("network", "x")), 1),
        (ProviderError("timeout", "x"), 1),
        (OSError(28, "No space left on device"), 1),
        (RuntimeError("x"), 1),
        (UsageError("x"), 2),
        (SettingsError("x"), 2),
        (NotInstalled("x"), 2),
        (ManifestError((PROBLEM,)), 2),
        (TextRefused("is wrong", "mend it"), 2),
        (Refused("x"), 3),
        (PermissionDenied("x"), 3),
        (AllAttemptsFailed(TRIED, PermissionDenied("x")), 3),
        (ExceptionGroup("tasks", [Refused("x")]), 3),
    ],
)
def test_each_class_of_mistake_has_its_exit_code(error: Exception, code: int) -> None:
    assert explain(error).code == code


def test_a_failure_is_told_as_what_why_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    code = report_failure(UsageError("it broke", why="it was old", remedy="buy another"))

    out, err = capsys.readouterr()
    assert code == 2
    assert out == ""
    assert err == "stockade: it broke\n  why: it was old\n  what to do: buy another\n"


def test_a_strangers_words_in_an_error_do_not_reach_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    report_failure(HostError("\x1b]0;owned\x07", why="\u202e"))

    assert "\x1b" not in (err := capsys.readouterr().err)
    assert "\u202e" not in err


def test_an_unforeseen_error_ends_in_one_sentence_after_its_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        raise RuntimeError("the unthinkable")
    except RuntimeError as error:
        code = report_failure(error)

    lines = capsys.readouterr().err.splitlines()
    assert code == 1
    assert any("test_cli_failures.py" in line for line in lines)
    assert lines[-2] == "stockade: stockade itself failed: RuntimeError: the unthinkable"
    assert lines[-1].startswith("  what to do: ")


def test_a_foreseen_error_shows_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    report_failure(StateError("state.db is damaged"))

    assert "Traceback" not in capsys.readouterr().err


def test_a_reader_that_went_away_is_no_fault_of_ours(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)

        assert report_failure(BrokenPipeError()) == 1

    assert capfd.readouterr().err == ""
