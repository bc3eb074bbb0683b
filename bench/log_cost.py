"""What the transparency log costs calls: one server under a steady load, in turns of half a second with its log and without it
(bench/unlogged.py). `python -m bench.log_cost [PAIRS] [--write]` prints the table of bench/results.md, or puts it there.

The processor's time for a call is compared, since other work on the machine changes it less than the rates; it changes it still (caches, the
core's other half), from one second to the next. So turns are short and many: both of a pair are of the same process, one right behind the
other, in an order that changes, and of what all pairs tell the median is taken, with the interval in which that of endlessly many pairs lies
with a confidence of 95 % (by ranks, whatever their distribution). A turn ends when the tree has followed its last record; what a turn
without left is caught up with outside of all turns.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench import inprocess, results
from bench.presign import write_script
from bench.run import Contestant, ours
from bench.unlogged import ASKED, FOLLOWED, SWITCH, THREAD

TITLE = "The transparency log"
OPERATIONS = ("Encrypt", "Decrypt")
CONNECTIONS, SECONDS, PAIRS = 16, 0.5, 200
_LOAD_SECONDS = 120  # that one load lasts: its signatures hold for five minutes
_PATIENCE = 60.0  # seconds that a busy machine may take until a tree has followed


def _tasks(folder: Path) -> list[Path]:
    """The threads of all processes whose data folder is there; they stay while this measures."""
    wanted, found = f"KMSCONSOLE_DATA={folder}/data".encode(), []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                found += list((process / "task").iterdir())
        except OSError:
            continue  # it has ended
    return found


def _ran(task: Path) -> float:
    """Seconds of the processor that a thread had."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9


class Sample(NamedTuple):
    """Seconds of the processor so far, of the whole server and of the thread that lets the log follow, when so many records were followed."""

    server: float
    thread: float
    records: int


class Turn(NamedTuple):
    """Microseconds of the processor for a call: of the whole server, and of the thread that lets the log follow."""

    server: float
    thread: float


class Meter:
    def __init__(self, server: Contestant, folder: Path) -> None:
        self._data, self._asked = folder / server.name / "data", 0
        self._tasks = _tasks(folder / server.name)
        self._thread = Path((self._data / THREAD).read_text())

    def sample(self) -> Sample:
        """As soon as the tree has followed every record."""
        self._asked += 1
        (self._data / f"{ASKED}-next").write_text(str(self._asked))
        (self._data / f"{ASKED}-next").replace(self._data / ASKED)
        until = time.monotonic() + _PATIENCE
        while True:
            number, _space, records = self._followed().partition(" ")
            if number == str(self._asked):
                return Sample(sum(_ran(each) for each in self._tasks), _ran(self._thread), int(records))
            if time.monotonic() > until:
                raise SystemExit("the log does not follow")
            time.sleep(0.005)

    def _followed(self) -> str:
        try:
            return (self._data / FOLLOWED).read_text()
        except FileNotFoundError:
            return ""

    def turn(self, *, logged: bool) -> Turn:
        switch = self._data / SWITCH
        if not logged:
            switch.touch()
        before = self.sample()
        time.sleep(SECONDS)
        after = self.sample()
        if not logged:
            switch.unlink()
            self.sample()  # what was left is caught up with
        calls = (after.records - before.records) / 1e6
        return Turn((after.server - before.server) / calls, (after.thread - before.thread) / calls)


def _pairs(server: Contestant, folder: Path, operation: str, pairs: int) -> list[tuple[Turn, Turn]]:
    """(with the log, without) for each pair."""
    found: list[tuple[Turn, Turn]] = []
    while len(found) < pairs:
        script = write_script(folder, operation, server.url, server.credentials, server.pools[operation])
        command = [
            "wrk",
            "-t1",
            f"-c{CONNECTIONS}",
            f"-d{_LOAD_SECONDS}s",
            "--timeout",
            "30s",
            "-s",
            str(script),
            server.url,
        ]
        load = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        until = time.monotonic() + _LOAD_SECONDS - 5
        time.sleep(2)  # the first calls fill caches
        meter = Meter(server, folder)
        while len(found) < pairs and time.monotonic() < until:
            order = (True, False) if len(found) % 2 else (False, True)
            turn = {logged: meter.turn(logged=logged) for logged in order}
            found.append((turn[True], turn[False]))
        if len(found) == pairs:
            load.send_signal(signal.SIGINT)  # wrk says then what it has done
        said = load.communicate()[0]
        result = json.loads(
            next(line for line in said.splitlines() if line.startswith("RESULT ")).removeprefix("RESULT ")
        )
        if result["not200"] + result["socket"]:
            raise SystemExit(f"{result['not200']} requests were not answered with 200, {result['socket']} not at all")
    return found


def median_and_interval(values: list[float]) -> tuple[float, float, float]:
    """The median, and between which two of the values that of what they are drawn from lies with a confidence of 95 %."""
    ordered, number = sorted(values), len(values)
    rank = max(0, math.floor((number - 1.96 * math.sqrt(number)) / 2))
    return statistics.median(ordered), ordered[rank], ordered[number - 1 - rank]


def _follow_alone(records: int = 20_000) -> float:
    """Microseconds of the processor that the log takes for a record of 950 bytes, with nothing of calls."""
    inprocess.prepare()
    from engine.trail import log
    from tests.support.own_trail import OwnTrail

    taken = []
    with tempfile.TemporaryDirectory() as name:
        for number in range(5):
            trail = OwnTrail(Path(name) / f"trail-{number}", f"log-cost-{number}")
            trail.write([b'{"eventTime":"2026-01-01T00:00:00Z","more":"%s"}' % (b"x" * 900)] * records)
            trail.end = lambda: records  # type: ignore[method-assign]  # counting them is no part of it
            before = time.thread_time()
            log.follow(trail)
            taken.append((time.thread_time() - before) / records * 1e6)
    return statistics.median(taken)


def table(pairs: int) -> list[str]:
    lines = [
        "`python -m bench.log_cost --write`: one server under the load of 16 connections, in turns of half a second with its log and without it",
        f"(bench/unlogged.py), medians of {pairs} pairs of turns with their 95 % intervals; µs of the processor for a call. The log follows the journal",
        "beside the calls, in a thread: no call waits for it. Here it follows ten times a second, and not once, so that a turn is charged with all of its",
        f"records, which takes more than it does. {os.cpu_count()} cores, load {os.getloadavg()[1]:.0f}.",
        "",
        "| operation | without the log | more in the log's thread | | 95 % interval | whole server | 95 % interval |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    every: list[float] = []
    every_whole: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(folder, "switched", (sys.executable, "-m", "bench.unlogged")) as server:
            time.sleep(2.5)  # the thread tells its name
            for operation in OPERATIONS:
                found = _pairs(server, folder, operation, pairs)
                shares = [(with_log.thread - without.thread) / without.server for with_log, without in found]
                whole = [with_log.server / without.server - 1 for with_log, without in found]
                every, every_whole = every + shares, every_whole + whole
                lines.append(_row(operation, found, shares, whole))
                print(lines[-1], flush=True)
    thread, server_whole = (f"{middle} ({interval})" for middle, interval in (_percent(every), _percent(every_whole)))
    lines += [
        "",
        f"Both together: {thread} in the log's thread, {server_whole} in the whole server. The log alone takes {_follow_alone():.1f} µs of the "
        "processor for a record.",
    ]
    return lines


def _row(operation: str, found: list[tuple[Turn, Turn]], shares: list[float], whole: list[float]) -> str:
    without = statistics.median(each.server for _, each in found)
    more = statistics.median(with_log.thread - each.thread for with_log, each in found)
    return f"| {operation} | {without:.0f} | {more:.1f} | {' | '.join((*_percent(shares), *_percent(whole)))} |"


def _percent(values: list[float]) -> tuple[str, str]:
    middle, low, high = (f"{each * 100:+.1f}" for each in median_and_interval(values))
    return f"{middle} %", f"{low} to {high} %"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="?", type=int, default=PAIRS)
    parser.add_argument("--write", action="store_true", help="put the table into bench/results.md")
    asked = parser.parse_args()
    lines = table(asked.pairs)
    print("\n".join(lines))
    if asked.write:
        results.keep([(TITLE, lines)])


if __name__ == "__main__":
    main()
