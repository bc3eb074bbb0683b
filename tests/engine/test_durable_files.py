"""Files that hold secrets: never replaced, never half there, open to their owner alone, written by one function."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from engine import durable_files

ROOT = Path(__file__).parents[2]
# Who else syncs a file, and why durable_files is not for it.
OTHERS = {
    "engine/durable_files.py": "the place",
    "engine/trail/journal.py": "a file that grows",
    "engine/sinks/receivers.py": "a file that grows",
}


def test_a_new_file_is_its_owners_alone_and_never_replaces_one(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with durable_files.new_file(path) as file:
        file.write(b"one")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"one", 0o600)
    with pytest.raises(FileExistsError), durable_files.new_file(path) as file:
        file.write(b"two")
    assert path.read_bytes() == b"one"


def test_of_a_write_that_fails_nothing_is_left(tmp_path: Path) -> None:
    def fill() -> None:
        with durable_files.new_file(tmp_path / "secret") as file:
            file.write(b"half")
            raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_the_file_and_its_name_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
    with durable_files.new_file(tmp_path / "secret") as file:
        file.write(b"one")
    assert synced == [str(tmp_path / "secret"), str(tmp_path)]


def test_a_replaced_file_is_its_owners_alone_and_synced_before_it_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"before")
    synced: list[tuple[str, bytes]] = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append((os.readlink(f"/proc/self/fd/{file}"), path.read_bytes()))
    )
    durable_files.replace_file(path, b"after")
    assert synced == [(f"{path}.part", b"before")]
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"after", 0o600)
    assert list(tmp_path.iterdir()) == [path]


def test_no_other_module_writes_durable_files_of_its_own() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("engine", "console", "keys", "principals", "playground", "access", "audit", "learn", "kmsconsole")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"\bos\.fsync\(|O_EXCL", path.read_text())
    }
    assert found == set(OTHERS)
