"""Django's SQLite backend with writers in line: each transaction, and each change outside of one, waits for its turn before it asks SQLite
for the lock (engine.store.sqlite.turn). Who only reads waits for nobody.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from django.conf import settings
from django.db import OperationalError
from django.db.backends.sqlite3 import base

from engine.store.sqlite.turn import NoTurn, Turn, turn_of

_CHANGES = ("INSERT", "UPDATE", "DELETE", "REPLAC")  # the first six letters of statements that take the lock


class DatabaseWrapper(base.DatabaseWrapper):
    _has_turn = False

    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=functools.partial(Cursor, turn=self._turn_for_one_change))

    def _turn(self) -> Turn:
        return turn_of(str(self.settings_dict["NAME"]))

    def _take_turn(self) -> None:
        try:
            self._turn().take(settings.DATABASE_TIMEOUT)
        except NoTurn as reason:
            raise OperationalError(str(reason)) from reason
        except OSError as reason:
            raise OperationalError(f"unable to wait for other changes: {reason.strerror}") from reason

    @contextmanager
    def _turn_for_one_change(self) -> Iterator[None]:
        self._take_turn()
        try:
            yield
        finally:
            self._turn().give_back()

    def _start_transaction_under_autocommit(self) -> None:
        self._take_turn()
        self._has_turn = True
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except BaseException:
            self._end_turn()
            raise

    def _end_turn(self) -> None:
        if self._has_turn:
            self._has_turn = False
            self._turn().give_back()

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._end_turn()  # a commit that failed is rolled back

    def _rollback(self) -> None:
        try:
            super()._rollback()  # type: ignore[misc]
        finally:
            self._end_turn()

    def _close(self) -> None:
        with ExitStack() as left:
            left.callback(self._end_turn)
            left.callback(super()._close)  # type: ignore[misc]
            if self._has_turn:  # or a statement that is not finished keeps the lock of the closed connection
                super()._rollback()  # type: ignore[misc]


class Cursor(base.SQLiteCursorWrapper):
    """`turn`: what is held while a statement changes something that is in no transaction."""

    def __init__(self, connection: sqlite3.Connection, turn: Callable[[], AbstractContextManager[None]]) -> None:
        super().__init__(connection)
        self._turn = turn

    def execute(self, query: str, params: Any = None) -> Any:
        if self.connection.in_transaction or not _is_change(query):
            return super().execute(query, params)
        with self._turn():
            return super().execute(query, params)

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        if self.connection.in_transaction or not _is_change(query):
            return super().executemany(query, param_list)
        with self._turn():
            return super().executemany(query, param_list)


def _is_change(query: str) -> bool:
    return query.lstrip()[:6].upper() in _CHANGES
