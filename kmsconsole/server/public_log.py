"""`/tlog/`: what witnesses ask of the audit trail's log, without signing in. Off unless KMSCONSOLE_PUBLIC_LOG is on, for it tells anybody how
many calls are recorded, and when; of the records themselves it tells nothing.

GET /tlog/checkpoint: the newest checkpoint (`kmsconsole-checkpoint/1`). GET /tlog/consistency?from=N: the proof that it continues the one of
N records (`kmsconsole-consistency-proof/1`). POST /tlog/cosignature: a checkpoint with the cosignature of a witness of KMSCONSOLE_WITNESSES.
Formats: docs/proofs.md. With PostgreSQL, where each account has a log of its own, there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.db import close_old_connections, connection

from engine.trail import log, log_proofs, log_records, witnesses
from engine.trail.log_proofs import FAILURES, NoProof
from engine.trail.models import LogCheckpoint

PREFIX = "/tlog/"
_MOST_BYTES = 64 << 10
_STATUS = {
    200: "200 OK",
    400: "400 Bad Request",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    409: "409 Conflict",
}
_Answer = tuple[int, dict[str, Any]]


def is_served() -> bool:
    return settings.PUBLIC_LOG and connection.vendor != "postgresql"


def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """The WSGI answer."""
    close_old_connections()
    try:
        status, document = _asked(environ)
    except FAILURES as reason:
        status, document = 409, {"message": str(reason)}
    finally:
        close_old_connections()
    body = orjson.dumps(document)
    headers = [("Content-Type", "application/json"), ("Cache-Control", "no-store"), ("Content-Length", str(len(body)))]
    start_response(_STATUS[status], headers)
    return [body]


def _asked(environ: dict[str, Any]) -> _Answer:
    name, method = environ["PATH_INFO"].removeprefix(PREFIX), environ["REQUEST_METHOD"]
    row = _ADDRESSES.get(name)
    if row is None:
        return 404, {"message": "there is no such address"}
    if method != row[0]:
        return 405, {"message": f"{row[0]} only"}
    return row[1](environ)


def _latest() -> LogCheckpoint:
    found = log.latest(log_records.of_account(""))
    if found is None:
        raise NoProof("no checkpoint was signed yet")
    return found


def _checkpoint(_environ: dict[str, Any]) -> _Answer:
    return 200, log_proofs.checkpoint_document(_latest())


def _consistency(environ: dict[str, Any]) -> _Answer:
    (size,) = parse_qs(environ.get("QUERY_STRING", "")).get("from", [""])[:1]
    if not (size.isascii() and size.isdecimal() and len(size) < 19):
        return 400, {"message": "from must be a number of records"}
    records, last = log_records.of_account(""), _latest()
    kept = LogCheckpoint.objects.filter(account=records.account, generation=last.generation, size=int(size)).first()
    if kept is None:
        return 404, {"message": "there is no checkpoint of that size"}
    return 200, log_proofs.consistency_document(records, kept, last)


def _cosignature(environ: dict[str, Any]) -> _Answer:
    length = environ.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > _MOST_BYTES:
        return 400, {"message": "a checkpoint is shorter"}
    note = environ["wsgi.input"].read(int(length)).decode(errors="replace")
    if not witnesses.new(note):
        return 409, {"message": "it has no new cosignature of a known witness under a checkpoint of this log"}
    return 200, {"kept": witnesses.keep(note)}


_ADDRESSES: dict[str, tuple[str, Callable[[dict[str, Any]], _Answer]]] = {
    "checkpoint": ("GET", _checkpoint),
    "consistency": ("GET", _consistency),
    "cosignature": ("POST", _cosignature),
}
