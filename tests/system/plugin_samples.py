"""Plugins for tests of the whole host: written into a folder, installed, ready to be called."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stockade.packages import commit_install, plan_install
from stockade.settings import Home
from stockade.state import State
from stockade_sdk.hosts import HostRule

MANIFEST = """\
manifest = 1

[plugin]
name = "{name}"
version = "1.0.0"
entry = "{module}:Sample"
sdk = ">=0.1,<0.2"
capabilities = ["chat", "vision"]

[limits]
{limits}
"""


def plugin_folder(parent: Path, name: str, source: str, **limits: Any) -> Path:
    """A folder to install from: `source` is the module that has the provider class `Sample`.

    `limits` are lines of the manifest's table of that name.
    """
    folder = parent / name
    module = "sample_" + name.replace("-", "_")
    (folder / module).mkdir(parents=True)
    lines = "\n".join(
        f'{key} = "{value}"' if isinstance(value, str) else f"{key} = {value}"
        for key, value in limits.items()
    )
    manifest = MANIFEST.format(name=name, module=module, limits=lines)
    (folder / "plugin.toml").write_text(manifest)
    (folder / module / "__init__.py").write_text(source)
    return folder


def install(home: Home, folders: Iterable[Path], *, allow: Iterable[str] = ()) -> Home:
    """`home`, with these plugins in it; `allow` are hosts (`host:port`) of the operator's choice.

    Every permission asked for is granted.
    """
    home.ensure()
    rules = tuple(HostRule.parse(host) for host in allow)
    with State.open(home) as state:
        for folder in folders:
            proposal = plan_install(home, state, str(folder))
            commit_install(home, state, proposal, granted=proposal.asked, operator_hosts=rules)
    return home
