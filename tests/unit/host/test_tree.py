"""A tree of processes measured on a fake /proc."""

from pathlib import Path

import pytest

from stockade.process.tree import FOLLOW_S, Tree
from stockade.process.usage import PAGE_BYTES, TICKS_PER_S


class Proc:
    """A folder that looks like /proc, and a clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now = 50.0

    def clock(self) -> float:
        return self.now

    def process(
        self,
        pid: int,
        *,
        children: str = "",
        state: str = "S",
        ticks: int = 0,
        reaped_ticks: int = 0,
        threads: int = 1,
        pages: int = 0,
        born: int = 100,
    ) -> None:
        fields = ["0"] * 50
        fields[0] = state
        fields[11], fields[13], fields[17] = str(ticks), str(reaped_ticks), str(threads)
        fields[19], fields[21] = str(born), str(pages)
        task = self.path / str(pid) / "task" / str(pid)
        task.mkdir(parents=True, exist_ok=True)
        (task / "children").write_text(children)
        (task.parent.parent / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")

    def gone(self, pid: int) -> None:
        (self.path / str(pid) / "stat").unlink()

    def tree(self, *, follow_children: bool = True) -> Tree:
        return Tree(1, follow_children=follow_children, clock=self.clock, proc=self.path)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_all_that_a_process_started_is_summed(proc: Proc) -> None:
    proc.process(1, children="2 3", threads=4, pages=10, ticks=7)
    proc.process(2, children="4", threads=2, pages=20)
    proc.process(3, pages=30)
    proc.process(4, pages=40, ticks=3, reaped_ticks=5)

    sample = proc.tree().sample()

    assert sample is not None
    assert sample.rss_bytes == 100 * PAGE_BYTES
    assert (sample.tasks, sample.processes) == (8, 4)
    assert sample.cpu_seconds == 15 / TICKS_PER_S
    assert sample.now == 50.0


def test_children_are_left_out_where_there_can_be_none(proc: Proc) -> None:
    proc.process(1, children="2", pages=10)
    proc.process(2, pages=20)

    sample = proc.tree(follow_children=False).sample()

    assert sample is not None
    assert (sample.rss_bytes, sample.processes) == (10 * PAGE_BYTES, 1)


def test_new_children_are_found_at_the_next_look_for_them(proc: Proc) -> None:
    proc.process(1)
    tree = proc.tree()
    tree.sample()
    proc.process(1, children="2")
    proc.process(2)

    proc.now += FOLLOW_S / 2
    soon = tree.sample()
    proc.now += FOLLOW_S / 2
    later = tree.sample()

    assert soon is not None
    assert later is not None
    assert (soon.processes, later.processes) == (1, 2)


def test_another_process_with_the_pid_of_a_child_is_not_counted(proc: Proc) -> None:
    proc.process(1, children="2")
    proc.process(2, pages=10, born=100)
    tree = proc.tree()
    tree.sample()
    proc.process(2, pages=99999, born=200)

    sample = tree.sample()

    assert sample is not None
    assert (sample.rss_bytes, sample.processes) == (0, 1)


def test_time_never_goes_back_while_a_dead_child_is_not_reaped(proc: Proc) -> None:
    proc.process(1, children="2", ticks=10)
    proc.process(2, ticks=500)
    tree = proc.tree()
    before = tree.sample()
    proc.gone(2)
    after = tree.sample()

    assert before is not None
    assert after is not None
    assert after.cpu_seconds == before.cpu_seconds == 510 / TICKS_PER_S
    assert after.processes == 1


@pytest.mark.parametrize("state", ["Z", "X"])
def test_a_process_that_has_ended_has_no_sample(proc: Proc, state: str) -> None:
    proc.process(1, state=state)

    assert proc.tree().sample() is None


def test_a_process_that_is_not_there_has_no_sample(proc: Proc) -> None:
    assert proc.tree().sample() is None


def test_pages_that_are_shared_count_once_in_the_proportional_measure(proc: Proc) -> None:
    proc.process(1, children="2")
    proc.process(2)
    (proc.path / "1" / "smaps_rollup").write_text("Rss: 900 kB\nPss: 600 kB\nPss_Anon: 1 kB\n")
    (proc.path / "2" / "smaps_rollup").write_text("Rss: 900 kB\nPss: 400 kB\n")
    tree = proc.tree()
    tree.sample()

    assert tree.proportional_bytes() == 1000 * 1024


def test_memory_that_is_mapped_to_share_is_counted_by_what_is_mapped(tmp_path: Path) -> None:
    proc = Proc(tmp_path)
    proc.process(7)
    (tmp_path / "7" / "maps").write_text(
        "7f0000000000-7f0000300000 rw-s 00000000 00:01 1   /dev/zero (deleted)\n"
        "7f0000400000-7f0000500000 rw-p 00000000 00:00 0 \n"
        "7f0000600000-7f0000700000 r-xp 00000000 08:01 9   /usr/lib/libc.so.6\n"
    )
    tree = Tree(7, clock=proc.clock, proc=tmp_path)

    assert tree.shared_bytes() == 0x300000
    assert Tree(8, clock=proc.clock, proc=tmp_path).shared_bytes() == 0
