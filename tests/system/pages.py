"""Reading the documentation's pages: tables, code and sections."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def place(path: Path) -> str:
    return str(path.relative_to(ROOT))


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def rows(text: str) -> list[list[str]]:
    """The rows of all tables, heads and rules left out."""
    lines = text.splitlines()
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("| ") and not after.startswith("|---")
    ]


def sections(text: str) -> dict[str, str]:
    """What stands under each heading of the second level, by the name in it."""
    parts = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    return {part.partition("\n")[0].strip("`"): part.partition("\n")[2] for part in parts}


def files_of(text: str) -> dict[str, str]:
    """The files that a page's reader is told to write, by path."""
    found = re.findall(
        r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    return dict(found)
