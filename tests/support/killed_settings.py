"""The settings of a command that kills itself: at the n-th of the moments after which what it leaves is different (TEST_KILL_AT=n).

A moment is just before a file's content, name or end of name becomes durable or seen, and just before and after a transaction commits.
"""

import os
import signal

from django.db.backends.base.base import BaseDatabaseWrapper

from tests.support.server_settings import *  # noqa: F403

_at = int(os.environ["TEST_KILL_AT"])
_moments = 0


def _moment():
    global _moments
    _moments += 1
    if _moments == _at:
        os.kill(os.getpid(), signal.SIGKILL)


def _before(owner, name, *, after=False):
    plain = getattr(owner, name)

    def counted(*args, **options):
        _moment()
        result = plain(*args, **options)
        if after:
            _moment()
        return result

    setattr(owner, name, counted)


for _name in ("link", "replace", "unlink", "fsync", "fdatasync"):
    _before(os, _name)
_before(BaseDatabaseWrapper, "commit", after=True)
