"""Checkpoints: what the trail must reach, kept where the trail is not, so that a lost or exchanged trail is noticed.

A checkpoint names a number of records and the hash that the chain has there (on PostgreSQL of each account's chain), with the time,
as a note signed by this installation's Ed25519 key. The key is sealed under the root key. Where the journal is a file, its one
chain holds the records of all accounts, and the checkpoint is a column of the database: each change moves it within its own
transaction, and a thread (engine.trail.checkpoint_timer) moves it once a second while calls are recorded. On PostgreSQL, where the trail is in the
database, it is a file of the node's data folder.

Promise: a trail that does not hold what the stored checkpoint names is never taken for whole. What was recorded after the last
checkpoint, at most a second of calls that changed nothing, is beyond it.
"""

from __future__ import annotations

import base64
import fcntl
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from django.db import connection

from engine import clock
from engine.durable_files import replace_file
from engine.store import transaction
from engine.store.models import TrailMark
from engine.trail import signed_note
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.models import Event, Head, SigningKey
from engine.trail.signed_note import encoded
from engine.vault import domain_keys, hierarchy

_ACCOUNT, _REGION = "000000000000", "engine"  # the domain key that seals the signing key: no caller can have either
_ID = "trail-signing-key"
# A WAL record of its own in a transaction that waits for the disk: everything committed before it is on disk after it.
FLUSH = "SELECT pg_logical_emit_message(true, 'kmsconsole', '')"


Ends = Mapping[str, tuple[int, bytes]]  # of each account's chain: its last record's number and the hash behind it


class CheckpointError(Exception):
    """There is no stored checkpoint where one must be, or it is not this installation's. The message is one line."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`records` of the trail, the chain's hash there, and when. `accounts`: (number, hash) of each chain, where there are several."""

    records: int
    digest: bytes
    time: datetime
    accounts: Ends = field(default_factory=dict)

    def text(self, origin: str) -> str:
        lines = [
            origin,
            str(self.records),
            encoded(self.digest),
            f"time {self.time.astimezone(UTC).isoformat(timespec='seconds')}",
            *(f"account {name} {number} {encoded(digest)}" for name, (number, digest) in sorted(self.accounts.items())),
        ]
        return "\n".join(lines) + "\n"


def parse(text: str) -> Checkpoint:
    """The checkpoint of a note's text. Raises CheckpointError."""
    try:
        _, records, digest, time, *accounts = text.splitlines()
        return Checkpoint(
            records=int(records),
            digest=base64.b64decode(digest, validate=True),
            time=datetime.fromisoformat(time.removeprefix("time ")),
            accounts={
                name: (int(number), base64.b64decode(end, validate=True))
                for _, name, number, end in (line.split(" ") for line in accounts)
            },
        )
    except ValueError as reason:
        raise CheckpointError("the stored checkpoint of the audit trail cannot be read") from reason


def unchecked(note: str) -> Checkpoint | None:
    """The checkpoint of a note whose signature cannot be checked yet (a backup's, before its root key is there). None for no note.

    Raises CheckpointError.
    """
    return parse(note.rpartition("\n\n")[0]) if note else None


# --- the key


@dataclass(frozen=True, slots=True)
class Signer:
    """`public_key` in hexadecimal."""

    public_key: str
    key: Ed25519PrivateKey

    def name(self, kind: str) -> str:
        """What notes of a kind are signed under: each kind has its own name, so that none is ever taken for another."""
        return f"kmsconsole/{kind}/{self.public_key[:16]}"

    @property
    def origin(self) -> str:
        """What the checkpoint of what the trail must reach is called."""
        return self.name("trail")


def signer() -> Signer:
    """This installation's signer, made on first use."""
    row = SigningKey.objects.values_list("public_key", "sealed").first()
    if row is None:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes_raw().hex()
        secret = key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
        sealed = domain_keys.seal("signing-key", _ACCOUNT, _REGION, _ID, public, secret)
        SigningKey.objects.create(public_key=public, sealed=sealed, created=clock.real_now())
        row = public, sealed
    return _opened(row[0], bytes(row[1]))


@cache
def _opened(public: str, sealed: bytes) -> Signer:
    """Raises CheckpointError if the sealed key does not open as the one of this public key."""
    try:
        secret = domain_keys.open_("signing-key", _ACCOUNT, _REGION, _ID, public, sealed)
    except hierarchy.UnwrapError as reason:
        raise CheckpointError("the key that signs checkpoints of the audit trail does not open") from reason
    return Signer(public, Ed25519PrivateKey.from_private_bytes(secret))


# --- where it is kept


def stored() -> Checkpoint | None:
    """The checkpoint that the trail must reach; None if this installation has made none yet.

    Raises CheckpointError where it is gone, cannot be read or was signed by another key.
    """
    note = stored_text()
    if note:
        return open_note(note)
    if connection.vendor == "postgresql" or not (SigningKey.objects.exists() or domain_keys.used_root_key_id()):
        return None  # a node's, or an installation's, first start
    raise CheckpointError("the stored checkpoint of the audit trail is gone from the database")


def stored_text() -> str:
    """The stored checkpoint as it is, unchecked; empty if there is none."""
    if connection.vendor == "postgresql":
        path = _file()
        return path.read_text() if path.exists() else ""
    return TrailMark.objects.filter(id=1).values_list("checkpoint", flat=True).first() or ""


def open_note(note: str) -> Checkpoint:
    """The checkpoint of a note that this installation signed. Raises CheckpointError."""
    mine = signer()
    try:
        return parse(signed_note.open_(note, mine.origin, mine.key.public_key()))
    except signed_note.NoteError as reason:
        raise CheckpointError(f"the stored checkpoint of the audit trail is not genuine: {reason}") from reason


def sign(checkpoint: Checkpoint) -> str:
    """The checkpoint as a note signed by this installation."""
    mine = signer()
    return signed_note.sign(checkpoint.text(mine.origin), mine.origin, mine.key)


def at(records: int, digest: bytes) -> Checkpoint:
    """A checkpoint of the file journal as of now, by the machine's clock."""
    return Checkpoint(records, digest, clock.real_now())


def mark_change(records: int, digest: bytes) -> None:
    """Inside a change's transaction: its record is the last of a committed change, and the trail must reach it."""
    values = {"sequence": records, "reached": records, "checkpoint": sign(at(records, digest))}
    if not TrailMark.objects.filter(id=1).update(**values):
        TrailMark.objects.create(id=1, **values)


def advance(records: int, digest: bytes) -> None:
    """The file journal holds `records` durably: the stored checkpoint moves there, never back."""
    with transaction.write():
        checkpoint = sign(at(records, digest))
        if not TrailMark.objects.filter(id=1, reached__lt=records).update(reached=records, checkpoint=checkpoint):
            TrailMark.objects.get_or_create(id=1, defaults={"reached": records, "checkpoint": checkpoint})


def restart(records: int, digest: bytes) -> None:
    """What the trail must reach is this from now on, whatever it was. Only after a loss was recorded."""
    values = {"reached": records, "checkpoint": sign(at(records, digest)), "sequence": records}
    TrailMark.objects.update_or_create(id=1, defaults=values)


def advance_in_file(*, anew: bool = False) -> None:
    """On PostgreSQL: move the node's checkpoint to what the chains of all accounts are now, never back.

    Raises TrailUnavailable where a chain does not hold what the checkpoint names: it is lost, and the checkpoint stays to tell it.
    `anew`: whatever it named. Only after a loss was recorded.
    """
    path = _file()
    lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)  # whoever writes later has read later
        rows = Head.objects.order_by("account").values_list("account", "sequence", "digest")
        accounts = {account: (sequence, bytes(digest)) for account, sequence, digest in rows}
        before = None if anew else stored()
        if before is not None:
            _compare(before.accounts, accounts)
        with connection.cursor() as cursor:
            cursor.execute(FLUSH)  # heads are visible before they are on the database's disk
        note = sign(Checkpoint(sum(n for n, _ in accounts.values()), total(accounts), clock.real_now(), accounts))
        replace_file(path, note.encode())
    finally:
        os.close(lock)


def _compare(before: Ends, now: Ends) -> None:
    """Whether the accounts' chains, which end `now`, go on from what they were. Raises TrailUnavailable."""
    for account, (number, digest) in before.items():
        held, end = now.get(account, (0, b""))
        if held > number:
            found = Event.objects.filter(account=account, sequence=number).values_list("digest", flat=True).first()
            end = b"" if found is None else bytes(found)
        if held < number or end != digest:
            raise TrailUnavailable(f"the audit trail of account {account} does not hold its record {number} any more")


def total(accounts: Ends) -> bytes:
    """One hash over the ends of all accounts' chains, in the order of account numbers."""
    return sha256(b"".join(account.encode() + accounts[account][1] for account in sorted(accounts))).digest()


def _file() -> Path:
    return Path(settings.DATA) / "trail.checkpoint"
