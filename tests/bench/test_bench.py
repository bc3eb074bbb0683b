"""The bench's short form: it runs, every request it counts was answered, and each table has its rows. No figure is asserted."""

from __future__ import annotations

import subprocess
import sys

from tests.support.server import ROOT


def test_the_short_bench_measures_beside_moto_and_without_the_trail() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.run", "--short"], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line for line in done.stdout.splitlines() if line.startswith("| ") and " % |" in line]
    measured = {tuple(cell.strip() for cell in row.split("|")[1:3]) for row in rows}
    assert {(name, at) for name in ("Encrypt", "DescribeKey") for at in ("1", "16")} <= measured
    assert any(row.startswith("| audit: durable |") for row in rows)
