"""The journal's turns: while one thread writes, neither a thread of its process nor another process comes between."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from engine.trail import verify
from engine.trail.journal import Journal
from engine.trail.journal_reader import read


def test_asking_for_the_position_lets_nobody_write_over_a_write_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, others = Journal(tmp_path), Journal(tmp_path)  # the second has files of its own, as another worker has
    mine.append(b'{"first":1}')
    others.append(b'{"second":2}')
    writing, go_on = threading.Event(), threading.Event()
    put = mine._put

    def slow(data: bytes, start: int) -> None:
        writing.set()
        assert go_on.wait(10)
        put(data, start)

    monkeypatch.setattr(mine, "_put", slow)
    positions: list[tuple[int, int, bytes]] = []
    threads = [
        threading.Thread(target=mine.append, args=(b'{"third":3}',)),
        threading.Thread(target=lambda: positions.append(mine.position())),
        threading.Thread(target=others.append, args=(b'{"fourth":4}',)),
    ]
    threads[0].start()
    assert writing.wait(10)
    threads[1].start()
    threads[1].join(0.2)
    threads[2].start()
    threads[2].join(0.2)
    assert not positions, "the position was told in the middle of a write"
    go_on.set()
    for thread in threads:
        thread.join(10)
    records = {entry.record for entry in read(tmp_path / "journal")}
    assert records == {b'{"first":1}', b'{"second":2}', b'{"third":3}', b'{"fourth":4}'}
    assert positions[0][1] in (3, 4)
    assert verify.verify(tmp_path / "journal").whole
