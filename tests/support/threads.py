"""Work in a thread of its own, on a database connection of its own, as another worker would do it; and threads that wait for the test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from django.db import connections


def in_another_thread(work: Any) -> list[BaseException]:
    """What the work raised."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return failed


def held(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[Callable[[], Any]]:
    """What the threads that a module has started would do: a test does it when its time has come."""
    started: list[Callable[[], Any]] = []

    class Thread:
        def __init__(self, target: Any, args: Any, **_options: Any) -> None:
            self.run = lambda: target(*args)

        def start(self) -> None:
            started.append(self.run)

    monkeypatch.setattr(module.threading, "Thread", Thread)
    return started
