"""A page is one view, one template, one test module (tests/support/layout.py says what that means; tests/conftest.py that each module
shows its page)."""

from __future__ import annotations

import re

import pytest

from tests.support.layout import ROOT, SHARED, module_for, pages, patterns, rendered, views, whole_pages


@pytest.mark.parametrize("view", sorted(pages()))
def test_each_page_has_a_test_module(view: str) -> None:
    module = module_for(view)
    assert module.exists(), f"{view} renders {sorted(pages()[view])}: where is {module.relative_to(ROOT)}?"
    assert re.search(r"^def test_", module.read_text(), re.MULTILINE)


def test_each_template_is_one_views() -> None:
    beside = {
        ".".join((*path.parent.relative_to(ROOT).parts, path.stem))  # modules that render for a view
        for view in views()
        for path in (ROOT / f"{view.replace('.', '/')}.py").parent.glob("*.py")
        if path.stem != "__init__"
    }
    owners: dict[str, list[str]] = {name: [] for name in whole_pages() - SHARED}
    for module in sorted(beside):
        for name in rendered(module) - SHARED:
            owners[name].append(module)
    assert {name: found for name, found in owners.items() if len(found) != 1} == {}


def test_each_address_is_one_views() -> None:
    taken: dict[str, str] = {}
    for pattern in patterns():
        if pattern.name:
            view = f"{pattern.callback.__module__}.{pattern.callback.__name__}"
            assert taken.setdefault(pattern.name, view) == view
