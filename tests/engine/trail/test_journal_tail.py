"""What the workers share of the journal's end: one layout for all versions, and a hash as it was set."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from engine.trail.journal_tail import SharedTail

LAYOUT = struct.Struct(
    "<B7xQQQ32sQBB6xd"
)  # of every version: a data folder may be opened by another one while workers of this run


@pytest.fixture
def lock_file(tmp_path: Path) -> int:
    return os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)


def test_the_layout_is_that_of_every_version(lock_file: int) -> None:
    tail = SharedTail(lock_file)
    tail.set_end(1, 2, 3, b"\1" * 32)
    tail.fields.synced, tail.fields.exchanged = 4, True
    assert LAYOUT.unpack(os.pread(lock_file, 100, 0)) == (1, 1, 2, 3, b"\1" * 32, 4, 0, 1, 0)


def test_another_process_reads_the_end_that_was_set_and_a_hash_may_hold_zeros(lock_file: int) -> None:
    one, other = SharedTail(lock_file), SharedTail(lock_file)
    end = (10, 20, 3, b"\0\1" * 16)
    one.set_end(*end)
    assert (other.fields.holds, other.end()) == (True, end)
