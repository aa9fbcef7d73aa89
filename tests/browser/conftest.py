"""A settings page and a browser before it: both are started once for the tests of a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from selenium.webdriver import Chrome

from stockade.settings import Home
from tests.browser.browsing import CHROMIUM, DRIVER, PATIENCE_S, Person, browsing
from tests.system.cli_vendors import vendors
from tests.system.served import Served, served
from tests.system.upstreams import Upstreams

PLUGINS = ("deepseek", "qwen", "moonshot")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("browser").addoption(
        "--screenshots",
        metavar="DIR",
        type=Path,
        help="folder for the pictures that tests/browser takes (default: a temporary one)",
    )


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests of a file; nothing of it is left when they are done."""
    missing = [str(path) for path in (CHROMIUM, DRIVER) if not path.exists()]
    if missing and "CI" in os.environ:
        pytest.fail(f"there is no {' and no '.join(missing)} to test the settings page with")
    if missing:
        pytest.skip(f"no browser is installed: there is no {' and no '.join(missing)}")
    with browsing(tmp_path_factory.mktemp("profile")) as driver:
        browser = psutil.Process(driver.service.process.pid)
        started = [browser, *browser.children(recursive=True)]
        yield driver
    _, left = psutil.wait_procs(started, timeout=PATIENCE_S)
    assert not left, f"the browser left {left} behind"


@pytest.fixture(scope="module")
def upstreams() -> Iterator[Upstreams]:
    """Every vendor, on loopback."""
    with vendors() as upstreams:
        yield upstreams


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, upstreams: Upstreams) -> Path:
    """A home with providers that have a key and their vendor on loopback."""
    home = tmp_path_factory.mktemp("host") / "home"
    upstreams.install(Home(home), *PLUGINS)
    return home


@pytest.fixture(scope="module")
def gateway(home: Path) -> Iterator[Served]:
    """The host that serves the page."""
    with served(home, environment={"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}) as s:
        yield s


@pytest.fixture
def stranger(driver: Chrome, gateway: Served) -> Iterator[Person]:
    """Who is not signed in. What the console says against the page fails the test, unless the test
    has taken it out (`complaints`) and judged it.
    """
    person = Person(driver, gateway)
    person.begin()
    yield person
    assert person.complaints() == []


@pytest.fixture
def person(stranger: Person, upstreams: Upstreams) -> Person:
    """An operator, signed in; the vendors are well."""
    upstreams.begin()
    return stranger.sign_in()
