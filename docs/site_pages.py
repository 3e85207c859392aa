"""A hook of mkdocs: pages keep their place in the repository; rooms and examples have a page each.

Links between pages are relative to the repository, so that they hold on GitHub. The site therefore has the same
folders, with the pages and files that lie outside docs/.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

BESIDE_DOCS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "config/README.md",
    "models/mitdb/README.md",
    "models/mitdb/unseen.csv",
)
"""Pages outside docs/, and the files that pages link to."""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put examples and rooms into the navigation: rooms in their order, after what a user imports."""
    root, sections = _root(config), {name: part for section in config.nav or [] for name, part in section.items()}
    sections["Reference"] += [{f"beatlens.{name}": _reference(name)} for name in _modules(root)]
    sections["How to"] += [f"examples/{path.stem}.md" for path in _examples(root)]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the pages at their place in the repository, and those of the reference, which are made here."""
    root = _root(config)
    ours = {file.src_uri: file for file in files if file.src_dir == config.docs_dir}
    found = [f"docs/{uri}" for uri in ours if not uri.endswith(".py")]
    placed = [file for file in files if file.src_uri not in ours]
    for uri in [*found, *BESIDE_DOCS]:
        placed.append(File(uri, str(root), config.site_dir, config.use_directory_urls))
    for name in _modules(root):
        page = f"# beatlens.{name}\n\n::: beatlens.{name}\n    options:\n      show_root_heading: false\n"
        placed.append(File.generated(config, _reference(name), content=page))
    for path in _examples(root):
        page = example_page(path.read_text(encoding="utf-8"))
        placed.append(File.generated(config, f"examples/{path.stem}.md", content=page))
    return Files(placed)


def example_page(script: str) -> str:
    """Return a notebook in jupytext's percent format as Markdown: cells of text as they are, others as Python."""
    parts = []
    for head, cell in re.findall(r"^# %%(.*)\n((?:(?!# %%).*\n?)*)", script, flags=re.M):
        if "[markdown]" in head:
            parts.append(re.sub(r"^# ?", "", cell, flags=re.M).strip())
        elif cell.strip():
            parts.append(f"```python\n{cell.strip()}\n```")
    return "\n\n".join(parts) + "\n"


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent


def _examples(root: Path) -> list[Path]:
    return sorted((root / "examples").glob("*.py"))


def _reference(name: str) -> str:
    return f"docs/reference/{name}.md"


def _modules(root: Path) -> list[str]:
    """Return the public surface, if it is there, and the rooms of the layers contract, the first stage first."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    (contract,) = project["tool"]["importlinter"]["contracts"]
    rooms = [room.strip() for layer in reversed(contract["layers"]) for room in layer.split("|")]
    folder = root / "src" / "beatlens"
    public = [name for name in ("api",) if (folder / f"{name}.py").is_file()]
    return public + [room for room in rooms if room not in public and _is_documented(folder, room)]


def _is_documented(folder: Path, name: str) -> bool:
    path = folder / name / "__init__.py"
    path = path if path.is_file() else folder / f"{name}.py"
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is not None
