"""The environment of a test process, made before Django's settings are read: loaded first (`-p` in pyproject.toml).

A data folder of its own, no credentials or settings of whoever runs the tests, and on request (KMSCONSOLE_TEST_DATABASE=postgresql)
a PostgreSQL server of its own. Byte code is kept, also where PYTHONDONTWRITEBYTECODE says otherwise: each worker and each server that
a test starts would compile every module anew, which takes longer than many tests.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
FOLDER = tempfile.TemporaryDirectory(prefix="kmsconsole-test-")
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
