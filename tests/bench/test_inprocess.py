"""Benches that use the engine in their own process start by themselves, not only where tests have set everything up."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.support.server import ROOT


def test_a_bench_sets_up_its_own_installation() -> None:
    bare = {
        name: value for name, value in os.environ.items() if not name.startswith(("KMSCONSOLE_", "DJANGO_", "AWS_"))
    }
    source = (
        "from bench import inprocess; inprocess.prepare()\n"
        "from tests.conftest import new_account; print(new_account().create_key())"
    )
    done = subprocess.run([sys.executable, "-c", source], cwd=ROOT, env=bare, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 1
