"""A hash of the code that a program runs, so that changed code reruns what uses it and nothing else does.

Snakemake sees a rule's shell command but not the package behind it. `fingerprint` hashes a program together with every
module of the package that it can reach by import: statements only, so that comments, docstrings, layout and time stamps
change nothing. Data files of the packages reached (templates, CSS, tables) count too. It parses and never imports.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

_IGNORED_SUFFIXES = frozenset({".pyc", ".pyo", ".pyi"})
_IGNORED_NAMES = frozenset({"py.typed"})
_IMPORTING = frozenset({ast.Import, ast.ImportFrom, ast.Call})
_LEFT_OUT = frozenset({"type_comment", "kind", "ctx"})


def fingerprint(program: Path, package: Path) -> str:
    """Return the hash of a program and of all of the package that it can reach.

    Parameters
    ----------
    program
        A Python file outside the package.
    package
        The package's folder; its name is the import name.

    Raises
    ------
    ValueError
        Where a module imports something of the package that isn't there, or imports by a computed name, which can't be
        followed.
    """
    modules = import_closure(program, package)
    digest = hashlib.sha256()
    for name, file in sorted([("__main__", program), *modules.items()]):
        digest.update(f"{name} {_parsed(file)[0]}\n".encode())
    for file in data_files(modules.values()):
        digest.update(f"{file.relative_to(package).as_posix()} {_data_hash(file)}\n".encode())
    return digest.hexdigest()[:16]


def import_closure(program: Path, package: Path) -> dict[str, Path]:
    """Return the modules of the package that a program can reach: dotted name to file."""
    found: dict[str, Path] = {}
    resolved: set[str] = set()
    waiting = [("__main__", program)]
    while waiting:
        name, file = waiting.pop()
        for target in _parsed(file)[1]:
            absolute = _absolute(target, name, file)
            if absolute in resolved or absolute.split(".")[0] != package.name:
                continue
            resolved.add(absolute)
            for reached, path in _resolve(absolute, package, file):
                if reached not in found:
                    found[reached] = path
                    waiting.append((reached, path))
    return found


def data_files(modules: Iterable[Path]) -> list[Path]:
    """Return the files other than Python in the packages whose ``__init__`` is among `modules`, sorted."""
    result: list[Path] = []
    for module in modules:
        if module.name == "__init__.py":
            result += _folder_data(module.parent)
    return sorted(result)


def _folder_data(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name != "__pycache__" and not (entry / "__init__.py").exists():
                yield from _folder_data(entry)
        elif entry.suffix != ".py" and entry.suffix not in _IGNORED_SUFFIXES and entry.name not in _IGNORED_NAMES:
            if not entry.name.startswith("."):
                yield entry


def _resolve(dotted: str, package: Path, file: Path) -> Iterator[tuple[str, Path]]:
    """Yield a module and its parents; the last part may be a name inside the module before it."""
    path, name = package, package.name
    yield name, package / "__init__.py"
    parts = dotted.split(".")[1:]
    for number, part in enumerate(parts):
        name = f"{name}.{part}"
        if (path / part / "__init__.py").is_file():
            path = path / part
            yield name, path / "__init__.py"
        elif (path / f"{part}.py").is_file():
            yield name, path / f"{part}.py"
            return
        elif number == len(parts) - 1 and _defines(path / "__init__.py", part):
            return
        else:
            raise ValueError(f"{file}: import of {dotted}; expected a module or a name in {path}")


def _defines(file: Path, name: str) -> bool:
    if name == "*":
        return True
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Name) and node.id == name:
            return True
        if isinstance(node, ast.alias) and (node.asname or node.name) == name:
            return True
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef) and node.name == name:
            return True
    return False


def _absolute(target: tuple[int, str], module: str, file: Path) -> str:
    level, name = target
    if level == 0:
        return name
    parts = module.split(".")
    if file.name == "__init__.py":
        level -= 1
    base = parts[: len(parts) - level]
    return ".".join([*base, name]) if name else ".".join(base)


@cache
def _parsed_version(file: Path, _stamp: tuple[int, int]) -> tuple[str, tuple[tuple[int, str], ...]]:
    reading = _Reading(file)
    reading.read(ast.parse(file.read_bytes(), filename=str(file)))
    return hashlib.sha256("".join(reading.text).encode()).hexdigest(), tuple(reading.imports)


def _parsed(file: Path) -> tuple[str, tuple[tuple[int, str], ...]]:
    """Return the hash of a file's statements and what it imports, as (level, dotted name)."""
    status = file.stat()
    return _parsed_version(file, (status.st_mtime_ns, status.st_size))


class _Reading:
    """A syntax tree's text and imports, taken in one walk, since that is most of what a start of Snakemake costs.

    The text has no docstrings, places or empty fields, and is alike for every Python 3.11+. Imports are those anywhere,
    but for those that only type checkers see.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.text: list[str] = []
        self.imports: list[tuple[int, str]] = []

    def read(self, node: ast.AST, imports: bool = True) -> None:
        """Add a node and all below it; with `imports` those count that are found."""
        kind = type(node)
        self.text.append(f"({kind.__name__}")
        if imports and kind in _IMPORTING:
            self._add_imports(node)
        unseen = kind is ast.If and _is_type_checking(node.test)  # type: ignore[attr-defined]
        for name in node._fields:
            value: Any = getattr(node, name, None)
            if value is None or value == [] or name in _LEFT_OUT:
                continue
            self.text.append(f" {name}=")
            for item in value if isinstance(value, list) else (value,):
                if type(item) is ast.Expr and _is_text(item):
                    continue
                if isinstance(item, ast.AST):
                    self.read(item, imports and not (unseen and name == "body"))
                else:
                    self.text.append(repr(item))
                self.text.append(",")
        self.text.append(")")

    def _add_imports(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self.imports += ((0, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = f"{node.module}." if node.module else ""
            self.imports += ((node.level, f"{prefix}{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in {"import_module", "__import__"}:
            where = f"{self.file}, line {node.lineno}"
            raise ValueError(f"{where}: import by a computed name; expected an import statement")


def _is_text(statement: ast.Expr) -> bool:
    """Tell whether a statement is a string by itself: a docstring, or the meaning below a constant or an option."""
    return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)


def _is_type_checking(test: ast.expr) -> bool:
    return "TYPE_CHECKING" in {getattr(test, "id", None), getattr(test, "attr", None)}


def _called(function: ast.expr) -> str | None:
    return getattr(function, "id", None) or getattr(function, "attr", None)


def _data_hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
