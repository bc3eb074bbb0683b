"""What a worker does before its first request: it keeps to a core, or goes on without."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from kmsconsole.server import worker


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[set[int]]:
    cores: list[set[int]] = []
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {4, 2})
    monkeypatch.setattr(os, "sched_setaffinity", lambda pid, wanted: cores.append(wanted))
    return cores


def test_with_a_worker_for_each_core_each_keeps_to_its_own(chosen: list[set[int]]) -> None:
    for place in range(2):
        worker._take_a_core(place, 2)
    assert chosen == [{2}, {4}]


def test_fewer_workers_than_cores_are_left_to_the_system(chosen: list[set[int]]) -> None:
    worker._take_a_core(0, 1)
    assert chosen == []


@pytest.mark.parametrize("call", ["sched_getaffinity", "sched_setaffinity"])
def test_a_system_that_refuses_is_warned_of_and_the_worker_goes_on(
    chosen: list[set[int]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    def refuse(*_arguments: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, call, refuse)
    with caplog.at_level(logging.WARNING, worker.__name__):
        worker._take_a_core(0, 2)
    assert chosen == []
    assert caplog.messages == ["this worker keeps to no core of its own: Operation not permitted"]
