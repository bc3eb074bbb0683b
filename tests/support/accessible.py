"""What axe finds wrong with a page, in both themes."""

from __future__ import annotations

from typing import Any

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

# Preloaded is what a rule asks for that runs by default; axe would fetch every style sheet again for one that does not.
_EVERYTHING: dict[str, Any] = {"resultTypes": ["violations"], "preload": {"assets": ["media"]}}
_COLOURS: dict[str, Any] = {**_EVERYTHING, "runOnly": ["color-contrast"]}  # all that a theme changes
_BUT_COLOURS: dict[str, Any] = {**_EVERYTHING, "rules": {"color-contrast": {"enabled": False}}}
# Only what is wrong is sent here: axe's whole answer lists every element of a page.
_RUN = "async options => (await axe.run(options)).violations"


def violations(page: Page, *, colours: bool = True) -> list[str]:
    """One line a violation of any of axe's rules in light, and of those about colours in dark; the page is left in light. Without `colours` of
    all other rules: to see what stands on what takes longer than these together."""
    # Without the motion of a button from one colour to the next: it would be caught on its way.
    page.emulate_media(color_scheme="light", reduced_motion="reduce")
    page.evaluate(AXE_SCRIPT)
    found = {"light": page.evaluate(_RUN, _EVERYTHING if colours else _BUT_COLOURS)}
    if colours:
        page.emulate_media(color_scheme="dark", reduced_motion="reduce")
        found["dark"] = page.evaluate(_RUN, _COLOURS)
        page.emulate_media(color_scheme="light", reduced_motion="reduce")
    return [
        f"{each['id']} in {theme}: {each['nodes'][0]['html'][:200]} {each['nodes'][0]['failureSummary'][:300]}"
        for theme, problems in found.items()
        for each in problems
    ]
