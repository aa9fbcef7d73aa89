"""What stands in the memory of another process, by the kernel's word."""

import re
from pathlib import Path


def has_in_memory(pid: int, word: bytes) -> bool:
    """Whether a process has a word anywhere in memory that it may read."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if found is None or line.endswith("[vvar]") or "[vvar" in line or "[vsyscall]" in line:
                continue
            start, end = (int(part, 16) for part in found.groups())
            try:
                memory.seek(start)
                if word in (memory.read(end - start) or b""):
                    return True
            except (OSError, OverflowError):
                continue
    return False
