"""The environment of a test process, made before Django's settings are read: loaded first (`-p` in pyproject.toml).

A data folder of its own, no credentials or settings of whoever runs the tests, and on request (KMSCONSOLE_TEST_DATABASE=postgresql)
a PostgreSQL server of its own. Byte code is kept, also where PYTHONDONTWRITEBYTECODE says otherwise: each worker and each server that
a test starts would compile every module anew, which takes longer than many tests.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

_MEMORY = Path("/dev/shm")
_ROOM = 4 << 30  # bytes; a whole run takes about 1 GiB


def _in_memory() -> None:
    """Temporary files are kept in memory, where there is room: most time of a change is the disk's. Tests cut processes and not the power,
    and what a killed process wrote is there on either. TMPDIR, if it is set, says otherwise."""
    if "TMPDIR" in os.environ or not os.access(_MEMORY, os.W_OK) or shutil.disk_usage(_MEMORY).free < _ROOM:
        return
    os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)
    for left in _MEMORY.glob("kmsconsole-test-*"):  # by a test process that was killed
        if not Path(f"/proc/{left.name.split('-')[2]}").exists():
            shutil.rmtree(left, ignore_errors=True)


_in_memory()
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
FOLDER = tempfile.TemporaryDirectory(prefix=f"kmsconsole-test-{os.getpid()}-")
os.environ["KMSCONSOLE_DATA"] = FOLDER.name
os.environ["DJANGO_SETTINGS_MODULE"] = "kmsconsole.settings"
for _name in [name for name in os.environ if name.startswith(("AWS_", "KMSCONSOLE_BOOTSTRAP", "KMSCONSOLE_BACKEND"))]:
    if _name != "AWS_CA_BUNDLE":
        del os.environ[_name]
os.environ.pop("KMSCONSOLE_DATABASE_URL", None)
if os.environ.get("KMSCONSOLE_TEST_DATABASE") == "postgresql":
    from tests.support.postgres import Postgres

    _postgres = Postgres().__enter__()
    atexit.register(_postgres.__exit__)
    os.environ["KMSCONSOLE_DATABASE_URL"] = _postgres.database()
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = (
    "true"  # Playwright keeps an event loop in the thread that later tests use Django in
)
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/dev/null"

from tests.support import rsa_keys

rsa_keys.install()
