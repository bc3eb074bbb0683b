"""No two modules import each other, by whatever way; imports inside functions and for types alone count too."""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

ROOMS = ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
    numbers: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        numbers[module] = lowest[module] = len(numbers)
        stack.append(module)
        for imported in graph[module]:
            if imported not in numbers:
                visit(imported)
                lowest[module] = min(lowest[module], lowest[imported])
            elif imported in stack:
                lowest[module] = min(lowest[module], numbers[imported])
        if lowest[module] == numbers[module]:
            place = stack.index(module)
            group = sorted(stack[place:])
            del stack[place:]
            if len(group) > 1:
                found.append(group)

    for module in graph:
        if module not in numbers:
            visit(module)
    return found


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_no_modules_import_each_other() -> None:
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    modules = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert len(modules) > 300
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(10_000)
    try:
        assert circles(modules) == []
    finally:
        sys.setrecursionlimit(limit)


PAGES = ("console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole.frame")


def test_pages_import_of_the_engine_what_engine_public_offers() -> None:
    """As import-linter's contract says for the modules that it names; here for those that will be added too."""
    graph = grimp.build_graph(*ROOMS, cache_dir=None)
    beside = {
        (module, imported)
        for module in graph.modules
        if module.startswith(tuple(f"{room}." for room in PAGES))
        for imported in graph.find_modules_directly_imported_by(module)
        if imported.startswith("engine.") and not imported.startswith("engine.public.")
    }
    assert beside == set()


def test_lookup_events_is_called_by_the_one_reader_of_the_record() -> None:
    root = Path(__file__).parents[1]
    folders = [root / each for each in (*ROOMS, "bench") if each != "engine"]
    callers = [path for folder in folders for path in folder.rglob("*.py") if "lookup_events" in path.read_text()]
    assert callers == [root / "keys" / "record" / "events.py"]
