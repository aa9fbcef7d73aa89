"""`auth`: a key on its way from the operator to its vendor, and to nobody else.

Judged from outside: by what vendors on loopback received, and by every file below the home.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stockade.settings import Home
from stockade.state import State
from tests.system.cli_vendors import CTRL_C, files_with, install, refusing, typing, vendors
from tests.system.upstreams import HANGS, Upstreams
from tests.unit.host.cli_calls import Call, calling

KEY = "sk-canary-30f1c2a8e6b94d57"
NAME = "OPENAI_API_KEY"
COMPATIBLE = "OPENAI_COMPATIBLE_API_KEY"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return calling(home, monkeypatch, capsys)


@pytest.fixture
def upstreams() -> Iterator[Upstreams]:
    with vendors() as upstreams:
        yield upstreams


@pytest.fixture
def host(call: Call, upstreams: Upstreams) -> str:
    """Where OpenAI is for the test, with its plugin installed and without a key."""
    install(call, upstreams, "openai")
    return str(upstreams.sink.rule)


def aliases(home: Path) -> dict[str, str]:
    with State.open(Home(home)) as state:
        return state.policies.aliases()


def source_of(call: Call, name: str = NAME) -> str | None:
    rows = call("secrets", "list", "--json").json
    source: str | None = next(row["source"] for row in rows if row["name"] == name)
    return source


# --- login ---


def test_a_right_key_is_kept_tried_and_is_nowhere_but_on_the_wire(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    done = call("auth", "login", "OpenAI", "--host", host, stdin=KEY.encode() + b"\n")

    assert done.code == 0, done.err
    assert f"it goes to api.openai.com, {host}." in done.out
    assert "openai is well: it answered in " in done.out
    assert [(hit.plugin, hit.path, hit.key) for hit in upstreams.hits] == [
        ("openai", "v1/models", KEY)
    ]
    assert KEY not in done.out + done.err
    assert files_with(home, KEY) == ["secrets.json"]


def test_a_key_that_its_vendor_refuses_stays_and_is_told(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    upstreams.spoilt["openai"] = refusing(KEY)

    done = call("auth", "login", "openai", "--host", host, stdin=KEY.encode())

    assert done.code == 1
    assert "stockade: openai refused the key; the key is kept all the same\n" in done.err
    assert f"secrets set openai {NAME} --host {host}" in done.err
    assert source_of(call) == "file"
    assert KEY not in done.out + done.err + call("auth", "status").out
    assert files_with(home, KEY) == ["secrets.json"]


def test_a_vendor_that_hangs_ends_the_check_and_the_key_stays(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    (home / "stockade.toml").write_text('[requests]\nfirst_byte_timeout = "500ms"\n')
    upstreams.spoilt["openai"] = HANGS
    began = time.monotonic()

    done = call("auth", "login", "openai", "--host", host, "--json", stdin=KEY.encode())

    assert done.code == 1
    assert done.json["check"]["ok"] is False
    assert done.json["check"]["kind"] == "timeout"
    assert "openai is not well; the key is kept all the same" in done.err
    assert time.monotonic() - began < 12.0
    assert source_of(call) == "file"


def test_a_key_is_not_sent_to_a_host_that_it_is_not_bound_to(
    call: Call, host: str, upstreams: Upstreams
) -> None:
    upstreams.spoilt["openai"] = refusing("")  # as for a request without a key

    done = call("auth", "login", "openai", stdin=KEY.encode())

    assert done.code == 1
    assert f"note: it does not go to {host}; --host binds it to a host as well" in done.err
    assert f"secrets set openai {NAME} --host {host}" in done.err
    assert [hit.key for hit in upstreams.hits] == [""]


def test_a_new_key_is_bound_as_the_old_one_was(call: Call, host: str, upstreams: Upstreams) -> None:
    call("auth", "login", "openai", "--host", host, "--no-check", stdin=b"sk-of-yesterday")
    assert not upstreams.hits

    done = call("auth", "login", "openai", "--json", stdin=KEY.encode())

    assert done.json["keys"] == [
        {"name": NAME, "source": "file", "hosts": ["api.openai.com", host]}
    ]
    assert upstreams.hits[-1].key == KEY


@pytest.mark.parametrize("spelling", ["claude", "Anthropic", " anthropic "])
def test_a_provider_that_ships_and_is_not_installed_is_named_with_its_command(
    call: Call, spelling: str
) -> None:
    done = call("auth", "login", spelling, stdin=KEY.encode())

    assert done.code == 2
    assert "what to do: install it: stockade install anthropic" in done.err


def test_a_provider_that_nobody_has_is_told_with_the_nearest(call: Call, host: str) -> None:
    done = call("auth", "login", "opnai", stdin=KEY.encode())

    assert done.code == 2
    assert "did you mean openai?" in done.err


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (b"", "is empty or too long"),
        (b"\n", "is empty or too long"),
        (b"sk-first\nsk-second\n", "holds a control character"),
        (b"sk-tab\tbed", "holds a control character"),
        (b" sk-blank", "white space"),
        (b"x" * 1_000_000, "too long for a key"),
        (b"\xc3\xa9" * 9_000, "too long for a key"),
        (b"sk-\xff\xfe", "is not text"),
    ],
    ids=["empty", "blank", "two lines", "tab", "space", "1 MB", "18 kB of accents", "no UTF-8"],
)
def test_what_cannot_be_a_key_is_refused_unquoted_and_nothing_is_kept(
    call: Call, host: str, home: Path, upstreams: Upstreams, typed: bytes, why: str
) -> None:
    done = call("auth", "login", "openai", "--host", host, stdin=typed)

    assert done.code == 2
    assert why in done.err
    assert "sk-" not in done.out + done.err
    assert not (home / "secrets.json").exists()
    assert not upstreams.hits


def test_of_several_keys_the_one_on_stdin_has_to_be_named(call: Call) -> None:
    call("install", "anthropic-compatible", "--yes", "--allow-host", "127.0.0.1:9")
    call("config", "set", "anthropic-compatible", "base_url", "http://127.0.0.1:9")
    words = ("auth", "login", "anthropic-compatible", "--no-check", "--yes")
    token = "ANTHROPIC_COMPATIBLE_AUTH_TOKEN"

    refused = call(*words, stdin=KEY.encode())
    done = call(*words, "--key", token, stdin=KEY.encode())

    assert refused.code == 2
    assert "--key ANTHROPIC_COMPATIBLE_API_KEY" in refused.err
    assert done.code == 0, done.err
    assert source_of(call, token) == "file"
    assert source_of(call, "ANTHROPIC_COMPATIBLE_API_KEY") is None


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--key", "NONE_SUCH"], 2, "give one of these names: OPENAI_API_KEY"),
        (["--host", "evil.example.com"], 3, "openai may not reach evil.example.com"),
        (["--models", "gpt-5.4-minni"], 2, "did you mean gpt-5.4-mini?"),
        (["--models", "gpt-5.4-mini=auto"], 2, '"auto" stands for a route'),
        (["--models", ","], 2, "--models names no model"),
    ],
)
def test_a_wrong_option_is_told_before_anything_is_kept(
    call: Call, host: str, home: Path, options: list[str], code: int, words: str
) -> None:
    done = call("auth", "login", "openai", *options, stdin=KEY.encode())

    assert done.code == code
    assert words in done.err
    assert not (home / "secrets.json").exists()


def test_a_key_that_would_go_to_no_host_needs_the_operators_word(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    call("install", "openai-compatible", "--yes")
    nowhere = call("auth", "login", "openai-compatible", "--yes", stdin=KEY.encode())
    install(call, upstreams, "openai-compatible")
    unasked = call("auth", "login", "openai-compatible", stdin=KEY.encode())
    assert not (home / "secrets.json").exists()
    agreed = call("auth", "login", "openai-compatible", "--yes", stdin=KEY.encode())

    assert (nowhere.code, unasked.code, agreed.code) == (2, 3, 0)
    assert "permissions grant openai-compatible --allow-host HOST" in nowhere.err
    assert upstreams.hits[-1].key == KEY


def test_a_setting_that_is_missing_is_named_where_nobody_can_be_asked(
    call: Call, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("install", "openai-compatible", "--yes", "--allow-host", "127.0.0.1:9")
    call("install", "azure-openai", "--yes")
    azure = ("auth", "login", "azure", "--no-check")

    required = call("auth", "login", "openai-compatible", "--yes", stdin=KEY.encode())
    assert not (home / "secrets.json").exists()
    address = call(*azure, stdin=KEY.encode())
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://x.openai.azure.com")
    known = call(*azure, stdin=KEY.encode())

    assert required.code == 2
    assert "stockade config set openai-compatible base_url VALUE" in required.err
    assert (address.code, known.code) == (0, 0)
    assert "stockade config set azure-openai endpoint VALUE" in address.err
    assert "endpoint" not in known.err


def test_a_provider_without_a_key_is_tried_all_the_same(call: Call) -> None:
    call("install", "echo", "--yes")

    done = call("auth", "login", "echo", "--json")

    assert done.code == 0
    assert (done.json["keys"], done.json["check"]["ok"]) == ([], True)


def test_the_chosen_models_get_names_and_none_that_hides_another(
    call: Call, host: str, home: Path
) -> None:
    call("aliases", "set", "mine", "openai/o3")

    done = call(
        "auth",
        "login",
        "openai",
        "--no-check",
        "--json",
        "--models",
        "gpt-5.4-mini=mini, openai/gpt-5.5=gpt-5, o4-mini=Mine,o3",
        stdin=KEY.encode(),
    )

    assert done.code == 0, done.err
    assert done.json["models"]["aliases"] == {"mini": "openai/gpt-5.4-mini"}
    left_out = done.json["models"]["left_out"]
    assert [(one["code"], one["keys"]) for one in left_out] == [
        ("alias_hides", ["gpt-5"]),
        ("alias_in_use", ["Mine"]),
    ]
    assert aliases(home) == {"mine": "openai/o3", "mini": "openai/gpt-5.4-mini"}
    assert call("models", "resolve", "mini", "--json").json["targets"] == ["openai/gpt-5.4-mini"]


def test_what_was_chosen_and_left_out_is_told_to_people(call: Call, host: str) -> None:
    choice = "gpt-5.4-mini=mini,gpt-5.5=gpt-5,o3"

    done = call("auth", "login", "openai", "--no-check", "--models", choice, stdin=KEY.encode())

    assert "mini is openai/gpt-5.4-mini from now on.\n" in done.out
    assert "o3 is openai/o3 already.\n" in done.out
    assert 'note: left out: "gpt-5" would hide openai/gpt-5\n' in done.err


def test_no_model_is_chosen_where_the_check_fails(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    upstreams.spoilt["openai"] = refusing(KEY)

    done = call(
        "auth", "login", "openai", "--host", host, "--models", "o3=three", stdin=KEY.encode()
    )

    assert done.code == 1
    assert "no model was chosen" in done.err
    assert aliases(home) == {}


# --- on a terminal ---


def test_on_a_terminal_an_address_a_host_and_the_key_are_asked_for(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    rule, url = str(upstreams.sink.rule), f"{upstreams.sink.url}openai-compatible/v1"
    call("install", "openai-compatible", "--yes", "--allow-host", rule)

    done = typing(
        home,
        ["auth", "login", "openai-compatible"],
        (f"Send {COMPATIBLE} to {rule}? [y/N] ", b"y\n"),
        ("base_url (", url.encode() + b"\n"),
        (f"{COMPATIBLE}: ", KEY.encode() + b"\n"),
    )

    assert done.code == 0, done.shown
    assert KEY not in done.shown
    assert upstreams.hits[-1].key == KEY


def test_on_a_terminal_some_of_what_the_vendor_lists_is_chosen(
    call: Call, home: Path, upstreams: Upstreams
) -> None:
    install(call, upstreams, "openai-compatible")
    upstreams.lists["openai-compatible"] = ("llama-9", "lab/mix-2")
    assert call("models", "scan", "openai-compatible").code == 0
    words = ("auth", "login", "openai-compatible", "--no-check")
    call(*words, "--yes", stdin=KEY.encode())

    done = typing(
        home,
        words,
        (f"{COMPATIBLE}: ", KEY.encode() + b"\n"),
        ("Enter for none: ", b"7\n"),
        ("or 0 for none", b"1 2=llama\n"),
    )

    assert done.code == 0, done.shown
    assert aliases(home) == {
        "mix-2": "openai-compatible/lab/mix-2",
        "llama": "openai-compatible/llama-9",
    }


@pytest.mark.parametrize("answer", [b"\n", b"0\n", b"\x04", CTRL_C])
def test_nothing_is_chosen_where_nothing_is_wanted(
    call: Call, host: str, home: Path, answer: bytes
) -> None:
    done = typing(
        home,
        ["auth", "login", "openai", "--no-check"],
        (f"{NAME}: ", KEY.encode() + b"\n"),
        ("Enter for none: ", answer),
    )

    assert done.code == (130 if answer == CTRL_C else 0), done.shown
    assert "gpt-5.4-mini" in done.shown
    assert source_of(call) == "file"
    assert aliases(home) == {}


@pytest.mark.parametrize(("answer", "code"), [(CTRL_C, 130), (b"\x04", 2), (b"\n", 2)])
def test_who_leaves_at_the_key_leaves_the_old_one(
    call: Call, host: str, home: Path, answer: bytes, code: int
) -> None:
    call("auth", "login", "openai", "--no-check", stdin=KEY.encode())
    before = (home / "secrets.json").read_bytes()

    done = typing(home, ["auth", "login", "openai"], (f"{NAME}: ", answer))

    assert done.code == code, done.shown
    assert "Traceback" not in done.shown
    assert (home / "secrets.json").read_bytes() == before


def test_who_does_not_wait_for_the_check_leaves_the_new_key(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    upstreams.spoilt["openai"] = HANGS

    done = typing(
        home,
        ["auth", "login", "openai", "--host", host],
        (f"{NAME}: ", KEY.encode() + b"\n"),
        ("Asking openai ...", CTRL_C),
    )

    assert done.code == 130, done.shown
    assert "Traceback" not in done.shown
    assert files_with(home, KEY) == ["secrets.json"]


# --- logout ---


def test_logout_forgets_every_key_and_tells_of_variables(
    call: Call, host: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("auth", "login", "openai", "--no-check", stdin=KEY.encode())
    unasked = call("auth", "logout", "openai")
    assert source_of(call) == "file"
    monkeypatch.setenv("STOCKADE_SECRET_OPENAI__OPENAI_API_KEY", KEY)

    done = call("auth", "logout", "OpenAI", "--yes")
    again = call("auth", "logout", "openai")

    assert unasked.code == 3
    assert (done.code, done.out) == (0, f"Forgot {NAME} of openai.\n")
    assert "STOCKADE_SECRET_OPENAI__OPENAI_API_KEY still holds one" in done.err
    assert (again.code, again.out) == (0, "No key of openai is kept.\n")
    assert source_of(call) == "environment"
    assert KEY not in done.out + done.err
    assert files_with(home, KEY) == []


# --- status ---


def test_status_says_where_each_key_is_and_never_what_it_is(
    call: Call, host: str, home: Path, upstreams: Upstreams
) -> None:
    call("install", "azure-openai", "--yes")
    call("install", "echo", "--yes")
    upstreams.spoilt["openai"] = refusing(KEY)
    asked_at = time.time()
    call("auth", "login", "openai", "--host", host, stdin=KEY.encode())
    hits = len(upstreams.hits)

    rows = {row["provider"]: row for row in call("auth", "status", "--json").json}
    shown = call("auth", "status")

    assert list(rows["openai"]) == [
        "provider",
        "methods",
        "keys",
        "lacking",
        "last_check",
        "rests",
    ]
    assert rows["openai"]["methods"] == [{"id": "api-key", "kind": "api_key", "label": NAME}]
    assert rows["openai"]["keys"] == [
        {
            "name": NAME,
            "set": True,
            "source": "file",
            "hosts": ["api.openai.com", host],
            "variable": "STOCKADE_SECRET_OPENAI__OPENAI_API_KEY",
        }
    ]
    check = rows["openai"]["last_check"]
    assert (check["ok"], "Incorrect API key" in check["reason"]) == (False, True)
    assert asked_at <= check["at"] <= time.time()
    (rest,) = rows["openai"]["rests"]
    assert (rest["model"], rest["kind"], rest["scope"]) == (None, "auth", "key")
    assert time.time() < rest["until"] < time.time() + 3_600
    assert rows["azure-openai"]["keys"][0]["source"] is None
    assert "no key is set" in rows["azure-openai"]["lacking"]
    assert [method["kind"] for method in rows["echo"]["methods"]] == ["none"]
    assert "azure-openai: no key is set" in shown.err
    assert KEY not in shown.out + shown.err + str(rows)
    assert len(upstreams.hits) == hits


def test_another_key_does_not_rest_for_what_the_first_one_was_refused(
    call: Call, host: str, upstreams: Upstreams
) -> None:
    upstreams.spoilt["openai"] = refusing("sk-of-yesterday")
    call("auth", "login", "openai", "--host", host, stdin=b"sk-of-yesterday")
    upstreams.spoilt.clear()
    assert call("auth", "status", "openai", "--json").json[0]["rests"]

    call("auth", "login", "openai", "--no-check", stdin=KEY.encode())

    assert call("auth", "status", "openai", "--json").json[0]["rests"] == []
