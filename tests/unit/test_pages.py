"""Pages: what they link to is there, and the site shows each of them. Hosted checks and hooks are those of `make`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for place in ("*.md", "docs/**/*.md", "config/*.md", "models/*/*.md", ".github/*.md")
    for page in ROOT.glob(place)
)
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [*re.findall(r"\]\(([^)\s]+)\)", text), *re.findall(r'src="([^"]+)"', text)]
    for link in links:
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT), link
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.M)
            assert anchor in {slug(heading) for heading in headings}, link


def test_where_things_are():
    rows = re.findall(r"^\| (?:a|an) .*", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.MULTILINE)
    paths = {path for row in rows for path in re.findall(r"`(\w[\w/]*(?:\.py|/))`", row)}
    assert len(paths) > 10
    assert {path for path in paths if not (ROOT / "src" / "beatlens" / path).exists()} == set()


def pages_of(navigation):
    for entry in navigation:
        value = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from pages_of(value) if isinstance(value, list) else [value]


def test_the_site_shows_every_page_and_fetches_nothing():
    shown = set(pages_of(SITE["nav"]))
    assert shown == {str(page.relative_to(ROOT)) for page in PAGES if ".github" not in page.parts}
    assert SITE["strict"] is True
    assert SITE["theme"]["font"] is False
    assert not {"extra_css", "extra_javascript"} & set(SITE)


def test_the_hosted_checks_are_those_of_this_checkout():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]
    commands = {step["run"] for job in jobs.values() for step in job["steps"] if "run" in step}
    assert commands == {"make .venv", ".ci/run", "make docs-site"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    for hook in hooks:
        tool = re.search(r"\.venv/bin/(\S+)", hook["entry"])[1]
        assert f"$(BIN)/{tool}" in makefile
