"""What the transparency log costs calls: our server beside the same one without it (bench/unlogged.py), in turns. `python -m bench.log_cost [ROUNDS]`
prints the table of bench/results.md. A round is five seconds of each, in which the log follows the records every second, and signs.

The processor's time for a call is what other work on the machine does not change; the rates are worth as much as the machine was quiet.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import inprocess
from bench.presign import write_script
from bench.run import Contestant, measure, ours

OPERATIONS = ("Encrypt", "Decrypt")
CONNECTIONS, SECONDS, ROUNDS = 16, 5, 9
_TICKS = os.sysconf("SC_CLK_TCK")


def _processor_seconds(folder: Path) -> float:
    """Of all processes whose data folder is there."""
    wanted, found = f"KMSCONSOLE_DATA={folder}/data".encode(), 0
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and wanted in (process / "environ").read_bytes().split(b"\0"):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                found += int(fields[11]) + int(fields[12])  # utime and stime
        except OSError:
            continue  # it has ended
    return found / _TICKS


def _turns(contestants: list[Contestant], folder: Path, operation: str, rounds: int) -> dict[str, tuple[float, float]]:
    """name → (requests a second, microseconds of the processor for one), the medians of the rounds."""
    scripts = {
        each.name: write_script(folder, f"{each.name}-{operation}", each.url, each.credentials, each.pools[operation])
        for each in contestants
    }
    figures: dict[str, list[tuple[float, float]]] = {each.name: [] for each in contestants}
    for number in range(rounds + 1):
        for each in contestants:
            before = _processor_seconds(folder / each.name)
            figure = measure(scripts[each.name], each.url, CONNECTIONS, SECONDS)
            spent = _processor_seconds(folder / each.name) - before
            if figure.failures:
                raise SystemExit(f"{each.name}: {figure.failures} requests of {operation} were not answered with 200")
            if number:  # the first fills caches
                figures[each.name].append((figure.rate, spent * 1e6 / (figure.rate * SECONDS)))
    return {
        name: (statistics.median(rate for rate, _ in found), statistics.median(spent for _, spent in found))
        for name, found in figures.items()
    }


def _follow_alone(records: int = 20_000) -> float:
    """Microseconds of the processor that the log takes for a record of 950 bytes, with nothing of calls."""
    inprocess.prepare()
    from engine.trail import log
    from tests.support.own_trail import OwnTrail

    with tempfile.TemporaryDirectory() as name:
        trail = OwnTrail(Path(name) / "trail", "log-cost")
        trail.write([b'{"eventTime":"2026-01-01T00:00:00Z","more":"%s"}' % (b"x" * 900)] * records)
        trail.end = lambda: records  # type: ignore[method-assign]  # counting them is no part of it
        before = time.thread_time()
        log.follow(trail)
        return (time.thread_time() - before) / records * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    print("| operation | µs of the processor | without the log | more | req/s | without the log |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            ours(folder, "with", (sys.executable, "manage.py")) as with_log,
            ours(folder, "without", (sys.executable, "-m", "bench.unlogged")) as without_log,
        ):
            for operation in OPERATIONS:
                found = _turns([with_log, without_log], folder, operation, rounds)
                (rate, spent), (other_rate, other_spent) = found["with"], found["without"]
                print(
                    f"| {operation} | {spent:.0f} | {other_spent:.0f} | {(spent / other_spent - 1) * 100:+.1f} % "
                    f"| {rate:,.0f} | {other_rate:,.0f} |",
                    flush=True,
                )
    print(f"\nThe log alone takes {_follow_alone():.1f} µs of the processor for a record.")


if __name__ == "__main__":
    main()
