"""The accessibility checker: axe-core's own file, run inside a page."""

from functools import cache
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.async_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AFAR = [*RULES, "wcag2aaa"]
"""What is read across a room also needs a contrast of 7:1."""


@cache
def _source() -> str:
    assert axe_playwright_python.__file__ is not None
    return (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()


async def barriers(page: Page, rules: list[str] | None = None) -> list[str]:
    """What axe finds wrong with the page as it now is, one line each."""
    await page.evaluate(_source())
    found: dict[str, Any] = await page.evaluate("rules => axe.run(document, { runOnly: rules })", rules or RULES)
    return [f"{each['id']}: {[node['target'] for node in each['nodes']]}" for each in found["violations"]]
