"""GET /healthz: 200 when this worker can answer AWS calls and pages, else 503 with the names of what is not ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, connection

from engine.trail import recorder
from engine.vault import domain_keys
from engine.vault.hierarchy import RootKeyError


def answer(start_response: Callable[[str, list[tuple[str, str]]], Any]) -> list[bytes]:
    problems = _problems()
    body = ("\n".join(problems) or "ok").encode() + b"\n"
    start_response(
        "503 Service Unavailable" if problems else "200 OK",
        [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Cache-Control", "no-store"),
            ("Content-Length", str(len(body))),
        ],
    )
    return [body]


def _problems() -> list[str]:
    problems = []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        problems.append("database")
    try:
        domain_keys.root()
    except RootKeyError:
        problems.append("root key")
    try:
        recorder.journal()
    except OSError:
        problems.append("audit journal")
    return problems
