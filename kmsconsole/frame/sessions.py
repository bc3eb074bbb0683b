"""Browser sessions in the database, as Django keeps them, whose failures are what they are."""

from __future__ import annotations

from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import UpdateError
from django.db import OperationalError


class SessionStore(db.SessionStore):
    def save(self, must_create: bool = False) -> None:
        """Django takes every failure to save for a session that was deleted meanwhile, which is answered as a request that was not right. A
        database that had no turn for it, or cannot be reached, is no fault of the request."""
        try:
            super().save(must_create)
        except UpdateError as error:
            if isinstance(error.__context__, OperationalError):
                raise error.__context__ from None
            raise
