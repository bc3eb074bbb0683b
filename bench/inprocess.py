"""The console and its engine in this process, on a data folder of the tests' own: what benches use that serve nobody."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def prepare(kept: str | None = None) -> None:
    """Before anything of the engine is imported: settings are read, migrations run, the first account is made. With `kept` in that data
    folder, which stays; if it is there already it is taken as it is, since a start would miss the changes that made-up events tell of."""
    import django
    from django.test.utils import setup_test_environment

    from tests.support import environment  # noqa: F401  (the data folder, which Django's settings name)

    made = kept is not None and Path(kept).exists()
    if kept is not None:
        os.environ["KMSCONSOLE_DATA"] = kept
    django.setup()
    setup_test_environment()
    from kmsconsole.installation import bootstrap

    if not made:
        bootstrap.prepare()


def pages(browser: Any) -> Callable[[str], Any]:
    """A function that answers an address to a signed-in test client as the server does: without what the test client does besides, which
    copies the context of every template and takes the line breaks out of the page."""
    from django.core.handlers.base import BaseHandler
    from django.core.handlers.wsgi import WSGIRequest

    handler = BaseHandler()
    handler.load_middleware()
    gc.collect()
    gc.freeze()  # as a worker does (kmsconsole.server.worker): what is loaded is not looked through again for what can go

    def get(address: str) -> Any:
        path, _mark, query = address.partition("?")
        return handler.get_response(WSGIRequest(browser._base_environ(PATH_INFO=path, QUERY_STRING=query)))

    return get


def measure(get: Callable[[str], Any], address: str, repeats: int) -> tuple[float, float]:
    """Medians in milliseconds of the clock and of the processor; the first answer is left out, and a history being read is waited for."""
    while get(address).status_code == 503:
        pass
    clock, processor = [], []
    for _ in range(repeats):
        at, used = time.perf_counter(), time.process_time()
        answer = get(address)
        processor.append((time.process_time() - used) * 1000)
        clock.append((time.perf_counter() - at) * 1000)
        assert answer.status_code == 200, (address, answer.status_code)
    return statistics.median(clock), statistics.median(processor)
