"""GET /metrics: what all workers of this node have counted, in Prometheus' text format.

Each worker writes its sums to `metrics/<process>.json` in the data folder once a second; whichever worker is asked adds them up.
A worker that died leaves its file, so no counter ever goes back until the server starts anew. Only a caller on this machine is
answered, or one that shows KMSCONSOLE_METRICS_TOKEN as its bearer token.
"""

from __future__ import annotations

import hmac
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

from engine import metrics
from engine.sinks import state
from engine.store import cache
from engine.trail import storage

_EVERY = 1.0  # seconds between a worker's writes
_PAGE = os.sysconf("SC_PAGE_SIZE")


def folder() -> Path:
    return Path(settings.DATA) / "metrics"


def clear() -> None:
    """At a server's start: what earlier servers counted is history."""
    shutil.rmtree(folder(), ignore_errors=True)
    folder().mkdir(mode=0o700, exist_ok=True)


def publish_always() -> None:
    """Start this worker's writer."""
    threading.Thread(target=_publish_for_ever, name="metrics", daemon=True).start()


def _publish_for_ever() -> None:
    while True:
        time.sleep(_EVERY)
        try:
            publish()
        except OSError:  # a full disk is told by the trail; numbers are written again next second
            continue


def publish() -> None:
    """Write this worker's sums, whole or not at all."""
    path = folder() / f"{os.getpid()}.json"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    part = path.with_suffix(f".{threading.get_ident()}.part")
    part.write_bytes(orjson.dumps({**metrics.numbers(), "caches": cache.numbers()}))
    part.replace(path)


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The WSGI answer."""
    if not _allowed(environ):
        start_response("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", "0")])
        return [b""]
    body = text()
    start_response(
        "200 OK",
        [
            ("Content-Type", "text/plain; version=0.0.4; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]


def _allowed(environ: dict[str, Any]) -> bool:
    """Whether the caller may see the numbers: by the token if there is one, else only from this machine, and not by a proxy."""
    if settings.METRICS_TOKEN:
        return hmac.compare_digest(
            environ.get("HTTP_AUTHORIZATION", "").encode(), f"Bearer {settings.METRICS_TOKEN}".encode()
        )
    local = environ.get("REMOTE_ADDR", "") in ("127.0.0.1", "::1")
    return local and not any(name in environ for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_VIA"))


def text() -> bytes:
    """The numbers of all workers. Loaded here, since only a server that is asked needs the client library."""
    from prometheus_client import CollectorRegistry, generate_latest

    publish()
    total, workers, resident = metrics.empty(), 0, 0
    caches: dict[str, list[int]] = {}
    for path in folder().glob("*.json"):
        numbers = orjson.loads(path.read_bytes())
        memory = _resident(int(path.stem))
        if memory:
            workers, resident = workers + 1, resident + memory
        else:
            numbers["waiting"] = 0
        metrics.merge(total, numbers)
        for name, counts in numbers["caches"].items():
            caches[name] = [a + b for a, b in zip(caches.get(name, (0, 0)), counts, strict=True)]
    registry = CollectorRegistry()
    registry.register(_Families(total, caches, workers, resident))
    return generate_latest(registry)


def _resident(process: int) -> int:
    """Resident bytes of a process, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return 0


class _Families:
    """Prometheus' metric families made of the sums."""

    def __init__(self, total: metrics.Numbers, caches: dict[str, list[int]], workers: int, resident: int) -> None:
        self._total, self._caches, self._workers, self._resident = total, caches, workers, resident

    def collect(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        requests = CounterMetricFamily(
            "kmsconsole_requests", "Answered AWS requests.", labels=("service", "operation", "outcome")
        )
        seconds = HistogramMetricFamily(
            "kmsconsole_request_seconds",
            "Time an AWS request took, successful or not.",
            labels=("service", "operation"),
        )
        times: dict[tuple[str, str], metrics.Histogram] = {}
        for key, histogram in self._total["requests"].items():
            service, operation, outcome = key.split(" ")
            requests.add_metric((service, operation, outcome), sum(histogram[:-1]))
            times[service, operation] = [
                a + b for a, b in zip(times.get((service, operation), [0.0] * len(histogram)), histogram, strict=True)
            ]
        for labels, histogram in times.items():
            seconds.add_metric(labels, *_cumulative(metrics.SECONDS, histogram))
        yield requests
        yield seconds
        for name, text, bounds, histogram in (
            ("trail_commit_seconds", "Time one durable commit of audit records took.", metrics.SECONDS, "sync"),
            ("trail_commit_records", "Audit records that one commit made durable.", metrics.RECORDS, "batch"),
        ):
            family = HistogramMetricFamily(f"kmsconsole_{name}", text, labels=())
            if self._total[histogram]:
                family.add_metric((), *_cumulative(bounds, self._total[histogram]))
            yield family
        lookups = CounterMetricFamily("kmsconsole_cache_lookups", "Cache lookups.", labels=("cache", "result"))
        for name, (hits, misses) in self._caches.items():
            lookups.add_metric((name, "hit"), hits)
            lookups.add_metric((name, "miss"), misses)
        yield lookups
        for name, text, value in (
            ("requests_waiting", "AWS requests that workers have taken and not answered yet.", self._total["waiting"]),
            ("workers", "Worker processes that are alive.", self._workers),
            ("resident_bytes", "Resident memory of the workers.", self._resident),
            ("data_free_bytes", "Free space where the data folder is.", shutil.disk_usage(settings.DATA).free),
        ):
            yield GaugeMetricFamily(f"kmsconsole_{name}", text, value=value)
        yield from _trail()
        behind = GaugeMetricFamily("kmsconsole_sink_records_behind", "Records a sink has not taken.", labels=("sink",))
        failing = GaugeMetricFamily("kmsconsole_sink_failing", "1 while a sink takes nothing.", labels=("sink",))
        lag = GaugeMetricFamily("kmsconsole_sink_lag_seconds", "Age of the oldest it has not.", labels=("sink",))
        for shown in state.all_of(Path(settings.DATA), settings.SINKS):
            behind.add_metric((shown.sink.name,), shown.behind)
            failing.add_metric((shown.sink.name,), int(bool(shown.problem)))
            if shown.lag is not None:
                lag.add_metric((shown.sink.name,), shown.lag)
        yield behind
        yield lag
        yield failing


def _trail() -> Iterator[Any]:
    """What the file journal's trail takes up."""
    from prometheus_client.core import GaugeMetricFamily

    trail = Path(settings.DATA) / "trail"
    size = GaugeMetricFamily("kmsconsole_trail_disk_bytes", "What the trail takes up on this disk.", labels=("part",))
    for part, number in storage.disk(trail).items():
        size.add_metric((part,), number)
    yield size
    if not (trail / "journal").exists():
        return
    found = storage.held(trail)
    for name, text, value in (
        ("trail_recorded_bytes", "Records ever written, before compression; its rate is the growth.", found.recorded),
        ("trail_records", "Records ever written.", found.last),
        ("trail_removed_records", "Records removed by the retention rule.", found.removed),
        ("trail_segments", "Sealed segments that are kept.", found.segments),
        ("trail_moved_bytes", "Compressed bytes of segments that were moved elsewhere.", found.moved),
    ):
        yield GaugeMetricFamily(f"kmsconsole_{name}", text, value=value)


def _cumulative(bounds: tuple[float, ...], histogram: metrics.Histogram) -> tuple[list[tuple[str, float]], float]:
    buckets, below = [], 0.0
    for bound, count in zip((*bounds, float("inf")), histogram[:-1], strict=True):
        below += count
        buckets.append(("+Inf" if bound == float("inf") else str(bound), below))
    return buckets, histogram[-1]
