"""Tests of trail, store, vault and leases once more, in a process whose own database is PostgreSQL: of a test with several cases the first
one (tests/conftest.py), for only the database is another; all of them by `make walks`."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support import long_form
from tests.support.server import ROOT

pytestmark = pytest.mark.slow
NO_DATABASE = ("trail/test_merkle.py", "vault/test_shamir.py")
PATHS = ("tests/engine/trail", "tests/engine/store", "tests/engine/vault", "tests/keys/test_leases.py")


def test_trail_store_vault_and_leases_hold_on_postgresql_what_they_hold_on_sqlite() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            *PATHS,
            *(f"--ignore=tests/engine/{each}" for each in NO_DATABASE),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "KMSCONSOLE_TEST_DATABASE": "postgresql",
            **({} if long_form.LONG else {"FIRST_CASES": "1"}),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
