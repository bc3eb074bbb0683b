"""Tests of trail, store, vault and leases once more, in a process whose own database is PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.server import ROOT

pytestmark = pytest.mark.slow
PATHS = ("tests/engine/trail", "tests/engine/store", "tests/engine/vault", "tests/keys/test_leases.py")


def test_trail_store_vault_and_leases_hold_on_postgresql_what_they_hold_on_sqlite() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", *PATHS],
        cwd=ROOT,
        env={**os.environ, "KMSCONSOLE_TEST_DATABASE": "postgresql"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
