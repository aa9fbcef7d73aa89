"""A Sphinx extension: `<!-- modules of PATH -->` on a page becomes a table of the modules below it.

Each with the first sentence of its docstring, read from the source: nothing is imported.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"^<!-- modules of (\S+) -->$", re.MULTILINE)
_SENTENCE_END = re.compile(r"(?<=[.:])\s+(?=[A-Z`])")


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", lambda app, name, source: _fill(source))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _fill(source: list[str]) -> None:
    source[0] = MARK.sub(lambda mark: table_of(ROOT / mark[1]), source[0])


def table_of(folder: Path) -> str:
    """The table of one package and of the packages in it."""
    rows = [f"| `{name}` | {said} |" for name, said in modules_below(folder)]
    return "\n".join(["| module | is |", "|---|---|", *rows])


def modules_below(folder: Path) -> Iterator[tuple[str, str]]:
    """Every module by its dotted name, with what it is; a package before what is in it."""
    files = [path for path in folder.rglob("*.py") if "templates" not in path.parts]
    parts = {path: path.relative_to(folder.parent).with_suffix("").parts for path in files}
    for path in sorted(files, key=lambda one: _without_init(parts[one])):
        said = first_sentence(ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "")
        name = ".".join(_without_init(parts[path]))
        if said or path.name != "__init__.py":
            yield name, said


def _without_init(parts: tuple[str, ...]) -> tuple[str, ...]:
    return parts[:-1] if parts[-1] == "__init__" else parts


def first_sentence(docstring: str) -> str:
    """The first sentence on one line, fit for a table's cell, without its full stop."""
    paragraph = " ".join(docstring.partition("\n\n")[0].split())
    sentence = _SENTENCE_END.split(paragraph, maxsplit=1)[0].rstrip(".:")
    return sentence.replace("|", "\\|").replace("<", "&lt;")
