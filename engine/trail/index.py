"""The index over the journal: an SQLite file that can be thrown away and rebuilt, brought up to date before every question.

It holds what events are looked up by and where each lies in the journal; the record itself is read from the journal.
"""

from __future__ import annotations

import sqlite3
import threading
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from engine.trail import journal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (
  sequence INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL, event_id TEXT NOT NULL, time INTEGER NOT NULL,
  account TEXT NOT NULL, region TEXT NOT NULL, source TEXT NOT NULL, name TEXT NOT NULL, error TEXT NOT NULL,
  principal TEXT NOT NULL, user TEXT NOT NULL, access_key TEXT NOT NULL, read_only INTEGER NOT NULL, voided INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS event_account ON event (account, sequence);
CREATE INDEX IF NOT EXISTS event_name ON event (account, name, sequence);
CREATE INDEX IF NOT EXISTS event_user ON event (account, user, sequence);
CREATE INDEX IF NOT EXISTS event_error ON event (account, error, sequence) WHERE error <> '';
CREATE INDEX IF NOT EXISTS event_access_key ON event (access_key, sequence);
CREATE INDEX IF NOT EXISTS event_id ON event (event_id);
CREATE TABLE IF NOT EXISTS resource (
  account TEXT NOT NULL, arn TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (account, arn, sequence)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS last_use (
  kind TEXT NOT NULL, subject TEXT NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (kind, subject)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS position (id INTEGER PRIMARY KEY CHECK (id = 1), offset INTEGER NOT NULL);
INSERT OR IGNORE INTO position VALUES (1, 0);
"""
_BATCH = 5_000
_local = threading.local()

# Operations that count as a use of a key. Source: AWS KMS API Reference, GetKeyLastUsage: successful cryptographic operations.
USES = frozenset(
    {
        "Encrypt",
        "Decrypt",
        "ReEncrypt",
        "GenerateDataKey",
        "GenerateDataKeyWithoutPlaintext",
        "GenerateDataKeyPair",
        "GenerateDataKeyPairWithoutPlaintext",
        "Sign",
        "Verify",
        "GenerateMac",
        "VerifyMac",
        "DeriveSharedSecret",
        "Encapsulate",
        "Decapsulate",
    }
)


def connection(folder: Path) -> sqlite3.Connection:
    """This thread's connection to the index of a trail folder, brought up to date with its journal."""
    path = folder / "index.sqlite3"
    found: sqlite3.Connection | None = getattr(_local, "found", None)
    if found is None or _local.path != path:
        found = sqlite3.connect(path, isolation_level=None, timeout=30)
        found.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)
        _local.found, _local.path = found, path
    catch_up(found, folder / "journal")
    return found


def catch_up(index: sqlite3.Connection, path: Path) -> None:
    """Index what the journal holds beyond the index's position, in batches; safe with any number of processes."""
    if not path.exists():
        return
    while path.stat().st_size > index.execute("SELECT offset FROM position").fetchone()[0]:
        index.execute("BEGIN IMMEDIATE")
        try:
            offset = index.execute("SELECT offset FROM position").fetchone()[0]
            done = _index_batch(index, path, offset)
            index.execute("UPDATE position SET offset = ?", (done,))
            index.execute("COMMIT")
        except BaseException:
            index.execute("ROLLBACK")
            raise
        if done == offset:  # only an incomplete line is left: its writer is still at it, or died
            return


def _index_batch(index: sqlite3.Connection, path: Path, offset: int) -> int:
    for entry in islice(journal.read(path, offset), _BATCH):
        _index_entry(index, entry)
        offset = entry.end
    return offset


def _index_entry(index: sqlite3.Connection, entry: journal.Entry) -> None:
    event = orjson.loads(entry.record)
    identity: dict[str, Any] = event["userIdentity"]
    account = event.get("recipientAccountId", "")
    error = event.get("errorCode", "")
    if event["eventName"] == "EventVoided":
        index.execute(
            "UPDATE event SET voided = 1 WHERE event_id = ?", (event["serviceEventDetails"]["voidedEventID"],)
        )
    index.execute(
        "INSERT OR REPLACE INTO event VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,0)",
        (
            entry.sequence,
            entry.start,
            entry.end,
            event["eventID"],
            int(datetime.fromisoformat(event["eventTime"]).timestamp()),
            account,
            event["awsRegion"],
            event["eventSource"],
            event["eventName"],
            error,
            identity.get("arn", identity.get("invokedBy", "")),
            user_name(identity),
            identity.get("accessKeyId", ""),
            int(bool(event.get("readOnly"))),
        ),
    )
    for resource in event.get("resources", ()):
        index.execute("INSERT OR REPLACE INTO resource VALUES (?,?,?)", (account, resource["ARN"], entry.sequence))
        if event["eventName"] in USES and not error:
            index.execute("INSERT OR REPLACE INTO last_use VALUES ('key',?,?)", (resource["ARN"], entry.sequence))
    if identity.get("accessKeyId"):
        index.execute(
            "INSERT OR REPLACE INTO last_use VALUES ('access-key',?,?)", (identity["accessKeyId"], entry.sequence)
        )
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    if issuer.get("type") == "Role":
        index.execute("INSERT OR REPLACE INTO last_use VALUES ('role',?,?)", (issuer["arn"], entry.sequence))


def user_name(identity: dict[str, Any]) -> str:
    """What LookupEvents calls the Username: the user's name, a role session's name, a service."""
    if "userName" in identity:
        return str(identity["userName"])
    arn = identity.get("arn", "")
    return str(arn.rpartition("/")[2] if "/" in arn else identity.get("invokedBy", arn.rpartition(":")[2]))
