"""What every template keeps to: short lines, no inline style or script, components that say what they are and are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from tests.support.layout import TEMPLATES

COMPONENTS = sorted((TEMPLATES / "components").glob("*.html"))
PAGES = sorted(TEMPLATES.rglob("*.html"))
INLINE = re.compile(r"""<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:""", re.IGNORECASE)
ABOUT = re.compile(r"\A({% load [^%]*%}\n)?{% comment %}\s*\S.*?{% endcomment %}", re.DOTALL)


@pytest.mark.parametrize("template", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_line_of_a_template_is_longer_than_120_columns(template: Path) -> None:
    lines = template.read_text().splitlines()
    assert [number for number, line in enumerate(lines, 1) if len(line) > 120] == []


@pytest.mark.parametrize("template", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_template_has_an_inline_style_or_script(template: Path) -> None:
    assert INLINE.findall(template.read_text()) == []


@pytest.mark.parametrize("component", COMPONENTS, ids=lambda path: path.stem)
def test_each_component_says_at_its_top_what_it_is(component: Path) -> None:
    assert ABOUT.match(component.read_text())


def test_the_style_guide_shows_each_component_with_what_it_says_of_itself(signed_in: Client) -> None:
    answer = signed_in.get("/styleguide/")
    shown = {str(template.name) for template in answer.templates}
    assert {f"components/{path.name}" for path in COMPONENTS} - shown == set()
    page = answer.content.decode()
    assert [path.stem for path in COMPONENTS if f'<h2 id="{path.stem}">' not in page] == []


# Where something will appear, rather than a list that has nothing.
PLACES = {"learn/labs/ciphertext.html", "playground/operation.html"}


@pytest.mark.parametrize("template", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_list_that_has_nothing_says_so_by_the_component_and_leads_on(template: Path) -> None:
    name, text = str(template.relative_to(TEMPLATES)), template.read_text()
    if name == "components/empty_state.html":
        return
    assert not re.search(r'class="(?:[^"]* )?empty[" ]', text)
    for include in re.findall(r"{% empty_state (.*?)%}", text, re.DOTALL):
        assert name in PLACES or re.search(r"""\burl=|_url\b|"#""", include)


@pytest.mark.parametrize("template", PAGES, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_state_in_a_row_stays_in_sight_on_a_phone(template: Path) -> None:
    """Its column, or that of what came of it, is pinned."""
    rows = re.findall(r"<tr>(?:(?!</tr>).)*?</tr>", template.read_text(), re.DOTALL)
    cells = r"<td(?:(?!</td>).)*?{% state "
    assert [row for row in rows if re.search(cells, row, re.DOTALL) and "pinned" not in row] == []
