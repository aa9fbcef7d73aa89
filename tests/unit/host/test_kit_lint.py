"""`validate`'s warnings: what an operator would stop at, each at its line, and nothing run."""

from pathlib import Path

import pytest

from stockade.kit.checking import check_plugin
from tests.unit.host.cli_calls import calling

CLEAN = """\
manifest = 1

[plugin]
name = "sample"
version = "1.0.0"
summary = "A sample"
authors = ["A. Author"]
license = "Apache-2.0"
homepage = "https://acme.dev/sample"
entry = "sample_provider:Sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]

[permissions]
network = ["api.acme.dev"]
"""
CODE = """\
class Base:
    async def chat(self, request, ctx): ...

class Sample(Base):
    pass
"""


def plugin(folder: Path, manifest: str = CLEAN, code: str = CODE, **files: str) -> Path:
    (folder / "sample_provider").mkdir(parents=True)
    (folder / "plugin.toml").write_text(manifest)
    (folder / "README.md").write_text("# sample\n")
    (folder / "sample_provider" / "__init__.py").write_text(code)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def warned(folder: Path) -> list[tuple[str, int | None]]:
    checked = check_plugin(str(folder))
    assert checked.problems == ()
    return [(warning.key, warning.line) for warning in checked.warnings]


def test_a_modest_plugin_is_warned_of_nothing(tmp_path: Path) -> None:
    assert warned(plugin(tmp_path)) == []


NETWORK = 'network = ["api.acme.dev"]'
SECRET = '[[permissions.secrets]]\nname = "ACME_KEY"\nheader = "x-api-key"\n'


@pytest.mark.parametrize(
    ("old", "new", "key", "line"),
    [
        (NETWORK, 'network = ["*.acme.dev"]', "permissions.network[0]", 15),
        (NETWORK, 'network = ["*.s3.amazonaws.com"]', "permissions.network[0]", 15),
        (NETWORK, 'network = ["api.example.com"]', "permissions.network[0]", 15),
        (NETWORK, 'network = ["10.0.0.1"]', "permissions.network[0]", 15),
        (NETWORK, 'network = ["api.acme.dev:8443"]', "permissions.network[0]", 15),
        (NETWORK, f"network = {[f'h{n}.acme.dev' for n in range(9)]}", "permissions.network", 15),
        (NETWORK, f"{NETWORK}\ntunnel = true", "permissions.tunnel", 16),
        (NETWORK, f"{NETWORK}\nsubprocess = true", "permissions.subprocess", 16),
        (NETWORK, f'{NETWORK}\nread = ["/etc/ssl"]', "permissions.read[0]", 16),
        (NETWORK, f'{NETWORK}\nwrite = ["/home/me"]', "permissions.write[0]", 16),
        (NETWORK, f'{NETWORK}\nread = ["/srv/models"]', "permissions.read[0]", 16),
        (NETWORK, f'{NETWORK}\nenvironment = ["ACME_TOKEN"]', "permissions.environment[0]", 16),
        (NETWORK, f"{NETWORK}\n{SECRET}expose = true", "permissions.secrets[0].expose", 19),
        (NETWORK, f"{NETWORK}\n{SECRET}", "permissions.secrets[0]", 16),
        (NETWORK, f'{NETWORK}\n[limits]\nmemory = "8 GiB"', "limits.memory", 17),
        (NETWORK, f"{NETWORK}\n[limits]\nprocesses = 4000", "limits.processes", 17),
        ('summary = "A sample"\n', "", "plugin.summary", 3),
        ('license = "Apache-2.0"\n', "", "plugin.license", 3),
        ('authors = ["A. Author"]', "authors = []", "plugin.authors", 7),
        ('homepage = "https://acme.dev/sample"\n', "", "plugin.homepage", 3),
        ('"1.0.0"', '"1.0.0rc1"', "plugin.version", 5),
        (">=0.1,<0.2", ">=0.1", "plugin.sdk", 11),
        ("capabilities", 'requires = ["tiktoken>=0.7"]\ncapabilities', "plugin.requires[0]", 12),
    ],
)
def test_what_is_broad_or_unsaid_is_warned_of_at_its_line(
    tmp_path: Path, old: str, new: str, key: str, line: int
) -> None:
    assert warned(plugin(tmp_path, CLEAN.replace(old, new, 1))) == [(key, line)]


@pytest.mark.parametrize(
    "harmless",
    [
        f'{NETWORK}\nwrite = ["data"]',
        f'{NETWORK}\nenvironment = ["LANG"]',
        f'{NETWORK}\n{SECRET}hosts = ["api.acme.dev"]',
        f'{NETWORK}\n[limits]\nmemory = "512 MiB"',
    ],
)
def test_what_most_plugins_ask_for_is_not(tmp_path: Path, harmless: str) -> None:
    assert warned(plugin(tmp_path, CLEAN.replace(NETWORK, harmless, 1))) == []


def test_a_key_for_every_host_of_many_is_warned_of(tmp_path: Path) -> None:
    hosts = str([f"h{n}.acme.dev" for n in range(4)])
    manifest = CLEAN.replace(NETWORK, f"network = {hosts}\n{SECRET}hosts = {hosts}", 1)

    assert warned(plugin(tmp_path, manifest)) == [("permissions.secrets[0].hosts", 19)]


def test_a_pinned_package_is_not_warned_of(tmp_path: Path) -> None:
    pinned = CLEAN.replace("capabilities", 'requires = ["tiktoken==0.9.0"]\ncapabilities')

    assert warned(plugin(tmp_path, pinned)) == []


@pytest.mark.parametrize(
    ("code", "key"),
    [
        ("class Other: ...\n", "plugin.entry"),
        ("class Sample:\n    def embed(self, request, ctx): ...\n", "plugin.capabilities"),
        (
            "from stockade_sdk.vendor import OpenAIEmbeddings as E\nclass Sample(E): ...\n",
            "plugin.capabilities",
        ),
    ],
)
def test_code_that_is_not_what_the_manifest_says_is_warned_of(
    tmp_path: Path, code: str, key: str
) -> None:
    assert key in [found for found, _ in warned(plugin(tmp_path, code=code))]


@pytest.mark.parametrize(
    "code",
    [
        "from stockade_sdk.vendor import OpenAIChat\nclass Sample(OpenAIChat): ...\n",
        "import foreign\nSample = foreign.make()\n",
        "from foreign import Thing\nclass Sample(Thing): ...\n",
        "def __getattr__(name): ...\n",
        "try:\n    from fast import Sample\nexcept ImportError:\n    Sample = None\n",
    ],
)
def test_code_that_is_right_or_cannot_be_told_is_not(tmp_path: Path, code: str) -> None:
    assert warned(plugin(tmp_path, code=code)) == []


def test_a_class_is_found_through_the_packages_own_imports(tmp_path: Path) -> None:
    folder = plugin(tmp_path, code="from .deep.provider import Thing as Sample\n")
    (folder / "sample_provider" / "deep").mkdir()
    (folder / "sample_provider" / "deep" / "provider.py").write_text(
        "from ..base import Base\nclass Thing(Base): ...\n"
    )
    (folder / "sample_provider" / "base.py").write_text(
        "class Base:\n    async def embed(self): ..."
    )

    keys = [found for found, _ in warned(folder)]

    assert keys == ["plugin.entry", "plugin.capabilities"]  # chat is missing, embed is unused


def test_streaming_without_a_stream_is_warned_of(tmp_path: Path) -> None:
    models = '[[models]]\nid = "m"\ncapabilities = ["chat"]\nfeatures = ["streaming"]\n\n[perm'
    manifest = CLEAN.replace('capabilities = ["chat"]\n', "").replace("[perm", models)

    assert warned(plugin(tmp_path, manifest)) == [("models[0].features", 16)]


def test_nothing_of_the_plugin_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "was-run"
    code = f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n{CODE}"

    assert warned(plugin(tmp_path / "plugin", code=code)) == []
    assert not mark.exists()


def test_a_file_that_is_not_python_is_told_with_its_line(tmp_path: Path) -> None:
    folder = plugin(tmp_path)
    (folder / "sample_provider" / "broken.py").write_text("fine = 1\nfine fine\n")

    (warning,) = check_plugin(str(folder)).warnings

    assert "broken.py:2" in warning.message


@pytest.mark.parametrize(
    "code", ["(" * 5_000 + ")" * 5_000, "-" * 1_000_000 + "1", "\0", "x = " + "1+" * 50_000 + "1"]
)
def test_code_that_is_made_to_break_parsers_does_no_harm(tmp_path: Path, code: str) -> None:
    checked = check_plugin(str(plugin(tmp_path, code=code)))

    assert checked.problems == ()


@pytest.mark.parametrize(
    "smoke", ["{", "[]", '{"type": "chat"}', '{"type": "nothing"}', '"' + "a" * 70_000 + '"']
)
def test_a_smoke_request_that_is_none_is_warned_of(tmp_path: Path, smoke: str) -> None:
    (warning,) = check_plugin(str(plugin(tmp_path, smoke__json=smoke))).warnings

    assert warning.message.startswith("smoke.json")


def test_a_plugin_without_a_readme_is_warned_of(tmp_path: Path) -> None:
    folder = plugin(tmp_path)
    (folder / "README.md").unlink()

    (warning,) = check_plugin(str(folder)).warnings

    assert "README" in warning.message


def test_warnings_count_only_where_that_is_wished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = calling(tmp_path / "home", monkeypatch, capsys)
    broad = str(plugin(tmp_path / "broad", CLEAN.replace("api.acme", "*.acme")))
    modest = str(plugin(tmp_path / "modest"))

    assert call("validate", broad).code == 0
    assert call("validate", modest, "--strict").code == 0
    strict = call("validate", broad, "--strict")

    assert strict.code == 1
    assert "plugin.toml:15: permissions.network[0]" in strict.err
    assert [one["line"] for one in call("validate", broad, "--json").json["warnings"]] == [15]


def test_a_wheel_is_checked_as_a_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call = calling(tmp_path / "home", monkeypatch, capsys)
    folder = plugin(tmp_path / "sample", CLEAN.replace("api.acme", "*.acme"))
    assert call("pack", str(folder), "--out", str(tmp_path)).code == 0
    (wheel,) = tmp_path.glob("*.whl")

    good = call("validate", str(wheel), "--json")
    wheel.write_bytes(wheel.read_bytes()[:-10])
    bad = call("validate", str(wheel), "--json")

    assert good.code == 0
    assert "permissions.network[0]" in [one["key"] for one in good.json["warnings"]]
    assert bad.code == 2
    assert len(bad.json["problems"]) == 1
