"""One file that holds all of an installation but the root key, taken while it runs; and an installation made of such a file.

SQLite: the database as of one moment (its online backup) and the journal up to that same moment. The moment is taken under the
write lock, which changes append their records in: every change in the database is in the journal and no other is. PostgreSQL:
`pg_dump`, whose one snapshot holds the trail too. The file is a tar archive with a manifest of sizes and SHA-256 sums.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

import orjson
from django.conf import settings
from django.db import DatabaseError, connection

from engine import durable_files
from engine.store import transaction
from engine.trail import checkpoints, segment_work, segments, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.vault import domain_keys, hierarchy, root_files

FORMAT, FORMAT_WITH_SEGMENTS = "kmsconsole-backup-1", "kmsconsole-backup-2"
_DATABASE, _JOURNAL, _DUMP, _MANIFEST = ("database.sqlite3", "journal", "database.dump", "manifest.json")
_SEGMENTS = "segments.json"
_SEGMENT_FILE = re.compile(r"segments/[0-9]+-[0-9]+\.(gz|blocks|leaves)")
_CHUNK = 1 << 20


class BackupError(Exception):
    """The backup cannot be made or used; the message is one line for whoever asked."""


@dataclass(frozen=True, slots=True)
class BackupResult:
    path: Path
    bytes: int
    records: int
    with_root_key: bool


def make(path: Path, *, with_root_key: bool = False) -> BackupResult:
    """Write a backup to a new file of mode 0600, durable before its name appears. Raises BackupError."""
    if path.exists():
        raise BackupError(f"{path} exists: a backup never replaces a file")
    try:
        with tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as scratch:
            part = Path(scratch) / "part"
            with durable_files.new_file(part) as file:
                records = _write(file, Path(scratch), with_root_key)
            os.link(part, path)
        durable_files.sync_folder(path.parent)
    except FileExistsError as reason:
        raise BackupError(f"{path} exists: a backup never replaces a file") from reason
    except (OSError, sqlite3.Error, DatabaseError) as reason:
        raise BackupError(f"the backup cannot be written: {reason}") from reason
    return BackupResult(path, path.stat().st_size, records, with_root_key)


def _write(file: IO[bytes], scratch: Path, with_root_key: bool) -> int:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "database": connection.vendor,
        "rootKeyID": domain_keys.used_root_key_id(),
        "members": {},
    }
    with tarfile.open(fileobj=file, mode="w") as archive:

        def add(name: str, content: IO[bytes], size: int) -> None:
            reader = _Hashing(content)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode, entry.mtime = size, 0o600, int(time.time())
            archive.addfile(entry, reader)
            manifest["members"][name] = {"bytes": size, "sha256": reader.digest.hexdigest()}

        if connection.vendor == "sqlite":
            with segment_work.lock(_trail()):  # nothing is sealed, moved or removed meanwhile
                end, records, last = _snapshot(scratch / _DATABASE)
                manifest["records"], manifest["lastHash"] = records, last
                with open(scratch / _DATABASE, "rb") as copy:
                    add(_DATABASE, copy, (scratch / _DATABASE).stat().st_size)
                base = segments.load(_trail()).base.offset
                with open(_trail() / "journal", "rb") as journal:
                    journal.seek(base)
                    add(_JOURNAL, journal, end - base)
                for path in _segment_files():
                    manifest["format"] = FORMAT_WITH_SEGMENTS
                    with open(path, "rb") as copy:
                        add(str(path.relative_to(_trail())), copy, path.stat().st_size)
        else:
            _dump(scratch / _DUMP)
            with open(scratch / _DUMP, "rb") as copy:
                add(_DUMP, copy, (scratch / _DUMP).stat().st_size)
            manifest["records"] = None
        root = root_files.read(root_files.root_path())
        if with_root_key or root.is_of_no_use_alone:
            content = root.path.read_bytes()
            add(root.path.name, io.BytesIO(content), len(content))
        text = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
        entry = tarfile.TarInfo(_MANIFEST)
        entry.size, entry.mode, entry.mtime = len(text), 0o600, int(time.time())
        archive.addfile(entry, io.BytesIO(text))
    return manifest["records"] or 0


class _Hashing(io.RawIOBase):
    """A reader that knows the sum of what was read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.digest = file, sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _trail() -> Path:
    return Path(settings.DATA) / "trail"


def _segment_files() -> list[Path]:
    """What names the sealed segments, and what of them lies in the data folder. Those that were moved stay where they are."""
    segment_work.tidy(_trail())
    named = _trail() / _SEGMENTS
    return [named, *sorted(segments.folder(_trail()).iterdir())] if named.exists() else []


def _snapshot(target: Path) -> tuple[int, int, str]:
    """Copy the database as of a moment; the journal's (length in bytes, records, last hash) at that moment."""
    database = settings.DATABASES["default"]["NAME"]
    with (
        closing(sqlite3.connect(database, isolation_level=None, timeout=60)) as reader,
        closing(sqlite3.connect(target)) as copy,
    ):
        with transaction.write():  # no change is under way: each committed one has its record, no other has
            end, records, last = Journal(_trail()).position()
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on it reads as of now
        reader.backup(copy)
        reader.execute("ROLLBACK")
        copy.execute("PRAGMA journal_mode=DELETE")
    return end, records, last.hex()


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """The ID of the root key that the data needs, and what this node's checkpoint says is missing since the backup (empty: nothing)."""

    root_key_id: str
    missing: str


def restore(path: Path, *, root_key: Path | None = None) -> RestoreResult:
    """Make this installation of a backup. Only into an empty one. Raises BackupError."""
    try:
        archive = tarfile.open(path, "r:")  # noqa: SIM115
    except (OSError, tarfile.TarError) as reason:
        raise BackupError(f"{path} is not a backup: {reason}") from reason
    with archive:
        manifest = _manifest(archive, path)
        if manifest["database"] != connection.vendor:
            raise BackupError(
                f"the backup is of a {manifest['database']} database, this installation uses {connection.vendor}"
            )
        _check_root(manifest, archive, root_key)
        missing = ""
        if connection.vendor == "sqlite":
            _restore_files(archive, manifest)
        else:
            missing = _restore_dump(archive, manifest)
        if not root_files.present():
            if root_key is not None:
                _put(_place(root_key), io.BytesIO(root_key.read_bytes()))
            for name in root_files.NAMES:
                if root_key is None and name in manifest["members"]:
                    _put(Path(settings.DATA) / name, _member(archive, name))
    return RestoreResult(str(manifest["rootKeyID"]), missing)


def _manifest(archive: tarfile.TarFile, path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = orjson.loads(_member(archive, _MANIFEST).read())
        if manifest["format"] not in (FORMAT, FORMAT_WITH_SEGMENTS):
            raise BackupError(f"{path} is a backup of another format: {manifest['format']}")
        for name, expected in manifest["members"].items():
            content, digest = _member(archive, name), sha256()
            while data := content.read(_CHUNK):
                digest.update(data)
            if digest.hexdigest() != expected["sha256"]:
                raise BackupError(f"{path} is damaged: {name} is not what was backed up")
    except (KeyError, ValueError, OSError, tarfile.TarError) as reason:
        raise BackupError(f"{path} is not a whole backup: {reason}") from reason
    return manifest


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    found = archive.extractfile(name)
    if found is None:
        raise BackupError(f"the backup holds no {name}")
    return found


def _check_root(manifest: dict[str, Any], archive: tarfile.TarFile, given: Path | None) -> None:
    """The root key that is there, is given or came along must be the one that the backup needs."""
    try:
        if root_files.present():
            found = root_files.read(root_files.root_path())
        elif given is not None:
            found = root_files.read(given)
        else:
            return
    except hierarchy.RootKeyError as reason:
        raise BackupError(str(reason)) from reason
    if found.root_key_id != manifest["rootKeyID"]:
        raise BackupError(f"the root key {found.path} is not the one of this backup (ID {manifest['rootKeyID']})")


def _place(given: Path) -> Path:
    """Where a root key's file belongs, whatever it is named where it was kept."""
    return Path(settings.DATA) / ("root.key" if root_files.read(given).provider == root_files.FILE else "root.json")


def _restore_files(archive: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    database, journal = Path(settings.DATABASES["default"]["NAME"]), _trail() / "journal"
    left = database.with_name(database.name + "-wal")  # SQLite would read what it holds into the restored database
    for existing in (database, left, journal, _trail() / _SEGMENTS):
        if existing.exists() and existing.stat().st_size:
            raise BackupError(f"{existing} is there already: restore only into an empty data folder")
    journal.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        _restore_trail(archive, manifest)
    except (BackupError, TrailUnavailable) as reason:
        _remove_trail()
        raise BackupError(str(reason)) from reason
    _put(database, _member(archive, _DATABASE))
    with closing(sqlite3.connect(database)) as copy:
        said = copy.execute("PRAGMA integrity_check").fetchone()[0]
        wrong = f"its database is damaged: {said}" if said != "ok" else _beyond(copy, journal)
    if wrong:
        database.unlink()
        _remove_trail()
        raise BackupError(f"the backup is not whole: {wrong}")


def _restore_trail(archive: tarfile.TarFile, manifest: dict[str, Any]) -> None:
    """The journal, with the segments that the backup holds; all of it is read. Raises BackupError, TrailUnavailable."""
    trail = _trail()
    for name in manifest["members"]:
        if name == _SEGMENTS or _SEGMENT_FILE.fullmatch(name):
            segments.folder(trail).mkdir(mode=0o700, exist_ok=True)
            _put(trail / name, _member(archive, name))
    found = segments.load(trail)
    _put(trail / "journal", _member(archive, _JOURNAL), found.base.offset)
    for segment in found.kept:
        if not segment.place:  # those that were moved are where they are: `verify_trail` reads them
            segment_work.check(trail, segment)
    verdict = verify.verify(trail / "journal", found.base)
    if not verdict.whole or (verdict.records, verdict.last_hash) != (manifest["records"], manifest["lastHash"]):
        raise BackupError(f"the journal of the backup is not whole: {verdict.reason or 'it ends elsewhere'}")


def _remove_trail() -> None:
    """What was begun to be restored."""
    (_trail() / "journal").unlink(missing_ok=True)
    (_trail() / _SEGMENTS).unlink(missing_ok=True)
    shutil.rmtree(segments.folder(_trail()), ignore_errors=True)


def _beyond(database: sqlite3.Connection, journal: Path) -> str:
    """What the checkpoint in a backup's database names and its journal does not hold, as a sentence; empty if nothing."""
    columns = {row[1] for row in database.execute("PRAGMA table_info(store_trailmark)")}
    if "checkpoint" not in columns:
        return ""  # a backup from before there were checkpoints
    row = database.execute("SELECT checkpoint FROM store_trailmark").fetchone()
    try:
        gap = verify.gap_in_journal(journal, checkpoints.unchecked(row[0] if row else ""))
    except checkpoints.CheckpointError as reason:
        return str(reason)
    return "" if gap is None else gap.sentence()


def _put(path: Path, content: IO[bytes], at: int = 0) -> None:
    """A new file of mode 0600, durable, with the content from byte `at` on."""
    path.unlink(missing_ok=True)  # an empty one
    with durable_files.new_file(path) as file:
        file.seek(at)
        shutil.copyfileobj(content, file, _CHUNK)


def _dump(target: Path) -> None:
    _run("pg_dump", "--format=custom", "--no-owner", f"--file={target}")


def _restore_dump(archive: tarfile.TarFile, manifest: dict[str, Any]) -> str:
    """What this node's checkpoint names and the restored trail does not hold, as a sentence; empty if nothing."""
    with connection.cursor() as cursor:
        if connection.introspection.table_names(cursor):
            raise BackupError("the database has tables already: restore only into an empty one")
    with tempfile.NamedTemporaryFile(dir=settings.DATA) as file:
        shutil.copyfileobj(_member(archive, _DUMP), file, _CHUNK)
        file.flush()
        _run("pg_restore", "--no-owner", "--single-transaction", "--exit-on-error", f"--dbname={_name()}", file.name)
    gap = verify.gap_in_database(checkpoints.unchecked(checkpoints.stored_text()))
    return "" if gap is None else gap.sentence()


def _name() -> str:
    return str(settings.DATABASES["default"]["NAME"])


def _run(program: str, *arguments: str) -> None:
    """A PostgreSQL client program on this installation's database; password and place in its environment, not on its command line."""
    found = shutil.which(program) or next(
        (str(each) for each in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True)), None
    )
    if found is None:
        raise BackupError(f"{program} is not installed here: it comes with PostgreSQL's client programs")
    database: dict[str, Any] = dict(settings.DATABASES["default"])
    environment = {**os.environ, "PGDATABASE": _name()}
    for name, key in (("PGHOST", "HOST"), ("PGPORT", "PORT"), ("PGUSER", "USER"), ("PGPASSWORD", "PASSWORD")):
        if database.get(key):
            environment[name] = str(database[key])
    done = subprocess.run([found, *arguments], env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise BackupError(
            f"{program} failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else done.returncode}"
        )
