"""`install --locked`: what a `stockade.lock` names, exactly so, or nothing."""

from __future__ import annotations

from pathlib import Path

from stockade.cli.asking import agree
from stockade.cli.carrying import Progress, trial
from stockade.cli.installing import shown
from stockade.cli.output import print_json, safe
from stockade.cli.stored import opened

__all__ = ["install_locked"]


def install_locked(
    file: str | None, *, yes: bool, offline: bool, no_smoke: bool, json: bool
) -> None:
    """Install the plugins of a lock that are not there so. Raises HostError."""
    from stockade.app.operating.locking import reproduced
    from stockade.app.operating.proposing import installed_as_json
    from stockade.packages import commit_install, read_lock

    with opened() as (home, state):
        path = home.lock_file if file is None else Path(file).expanduser()
        lock = read_lock(path)
        with reproduced(home, state, lock, offline=offline, on_step=Progress(str(path))) as found:
            missing = [pinned for pinned in found if not pinned.is_there]
            for pinned in missing:
                shown(pinned.wanted, json=json)
            if missing:
                names = ", ".join(pinned.locked.name for pinned in missing)
                agree(f"Install {names}?", yes=yes, verb="install --locked")
            done = [
                commit_install(
                    home,
                    state,
                    pinned.wanted.proposal,
                    granted=pinned.locked.granted,
                    operator_hosts=pinned.locked.operator_hosts,
                    packages=pinned.locked.packages,
                    offline=offline,
                    trial=trial(home, skip=no_smoke, smoke=False),
                    on_step=Progress(pinned.locked.name),
                )
                for pinned in missing
            ]
    if json:
        print_json([installed_as_json(record) for record in done])
        return
    for record in done:
        print(safe(f"Installed {record.name} {record.version}, as locked."))
    if not done:
        print("All that the lock names is installed.")
