"""Work in a thread of its own, on a database connection of its own, as another worker would do it."""

from __future__ import annotations

import threading
from typing import Any

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
