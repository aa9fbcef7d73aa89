"""Files: what is not granted is neither read nor written, by whatever name."""

# ruff: noqa: ASYNC240, PTH208 -- looks at files of the kernel's and of its own, which never block

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from stockade.sandbox.layout import find_layout

from .site import DENIED, Inmates
from .watching import watching

WORDS = "nobody's business"


@pytest.mark.row("F1")
async def test_what_is_private_on_the_machine_is_not_read(cell: Inmates, tier: str) -> None:
    site = cell.site
    planted, granted = site.plant(site.outside, WORDS), site.plant(site.readable, "granted words")
    private = ["/etc/shadow", "/etc/passwd", "/root/.ssh/id_ed25519", f"{Path.home()}/.profile"]

    with watching(planted) as outside, watching(granted) as inside:
        seen = await cell.attempt("hostile", "read", path=str(planted))
        twin = await cell.attempt("hostile", "read", path=str(granted))
        assert twin == {"outcome": "done", "text": "granted words"}
        assert inside.touched()
        assert not outside.touched()
    assert seen["outcome"] == "ENOENT" if tier == "full" else seen["outcome"] in DENIED
    for path in private:
        seen = await cell.attempt("hostile", "read", path=path)
        assert seen["outcome"] in DENIED, path
        assert seen["text"] == ""


@pytest.mark.row("F2")
async def test_the_system_the_interpreter_and_its_own_code_stay_as_they_are(cell: Inmates) -> None:
    site = cell.site
    code = {path: path.read_bytes() for path in site.home.plugins.rglob("*.py")}
    library = Path(os.__file__).parent
    names = ["/usr/hostile", "/etc/hostile", f"{library}/hostile.py", f"{library}/os.py"]
    ours = [f"{cell.inside('hostile', folder)}/hostile.py" for folder in ("base", "plugin")]
    before = (library / "os.py").read_bytes()

    for path in (*names, *ours, f"{cell.inside('hostile', 'plugin')}/hostile/__init__.py"):
        assert await cell.attempt("hostile", "write", path=path) in DENIED, path
        assert await cell.attempt("hostile", "remove", path=path) in DENIED, path
        assert await cell.attempt("hostile", "change_mode", path=path) in DENIED, path
    inside = f"{cell.inside('hostile', 'data')}/twin"
    assert await cell.attempt("hostile", "write", path=inside) == "done"
    assert await cell.attempt("hostile", "remove", path=inside) == "done"

    assert {path: path.read_bytes() for path in site.home.plugins.rglob("*.py")} == code
    assert (library / "os.py").read_bytes() == before
    assert not [path for path in names[:3] if Path(path).exists()]


@pytest.mark.row("F3")
async def test_its_data_folder_is_written_and_read_back(cell: Inmates) -> None:
    inside = f"{cell.inside('hostile', 'data')}/note"

    assert await cell.attempt("hostile", "write", path=inside, text="kept") == "done"
    assert (await cell.attempt("hostile", "read", path=inside))["text"] == "kept"

    note = cell.site.data("hostile") / "note"
    assert note.read_text() == "kept"
    assert await cell.attempt("hostile", "write", path=str(cell.site.writable / "w")) == "done"
    assert (cell.site.writable / "w").read_text() == "hostile"


@pytest.mark.row("F4")
async def test_scratch_folders_are_private(cell: Inmates, tier: str) -> None:
    name = f"hostile-{os.getpid()}"
    inside = f"{cell.inside('hostile', 'scratch')}/{name}"

    assert await cell.attempt("hostile", "write", path=inside) == "done"
    assert (await cell.attempt("hostile", "read", path=inside))["text"] == "hostile"
    other = await cell.attempt("neighbour", "read", path=inside)
    shared = await cell.attempt("neighbour", "read", path=f"/tmp/{name}")
    anybodys = await cell.attempt("hostile", "write", path=f"/tmp/{name}-2")

    assert other["outcome"] in DENIED
    assert shared["outcome"] in DENIED
    assert anybodys == "done" if tier == "full" else anybodys in DENIED
    assert not Path(f"/tmp/{name}").exists()
    assert not Path(f"/tmp/{name}-2").exists()


@pytest.mark.row("F5")
async def test_a_link_in_its_data_folder_leads_nowhere(cell: Inmates) -> None:
    site = cell.site
    planted, data = site.plant(site.outside, WORDS), site.data("hostile")
    inside = cell.inside("hostile", "data")
    own = f"{inside}/own"
    assert await cell.attempt("hostile", "write", path=own, text="its own") == "done"
    (data / "out").symlink_to(planted)  # by whoever: it cannot make one
    (data / "in").symlink_to("own")

    with watching(planted) as outside:
        made = await cell.attempt("hostile", "symlink", points=str(planted), new=f"{inside}/made")
        read = await cell.attempt("hostile", "read", path=f"{inside}/out")
        written = await cell.attempt("hostile", "write", path=f"{inside}/out")
        twin = await cell.attempt("hostile", "read", path=f"{inside}/in")
        assert twin["text"] == "its own"
        assert not outside.touched()
    assert made in DENIED
    assert read["outcome"] in DENIED
    assert written in DENIED
    assert not os.path.lexists(data / "made")
    assert planted.read_text() == WORDS


@pytest.mark.row("F8")
async def test_no_second_name_and_no_new_place_for_what_is_not_its_own(cell: Inmates) -> None:
    site = cell.site
    planted, granted = site.plant(site.outside, WORDS), site.plant(site.readable, WORDS)
    inside, data = cell.inside("hostile", "data"), site.data("hostile")
    own = f"{inside}/mine"
    assert await cell.attempt("hostile", "write", path=own) == "done"

    for old in (str(planted), str(granted)):
        assert await cell.attempt("hostile", "link", old=old, new=f"{inside}/linked") in DENIED
        assert await cell.attempt("hostile", "rename", old=old, new=f"{inside}/moved") in DENIED
        assert await cell.attempt("hostile", "rename", old=own, new=old) in DENIED
    assert await cell.attempt("hostile", "rename", old=own, new=f"{inside}/mine-2") == "done"

    assert (data / "mine-2").exists()
    assert planted.stat().st_nlink == granted.stat().st_nlink == 1
    assert not (data / "linked").exists()
    assert not (data / "moved").exists()
    assert planted.read_text() == granted.read_text() == WORDS


@pytest.mark.row("F10")
async def test_proc_leads_nowhere(cell: Inmates) -> None:
    site = cell.site
    planted, granted = site.plant(site.outside, WORDS), site.plant(site.readable, "granted")
    host = os.getpid()
    ways = [f"/proc/{who}/{how}{planted}" for who in (1, "self", host) for how in ("root", "cwd")]
    ways += [f"/proc/self/root/../..{planted}", f"/proc/{host}/fd/0", f"/proc/{host}/maps"]

    with watching(planted) as outside:
        for path in ways:
            seen = await cell.attempt("hostile", "read", path=path)
            assert seen["outcome"] in DENIED, path
        listed = await cell.attempt("hostile", "list_folder", path="/")
        assert not outside.touched()
    assert listed["outcome"] in DENIED
    twin = await cell.attempt("hostile", "list_folder", path=str(site.readable))
    assert granted.name in twin["names"]


@pytest.mark.row("F12")
async def test_the_kernels_own_files_take_no_orders(cell: Inmates) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern").read_text()
    paths = [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/ns_last_pid",
        "/proc/sys/vm/drop_caches",
        "/proc/sysrq-trigger",
        "/proc/self/oom_score_adj",
        "/proc/self/uid_map",
        "/sys/kernel/uevent_helper",
        "/sys/fs/cgroup/cgroup.procs",
    ]
    for name in ("hostile", "forker"):
        for path in paths:
            assert await cell.attempt(name, "open_to_write", path=path) in DENIED, path
        assert await cell.attempt(name, "open_to_write", path="/dev/null") == "done"
    assert Path("/proc/sys/kernel/core_pattern").read_text() == pattern


@pytest.mark.row("F13")
async def test_devices_are_neither_made_nor_opened(cell: Inmates) -> None:
    inside, data = cell.inside("hostile", "data"), cell.site.data("hostile")
    devices = [
        "/dev/kmsg",
        "/dev/mem",
        "/dev/vda",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/tty",
        "/dev/shm/x",
    ]

    for kind in ("character", "block", "pipe"):
        made = await cell.attempt("hostile", "make_node", path=f"{inside}/{kind}", kind=kind)
        assert made in DENIED, kind
    for path in devices:
        assert (await cell.attempt("hostile", "read", path=path))["outcome"] in DENIED, path
        assert await cell.attempt("hostile", "open_to_write", path=path) in DENIED, path
    twin = await cell.attempt("hostile", "read", path="/dev/zero")

    assert twin["outcome"] == "done"
    for entry in data.iterdir():
        mode = entry.lstat().st_mode
        assert stat.S_ISREG(mode) or stat.S_ISLNK(mode), entry


@pytest.mark.row("F15")
async def test_what_it_wrote_is_not_executed(cell: Inmates) -> None:
    data, elf = cell.site.data("forker"), Path("/bin/true").read_bytes()
    inside = cell.inside("forker", "data")
    marker = data / "marker"
    script = f"#!/bin/sh\ntouch {inside}/marker\n"
    assert (
        await cell.attempt("forker", "write", path=f"{inside}/s", text=script, mode=0o700) == "done"
    )
    (data / "elf").write_bytes(elf)
    (data / "elf").chmod(0o755)

    for path in (f"{inside}/s", f"{inside}/elf"):
        ran = await cell.attempt("forker", "run", argv=[path])
        assert ran["outcome"] in DENIED, ran
    twin = await cell.attempt("forker", "run", argv=["/usr/bin/true"])
    assert (twin["outcome"], twin["code"]) == ("done", 0)
    for name in ("hostile", "forker"):
        assert await cell.attempt(name, "file_in_memory") == "ENOSYS"
    assert await cell.attempt("hostile", "execute", path="/usr/bin/true") in DENIED
    assert not marker.exists()


@pytest.mark.row("F18")
async def test_no_descriptor_leads_out(
    cell: Inmates, tier: str, exception: Callable[[str], None]
) -> None:
    planted = cell.site.plant(cell.site.outside, WORDS)
    at_import = (await cell.attempt("hostile", "hello"))["at_import"]
    own = [
        Path(f"/proc/{cell.pid('hostile')}/fd/{fd}")
        for fd in sorted(os.listdir(f"/proc/{cell.pid('hostile')}/fd"))
    ]
    folders = {int(link.name): str(link.readlink()) for link in own if link.is_dir()}

    climbed = await cell.attempt("hostile", "climb", name=str(planted))

    assert all(outcome in DENIED for outcome in climbed.values()), climbed
    assert set(at_import.values()) <= {"pipe", "socket", "device", "folder", "other"}
    if tier == "full":
        assert folders == {}
        assert "folder" not in at_import.values()
    else:
        home = str(cell.site.home.root)
        assert set(folders) == {10, 11, 12, 13}
        assert all(path.startswith(os.path.realpath(home)) for path in folders.values())
        exception("its own folders are held open (O_PATH): there are no mounts")


@pytest.mark.row("F20")
async def test_other_plugins_are_out_of_reach(cell: Inmates) -> None:
    site = cell.site
    secret = site.data("neighbour") / "diary"
    theirs = f"{cell.inside('neighbour', 'data')}/diary"
    assert await cell.attempt("neighbour", "write", path=theirs, text=WORDS) == "done"
    places = [secret, site.home.log_of("neighbour"), site.data("neighbour"), site.home.run]

    with watching(secret) as watch:
        for path in places:
            read = await cell.attempt("hostile", "read", path=str(path))
            listed = await cell.attempt("hostile", "list_folder", path=str(path))
            assert {read["outcome"], listed["outcome"]} <= DENIED, path
        up = cell.inside("hostile", "data") + "/../neighbour/diary"
        assert (await cell.attempt("hostile", "read", path=up))["outcome"] in DENIED
        assert await cell.attempt("hostile", "write", path=str(secret)) in DENIED
        assert not watch.touched()
        assert (await cell.attempt("neighbour", "read", path=theirs))["text"] == WORDS
        assert watch.touched()


@pytest.mark.row("F21")
async def test_the_hosts_own_state_is_out_of_reach(cell: Inmates) -> None:
    home = cell.site.home
    places = [home.state_db, home.lock_file, home.settings_toml, home.secrets_file, home.plugins,
              home.environments, home.logs, home.run, home.control_socket]  # fmt: skip

    for path in places:
        for act in ("read", "list_folder"):
            seen = await cell.attempt("hostile", act, path=str(path))
            assert seen["outcome"] in DENIED, path
        written = await cell.attempt("hostile", "open_to_write", path=str(path))
        assert written in DENIED | {"EISDIR"}, path
    assert (await cell.attempt("hostile", "list_folder", path=cell.inside("hostile", "plugin")))[
        "outcome"
    ] == "done"


@pytest.mark.row("F24")
async def test_a_write_where_nothing_is_granted_fails_and_does_not_vanish(cell: Inmates) -> None:
    site = cell.site
    places = ["/hostile", "/stockade/hostile", "/home/hostile", "/var/tmp/hostile", "/dev/hostile",
              f"{site.readable}/hostile", f"{site.outside}/hostile"]  # fmt: skip

    for path in places:
        assert await cell.attempt("hostile", "write", path=path) in DENIED, path
        assert not Path(path).exists()
    assert await cell.attempt("hostile", "write", path=f"{site.writable}/noticed") == "done"
    assert (site.writable / "noticed").exists()


@pytest.mark.row("F27")
async def test_it_does_not_learn_where_it_is(
    cell: Inmates, tier: str, exception: Callable[[str], None]
) -> None:
    site = cell.site
    shown = str(await cell.attempt("hostile", "itself"))
    tables = [f"/proc/{who}/{name}" for who in ("self", 1, os.getpid())
              for name in ("mountinfo", "mounts", "maps", "cgroup", "environ")]  # fmt: skip

    for path in (*tables, "/proc/mounts", "/etc/hostname", "/etc/passwd"):
        assert (await cell.attempt("hostile", "read", path=path))["outcome"] in DENIED, path
    if tier == "full":
        for private in (str(site.home.root), f"{Path.home()}/", os.uname().nodename):
            assert private not in shown or find_under(private)
        assert await cell.attempt("hostile", "names_of_own_folders") == {}
        assert await cell.attempt("hostile", "look", path=str(site.outside)) == "ENOENT"
    else:
        assert await cell.attempt("hostile", "look", path=str(site.outside)) == "done"
        exception("names, sizes and times of files (stat), the host's name, where its folders lie")


def find_under(path: str) -> bool:
    """Whether the interpreter lies there, which no worker can overlook."""
    return any(target.startswith(path) for target, _ in find_layout().needed)
