"""Keys in the operator's keyring and environment: used where they work, and never shown."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from keyring.backend import KeyringBackend
from keyring.backends import chainer, fail, null

from stockade.errors import StateError, UsageError
from stockade.settings import Home
from stockade.state import Secrets
from stockade.state.os_keyring import SERVICE, OsKeyring, os_keyring, usable
from stockade.state.secret_variables import variable_of, variables_of
from stockade.state.vault import Vault, VaultFailed, VaultLate
from stockade_sdk.hosts import HostRule
from tests.unit.host.cli_calls import Call, calling
from tests.unit.host.packaging_samples import ASKS, plugin_folder

VALUE = "sk-canary-0123456789"
OTHER = "sk-canary-other"
HOSTS = (HostRule.parse("localhost:8080"),)


class Drawer(KeyringBackend):
    """A keyring in memory; `before` comes before each act, to fail or to wait."""

    priority: float = 5

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self.items: dict[tuple[str, str], str] = {}
        self.before = before

    def get_password(self, service: str, username: str) -> str | None:
        self.before()
        return self.items.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.before()
        self.items[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self.before()
        del self.items[service, username]


class Forgetful(Drawer):
    """Says that it kept what it did not."""

    def set_password(self, service: str, username: str, password: str) -> None:
        return None


class Several(chainer.ChainerBackend):
    """As `keyring` makes it where more than one back end works."""

    backends = ()


class Shaky(Drawer):
    """One that `keyring` would not recommend."""

    priority = 0.5


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Closed while the test runs; what waits at it goes on afterwards."""
    event = threading.Event()
    yield event
    event.set()


def opened(drawer: KeyringBackend, deadline_s: float = 10.0) -> OsKeyring:
    return os_keyring(lambda: drawer, deadline_s=deadline_s)


def over(home: Home, drawer: KeyringBackend) -> Secrets:
    return Secrets(home, environment={}, vault=lambda: opened(drawer))


def no_vault() -> Vault:
    raise AssertionError("the keyring was opened")


# ---------------------------------------------------------------------------------------- keyring


def test_a_value_in_the_keyring_is_not_in_the_file_and_comes_back(
    home: Home, drawer: Drawer
) -> None:
    over(home, drawer).set("echo", "KEY", VALUE, HOSTS, vault=opened(drawer))

    found = over(home, drawer).get("echo", "KEY")
    assert found is not None
    assert (found.value, found.hosts, found.source) == (VALUE, HOSTS, "keyring")
    assert VALUE not in repr(found)
    assert VALUE not in home.secrets_file.read_text()
    assert list(drawer.items.values()) == [VALUE]
    assert {service for service, _ in drawer.items} == {SERVICE}


def test_listing_opens_no_keyring(home: Home, drawer: Drawer) -> None:
    over(home, drawer).set("echo", "KEY", VALUE, HOSTS, vault=opened(drawer))
    secrets = Secrets(home, environment={}, vault=no_vault)

    assert [(one.name, one.value, one.source) for one in secrets.list()] == [("KEY", "", "keyring")]
    assert secrets.source("echo", "KEY") == "keyring"
    assert secrets.source("echo", "OTHER") is None


def test_a_new_value_takes_the_place_of_the_old_one_wherever_that_was(
    home: Home, drawer: Drawer
) -> None:
    secrets = over(home, drawer)
    secrets.set("echo", "KEY", VALUE, vault=opened(drawer))
    secrets.set("echo", "KEY", OTHER, vault=opened(drawer))
    assert [one.value for one in secrets.of("echo")] == [OTHER]
    assert list(drawer.items.values()) == [OTHER]

    secrets.set("echo", "KEY", VALUE)
    assert [one.value for one in over(home, drawer).of("echo")] == [VALUE]
    assert drawer.items == {}


@pytest.mark.parametrize("alone", [True, False])
def test_a_forgotten_key_is_forgotten_in_the_keyring(
    home: Home, drawer: Drawer, alone: bool
) -> None:
    secrets = over(home, drawer)
    secrets.set("echo", "KEY", VALUE, vault=opened(drawer))
    secrets.set("other", "KEY", OTHER, vault=opened(drawer))

    assert secrets.remove("echo", "KEY") if alone else secrets.remove_all("echo")

    assert list(drawer.items.values()) == [OTHER]
    assert secrets.of("echo") == ()


def test_each_value_is_fetched_once(home: Home, drawer: Drawer) -> None:
    secrets = over(home, drawer)
    secrets.set("echo", "KEY", VALUE, vault=opened(drawer))
    secrets.of("echo")
    drawer.before = lambda: pytest.fail("it was asked again")

    assert [one.value for one in secrets.of("echo")] == [VALUE]


def test_another_processs_new_value_is_fetched(home: Home, drawer: Drawer) -> None:
    reader = over(home, drawer)
    over(home, drawer).set("echo", "KEY", VALUE, vault=opened(drawer))
    before = reader.of("echo")
    over(home, drawer).set("echo", "KEY", OTHER, vault=opened(drawer))

    assert [one.value for one in (*before, *reader.of("echo"))] == [VALUE, OTHER]


def test_warmed_up_the_keyring_is_not_asked_again(home: Home, drawer: Drawer) -> None:
    secrets = over(home, drawer)
    secrets.set("echo", "KEY", VALUE, vault=opened(drawer))
    secrets.set("echo", "OTHER", OTHER)
    secrets.warm()
    drawer.before = lambda: pytest.fail("it was asked again")

    assert [one.value for one in secrets.of("echo")] == [VALUE, OTHER]


def test_warming_up_leaves_it_to_the_use_to_fail(home: Home, drawer: Drawer) -> None:
    over(home, drawer).set("echo", "KEY", VALUE, vault=opened(drawer))
    drawer.items.clear()
    secrets = over(home, drawer)
    secrets.warm()

    with pytest.raises(StateError):
        secrets.of("echo")


def test_a_keyring_that_cannot_be_found_in_time_is_looked_for_once(
    home: Home, drawer: Drawer
) -> None:
    over(home, drawer).set("echo", "KEY", VALUE, vault=opened(drawer))
    looked: list[int] = []

    def late() -> Vault:
        looked.append(1)
        raise VaultLate("did not answer within 3 s")

    secrets = Secrets(home, environment={}, vault=late)
    for _ in range(3):
        with pytest.raises(StateError, match="did not answer"):
            secrets.of("echo")
    assert looked == [1]


def test_a_value_that_the_keyring_lost_is_an_error_and_no_other_is_taken(
    home: Home, drawer: Drawer
) -> None:
    over(home, drawer).set("echo", "KEY", VALUE, vault=opened(drawer))
    drawer.items.clear()
    variables = {variable_of("echo", "KEY"): OTHER}
    secrets = Secrets(home, environment=variables, vault=lambda: opened(drawer))

    with pytest.raises(StateError, match="no such item"):
        secrets.get("echo", "KEY")


def test_a_keyring_that_fails_leaves_what_was_kept(home: Home, drawer: Drawer) -> None:
    secrets = over(home, drawer)
    secrets.set("echo", "KEY", VALUE)

    def fails() -> None:
        raise RuntimeError(f"could not keep {OTHER}")

    with pytest.raises(VaultFailed) as caught:
        secrets.set("echo", "KEY", OTHER, vault=opened(Drawer(fails)))
    assert OTHER not in str(caught.value)
    assert caught.value.__cause__ is None
    assert [one.value for one in secrets.of("echo")] == [VALUE]


def test_a_keyring_that_keeps_nothing_is_noticed(home: Home) -> None:
    with pytest.raises(VaultFailed, match="did not give back"):
        Secrets(home).set("echo", "KEY", VALUE, vault=opened(Forgetful()))
    assert not home.secrets_file.exists()


def test_a_keyring_that_hangs_is_waited_for_once(gate: threading.Event) -> None:
    asked: list[int] = []

    def hang() -> None:
        asked.append(1)
        gate.wait()

    vault = opened(Drawer(hang), deadline_s=0.05)
    with pytest.raises(VaultFailed, match=r"within 0\.05 s"):
        vault.get("item")
    with pytest.raises(VaultFailed, match="before"):
        vault.get("item")
    assert asked == [1]


def test_finding_a_keyring_is_held_to_a_time_too(gate: threading.Event) -> None:
    def hang() -> KeyringBackend:
        gate.wait()
        return Drawer()

    with pytest.raises(VaultFailed, match="did not answer"):
        os_keyring(hang, deadline_s=0.05)


@pytest.mark.parametrize("backend", [fail.Keyring(), null.Keyring(), Shaky()])
def test_a_back_end_that_keeps_nothing_safe_is_not_used(backend: KeyringBackend) -> None:
    with pytest.raises(VaultFailed):
        usable(backend)


@pytest.mark.parametrize(
    "module",
    [
        "keyring.backends.kwallet",
        "keyring.backends.libsecret",
        "keyrings.alt.file",
        "keyrings.cryptfile.cryptfile",
    ],
)
def test_a_back_end_that_would_ask_or_lies_in_a_file_is_not_used(module: str) -> None:
    backend = type("Keyring", (Drawer,), {"__module__": module})()

    with pytest.raises(VaultFailed):
        usable(backend)
    good = type("Keyring", (Drawer,), {"__module__": module.replace(".", "s.", 1)})()
    assert usable(good) is good


def test_of_several_the_first_usable_one_is_used(drawer: Drawer) -> None:
    several = Several()
    several.backends = (null.Keyring(), drawer, Drawer())  # type: ignore[assignment]

    assert usable(several) is drawer


def test_a_locked_secret_service_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    storage = Storage(locked=True)
    monkeypatch.setitem(sys.modules, "secretstorage", storage)
    module = {"__module__": "keyring.backends.SecretService"}
    backend: Any = type("Keyring", (Drawer,), module)()
    vault = opened(backend)

    with pytest.raises(VaultFailed, match="locked"):
        vault.set("item", VALUE)
    assert backend.items == {}
    storage.locked = False
    vault.set("item", VALUE)
    assert vault.get("item") == VALUE
    assert storage.open == 0


class Storage:
    """What is used of `secretstorage`: connections, and the lock of the default collection."""

    class ItemNotFoundException(Exception):
        """The library's."""

    def __init__(self, *, locked: bool) -> None:
        self.locked, self.open = locked, 0

    def dbus_init(self) -> Storage:
        self.open += 1
        return self

    def close(self) -> None:
        self.open -= 1

    def Collection(self, connection: Storage) -> Storage:  # noqa: N802 - the library's name
        return connection

    def is_locked(self) -> bool:
        return self.locked


# ------------------------------------------------------------------------------------ environment


def test_a_key_is_read_from_the_environment_where_none_is_kept(home: Home) -> None:
    secrets = Secrets(home, environment={"STOCKADE_SECRET_MY_PLUGIN__API_KEY": VALUE})

    found = secrets.get("my-plugin", "API_KEY")
    assert found is not None
    assert (found.value, found.hosts, found.source) == (VALUE, (), "environment")
    assert secrets.of("my-plugin") == (found,)
    assert secrets.source("my-plugin", "API_KEY") == "environment"
    assert secrets.list() == ()
    assert not home.root.exists()


def test_a_kept_key_comes_before_the_environments(home: Home) -> None:
    secrets = Secrets(home, environment={variable_of("echo", "KEY"): OTHER})
    secrets.set("echo", "KEY", VALUE)
    kept = secrets.of("echo")
    secrets.remove("echo", "KEY")

    assert [one.value for one in (*kept, *secrets.of("echo"))] == [VALUE, OTHER]


def test_hosts_can_be_bound_to_a_key_of_the_environment(home: Home) -> None:
    Secrets(home, environment={}).bind("echo", "KEY", HOSTS)

    unset = Secrets(home, environment={})
    there = Secrets(home, environment={variable_of("echo", "KEY"): VALUE})
    assert unset.of("echo") == ()
    assert unset.source("echo", "KEY") is None
    assert [(one.value, one.hosts) for one in there.of("echo")] == [(VALUE, HOSTS)]


def test_no_plugin_can_name_its_way_to_anothers_variable() -> None:
    variables = {variable_of("a-b", "C"): VALUE}

    assert variables_of("a-b", variables) == {"C": VALUE}
    for plugin in ("a", "a-b-c", "b"):
        assert variables_of(plugin, variables) == {}
    assert variable_of("a", "B_C") not in variables


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("STOCKADE_SECRET_ECHO__KEY", ""),
        ("STOCKADE_SECRET_ECHO__key", VALUE),
        ("STOCKADE_SECRET_ECHO__", VALUE),
        ("STOCKADE_SECRET_ECHO_KEY", VALUE),
        ("SECRET_ECHO__KEY", VALUE),
    ],
)
def test_what_only_looks_like_a_keys_variable_is_none(variable: str, value: str) -> None:
    assert variables_of("echo", {variable: value}) == {}


def test_a_variable_that_cannot_be_a_key_is_named_and_not_quoted(home: Home) -> None:
    value = "two\nlines-0123456789"

    with pytest.raises(UsageError, match="STOCKADE_SECRET_ECHO__KEY") as caught:
        Secrets(home, environment={variable_of("echo", "KEY"): value}).of("echo")
    assert "0123456789" not in str(caught.value)


# --------------------------------------------------------------------------------------- the verb


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    call = calling(tmp_path / "home", monkeypatch, capsys)
    more = ASKS + '[[permissions.secrets]]\nname = "SEEN_KEY"\nexpose = true\n'
    installed = call("install", str(plugin_folder(tmp_path / "sources", more=more)), "--yes")
    assert installed.code == 0, installed.err
    return call


@pytest.fixture
def configured(drawer: Drawer) -> Iterator[Drawer]:
    """A drawer as the keyring of this account."""
    import keyring

    before = keyring.get_keyring()
    keyring.set_keyring(drawer)
    yield drawer
    keyring.set_keyring(before)


def test_setting_a_key_uses_the_keyring_where_one_works(
    call: Call, configured: Drawer, tmp_path: Path
) -> None:
    kept = call("secrets", "set", "sample", "SAMPLE_KEY", stdin=VALUE.encode())

    assert kept.code == 0, kept.err
    assert "Drawer" in kept.out
    assert list(configured.items.values()) == [VALUE]
    rows = call("secrets", "list", "--json")
    assert [row["source"] for row in rows.json] == ["keyring", None]
    assert not any(VALUE in one.out + one.err for one in (kept, rows, call("secrets", "list")))
    assert call("secrets", "remove", "sample", "SAMPLE_KEY").code == 0
    assert configured.items == {}


def test_a_key_goes_into_the_file_where_the_operator_says_so(
    call: Call, configured: Drawer
) -> None:
    assert call("secrets", "set", "sample", "SAMPLE_KEY", "--file", stdin=b"k").code == 0

    assert configured.items == {}
    assert call("secrets", "list", "--json").json[0]["source"] == "file"


def test_a_key_goes_into_the_file_where_the_keyring_fails_and_that_is_said(
    call: Call, configured: Drawer
) -> None:
    def locked() -> None:
        raise RuntimeError(VALUE)

    configured.before = locked
    kept = call("secrets", "set", "sample", "SAMPLE_KEY", stdin=VALUE.encode())

    assert kept.code == 0
    assert "not in the keyring" in kept.err
    assert "secrets.json" in kept.out
    assert VALUE not in kept.out + kept.err
    assert call("secrets", "list", "--json").json[0]["source"] == "file"


def test_a_key_of_the_environment_and_one_that_the_plugin_sees_are_listed_as_such(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STOCKADE_SECRET_SAMPLE__SEEN_KEY", VALUE)
    bound = call("secrets", "set", "sample", "SAMPLE_KEY", "--from-environment")

    rows = call("secrets", "list", "--json")

    assert "STOCKADE_SECRET_SAMPLE__SAMPLE_KEY" in bound.out
    assert [(row["name"], row["set"], row["source"], row["expose"]) for row in rows.json] == [
        ("SAMPLE_KEY", False, None, False),
        ("SEEN_KEY", True, "environment", True),
    ]
    assert VALUE not in rows.out
    removed = call("secrets", "remove", "sample", "SEEN_KEY")
    assert removed.code == 2
    assert "unset" in removed.err


@pytest.mark.parametrize("value", ["", " ", "\t \n"])
def test_an_empty_or_blank_variable_is_no_key(home: Home, value: str) -> None:
    secrets = Secrets(home, environment={variable_of("echo", "KEY"): value})

    assert secrets.of("echo") == ()
    assert secrets.get("echo", "KEY") is None
    assert secrets.source("echo", "KEY") is None
