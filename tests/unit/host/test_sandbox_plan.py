"""What a plan says for a tier, a grant and a user: no process, no file is touched."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from stockade.sandbox.layout import Layout
from stockade.sandbox.paths import Found
from stockade.sandbox.plan import (
    Grants,
    Own,
    compare_acts,
    expected_acts,
    layers_of,
    places_of,
    plan_worker,
)
from stockade_sdk.limits import Limits
from stockade_worker.plan import (
    DEVICE,
    DOOR_FD,
    EXECUTE,
    FULL,
    MAX_PLAN_BYTES,
    NONE,
    READ,
    RESTRICTED,
    WRITE,
    Mount,
    Path,
    Plan,
)

MIB = 1024 * 1024
USER = 1_900_000_007


def found(path: str, *, owner: int = 1000, folder: bool = True) -> Found:
    return Found(path, 1, sum(map(ord, path)), folder, owner, owner + 1)


LIBRARY = ("/usr/lib/python3", found("/usr/lib/python3"))
CACHE = ("/etc/ld.so.cache", found("/etc/ld.so.cache", folder=False))
LINKED = ("/usr/share/zoneinfo", found("/srv/zones"))  # a link on the host
CERTIFICATES = ("/etc/ssl", found("/etc/ssl"))
PROGRAMS = ("/usr", found("/usr"))
NULL = ("/dev/null", found("/dev/null", folder=False))
LAYOUT = Layout(
    needed=(LIBRARY, CACHE, LINKED),
    certificates=(CERTIFICATES,),
    programs=(PROGRAMS, LIBRARY),
    devices=(NULL,),
    code=(),
    blanks=("/usr/lib/python3/site-packages",),
    links=(("/lib", "usr/lib"),),
)
OWN = Own(
    base=found("/home/me/stockade/environments/base"),
    plugin=found("/home/me/stockade/plugins/p"),
    scratch=found("/home/me/stockade/run/host/2"),
)
MORE = Own(
    base=OWN.base,
    plugin=OWN.plugin,
    packages=found("/home/me/stockade/environments/e"),
    data=found("/home/me/stockade/data/p", owner=1234),
    scratch=OWN.scratch,
)
PHOTOS, NOTES = found("/home/me/photos", owner=1000), found("/tmp/notes/a.txt", folder=False)
GRANTS = Grants(paths=((PHOTOS, READ), (NOTES, WRITE)), data=WRITE)


def planned(tier: str = FULL, own: Own = OWN, **changes: Any) -> Plan:
    words: dict[str, Any] = {
        "plugin": "p",
        "digest": "d",
        "launch": "w",
        "limits": Limits(),
        "layout": LAYOUT,
        "grants": Grants(),
    }
    return plan_worker(tier=tier, own=own, **{**words, **changes})


def mount(plan: Plan, target: str) -> Mount:
    (one,) = (one for one in plan.mounts if one.target == target)
    return one


# --- layers ---

FIRST = ("parent_death", "session")
LAST = (
    "capabilities",
    "descriptors",
    "rlimits",
    "no_new_privileges",
    "landlock_rules",
    "seccomp_filter",
    "lockdown",
)


@pytest.mark.parametrize(
    ("tier", "as_root", "between"),
    [
        (FULL, True, ("hostname", "file_tree", "scratch", "bounding_set", "user")),
        (FULL, False, ("user_namespace", "hostname", "file_tree", "scratch", "bounding_set")),
        (RESTRICTED, True, ("doors", "scratch", "bounding_set", "user")),
        # Nothing is in the bounding set that a user without capabilities could drop from it.
        (RESTRICTED, False, ("doors", "scratch")),
    ],
)
def test_the_layers_of_a_tier_for_root_and_for_a_user(
    tier: str, as_root: bool, between: tuple[str, ...]
) -> None:
    assert layers_of(tier, as_root=as_root) == (*FIRST, *between, *LAST)


@pytest.mark.parametrize("as_root", [True, False])
def test_without_a_tier_there_are_no_walls_but_limits(as_root: bool) -> None:
    layers = layers_of(NONE, as_root=as_root)

    assert layers == (
        *FIRST,
        "own_packages",
        "descriptors",
        "scratch",
        "rlimits",
        "no_new_privileges",
    )


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
@pytest.mark.parametrize("as_root", [True, False])
def test_the_order_holds_what_later_steps_would_forbid(tier: str, as_root: bool) -> None:
    layers = layers_of(tier, as_root=as_root, tunnel=True, cpus=True)
    at = {layer: layers.index(layer) for layer in layers}

    if as_root:  # dropping it takes a capability, and so does becoming somebody
        assert at["bounding_set"] < at["user"] < at["capabilities"]
    if tier == FULL:
        assert at["hostname"] < at["file_tree"] < at["capabilities"]
        assert at["loopback"] < at["capabilities"]
        if not as_root:  # in a user namespace nobody may do anything before it is somebody
            assert at["user_namespace"] < at["hostname"]
    assert at["affinity"] < at["seccomp_filter"]
    assert at["no_new_privileges"] < at["landlock_rules"] < at["seccomp_filter"] < at["lockdown"]
    assert layers[-1] == "lockdown"


def test_loopback_and_processors_are_for_those_that_have_them() -> None:
    assert "loopback" in layers_of(FULL, as_root=True, tunnel=True)
    assert "loopback" not in layers_of(FULL, as_root=True)
    assert "loopback" not in layers_of(RESTRICTED, as_root=True, tunnel=True)
    assert "affinity" in planned(cpus=(1,)).layers
    assert "affinity" not in planned().layers


# --- users ---


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
def test_a_worker_of_roots_becomes_the_leased_user(tier: str) -> None:
    plan = planned(tier, uid=USER)

    assert (plan.uid, plan.gid) == (USER, USER)
    assert "user" in plan.layers


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
def test_a_worker_of_a_users_stays_that_user(tier: str) -> None:
    plan = planned(tier)

    assert (plan.uid, plan.gid) == (-1, -1)
    assert "user" not in plan.layers


def test_processes_are_counted_only_where_the_user_is_the_workers_alone() -> None:
    limits = Limits(processes=7)

    assert planned(FULL, uid=USER, limits=limits).limits.processes == 7
    assert planned(FULL, limits=limits).limits.processes == 7  # a user namespace counts by itself
    assert planned(RESTRICTED, uid=USER, limits=limits).limits.processes == 7
    assert planned(RESTRICTED, limits=limits).limits.processes == 0
    assert planned(NONE, limits=limits).limits.processes == 0


def test_folders_for_writing_and_granted_paths_are_mapped_to_roots_worker_and_no_others() -> None:
    plan = planned(FULL, MORE, grants=GRANTS, uid=USER)

    assert (mount(plan, "/stockade/data").owner, mount(plan, "/stockade/data").group) == (
        1234,
        1235,
    )
    assert (mount(plan, PHOTOS.path).owner, mount(plan, NOTES.path).owner) == (1000, 1000)
    mapped = {one.target for one in plan.mounts if one.owner >= 0}
    assert mapped == {"/stockade/data", PHOTOS.path, NOTES.path}
    assert all(one.owner == -1 for one in planned(FULL, MORE, grants=GRANTS).mounts)


# --- mounts ---


def test_a_bare_plugin_sees_the_interpreter_itself_and_nothing_else() -> None:
    plan = planned()

    assert {one.target for one in plan.mounts} == {
        LIBRARY[0],
        CACHE[0],
        LINKED[0],
        "/dev/null",
        "/stockade/base",
        "/stockade/plugin",
    }
    assert {one.access for one in plan.mounts} == {READ, DEVICE}
    assert (plan.blanks, plan.links) == (LAYOUT.blanks, LAYOUT.links)
    assert plan.base == "/stockade/base"


def test_what_lies_inside_another_mount_comes_after_it() -> None:
    grants = Grants(
        paths=((found("/srv/a/b/c"), READ), (found("/srv/a"), READ), (found("/srv/a/b"), WRITE)),
        subprocess=True,
    )
    targets = [one.target for one in planned(grants=grants).mounts]

    for inner in targets:
        for outer in targets:
            if inner.startswith(f"{outer}/"):
                assert targets.index(outer) < targets.index(inner)
    assert targets.index("/usr") < targets.index(LIBRARY[0])
    assert len(set(targets)) == len(targets)


def test_a_mount_names_what_the_host_found_and_where_it_is_seen() -> None:
    one = mount(planned(), LINKED[0])

    assert (one.source, one.device, one.inode) == (
        "/srv/zones",
        LINKED[1].device,
        LINKED[1].inode,
    )


def test_each_folder_has_its_access() -> None:
    plan = planned(FULL, MORE, grants=GRANTS)

    assert mount(plan, "/stockade/packages").access == READ
    assert mount(plan, "/stockade/data").access == WRITE
    assert mount(plan, PHOTOS.path).access == READ
    assert mount(plan, NOTES.path).access == WRITE
    assert mount(plan, "/dev/null").access == DEVICE
    read_only = planned(FULL, MORE, grants=Grants(data=READ))
    assert mount(read_only, "/stockade/data").access == READ


@pytest.mark.parametrize(
    ("grants", "target"),
    [(Grants(tunnel=True), CERTIFICATES[0]), (Grants(subprocess=True), PROGRAMS[0])],
)
def test_certificates_and_programs_are_for_those_that_were_granted_them(
    grants: Grants, target: str
) -> None:
    assert target in {one.target for one in planned(grants=grants).mounts}
    assert target not in {one.target for one in planned().mounts}


@pytest.mark.parametrize("tier", [RESTRICTED, NONE])
def test_only_the_full_tier_has_mounts(tier: str) -> None:
    plan = planned(tier, MORE, grants=GRANTS)

    assert (plan.mounts, plan.links, plan.blanks) == ((), (), ())


# --- what Landlock allows ---


def test_landlock_repeats_the_mounts_by_their_targets() -> None:
    plan = planned(FULL, MORE, grants=GRANTS)

    assert set(plan.paths) == {
        Path(LIBRARY[0]),
        Path(CACHE[0]),
        Path(LINKED[0]),
        Path("/dev/null", WRITE),
        Path("/stockade/base"),
        Path("/stockade/plugin"),
        Path("/stockade/packages"),
        Path("/tmp", WRITE),
        Path("/stockade/data", WRITE),
        Path(PHOTOS.path),
        Path(NOTES.path, WRITE),
    }


def test_programs_may_be_executed_and_the_interpreters_library_may_not() -> None:
    paths = dict(planned(grants=Grants(subprocess=True)).paths)

    assert paths[PROGRAMS[0]] == EXECUTE
    assert paths[LIBRARY[0]] == READ


def test_restricted_reaches_its_folders_through_doors_and_the_machine_by_real_paths() -> None:
    plan = planned(RESTRICTED, MORE, grants=GRANTS)

    assert plan.doors == (
        MORE.base.path,
        MORE.scratch.path,
        MORE.plugin.path,
        "/home/me/stockade/environments/e",
        "/home/me/stockade/data/p",
    )
    door = [f"/proc/self/fd/{DOOR_FD + number}" for number in range(5)]
    assert (plan.base, plan.scratch) == (door[0], door[1])
    places = places_of(RESTRICTED, MORE)
    assert (places.plugin, places.packages, places.data) == (door[2], door[3], door[4])
    allowed = dict(plan.paths)
    assert allowed[f"{door[0]}/."] == READ  # what the link leads to, not the link
    assert allowed[f"{door[1]}/."] == WRITE
    assert allowed[f"{door[4]}/."] == WRITE
    assert allowed["/srv/zones"] == READ
    assert LINKED[0] not in allowed
    assert not any(path.startswith("/home/me/stockade") for path in allowed)


def test_doors_are_those_there_are() -> None:
    assert len(planned(RESTRICTED).doors) == 3
    assert planned(FULL, MORE).doors == planned(NONE, MORE).doors == ()


def test_without_walls_everything_lies_where_it_is() -> None:
    plan, places = planned(NONE, MORE), places_of(NONE, MORE)

    assert plan.paths == ()
    assert (plan.base, plan.scratch) == (MORE.base.path, MORE.scratch.path)
    assert places.plugin == MORE.plugin.path


# --- limits ---


def test_a_file_is_as_large_as_the_scratch_unless_there_is_another_place_to_write() -> None:
    limits = Limits(scratch_bytes=3 * MIB)

    assert planned(limits=limits).limits.file_size_bytes == 3 * MIB
    for own, grants in ((MORE, Grants(data=WRITE)), (OWN, Grants(paths=((PHOTOS, WRITE),)))):
        assert planned(FULL, own, limits=limits, grants=grants).limits.file_size_bytes == 4 << 30


def test_the_scratch_folder_holds_so_many_bytes_and_files() -> None:
    assert planned(limits=Limits(scratch_bytes=64 * MIB)).scratch_inodes == 4096
    small = planned(limits=Limits(scratch_bytes=MIB))
    assert (small.scratch_bytes, small.scratch_inodes) == (MIB, 64)


def test_a_plan_with_all_there_is_fits_its_pipe() -> None:
    paths = tuple((found(f"/srv/{'x' * 200}/{number}"), READ) for number in range(64))
    plan = planned(FULL, MORE, grants=Grants(paths=paths, subprocess=True, tunnel=True), uid=USER)

    assert len(plan.to_json()) < MAX_PLAN_BYTES


# --- acts ---


def right(plan: Plan) -> dict[str, int]:
    return {name: min(numbers) for name, numbers in expected_acts(plan).items()}


@pytest.mark.parametrize("tier", [FULL, RESTRICTED])
def test_every_forbidden_act_must_fail_and_every_twin_must_go(tier: str) -> None:
    plan = planned(tier)
    went = {name for name, numbers in expected_acts(plan).items() if 0 in numbers}

    assert went == {
        "read_packages",
        "write_scratch",
        "list_packages",
        "socket_pair",
        "thread",
    }
    assert all(len(numbers) == 1 for numbers in expected_acts(plan).values() if 0 in numbers)


def test_with_subprocess_a_fork_must_go_and_a_program_must_be_looked_for() -> None:
    acts = expected_acts(planned(grants=Grants(subprocess=True)))

    assert acts["fork"] == {0}
    assert errno.ENOENT in acts["execute"]
    assert errno.ENOENT not in expected_acts(planned())["execute"]


def test_without_walls_nothing_is_tried() -> None:
    assert expected_acts(planned(NONE)) == {}
    assert compare_acts(planned(NONE), {}) == []


def test_acts_with_the_right_outcomes_are_right() -> None:
    assert compare_acts(planned(), right(planned())) == []


@pytest.mark.parametrize("name", sorted(expected_acts(planned())))
def test_any_act_with_another_outcome_is_named(name: str) -> None:
    plan = planned()
    goes = 0 in expected_acts(plan)[name]
    acts = {**right(plan), name: errno.EPERM if goes else 0}

    (said,) = compare_acts(plan, acts)

    assert said == (f"{name} failed with errno 1" if goes else f"{name} went")


def test_an_act_that_was_left_out_or_added_is_noticed() -> None:
    plan = planned()
    acts = right(plan)
    fewer = {name: number for name, number in acts.items() if name != "mount"}

    assert compare_acts(plan, fewer) == ["it tried other acts than it was to try"]
    assert compare_acts(plan, {**acts, "more": 0}) == ["it tried other acts than it was to try"]
    assert compare_acts(plan, {}) == ["it tried other acts than it was to try"]
