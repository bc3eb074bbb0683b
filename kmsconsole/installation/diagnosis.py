"""What is wrong with this installation, and what to do about it. `manage.py check` prints it; nothing here changes anything."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import stat
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from engine import throttling
from engine.hsm.token import TokenError
from engine.kms.models import CustomKeyStore
from engine.kms.stores import health, snapshots, tokens
from engine.kms.stores.clusters import registered
from engine.kms.stores.snapshots import CONNECTED, EXTERNAL_KEY_STORE
from engine.sinks import state
from engine.trail import segments, verify
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.vault import domain_keys, hierarchy, root_files
from engine.vault.models import DomainKey
from kmsconsole.installation import bootstrap, datafolder, environment, root_secret
from learn.lessons import lessons

ERROR, WARNING, FINE = "error", "warning", "ok"
_LITTLE, _TOO_LITTLE = 1 << 30, 100 << 20  # bytes free
_FILES = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy` is what to do, for anything but FINE."""

    level: str
    subject: str
    what: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Every finding, the good ones too. Never raises for what is wrong with the installation: that is a finding."""
    yield from _environment()
    yield from _data_folder()
    yield from _lessons()
    if said := bootstrap.lost_database():
        yield Finding(ERROR, "database", said, "a start refuses to make a new one")
        return
    if not root_files.root_path().exists() and not _has_data():
        yield Finding(FINE, "installation", "new: the first start makes root key, database and administrator")
        return
    yield from _database()
    yield from _root_key()
    yield from _key_stores()
    yield from _trail()
    yield from _sinks()


def _environment() -> Iterator[Finding]:
    unknown = environment.unknown()
    for name in unknown:
        yield Finding(WARNING, "environment", f"{name} is not a setting", "see docs/operations.md for the right name")
    try:
        throttling.configure(settings.QUOTAS)
    except throttling.QuotaError as reason:
        yield Finding(ERROR, "environment", str(reason), "correct it")
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft < _FILES:
        yield Finding(WARNING, "environment", f"a process may open {soft} files only", f"ulimit -n {_FILES} or more")
    if not unknown:
        yield Finding(FINE, "environment", "all settings are known")


def _data_folder() -> Iterator[Finding]:
    folder = Path(settings.DATA)
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o077:
        yield Finding(ERROR, "data folder", f"{folder} is open to others (mode {mode:o})", f"chmod 700 {folder}")
    for path in datafolder.open_to_others(folder):
        yield Finding(ERROR, "data folder", f"{path} is open to others", "the next start closes it (or chmod go= it)")
    free = shutil.disk_usage(folder).free
    if free < _LITTLE:
        level = ERROR if free < _TOO_LITTLE else WARNING
        yield Finding(level, "data folder", f"{free >> 20} MB are free", "make room: without it every call fails")
    if not os.access(folder, os.W_OK | os.X_OK):
        yield Finding(ERROR, "data folder", f"{folder} is not writable", "give it to the user who runs the server")
    else:
        yield Finding(FINE, "data folder", f"{folder}, {free >> 20} MB free, {_server(folder)}")


def _server(folder: Path) -> str:
    lock = folder / "serve.lock"
    if not lock.exists():
        return "no server running"
    with open(lock, "rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return "a server is running"
    return "no server running"


def _sinks() -> Iterator[Finding]:
    for shown in state.all_of(Path(settings.DATA), settings.SINKS):
        where = f"{shown.sink.name} ({shown.sink.target}), {shown.behind:,} records behind"
        if shown.problem:
            yield Finding(ERROR, "sink", f"{where}: {shown.problem}", "mend the receiver; docs/howto/sinks.md")
        else:
            yield Finding(FINE, "sink", f"{where}{', required' if shown.sink.required else ''}")


def _lessons() -> Iterator[Finding]:
    for fault in lessons.faults():
        yield Finding(WARNING, "lessons", fault, "the lesson is left out: see docs/teaching.md")
    own = [each.slug for each in lessons.every() if each.own]
    if own:
        yield Finding(FINE, "lessons", f"own: {', '.join(own)}")


def _has_data() -> bool:
    if connection.vendor == "sqlite":
        return Path(settings.DATABASES["default"]["NAME"]).exists()
    return True


def _database() -> Iterator[Finding]:
    try:
        pending = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
        yield from _sqlite() if connection.vendor == "sqlite" else _postgresql()
    except DatabaseError as reason:
        yield Finding(ERROR, "database", f"it cannot be read: {reason}".strip(), "see KMSCONSOLE_DATABASE_URL")
        return
    if pending:
        yield Finding(
            WARNING, "database", f"{len(pending)} migrations are to be applied", "the next start applies them"
        )


def _sqlite() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        said = cursor.execute("PRAGMA quick_check(1)").fetchone()[0]
        mode = cursor.execute("PRAGMA journal_mode").fetchone()[0]
        level = cursor.execute("PRAGMA synchronous").fetchone()[0]
    if said != "ok":
        yield Finding(ERROR, "database", f"it is damaged: {said}", "restore a backup")
    elif mode != "wal" or level < 2:
        yield Finding(
            ERROR, "database", f"it runs with journal_mode={mode}, synchronous={level}", "it must be WAL and FULL"
        )
    else:
        yield Finding(FINE, "database", "SQLite, whole, WAL, synchronous=FULL")


def _postgresql() -> Iterator[Finding]:
    with connection.cursor() as cursor:
        version = connection.cursor().connection.info.server_version
        for name in ("fsync", "full_page_writes", "synchronous_commit"):
            cursor.execute(f"SHOW {name}")
            if (value := cursor.fetchone()[0]) == "off":
                yield Finding(
                    ERROR,
                    "database",
                    f"PostgreSQL runs with {name}={value}",
                    "turn it on: an answer must survive power loss",
                )
    yield Finding(FINE, "database", f"PostgreSQL {version // 10000}.{version % 10000}")


def _root_key() -> Iterator[Finding]:
    path = root_files.root_path()
    try:
        file = root_files.read(path)
        for each in root_files.present(".next"):
            root_files.read(each)
    except hierarchy.RootKeyError as reason:
        yield Finding(ERROR, "root key", str(reason), f"put back the copy you keep at {path}")
        return
    yield Finding(FINE, "root key", f"ID {file.root_key_id}, protected by {file.words()}")
    yield from _root_files(file)
    try:
        used = domain_keys.used_root_key_id()
        if root_files.next_root_path().exists():
            yield Finding(WARNING, "root key", "a rotation was prepared or interrupted", "run kmsconsole rotate_root")
        elif used is not None and used != file.root_key_id:
            yield Finding(
                ERROR, "root key", f"{path} is not the one this data was made with (ID {used})", "put that one there"
            )
            return
        yield from _domain_keys(file)
    except DatabaseError:
        return  # told of the database


def _root_files(file: root_files.RootFile) -> Iterator[Finding]:
    """Of what lies beside the root key's file, what weakens its protection."""
    wanted = settings.KMSCONSOLE.root_provider.name
    if wanted not in ("file", file.provider):
        yield Finding(
            WARNING,
            "root key",
            f"KMSCONSOLE_ROOT_PROVIDER says {wanted}, which holds for new installations only",
            f"run kmsconsole change_root_provider {wanted}",
        )
    plain = sorted(Path(settings.DATA).glob("root.key.retired-*")) if file.provider != root_files.FILE else []
    if plain:
        yield Finding(
            WARNING,
            "root key",
            f"{len(plain)} earlier root keys lie here in plain text ({plain[0].name})",
            "keep them elsewhere, for backups of their time",
        )


def _domain_keys(file: root_files.RootFile) -> Iterator[Finding]:
    rows, closed = list(DomainKey.objects.all()), 0
    try:
        domain_keys.root()
    except hierarchy.RootKeyError as reason:
        if file.provider in root_files.ASKS and not root_secret.is_given():
            yield Finding(
                WARNING, "root key", f"not opened, so {len(rows)} domain keys were not tried: {reason}", "give it"
            )
        else:
            yield Finding(ERROR, "root key", str(reason), "see docs/root-keys.md")
        return
    for row in rows:
        try:
            domain_keys.domain_key(row.account_id, row.region)
        except (hierarchy.UnwrapError, hierarchy.RootKeyError):
            closed += 1
    if closed:
        yield Finding(
            ERROR, "root key", f"{closed} domain keys do not open: their rows were changed", "restore a backup"
        )
    else:
        yield Finding(FINE, "root key", f"opens every domain key ({len(rows)})")


def _key_stores() -> Iterator[Finding]:
    """The registered clusters and whether their token answers, and the key stores. Nobody logs in: a wrong PIN could lock the token."""
    try:
        clusters, stores = list(registered()), list(CustomKeyStore.objects.order_by("account_id", "region", "name"))
    except DatabaseError:
        return  # told of the database
    for cluster in clusters:
        named = f"cluster {cluster.cluster_id}, token {cluster.token_label} of {cluster.module}"
        try:
            tokens.look_for(cluster.module, cluster.token_label)
        except TokenError as error:
            yield Finding(WARNING, "key stores", f"{named}: {error}", "its keys cannot be used until the token answers")
        else:
            yield Finding(FINE, "key stores", f"{named}: the token answers")
    for row in stores:
        named = f"{row.name} ({row.store_id}, {row.type}) of account {row.account_id} in {row.region}"
        yield from _key_store(row, named)


def _key_store(row: CustomKeyStore, named: str) -> Iterator[Finding]:
    if row.type != EXTERNAL_KEY_STORE or row.connection_state != CONNECTED:
        yield Finding(FINE, "key stores", f"{named}: {row.connection_state}")
        return
    try:
        told = health.of_proxy(snapshots.snapshot(row))
    except (hierarchy.UnwrapError, hierarchy.RootKeyError):
        yield Finding(FINE, "key stores", f"{named}: {row.connection_state}")  # the root key's finding says why no more
        return
    if told.is_well:
        yield Finding(FINE, "key stores", f"{named}: {row.connection_state}, its proxy is well")
    else:
        what = told.error or "a key manager is not active"
        yield Finding(WARNING, "key stores", f"{named}: {row.connection_state}, but {what}", "see docs/key-stores.md")


def _segments() -> Iterator[Finding]:
    """The sealed segments that lie here, by their length; those that were moved are `verify_trail`'s to read."""
    trail = Path(settings.DATA) / "trail"
    found = segments.load(trail)
    for each in found.kept:
        file = segments.local_file(trail, each)
        if not each.place and (not file.exists() or file.stat().st_size != each.size):
            yield Finding(
                ERROR, "audit trail", f"the segment {file} is gone or cut off", "put it back, or restore a backup"
            )
    if found.request is not None:
        yield Finding(
            WARNING,
            "audit trail",
            f"the removal of the records up to {found.request.last} is asked for",
            "kmsconsole trail_segments remove, once it is approved, or withdraw",
        )


def _trail() -> Iterator[Finding]:
    remedy = "put back what is missing or restore a backup; kmsconsole accept_lost_records goes on without it, and records that"
    try:
        said = verify.missing()
    except (TrailUnavailable, OSError) as reason:
        yield Finding(ERROR, "audit trail", str(reason), "find out with kmsconsole verify_trail; restore a backup")
        return
    except (hierarchy.RootKeyError, DatabaseError):
        return  # told of the root key, or of the database
    if said:
        yield Finding(ERROR, "audit trail", said, remedy)
        return
    if connection.vendor != "sqlite":
        yield Finding(FINE, "audit trail", "in the database; kmsconsole verify_trail checks every record")
        return
    try:
        with closing(Journal(Path(settings.DATA) / "trail", create=False)) as journal:
            size, records, _ = journal.position()
    except (TrailUnavailable, OSError) as reason:
        yield Finding(ERROR, "audit trail", str(reason), "find out with kmsconsole verify_trail; restore a backup")
    else:
        yield from _segments()
        yield Finding(
            FINE, "audit trail", f"{records} records, {size} bytes; kmsconsole verify_trail checks every record"
        )
