"""Every command on every page is run, here or by another test, or is listed with the reason why.

A page is followed from its top in a home of its own. Vendors are played by the kit: requests leave
the host as they would, and are answered on this machine. Where a command asks, the reader agrees.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from stockade.cli.program import run_program
from stockade.egress import Broker
from stockade.kit import wires
from stockade.kit.vendor import Vendor
from tests.system.pages import DOCS, ROOT, blocks, files_of, place
from tests.system.test_docs import TUTORIAL as TUTORIAL_PAGE
from tests.system.test_docs import Command, commands_of
from tests.system.test_docs_serving import PAGES as SERVED_PAGES
from tests.system.test_docs_serving import is_shown, shell

PAGES = [
    *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts),
    *(ROOT / name for name in ("README.md", "README.zh.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "plugins").glob("*/README.md")),
]
ELSEWHERE = {TUTORIAL_PAGE, *SERVED_PAGES}  # test_docs and test_docs_serving follow these
KEY = "sk-canary-0f3b7c9d2e81"
HAS_COMPILER = shutil.which("cc") is not None or "CI" in os.environ
PUBLIC_KEY = "ed25519:8feaE2XOkn+fETNNfW4OfLGuCs9B5mkgSB2cb9c4AmM="

# What is not run here, as the beginning or a part of the command, and why.
NOT_RUN = {
    r"^docker ": "needs Docker; run-in-a-container is held to its file by test_docs_serving",
    r"^(systemctl|useradd|sudo) ": "changes the machine, as root",
    r"^python3 -m venv /opt|^/opt/stockade/bin/pip ": "writes to /opt, and needs an index",
    r"^make demo": "tests/system/test_demo.py runs the demo",
    r"^make test": "is what runs this",
    r"^stockade serve": "goes on until it is ended; test_docs_serving follows it",
    r"^stockade dev ": "goes on until it is ended; tests of `dev` follow it",
    r"^stockade logs .* -f$": "goes on until it is ended",
    r" --(pdb|trace)$": "waits for a person at the debugger",
    r"^stockade test (\./\S+|\.|acme)( --keep| --only chat| --junit \S+)?$": "takes half a minute; "
    "test_conformance and test_conformance_shipped run it",
    r" stockade test .* --record ": "is for a real vendor; test_conformance records one of its own",
    r"^stockade install acme": "takes it from an index; test_packages_source has one on loopback",
    r"^stockade (install|run) .*(own-dependency|markdown-echo|vendor-sdk|openai-by-sdk)": "fetches "
    "packages; test_examples installs it from wheels and asks it",
    r"auth login openai-compatible .* --models small=quick$": "its vendor has such a model; "
    "test_cli_auth has one",
    r"^printenv OPENAI_COMPATIBLE_API_KEY \| stockade auth login openai-compatible --host \S+$": (
        "shows a vendor that refuses the key; test_cli_auth has one"
    ),
    r"^stockade secrets set openai-by-sdk ": "its plugin is installed by test_examples alone",
    r" --model echo-in-c/fetch$": "asks the real example.com; test_program_worker has its own",
    r"^stockade run .* tunnelled-vendor": "a vendor inside TLS; test_examples has one",
}
# Run, and shown on the page as it is after something that a page cannot make happen.
ILLUSTRATED = {
    (
        "docs/how-to/budgets-and-health.md",
        "stockade routes test chat",
    ): "after failures and a bound",
    ("docs/how-to/budgets-and-health.md", "stockade health"): "after failed requests",
    ("docs/how-to/keep-keys.md", "stockade secrets list"): "on a machine with a keyring",
    ("docs/how-to/learn-permissions.md", "stockade logs"): "of a plugin that was denied something",
    ("docs/how-to/learn-permissions.md", "stockade permissions observe"): "of the same",
    ("docs/how-to/log-in.md", "stockade auth status"): "after a check, at that day",
    (
        "docs/how-to/migrate-from-a-single-model.md",
        "stockade doctor",
    ): "after an old file was found; test_state_migration makes one",
    ("docs/how-to/models-and-aliases.md", "stockade models scan"): "of vendors with other models",
    ("docs/how-to/route-and-fall-back.md", "stockade routes test chat"): "after failures",
    ("README.md", "stockade install echo"): "with the question that a terminal has",
}
FAILS = {"stockade models resolve kimi-k2": 2}  # what a page shows as failing, with its exit code
ANSWERED = re.compile(
    r"^stockade (install|upgrade|uninstall|rollback|permissions grant|auth (login|logout))\b"
)


class Prepared(NamedTuple):
    """What a reader of a page has before: commands that were run, a plugin's folder."""

    commands: tuple[str, ...] = ()
    plugin: str = ""
    inside: bool = False  # the page's reader is in that folder
    words: tuple[tuple[str, str], ...] = ()  # what a reader writes in place of a page's word


EXAMPLE = """
manifest = 1
[plugin]
name = "example-cloud"
version = "1.0.0"
entry = "example_cloud:ExampleCloud"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
[permissions]
network = ["api.example.com", "telemetry.example.com"]
environment = ["LANG"]
subprocess = true
[[permissions.secrets]]
name = "API_KEY"
hosts = ["api.example.com"]
"""
EXAMPLE_CODE = """
from stockade_sdk import ChatRequest, ChatResponse, Context, Provider

class ExampleCloud(Provider):
    async def chat(self, request: ChatRequest, ctx: Context) -> ChatResponse:
        return ChatResponse.of_text(request.last_text)
"""
INSTALLED = ("stockade install ./example-cloud",)
READY = {
    "docs/how-to/add-a-vendor.md": Prepared(plugin="page"),
    "docs/how-to/test-your-plugin.md": Prepared(plugin="page"),
    "docs/how-to/install-and-grant.md": Prepared(plugin="example-cloud"),
    "docs/how-to/keep-keys.md": Prepared(
        (*INSTALLED, "stockade secrets set example-cloud API_KEY"), "example-cloud"
    ),
    "docs/how-to/learn-permissions.md": Prepared(INSTALLED, "example-cloud"),
    "docs/how-to/when-a-plugin-dies.md": Prepared(
        (*INSTALLED, "stockade secrets set example-cloud API_KEY"), "example-cloud"
    ),
    "docs/how-to/when-full-is-not-reached.md": Prepared(("stockade install echo",)),
    "docs/how-to/budgets-and-health.md": Prepared(("stockade install echo",)),
    "docs/how-to/log-in.md": Prepared(
        ("stockade install openai-compatible --allow-host api.example.com",)
    ),
    "docs/how-to/models-and-aliases.md": Prepared(
        (
            *(f"stockade install {name}" for name in ("moonshot", "groq", "openai")),
            "stockade secrets set groq GROQ_API_KEY",
        )
    ),
    "docs/how-to/route-and-fall-back.md": Prepared(
        tuple(f"stockade install {name}" for name in ("deepseek", "qwen", "moonshot", "openai"))
    ),
    "README.md": Prepared(
        tuple(f"stockade install {name}" for name in ("deepseek", "qwen", "openai"))
    ),
    "README.zh.md": Prepared(("stockade install qwen", "stockade install moonshot")),
    "docs/how-to/publish-a-plugin.md": Prepared(
        (
            "sed -i 's/api.example.com/api.acme.dev/' plugin.toml stockade_acme/*.py tests/*.py",
            "sed -i 's/^authors = .*/authors = [\"A\"]/' plugin.toml",
            "sed -i 's,^# homepage.*,homepage = \"https://acme.dev\",' plugin.toml",
        ),
        plugin="new acme",
        inside=True,
        words=(("NAME-VERSION", "acme-0.1.0"), ("~/keys/", "../"), ("ed25519:...", PUBLIC_KEY)),
    ),
    "docs/how-to/debug-a-plugin.md": Prepared(plugin="new acme", inside=True),
    "docs/how-to/run-the-conformance-suite.md": Prepared(plugin="new my-plugin"),
    "docs/how-to/use-in-ci.md": Prepared(
        ("stockade new shout", "stockade install echo", 'cp "$STOCKADE_HOME/stockade.lock" .')
    ),
    "docs/how-to/upgrade-and-roll-back.md": Prepared(
        (
            "stockade new shout",
            "cp -r shout shout-2",
            "sed -i 's/^version = .*/version = \"0.2.0\"/' shout-2/plugin.toml",
        )
    ),
    "docs/how-to/sign-and-trust.md": Prepared(
        (
            "stockade new shout",
            "stockade sign --new-key alice.pem > alice.pub",
            "stockade pack shout --key alice.pem",
        )
    ),
}


def commands_on(path: Path) -> Iterator[Command]:
    for block in blocks(path.read_text(encoding="utf-8"), "console"):
        if block.startswith("$ "):  # not what a command of another block goes on to say
            yield from commands_of(block)


def reason_against(line: str) -> str:
    """Why a command is not run here; "" where it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, line)), "")


def bare(line: str) -> str:
    """Without what a page says beside a command."""
    return re.sub(r"\s+# .*$", "", line)


def is_repeated(path: Path) -> bool:
    """Whether a plugin's page has nothing but commands of the guide to all of them."""
    guide = [command.line for command in commands_on(DOCS / "how-to" / "set-up-providers.md")]
    own = [command.line for command in commands_on(path)]
    return path.parent.parent.name == "plugins" and set(own) <= set(guide)


REPEATED = {path for path in PAGES if is_repeated(path)}
FOLLOWED = [
    path
    for path in PAGES
    if path not in ELSEWHERE | REPEATED
    and any(not reason_against(bare(command.line)) for command in commands_on(path))
]


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What every home has after its first install, and takes a second to be made."""
    folder = tmp_path_factory.mktemp("first")
    done = shell("stockade install echo --yes", {"STOCKADE_HOME": str(folder / "home")}, folder)
    assert done.returncode == 0, done.stdout
    return folder / "home" / "environments"


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whoever opens a way out here, a host or a trial, gets one whose vendors are the kit's."""
    real = Broker.open
    with played() as redirect:

        def opened(*arguments: Any, **options: Any) -> Any:
            return real(*arguments, **{**options, "redirect": options.get("redirect") or redirect})

        monkeypatch.setattr(Broker, "open", opened)
        yield


@contextlib.contextmanager
def played() -> Iterator[object]:
    """A vendor in a thread of its own, for the verbs have event loops of their own."""
    opened, leave, found = threading.Event(), threading.Event(), []

    async def serve() -> None:
        async with Vendor.open(wires.good) as vendor:
            found.append(vendor.redirect)
            opened.set()
            await anyio.to_thread.run_sync(leave.wait)

    thread = threading.Thread(target=anyio.run, args=(serve,))
    thread.start()
    try:
        assert opened.wait(30)
        yield found[0]
    finally:
        leave.set()
        thread.join()


class Reader:
    """Somebody at a terminal, in a folder and with a home of their own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, monkeypatch
        self.variables: dict[str, str] = {}
        self.export("STOCKADE_HOME", str(folder / "home"))
        self.export("HOME", str(folder))
        self.export("API_KEY", KEY)
        self.export("OPENAI_COMPATIBLE_API_KEY", KEY)
        self.export("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        self.enter(folder)

    def export(self, name: str, value: str) -> None:
        self.variables[name] = value
        self.patch.setenv(name, value)

    def enter(self, folder: Path) -> None:
        self.folder = folder
        self.patch.chdir(folder)

    def types(self, line: str) -> str:
        """Run a command and agree to it; what it said. Fails where the command does."""
        if ANSWERED.search(line) and "--yes" not in line:
            line += " --yes"
        if line.startswith("cd "):
            self.enter((self.folder / line.removeprefix("cd ")).resolve())
            return ""
        exported = re.fullmatch(r"export (\w+)=(.*)", line)
        if exported:
            said = shell(f"printf %s {exported[2]}", self.variables, self.folder).stdout
            self.export(exported[1], said)
            return ""
        if re.match(r"stockade [^|;&$<>]*$", line):
            code, said = self._at_once(shlex.split(line)[1:])
        else:
            done = shell(line, self.variables, self.folder)
            code, said = done.returncode, done.stdout
        assert code == FAILS.get(line, 0), f"$ {line}\n{said}exit code {code}"
        return said

    def _at_once(self, arguments: list[str]) -> tuple[int, str]:
        """A verb in this process, which saves the start of another; a key is at its stdin."""
        said = io.StringIO()
        self.patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{KEY}\n".encode())))
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = run_program(arguments)
        return code, said.getvalue()


def prepare(reader: Reader, path: Path, ready: Prepared) -> None:
    shutil.copytree(DOCS / "examples", reader.folder / "docs" / "examples", symlinks=True)
    kind, _, name = ready.plugin.partition(" ")
    if kind == "page":
        for file, content in files_of(path_of("docs/how-to/add-a-vendor.md").read_text()).items():
            (reader.folder / file).parent.mkdir(exist_ok=True)
            (reader.folder / file).write_text(content)
    elif kind == "new":
        reader.types(f"stockade new {name}")
        if ready.inside:
            reader.enter(reader.folder / name)
    elif kind:
        (reader.folder / kind).mkdir()
        (reader.folder / kind / "plugin.toml").write_text(EXAMPLE)
        (reader.folder / kind / "example_cloud.py").write_text(EXAMPLE_CODE)
    for line in ready.commands:
        reader.types(line)


def path_of(name: str) -> Path:
    return ROOT / name


@pytest.mark.timeout(300)
@pytest.mark.parametrize("path", FOLLOWED, ids=place)
def test_the_commands_of_a_page_do_what_it_says(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environments: Path,
    vendors: None,
) -> None:
    if any(command.line.startswith("cc ") for command in commands_on(path)) and not HAS_COMPILER:
        pytest.skip("there is no C compiler")
    ready = READY.get(place(path), Prepared())
    (tmp_path / "home").mkdir(0o700)
    shutil.copytree(environments, tmp_path / "home" / "environments", symlinks=True)
    reader = Reader(tmp_path, monkeypatch)
    prepare(reader, path, ready)

    wrong = []
    for command in commands_on(path):
        line = bare(command.line)
        if reason_against(line):
            continue
        for word, instead in ready.words:
            line = line.replace(word, instead)
        said = reader.types(line)
        if any(place(path) == on and line.startswith(one) for on, one in ILLUSTRATED):
            continue
        lines = iter(said.splitlines())
        wrong += [
            f"$ {line}\n{said}lacks, at its place: {shown}"
            for shown in command.shown
            if not any(is_shown(shown.replace("...", "…"), one) for one in lines)
        ][:1]

    assert not wrong, "\n\n".join(wrong)


def test_no_entry_of_the_tables_is_left_over() -> None:
    lines = {(place(path), bare(one.line)) for path in FOLLOWED for one in commands_on(path)}

    assert set(READY) <= {place(path) for path in FOLLOWED}
    assert set(FAILS) <= {line for _, line in lines}
    for on, start in ILLUSTRATED:
        assert any(page == on and line.startswith(start) for page, line in lines), (on, start)


def test_no_command_is_on_no_list() -> None:
    """Each is followed here or elsewhere, or its reason is one of the table."""
    lines = [
        (path, bare(command.line))
        for path in PAGES
        if path not in ELSEWHERE
        for command in commands_on(path)
    ]
    reasons = {line: reason_against(line) for _, line in lines}
    followed = {*FOLLOWED, *REPEATED}
    unfollowed = [line for path, line in lines if path not in followed and not reasons[line]]

    assert len(lines) > 150
    assert unfollowed == []
    assert {why for why in reasons.values() if why} == set(NOT_RUN.values()), "a reason is unused"


def test_a_command_that_fails_fails_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(tmp_path, monkeypatch)

    with pytest.raises(AssertionError, match="exit code 2"):
        reader.types("stockade inspect nobody")


def test_blocks_of_commands_are_called_console() -> None:
    """A block of another name would be passed over."""
    other = re.compile(r"^```(?:bash|shell|shell-session|sh-session)$", re.MULTILINE)

    assert [place(path) for path in PAGES if other.search(path.read_text("utf-8"))] == []
