"""What the wheel needs is what pyproject.toml says: the tests' own packages are not there where it is installed."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.server import ROOT

NOT_SHIPPED = {"tests", "bench"}
DEVELOPERS = {"engine/iam/aws_data_import.py"}  # `make aws-iam-data` runs it


def rooms() -> list[str]:
    return sorted({path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED)


def imported(file: Path) -> Iterator[str]:
    """The top-level packages that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_package_that_the_code_imports_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {normal(re.split(r"[\[<>=!~; ]", requirement)[0]) for requirement in project["dependencies"]}
    distributions = packages_distributions()
    used = {
        name: file
        for room in rooms()
        for file in (ROOT / room).rglob("*.py")
        if file.relative_to(ROOT).as_posix() not in DEVELOPERS
        for name in imported(file)
    }
    foreign = used.keys() - sys.stdlib_module_names - set(rooms())
    missing = {
        name: str(used[name].relative_to(ROOT))
        for name in foreign
        if not declared & {normal(each) for each in distributions.get(name, [])}
    }
    assert missing == {}
    assert "botocore" in foreign
