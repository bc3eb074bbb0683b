"""The documentation: its reference pages are the tables of the code, and every page stands in the site's navigation."""

from __future__ import annotations

import re

import pytest

from kmsconsole import reference
from tests.support.server import ROOT


@pytest.mark.parametrize("name", ["settings.md", "errors.md", "metrics.md"])
def test_a_reference_page_is_what_the_code_says(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.pages()[name], "run make docs"


def test_every_page_is_in_the_navigation_and_every_link_leads_somewhere() -> None:
    navigation = re.findall(r"[\w/-]+\.md", (ROOT / "mkdocs.yml").read_text())
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert set(navigation) == pages
    for page in pages:
        here = ROOT / "docs" / page
        for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", here.read_text()):
            if not link.startswith(("http://", "https://")):
                assert (here.parent / link).exists(), f"{page}: {link}"
