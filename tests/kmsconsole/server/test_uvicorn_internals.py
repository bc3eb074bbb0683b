"""uvicorn's members without a promise: those that are used are there, and are the ones that one module lists."""

from __future__ import annotations

import ast
import asyncio
import importlib.metadata
import inspect
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from kmsconsole.server.uvicorn_internals import CALLED_BY_HTTPTOOLS, MEMBERS

ROOT = Path(__file__).parents[3]
ROOM = ROOT / "kmsconsole"
HERE = ROOM / "server" / "uvicorn_internals.py"
# Where each object is met in kmsconsole/server/http_protocol.py and exchange.py, as it is written there.
WRITTEN = {
    HttpToolsProtocol: {"HttpProtocol": {"self", "super()"}},
    RequestResponseCycle: {
        "HttpProtocol": {"self.cycle", "self._newest", "self._running", "own", "running", "exchange"},
        "Exchange": {"self", "super()"},
    },
    FlowControl: {"HttpProtocol": {"self.flow"}, "Exchange": {"self.flow"}},
    ServerState: {"HttpProtocol": {"self.server_state"}},
}
SUBCLASSES = {HttpToolsProtocol: "HttpProtocol", RequestResponseCycle: "Exchange"}


def _classes() -> dict[str, ast.ClassDef]:
    trees = [ast.parse((ROOM / "server" / name).read_text()) for name in ("http_protocol.py", "exchange.py")]
    return {node.name: node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)}


def _names(kind: type) -> Iterator[str]:
    """Attributes that the code asks such an object for, and methods that it puts in place of its own."""
    classes = _classes()
    for name, written in WRITTEN[kind].items():
        for node in ast.walk(classes[name]):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in written:
                yield node.attr
    for node in classes[SUBCLASSES[kind]].body if kind in SUBCLASSES else ():
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name


def _members(kind: type) -> set[str]:
    """Of the class, and what its methods set; less what asyncio promises of every protocol."""
    tree = ast.parse(inspect.getsource(kind))
    targets = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }
    return ({*dir(kind), *targets}) - {*dir(asyncio.Protocol), *dir(object)}


@pytest.mark.parametrize("kind", WRITTEN, ids=lambda kind: kind.__name__)
def test_the_members_that_are_used_are_those_listed_and_are_there(kind: type) -> None:
    assert sorted(set(_names(kind)) & _members(kind)) == sorted(MEMBERS[kind])


def test_what_httptools_calls_of_uvicorns_protocol_is_there() -> None:
    assert set(CALLED_BY_HTTPTOOLS) <= set(vars(HttpToolsProtocol))


def test_every_class_of_uvicorns_has_its_list() -> None:
    assert set(MEMBERS) == set(WRITTEN)


def test_an_exchange_is_made_with_what_uvicorns_cycle_takes() -> None:
    calls = [
        node
        for node in ast.walk(_classes()["HttpProtocol"])
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Exchange"
    ]
    taken = set(inspect.signature(RequestResponseCycle).parameters)
    assert [{keyword.arg for keyword in call.keywords} for call in calls] == [taken - {"on_response"}]


def test_no_other_module_reaches_into_uvicorn() -> None:
    found = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                modules = [f"{node.module}."]
            else:
                modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if any(module.startswith("uvicorn.") for module in modules):
                found.add(path)
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "uvicorn":
                assert node.attr in ("Config", "Server", "run")
    assert found == {HERE}


def test_uvicorn_and_httptools_are_bounded_to_the_minor_versions_tested() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for name in ("uvicorn", "httptools"):
        major, minor, *_rest = importlib.metadata.version(name).split(".")
        assert f"{name}>={major}.{minor},<{major}.{int(minor) + 1}" in needed
