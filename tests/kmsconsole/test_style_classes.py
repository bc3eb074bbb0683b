"""Style sheets and templates know the same classes: no rule is for a class that nothing has, no class is without a rule or a script."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pygments.token import STANDARD_TYPES

from kmsconsole.frame import style_sheet

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("access", "audit", "console", "keys", "kmsconsole", "learn", "playground", "principals", "engine")
CSS = sorted((ROOT / "static" / "css").rglob("*.css"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = "\n".join(path.read_text() for path in sorted((ROOT / "static" / "js").rglob("*.js")))
CODE = "\n".join(path.read_text() for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")))
# Words of code that may be classes: those of a class attribute, and strings of one word.
CODE_WORDS = " ".join(" ".join(found) for found in re.findall(r"class=\W?([^\"'>]*)|[\"']([\w-]+)[\"']", CODE))
PAGES = "\n".join(path.read_text() for path in TEMPLATES)

# Classes that others set: htmx while it waits, pygments in highlighted code.
SET_BY_LIBRARIES = {"htmx-request"} | {short for short in STANDARD_TYPES.values() if short}
# Classes that name a part of a page for whoever reads the HTML, without a rule.
WITHOUT_RULES = {
    "as-of",
    "audit-filter",
    "clock-ahead",
    "field-check",
    "made-answer",
    "messages",
    "overview-chart",
    "policy-editor",
}


def ruled(path: Path) -> set[str]:
    """The classes that the selectors of a style sheet name."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    selectors = " ".join(re.findall(r"([^{};]+)\{", text))
    return set(re.findall(r"\.([A-Za-z][\w-]*)", re.sub(r"\[[^\]]*\]", "", selectors)))


def worn() -> tuple[set[str], set[str]]:
    """The classes that templates name in full, and the beginnings of those that end with a value (`state-{{ state }}`)."""
    whole: set[str] = set()
    begun: set[str] = set()
    for value in re.findall(r'class="((?:[^"{]|\{%.*?%\}|\{\{.*?\}\}|\{)*)"', PAGES):
        for name in re.sub(r"\{\{.*?\}\}", "\0", re.sub(r"\{%.*?%\}", " ", value)).split():
            if "\0" not in name:
                whole.add(name)
            elif beginning := name.partition("\0")[0]:
                begun.add(beginning)
    # The same in code: f"tone-{tone}", 'class="answer answer-{}"'.
    begun.update(re.findall(r'["\s]([a-z]+-)\{', CODE))
    return whole, begun


def mentioned(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


@pytest.mark.parametrize("path", CSS, ids=lambda path: path.relative_to(ROOT / "static" / "css").as_posix())
def test_each_class_with_a_rule_is_used(path: Path) -> None:
    whole, begun = worn()
    unused = {
        name
        for name in ruled(path) - whole - SET_BY_LIBRARIES
        if not name.startswith(tuple(begun)) and not any(mentioned(name, text) for text in (SCRIPTS, CODE_WORDS))
    }
    assert unused == set()


def test_each_class_of_a_template_has_a_rule_or_a_script() -> None:
    known = set().union(*map(ruled, CSS))
    unknown = {name for name in worn()[0] - known if not mentioned(name, SCRIPTS)}
    assert unknown == WITHOUT_RULES


def test_each_style_sheet_is_joined_once_and_is_in_the_layer_of_its_folder() -> None:
    folder = ROOT / "static" / "css"
    sheet = style_sheet.joined().decode()
    assert sheet.startswith((folder / "tokens.css").read_text())  # it has the order of the layers
    for path in CSS:
        assert sheet.count(path.read_text()) == 1, path
        layer = path.stem if path.parent == folder else path.parent.name
        assert re.findall(r"^@layer (\w+) \{", path.read_text(), re.MULTILINE) == [layer], path


def test_each_custom_property_is_defined_and_used() -> None:
    tokens = (ROOT / "static" / "css" / "tokens.css").read_text()
    defined = set(re.findall(r"^\s*(--[\w-]+):", tokens, re.MULTILINE))
    used = set(re.findall(r"var\((--[\w-]+)\)", "\n".join(path.read_text() for path in CSS)))
    assert used == defined
