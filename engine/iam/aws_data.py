"""What AWS publishes of IAM, as data: managed policies, actions and condition keys of all services. Read only, and only when asked for.

engine.iam.aws_data_import makes the file; engine/iam/data/LICENSES.md says of what. Nothing of it is read at a start.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PATH = Path(__file__).parent / "data" / "aws.sqlite3"


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(f"{PATH.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        yield connection
    finally:
        connection.close()
