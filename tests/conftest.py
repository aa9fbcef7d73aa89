"""Settings shared by all tests: the event loop, outside data, leaks, blocking calls."""

import gc
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from stockade.settings import Home

TESTS = Path(__file__).parent
DATA = "../shared/data"  # beside the repository
LEAK_CHECKED_FOLDERS = {"wire", "system", "containment"}
SETTLE_S = 2.0  # a killed child and a closed loop's threads may take this long to be gone


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("outside data")
    for name in ("cases", "recorded"):
        group.addoption(
            f"--{name}",
            metavar="DIR",
            type=Path,
            help=f"folder that tests/{name} reads (default: {DATA}/{name}, beside the repository)",
        )


def pytest_configure(config: pytest.Config) -> None:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Run from a shell's background job: what tests start would ignore SIGINT as well.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in ("cases", "recorded"):
        given: Path | None = config.getoption(name)
        folder = (
            config.rootpath / DATA / name if given is None else config.invocation_params.dir / given
        )
        setattr(config.option, name, folder.resolve())


@pytest.fixture(autouse=True, scope="module")
def _only_the_new_is_walked() -> None:
    """Keep garbage collections short: what is alive between two modules (thousands of parameters
    and reports) stays, and nobody has to walk it again.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home to take from what workers import, for it takes seconds to make."""
    return Home(tmp_path_factory.mktemp("base") / "home")


@pytest.fixture(scope="session")
def cases_dir(pytestconfig: pytest.Config) -> Path:
    return existing(pytestconfig.getoption("cases"))


@pytest.fixture(scope="session")
def recorded_dir(pytestconfig: pytest.Config) -> Path:
    return existing(pytestconfig.getoption("recorded"))


def existing(folder: Path) -> Path:
    if not folder.is_dir():
        pytest.skip(f"there is no folder {folder}")
    return folder


@pytest.fixture
def blockbuster() -> Iterator[BlockBuster]:
    """Make a blocking call of the host inside the event loop an error."""
    with blockbuster_ctx("stockade") as active:
        yield active


@pytest.fixture(autouse=True)
def _no_blocking_calls(request: pytest.FixtureRequest) -> None:
    if request.path.is_relative_to(TESTS / "unit" / "host"):
        request.getfixturevalue("blockbuster")


@pytest.fixture(autouse=True)
def _no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test after which this process holds more than before."""
    folder = request.path.relative_to(TESTS).parts[0]
    if folder not in LEAK_CHECKED_FOLDERS and "leak_check" not in request.keywords:
        yield
        return
    before = holdings()
    yield
    leaked = wait_until_released(before)
    if leaked:
        pytest.fail("left behind: " + "; ".join(leaked), pytrace=False)


def holdings() -> set[str]:
    """Child processes, descriptors and threads of this process, and mounts, one line each."""
    children = psutil.Process().children(recursive=True)
    return {
        *(f"child {child.pid} {name_of(child)}" for child in children),
        *(f"descriptor {fd} {target}" for fd, target in descriptors()),
        *(f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines()),
        *(f"thread {path.name} {thread_name(path)}" for path in Path("/proc/self/task").iterdir()),
    }


def wait_until_released(before: set[str]) -> list[str]:
    gc.collect()
    deadline = time.monotonic() + SETTLE_S
    while (leaked := holdings() - before) and time.monotonic() < deadline:
        time.sleep(0.01)
    return sorted(leaked)


def name_of(child: psutil.Process) -> str:
    try:
        return child.name()
    except psutil.Error:
        return "(gone)"


def thread_name(task: Path) -> str:
    try:
        return (task / "comm").read_text().strip()
    except OSError:
        return "(gone)"


def descriptors() -> Iterator[tuple[int, str]]:
    for fd in Path("/proc/self/fd").iterdir():
        try:
            yield int(fd.name), str(fd.readlink())
        except OSError:
            continue  # the descriptor this very listing was read through
