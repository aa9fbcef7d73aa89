"""Parse a plugin's files in a process of their own and say what is in them, as one line of JSON.

Run by `lint_code` as a script, with the folder, the module and the name of the entry. Nothing of
the plugin is imported; the parser meets a stranger's source within bounds of memory and time.
"""

from __future__ import annotations

import ast
import json
import resource
import sys
from pathlib import Path

MEMORY_BYTES = 1024**3  # parsing the largest modules in use takes about 150 MiB
CPU_S = 20
MAX_ERRORS = 20
MAX_HOPS = 16  # of imports from module to module, and of classes to their bases
MAX_TEXT = 200


Located = tuple[str, str, ast.AST]


class Unknown(Exception):
    """It cannot be told without running it."""


class Plugin:
    """The modules of one folder, each parsed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._trees: dict[str, ast.Module | None] = {}

    def tree(self, module: str) -> ast.Module | None:
        """The module's tree; None where it is not the plugin's, Unknown where it is not Python."""
        if module not in self._trees:
            path = self.file(module)
            self._trees[module] = None if path is None else parsed(path)
        return self._trees[module]

    def file(self, module: str) -> Path | None:
        stem = self.root.joinpath(*module.split("."))
        for path in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
            if path.is_file():
                return path
        return None

    def package(self, module: str) -> list[str]:
        """What a relative import in the module is relative to."""
        path = self.file(module)
        parts = module.split(".")
        return parts if path is not None and path.name == "__init__.py" else parts[:-1]


def parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError):  # told of by `errors`
        raise Unknown from None


def errors(root: Path) -> list[dict[str, object]]:
    """The files that Python would not read, each with its line."""
    found: list[dict[str, object]] = []
    for path in sorted(root.rglob("*.py")):
        try:
            compile(path.read_bytes(), "", "exec", dont_inherit=True)
        except SyntaxError as error:
            line, message = error.lineno, error.msg
        except (ValueError, RecursionError) as error:
            line, message = None, str(error)
        else:
            continue
        name = path.relative_to(root).as_posix()
        found.append({"path": name, "line": line, "message": message[:MAX_TEXT]})
        if len(found) == MAX_ERRORS:
            break
    return found


def located(plugin: Plugin, module: str, name: str, hops: int = MAX_HOPS) -> Located:
    """The module that holds a name, the name there, and what makes it: a class, or an import of
    what is not the plugin's.

    Raises LookupError where nothing does, Unknown where that cannot be told.
    """
    tree = plugin.tree(module)
    if tree is None or not hops:
        raise Unknown
    unsure = False
    for node in reversed(tree.body):
        match node:
            case ast.ClassDef() if node.name == name:
                return module, name, node
            case ast.ImportFrom():
                for alias in node.names:
                    unsure = unsure or alias.name == "*"
                    if (alias.asname or alias.name) == name:
                        return followed(plugin, module, node, alias.name, hops)
            case ast.Import() | ast.FunctionDef() | ast.Expr() | ast.Pass():
                unsure = unsure or getattr(node, "name", "") == "__getattr__"
            case _ if any(made_by(one) == name for one in ast.walk(node)):
                raise Unknown
            case ast.If() | ast.Try() | ast.With():
                unsure = True
    if unsure:
        raise Unknown
    raise LookupError(name)


def made_by(node: ast.AST) -> str:
    """The name that an assignment makes here; "" for what makes none."""
    return node.id if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) else ""


def followed(plugin: Plugin, module: str, node: ast.ImportFrom, name: str, hops: int) -> Located:
    source = target_of(plugin, module, node)
    if plugin.file(source) is None:
        return source, name, node
    return located(plugin, source, name, hops - 1)


def target_of(plugin: Plugin, module: str, node: ast.ImportFrom) -> str:
    """The module that is imported from, by its whole name."""
    if not node.level:
        return node.module or ""
    base = plugin.package(module)
    base = base[: len(base) - (node.level - 1)]
    return ".".join([*base, *([node.module] if node.module else [])])


def methods(
    plugin: Plugin, module: str, node: ast.ClassDef, hops: int = MAX_HOPS
) -> tuple[set[str], set[str]]:
    """The names in a class's body and its bases', and bases from elsewhere, as `module:name`."""
    own = {one.name for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)}
    for one in node.body:
        if isinstance(one, ast.Assign):
            own |= {target.id for target in one.targets if isinstance(target, ast.Name)}
    foreign: set[str] = set()
    for base in node.bases:
        if not isinstance(base, ast.Name) or not hops:
            raise Unknown
        where, called, made = located(plugin, module, base.id)
        if isinstance(made, ast.ClassDef):
            more, further = methods(plugin, where, made, hops - 1)
            own |= more
            foreign |= further
        else:
            foreign.add(f"{where}:{called}")
    return own, foreign


def report(root: Path, module: str, name: str) -> dict[str, object]:
    """`state` is "class" (with `methods` and `bases`), "missing" or "unknown"."""
    found: dict[str, object] = {"errors": errors(root), "state": "unknown"}
    try:
        plugin = Plugin(root)
        where, _, made = located(plugin, module, name)
        if isinstance(made, ast.ClassDef):
            own, foreign = methods(plugin, where, made)
            public = sorted(one[:MAX_TEXT] for one in own if not one.startswith("_"))
            found |= {"state": "class", "methods": public[:1000], "bases": sorted(foreign)[:50]}
    except LookupError:
        found["state"] = "missing"
    except (Unknown, RecursionError):
        pass
    return found


def bound() -> None:
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(what)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (least, least))


if __name__ == "__main__":
    bound()
    sys.stdout.write(json.dumps(report(Path(sys.argv[1]), sys.argv[2], sys.argv[3])))
