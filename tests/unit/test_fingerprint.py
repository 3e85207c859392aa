"""The fingerprint of a program: what changes it and what doesn't."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import textwrap
import time
from functools import cache
from pathlib import Path

import pytest

from beatlens.run.fingerprint import fingerprint, import_closure

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "beatlens"
PROGRAMS = sorted((ROOT / "scripts").glob("*.py"))

FILES = {
    "program.py": """
        import tool.first
        from tool import second as other

        def main():
            from tool.inner.third import run
            return run()
        """,
    "tool/__init__.py": "VALUE = 1",
    "tool/first.py": "from .inner import fourth\n",
    "tool/second.py": (
        '"""Doc."""\n\nLEAST = 2\n"""Of two."""\n\ndef add(a, b):\n    """Add."""\n    return a + b  # a comment\n'
    ),
    "tool/inner/__init__.py": "",
    "tool/inner/third.py": "import json\nfrom tool import VALUE\n\ndef run():\n    return json.dumps(VALUE)\n",
    "tool/inner/fourth.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tool.unused import Thing\n"
        "X: 'Thing | None' = None\n"
    ),
    "tool/inner/page.j2": "<p>{{ x }}</p>",
    "tool/unused.py": "class Thing: pass\n",
}


@pytest.fixture
def project(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
    return tmp_path


def of(project):
    return fingerprint(project / "program.py", project / "tool")


def test_the_closure_has_imports_in_functions_relative_ones_and_parents(project):
    closure = import_closure(project / "program.py", project / "tool")
    assert set(closure) == {"tool", "tool.first", "tool.second", "tool.inner", "tool.inner.third", "tool.inner.fourth"}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tool/second.py", "  # a comment", ""),
        ("tool/second.py", '"""Add."""', '"""Add two numbers.\n\n    Really.\n    """'),
        ("tool/second.py", '"""Doc."""', "# nothing"),
        ("tool/second.py", '"""Of two."""', '"""What an option means, said otherwise."""'),
        ("tool/second.py", "a + b", "(a +\n            b)"),
        ("tool/unused.py", "pass", "x = 1"),
        ("program.py", "import tool.first", "import tool.first\n\n\n# more"),
    ],
)
def test_comments_docstrings_layout_and_unused_modules_change_nothing(project, file, old, new):
    before = of(project)
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    assert of(project) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("tool/second.py", "a + b", "a - b"),
        ("tool/second.py", "a + b", "b + a"),
        ("tool/second.py", "add", "plus"),
        ("tool/__init__.py", "1", "True"),
        ("tool/__init__.py", "1", "1.0"),
        ("tool/inner/third.py", "VALUE)", "[VALUE])"),
        ("tool/inner/page.j2", "<p>", "<b>"),
        ("program.py", "run()", "run"),
    ],
)
def test_a_change_of_what_runs_changes_it(project, file, old, new):
    before = of(project)
    text = (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new))
    assert of(project) != before


def test_a_new_data_file_counts_and_caches_do_not(project):
    before = of(project)
    (project / "tool" / "__pycache__").mkdir()
    (project / "tool" / "__pycache__" / "first.cpython-311.pyc").write_bytes(b"x")
    (project / "tool" / "py.typed").touch()
    assert of(project) == before
    (project / "tool" / "inner" / "styles").mkdir()
    (project / "tool" / "inner" / "styles" / "page.css").write_text("p {}")
    assert of(project) != before


def test_where_the_project_lies_and_line_ends_change_nothing(project, tmp_path_factory):
    other = tmp_path_factory.mktemp("elsewhere")
    for name in FILES:
        (other / name).parent.mkdir(parents=True, exist_ok=True)
        (other / name).write_bytes((project / name).read_bytes().replace(b"\n", b"\r\n"))
    assert of(other) == of(project)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("from tool import nothing", "tool.nothing"),
        ("import tool.missing.deep", "tool.missing"),
        ("import importlib; importlib.import_module('tool.unused')", "computed name"),
    ],
)
def test_what_cannot_be_followed_is_refused(project, line, words):
    (project / "program.py").write_text(line + "\n")
    with pytest.raises(ValueError, match=words):
        of(project)


def test_all_programs_together_parse_each_file_once_and_import_nothing_heavy():
    code = f"""
        import ast, json, sys
        from pathlib import Path
        from beatlens.run.fingerprint import fingerprint
        parsed = []
        sys.addaudithook(lambda event, given: parsed.append(str(given[1])) if event == "compile" else None)
        for program in Path({str(ROOT / "scripts")!r}).glob("*.py"):
            fingerprint(program, Path({str(PACKAGE)!r}))
        print(json.dumps([parsed, list(sys.modules)]))
        """
    answer = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True, env={"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
    )  # fmt: skip
    parsed, modules = json.loads(answer.stdout)
    assert not {"numpy", "pandas", "torch"} & set(modules)
    files = [name for name in parsed if name.endswith(".py")]
    assert len(files) == len(set(files)) > len(PROGRAMS)
    assert len(parsed) - len(files) < 50  # without a name: the few packages of which something is imported by name


@cache
def modules_named(file):
    """Return the modules of the package from which a file imports, but for those that only type checkers see."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in hidden]
    names = {node.module for node in found if node.module and node.level == 0}
    return {name for name in names if name.split(".")[0] == "beatlens"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_the_closure_is_what_python_finds(program):
    """Against another implementation: every import of the package that `ast.walk` sees is in the closure."""
    closure = import_closure(program, PACKAGE)
    for file in [program, *closure.values()]:
        assert modules_named(file) <= set(closure), file


def test_edits_in_one_process_are_seen(project):
    before = of(project)
    time.sleep(0.01)
    (project / "tool" / "second.py").write_text("def add(a, b):\n    return a * b\n")
    assert of(project) != before
