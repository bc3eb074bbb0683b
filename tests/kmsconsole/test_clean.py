"""`make clean` removes what can be made again; a data folder cannot, whatever it is called and whoever asks."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

MADE_AGAIN = (
    ".venv/bin/python",
    ".mypy_cache/x",
    ".ruff_cache/x",
    ".pytest_cache/x",
    ".hypothesis/x",
    ".coverage",
    ".coverage.host.1",
    "htmlcov/index.html",
    "engine/kms/__pycache__/keys.pyc",
    ".clients/sops/x",
    "tests/clients/js/node_modules/x",
)
KEPT = (
    "var/root.key",
    "var/kmsconsole.sqlite3",
    "var/trail/journal",
    "other/root.key",
    "engine/kms/keys.py",
    "manage.py",
)


def make(folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        ["make", *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A checkout's folders with something in each."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for room in (
        "access",
        "audit",
        "bench",
        "console",
        "engine",
        "keys",
        "kmsconsole",
        "learn",
        "playground",
        "principals",
        "tests",
    ):
        (tmp_path / room).mkdir()
    for name in (*MADE_AGAIN, *KEPT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    return tmp_path


def test_clean_removes_caches_and_keeps_the_data_folder(copy: Path) -> None:
    said = make(copy, "clean", KMSCONSOLE_DATA="other")
    assert [name for name in MADE_AGAIN if (copy / name).exists()] == []
    assert [name for name in KEPT if not (copy / name).exists()] == []
    assert said.endswith("The data folder is left as it is: other\n")
    assert make(copy, "clean").endswith("The data folder is left as it is: var\n")


def targets() -> list[str]:
    return sorted(set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text())))


@pytest.mark.parametrize("target", targets())
def test_no_target_removes_or_overwrites_a_data_folder(target: str) -> None:
    """Of all that a target would run, nothing that deletes, moves or writes names the data folder."""
    commands = [line for line in make(ROOT, "-n", target).splitlines() if "echo" not in line]
    removing = [line for line in commands if re.search(r"\b(rm|mv|cp|find|truncate|rsync|flush)\b", line)]
    assert [line for line in removing if re.search(r"\bvar\b|KMSCONSOLE_DATA|\s[.*]\/?(\s|$)", line)] == []
    assert target != "clean" or removing
