"""The layout of the console: a page is one view, one template, one test module.

A view module holds a page with the forms that belong to it (a user: the list, the page, new, delete). Its tests are in the module of
its room that is named after it, or begin with that name; what it renders is rendered by no other view module.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from django.urls import URLPattern, URLResolver, get_resolver

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
# What any view may show in place of its page: a change to confirm, AWS's refusal.
SHARED = frozenset({"keys/change.html", "keys/problem.html"})


def patterns(resolver: URLResolver | None = None) -> Iterator[URLPattern]:
    for each in (resolver or get_resolver()).url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each)
        else:
            yield each


@cache
def views() -> tuple[str, ...]:
    """The modules that the addresses lead to."""
    return tuple(sorted({pattern.callback.__module__ for pattern in patterns()}))


@cache
def pages() -> dict[str, frozenset[str]]:
    """View module → the templates of its page."""
    return {view: found for view in views() if (found := rendered(view) - SHARED)}


@cache
def whole_pages() -> frozenset[str]:
    """Templates that a view answers with: they extend the frame, by whatever way."""
    return frozenset(
        str(path.relative_to(TEMPLATES))
        for path in TEMPLATES.rglob("*.html")
        if re.search(r"{% extends ", path.read_text()) and path.parent.name not in ("tabs", "errors")
    )


@cache
def rendered(module: str) -> frozenset[str]:
    source = ast.parse((ROOT / f"{module.replace('.', '/')}.py").read_text())
    named = {node.value for node in ast.walk(source) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(named & whole_pages())


def module_for(view: str) -> Path:
    """tests/<room>/<feature>/test_<view module>.py; where the module is called `views`, its package gives the name."""
    *packages, name = view.split(".")
    folder = [each for each in packages if each != "views"]
    return ROOT.joinpath("tests", *folder, f"test_{folder[-1] if name == 'views' else name}.py")


def pages_of(test_module: Path) -> frozenset[str]:
    """The templates that a test module has to show; none for one that is no page's."""
    return next((found for view, found in pages().items() if module_for(view) == test_module), frozenset())
