"""Where the host keeps its files."""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from stockade.errors import StateError

__all__ = ["HOME_VARIABLE", "Home"]

HOME_VARIABLE = "STOCKADE_HOME"
PRIVATE = 0o700  # keys, grants and sockets are the owner's alone


class Home(msgspec.Struct, frozen=True):
    """Every path below `STOCKADE_HOME`. Making one touches no disk."""

    root: Path

    @classmethod
    def find(cls, environ: Mapping[str, str] | None = None) -> "Home":
        """The folder STOCKADE_HOME names, else the platform's user data folder."""
        given = (os.environ if environ is None else environ).get(HOME_VARIABLE, "")
        if given:
            return cls(Path(os.path.abspath(Path(given).expanduser())))  # noqa: PTH100 - no links
        from platformdirs import user_data_dir

        return cls(Path(user_data_dir("stockade", appauthor=False)))

    @property
    def state_db(self) -> Path:
        return self.root / "state.db"

    @property
    def plugins(self) -> Path:
        """Content-addressed, read-only: one folder a digest."""
        return self.root / "plugins"

    @property
    def environments(self) -> Path:
        return self.root / "environments"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def control_socket(self) -> Path:
        return self.run / "control.sock"

    @property
    def settings_toml(self) -> Path:
        return self.root / "stockade.toml"

    @property
    def lock_file(self) -> Path:
        return self.root / "stockade.lock"

    @property
    def secrets_file(self) -> Path:
        return self.root / "secrets.json"

    def data_of(self, plugin: str) -> Path:
        """The plugin's own folder; its name is held to the manifest's grammar, so it is no path."""
        return self.data / plugin

    def log_of(self, plugin: str) -> Path:
        return self.logs / f"{plugin}.log"

    def ensure(self) -> None:
        """Make the folders that are missing, for the owner alone. Raises `StateError`."""
        folders = (self.plugins, self.environments, self.data, self.logs, self.run)
        try:
            self.root.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
            for folder in folders:
                folder.mkdir(mode=PRIVATE, exist_ok=True)
        except OSError as error:
            raise StateError(
                f"cannot make the folder {error.filename}",
                why=error.strerror or "",
                remedy=f"set {HOME_VARIABLE} to a folder that you may write to",
            ) from error
