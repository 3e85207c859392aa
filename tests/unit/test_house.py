"""How the package is built: sizes of modules and folders, and what functions take and return."""

from __future__ import annotations

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "beatlens"
MODULES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = sorted({path.parent for path in MODULES})
STANDARD_LIBRARY_ONLY = {"corpora/synthetic"}
"""Folders whose `__init__` gives names that a dry run needs, and what these import is of the standard library."""


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in MODULES:
        for node in ast.walk(tree(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno} {node.name}", node


def positional(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def long_tuples(annotation: ast.expr) -> list[str]:
    """Return the tuples of four or more named types in an annotation."""
    return [
        ast.unparse(node)
        for node in ast.walk(annotation)
        if isinstance(node, ast.Subscript)
        and ast.unparse(node.value) == "tuple"
        and isinstance(node.slice, ast.Tuple)
        and len(node.slice.elts) >= 4
    ]


def test_what_is_counted() -> None:
    node = ast.parse("def f(self, a, /, b, *, c) -> list[tuple[int, int, int, int]]: ...").body[0]
    assert isinstance(node, ast.FunctionDef)
    assert positional(node) == 2
    assert node.returns is not None
    assert long_tuples(node.returns) == ["tuple[int, int, int, int]"]
    assert long_tuples(ast.parse("tuple[int, tuple[int, ...]]").body[0].value) == []  # type: ignore[attr-defined]


def test_hardly_a_function_takes_more_than_five_arguments_by_place() -> None:
    every = list(functions())
    many = [name for name, node in every if positional(node) > 5]
    assert len(many) <= 0.01 * len(every), f"{len(many)} of {len(every)}: {many}"


def test_no_function_returns_a_tuple_of_four() -> None:
    found = [f"{name} {long_tuples(node.returns)}" for name, node in functions() if node.returns is not None]
    assert [text for text in found if not text.endswith("[]")] == []


def n_lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_modules_are_short() -> None:
    assert {str(path.relative_to(PACKAGE)): n_lines(path) for path in MODULES if n_lines(path) > 300} == {}
    assert statistics.median(map(n_lines, MODULES)) <= 150


def test_programs_are_short() -> None:
    programs = {path.name: n_lines(path) for path in (PACKAGE.parents[1] / "scripts").glob("*.py")}
    assert programs
    assert {name: lines for name, lines in programs.items() if lines > 60} == {}


def test_folders_are_small() -> None:
    sizes = {str(folder.relative_to(PACKAGE)): len(list(folder.glob("*.py"))) for folder in FOLDERS}
    assert {name: size for name, size in sizes.items() if size > (8 if name == "." else 15)} == {}


def test_importing_a_folder_imports_nothing_else() -> None:
    found = {
        str(folder.relative_to(PACKAGE)): ast.unparse(node)
        for folder in FOLDERS
        for node in tree(folder / "__init__.py").body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        if ast.unparse(node) != "from __future__ import annotations"
    }
    assert found.keys() - STANDARD_LIBRARY_ONLY == set()
