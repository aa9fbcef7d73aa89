"""Plugins with models to be listed and routed to, installed by the command itself."""

from pathlib import Path

from tests.unit.host.cli_calls import Call

NO_CODE = "raise SystemExit('plugin code was run')\n"
MANIFEST = """\
manifest = 1

[plugin]
name = "{name}"
version = "1.0.0"
entry = "sample_provider:Sample"
sdk = ">=0.1,<0.2"
{more}
"""
ALPHA = """
[[models]]
id = "large"
name = "Alpha Large"
capabilities = ["chat", "vision"]
features = ["tools"]
context_tokens = 200000
max_output_tokens = 4096
aliases = ["big"]
price = { input = "2.50", output = "10.00" }

[[models]]
id = "shared"
capabilities = ["chat"]
features = ["streaming"]
"""
BETA = """
[[models]]
id = "shared"
capabilities = ["chat", "embedding"]
context_tokens = 8000

[permissions]
network = ["api.example.com"]

[[permissions.secrets]]
name = "BETA_KEY"
help = "From the console"
hosts = ["api.example.com"]
header = "x-api-key"
"""


def install(call: Call, parent: Path, name: str, more: str, code: str = NO_CODE) -> None:
    """Install a plugin; `more` is the rest of its manifest. By default its code ends whatever
    process imports it.
    """
    package = parent / name / "sample_provider"
    package.mkdir(parents=True)
    (package.parent / "plugin.toml").write_text(MANIFEST.format(name=name, more=more))
    (package / "__init__.py").write_text(code)
    done = call("install", str(package.parent), "--yes")
    assert done.code == 0, done.err
