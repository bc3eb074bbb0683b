"""What the transparency log costs calls: one server, in short blocks with its log and without it (bench/unlogged.py).
`python -m bench.log_cost [PAIRS] [--write]` prints the table of bench/results.md, or puts it there.

The processor's time for a call is compared, since other work on the machine changes it less than the rates. Both blocks of a pair are of the
same process, one right behind the other, in an order that changes: of what all pairs tell the median is taken, with the interval in which
that of endlessly many pairs lies with a confidence of 95 % (by ranks, whatever their distribution). A block has the seconds in which
the tree follows its last records; what a block without left is caught up with outside of all blocks.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bench import inprocess, results
from bench.presign import write_script
from bench.run import Contestant, measure, ours
from bench.unlogged import SETTLING, SWITCH, THREAD

TITLE = "The transparency log"
OPERATIONS = ("Encrypt", "Decrypt")
CONNECTIONS, SECONDS, PAIRS = 16, 3, 15
_SETTLING = (
    2.5  # seconds behind the calls that belong to a block: the tree follows what waits, and is then where it has to be
)


def _processor_seconds(folder: Path) -> float:
    """Of all threads of all processes whose data folder is there, to the nanosecond; they stay while this measures."""
    wanted, found = f"KMSCONSOLE_DATA={folder}/data".encode(), 0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                found += sum(int((each / "schedstat").read_text().split()[0]) for each in (process / "task").iterdir())
        except OSError:
            continue  # it has ended
    return found / 1e9


def _ran(task: Path) -> float:
    """Seconds of the processor that a thread had."""
    return int((task / "schedstat").read_text().split()[0]) / 1e9


def _wait(tree: Path) -> None:
    """Until the tree does not grow any more."""
    size = -1
    while (now := tree.stat().st_size) != size:
        size = now
        time.sleep(1.2)


class Block(NamedTuple):
    """Microseconds of the processor for a call: of the whole server, and of the thread that lets the log follow."""

    server: float
    thread: float


def _block(server: Contestant, folder: Path, script: Path, *, logged: bool) -> Block:
    data = folder / server.name / "data"
    if not logged:
        (data / SWITCH).touch()
    thread = Path((data / THREAD).read_text())
    before, thread_before = _processor_seconds(folder / server.name), _ran(thread)
    figure = measure(script, server.url, CONNECTIONS, SECONDS)
    (data / SETTLING).touch()
    time.sleep(_SETTLING)
    spent, by_thread = _processor_seconds(folder / server.name) - before, _ran(thread) - thread_before
    if figure.failures:
        raise SystemExit(f"{figure.failures} requests were not answered with 200")
    (data / SWITCH).unlink(missing_ok=True)
    _wait(data / "trail" / "tree")
    (data / SETTLING).unlink()
    calls = figure.rate * SECONDS
    return Block(spent * 1e6 / calls, by_thread * 1e6 / calls)


def _pairs(server: Contestant, folder: Path, operation: str, pairs: int) -> list[tuple[Block, Block]]:
    """(with the log, without) for each pair."""
    found = []
    for number in range(pairs + 1):
        # Signed anew each time: a signature holds for five minutes.
        script = write_script(folder, operation, server.url, server.credentials, server.pools[operation])
        order = (True, False) if number % 2 else (False, True)
        block = {logged: _block(server, folder, script, logged=logged) for logged in order}
        if number:  # the first fills caches
            found.append((block[True], block[False]))
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
        "`python -m bench.log_cost --write`: one server, in turns with its log and without it (bench/unlogged.py), 16 connections, pairs of blocks of",
        f"{SECONDS} s, medians of {pairs} pairs with their 95 % intervals; µs of the processor for a call. The log follows the journal beside the calls, in a",
        "thread: no call waits for it. What that thread takes more while there is a log is told alone, since the whole server's difference between two",
        f"blocks varies more than that. {os.cpu_count()} cores, load {os.getloadavg()[1]:.0f}.",
        "",
        "| operation | without the log | more in the log's thread | | 95 % interval | whole server | 95 % interval |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    every: list[float] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ours(folder, "switched", (sys.executable, "-m", "bench.unlogged")) as server:
            time.sleep(_SETTLING)  # the thread tells its name
            for operation in OPERATIONS:
                found = _pairs(server, folder, operation, pairs)
                shares = [(with_log.thread - without.thread) / without.server for with_log, without in found]
                every += shares
                lines.append(_row(operation, found, shares))
                print(lines[-1], flush=True)
    lines += [
        "",
        f"Both together: {' | '.join(_percent(every)).replace(' | ', ' (')}) in the log's thread. The log alone takes {_follow_alone():.1f} µs of the "
        "processor for a record.",
    ]
    return lines


def _row(operation: str, found: list[tuple[Block, Block]], shares: list[float]) -> str:
    without = statistics.median(each.server for _, each in found)
    more = statistics.median(with_log.thread - each.thread for with_log, each in found)
    whole = [with_log.server / each.server - 1 for with_log, each in found]
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
