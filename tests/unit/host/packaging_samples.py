"""Folders of plugins, good and bad, for the tests of installing."""

from pathlib import Path

MANIFEST = """\
manifest = 1

[plugin]
name = "{name}"
version = "{version}"
entry = "sample_provider:Sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat"]
{more}
"""
CODE = "raise SystemExit('plugin code was run')\n"
ASKS = """
[config.base_url]
type = "url"

[permissions]
network = ["api.example.com", "*.example.org"]
read = ["/srv/models"]
write = ["data"]
environment = ["LANG"]

[[permissions.secrets]]
name = "SAMPLE_KEY"
hosts = ["api.example.com"]
header = "x-api-key"
"""


def plugin_folder(
    parent: Path, name: str = "sample", *, version: str = "1.0.0", more: str = "", code: str = CODE
) -> Path:
    """A plugin whose code ends the process that imports it."""
    folder = parent / name
    package = folder / "sample_provider"
    package.mkdir(parents=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(name=name, version=version, more=more))
    (package / "__init__.py").write_text(code)
    return folder


def tree(folder: Path) -> set[str]:
    """Every path below a folder, with what it is."""
    return {
        f"{path.relative_to(folder)}{'/' if path.is_dir() else ''}" for path in folder.rglob("*")
    }
