"""One browser for all tests: Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def wait_for(page: Any, expression: str) -> None:
    """Wait until an expression holds; Playwright's own way is an eval, which the page's policy refuses."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"not within 10 s: {expression}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return the browser, or skip where there is none; BEATLENS_BROWSER names another one."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright: pip install playwright")
    found = os.environ.get("BEATLENS_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    if not found:
        pytest.skip("no chromium on the path and no BEATLENS_BROWSER")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a file once its viewer is drawn; a console error fails the test in the end."""
    contexts, errors = [], []

    def open_(path: Path, width: int = 1400, *, dark: bool = False, fragment: str = "") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 1000}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith(("file:", "data:", "blob:")) else errors.append(request.url),
        )
        page.goto(path.as_uri() + fragment)
        page.wait_for_selector("#viewer.on canvas", timeout=10_000)
        wait_for(page, "Number.isFinite(beatlens.viewer.value(0, beatlens.viewer.view().start + .1))")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not errors
