"""Django's PostgreSQL backend over connections that give up: a database that stops answering fails calls, it does not hold them.

`KMSCONSOLE_DATABASE_TIMEOUT` (seconds, default 10) bounds every wait for the server, for a connection as for an answer.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.conf import settings
from django.db import connection as default
from django.db.backends.postgresql import base
from django.db.backends.postgresql.psycopg_any import IsolationLevel
from psycopg.errors import _WaitTimeout


class Connection(psycopg.Connection[Any]):
    """A connection that closes itself when the server does not answer in time: what is on its way is not waited for."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        limit = settings.DATABASE_TIMEOUT if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except _WaitTimeout as reason:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"the database did not answer within {limit} s") from reason


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        # READ COMMITTED is what the write lock of engine.store.transaction needs: each statement sees all that is committed.
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return Connection.connect(**conn_params)


def connect() -> Connection:
    """A connection apart from Django's, in autocommit, with statements prepared at first use. Raises psycopg.OperationalError."""
    parameters = default.get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return Connection.connect(**parameters, autocommit=True, prepare_threshold=0)
