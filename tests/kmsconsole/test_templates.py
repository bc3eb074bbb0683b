"""What every template keeps to: short lines, no inline style or script, components that say what they are and are shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.test import Client

from tests.support.layout import TEMPLATES

COMPONENTS = sorted((TEMPLATES / "components").glob("*.html"))
TEXTS = {str(path.relative_to(TEMPLATES)): path.read_text() for path in sorted(TEMPLATES.rglob("*.html"))}
INLINE = re.compile(r"""<style|<script(?![^>]*\ssrc=)|\sstyle=|\son[a-z]+=|javascript:""", re.IGNORECASE)
ABOUT = re.compile(r"\A({% load [^%]*%}\n)?{% comment %}\s*\S.*?{% endcomment %}", re.DOTALL)


def test_no_line_of_a_template_is_longer_than_120_columns() -> None:
    lines = {(name, number): line for name, text in TEXTS.items() for number, line in enumerate(text.splitlines(), 1)}
    assert [place for place, line in lines.items() if len(line) > 120] == []


def test_no_template_has_an_inline_style_or_script() -> None:
    assert {name: found for name, text in TEXTS.items() if (found := INLINE.findall(text))} == {}


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


def test_a_list_that_has_nothing_says_so_by_the_component_and_leads_on() -> None:
    for name, text in TEXTS.items():
        if name == "components/empty_state.html":
            continue
        assert not re.search(r'class="(?:[^"]* )?empty[" ]', text), name
        for include in re.findall(r"{% empty_state (.*?)%}", text, re.DOTALL):
            assert name in PLACES or re.search(r"""\burl=|_url\b|"#""", include), name


def test_a_state_in_a_row_stays_in_sight_on_a_phone() -> None:
    """Its column, or that of what came of it, is pinned."""
    cells = re.compile(r"<td(?:(?!</td>).)*?{% state ", re.DOTALL)
    for name, text in TEXTS.items():
        rows = re.findall(r"<tr>(?:(?!</tr>).)*?</tr>", text, re.DOTALL)
        assert [row for row in rows if cells.search(row) and "pinned" not in row] == [], name
