"""What is installed fits what the package says that it needs: `make` installs it without resolving anything again."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def test_every_pinned_version_is_in_the_range_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lines = (ROOT / "envs" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    pinned = {
        canonicalize_name(name): version for name, version in re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(lines), re.M)
    }
    for text in project["project"]["dependencies"] + project["build-system"]["requires"]:
        wanted = Requirement(text)
        version = pinned[canonicalize_name(wanted.name)]
        assert wanted.specifier.contains(version), f"{text}: pinned to {version}"
