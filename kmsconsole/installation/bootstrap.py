"""What a start does before it serves: data folder, root key, database, first administrator, recovery of the trail.

Everything here is safe to repeat. A data folder that holds a database never gets a new root key: old data could not be opened.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from engine import clock
from engine.iam import accounts
from engine.iam.models import Account
from engine.store import cache
from engine.trail import journal_reader, recorder, verify
from engine.trail.record import ServiceEvent, service_event
from engine.vault import domain_keys, hierarchy, root_files
from engine.vault.models import DomainKey
from engine.vault.root_shares import ShareCollection
from kmsconsole.installation import environment, root_secret
from kmsconsole.installation.datafolder import DataFolderError

ADMINISTRATOR = "admin"
_CHECKPOINTS = "0002_checkpoints"  # the migration of engine.trail
_PREPARING = 0x6B6D74  # the advisory lock of a node that migrates or makes the first administrator


@dataclass(frozen=True, slots=True)
class FirstAdministrator:
    """What is shown once, at the first start. A member that the environment gave is empty: it is known already."""

    account_id: str
    user_name: str
    password: str
    access_key_id: str
    secret_access_key: str


def prepare() -> FirstAdministrator | None:
    """Make ready what is missing. Returns the new administrator on the first start of a data folder, else None.

    Raises RootKeyError or DataFolderError, each with one clear line.
    """
    with _alone():
        return _prepare()


@contextmanager
def _alone() -> Iterator[None]:
    """One node at a time on a database that several share. The data folder's own lock is the server command's."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [_PREPARING])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [_PREPARING])


def _prepare() -> FirstAdministrator | None:
    _refuse_lost_database()
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:  # asked first, since the command takes its time
        call_command("migrate", interactive=False, verbosity=0)
    if not Account.objects.exists() and (found := _what_is_left()):
        raise DataFolderError(_LOST_DATABASE.format(database=_database(), found=found))
    _open_root_key()
    # Only where this start brings checkpoints there may be none: later a database without one is a changed one.
    verify.recover(first_checkpoint=any(each.name == _CHECKPOINTS for each, _backwards in plan))
    return None if Account.objects.exists() else _first_administrator()


_LOST_DATABASE = (
    "the database {database} is missing or empty, and {found} of an installation is there: put the database back or restore "
    "a backup (a new installation needs an empty data folder)"
)


def _refuse_lost_database() -> None:
    """Before anything is made: keys are in the database, and a new one beside what is left of the old would hide that they are gone."""
    if said := lost_database():
        raise DataFolderError(said)


def lost_database() -> str:
    """What is wrong where the database's file is gone and the rest of an installation is there; empty if that is not so."""
    if connection.vendor != "sqlite":
        return ""  # a new node has a root key before it has anything else
    database = Path(settings.DATABASES["default"]["NAME"])
    if database.exists() and database.stat().st_size:
        return ""
    found = _what_is_left() or ("the root key" if root_files.root_path().exists() else "")
    return _LOST_DATABASE.format(database=database, found=found) if found else ""


def _what_is_left() -> str:
    """Of an installation that has recorded something, beside its database."""
    journal, checkpoint = Path(settings.DATA) / "trail" / "journal", Path(settings.DATA) / "trail.checkpoint"
    if journal_reader.exists(journal) and journal_reader.has_records(journal):
        return "the audit journal"
    return "a checkpoint of the audit trail" if checkpoint.exists() else ""


def _database() -> str:
    if connection.vendor == "sqlite":
        return str(settings.DATABASES["default"]["NAME"])
    return f"{settings.DATABASES['default']['NAME']} of KMSCONSOLE_DATABASE_URL"


def sealed_root() -> root_files.RootFile | None:
    """The root key that is in people's shares, if it is and they were not given to the server at its start.

    Raises RootKeyError. Before anything is made: a rotation that was interrupted is finished, since it says which root key is in use.
    """
    if not root_files.present() or lost_database():
        return None
    if root_files.present(".next"):
        domain_keys.finish_root_rotation()
    file = root_files.read(root_files.root_path())
    return file if file.provider == "shamir" and not root_secret.is_given() else None


def _open_root_key() -> None:
    domain_keys.finish_root_rotation()
    path = root_files.root_path()
    if not path.exists():
        if DomainKey.objects.exists() or Account.objects.exists():
            raise hierarchy.RootKeyError(
                f"the root key {path} is missing, and the data here was made with one: put it back "
                "(on a further node: copy it from the first)"
            )
        given = settings.KMSCONSOLE.root_provider
        parameters = {_ARGUMENTS[given.name]: given.argument} if given.argument else {}
        root_files.create(given.name, parameters, _ask_for_new)
        domain_keys.root.cache_clear()
    root = domain_keys.root()
    strangers = DomainKey.objects.exclude(root_key_id=root.root_key_id).first()
    if strangers is not None:
        raise hierarchy.RootKeyError(
            f"the root key {path} is not the one that this data was made with: put that one there"
        )
    if not root_files.present(".next"):  # else a command is at it, or a prepared one waits
        root_files.forget_handover()  # no worker of an earlier start lives


# Provider → the parameter that its part of KMSCONSOLE_ROOT_PROVIDER is.
_ARGUMENTS = {"pkcs11": "token", "kms": "key"}


def _ask_for_new(what: str, count: int) -> list[str]:
    """What protects the root key of a new installation is what opens it at each later start, unless something else is given for it."""
    return (root_secret.ask_new if root_secret.is_given("new") else root_secret.ask)(what, count)


def _first_administrator() -> FirstAdministrator:
    given = environment.read_bootstrap()
    password, account_id = given.bootstrap_password, given.bootstrap_account_id
    access_key_id, secret = given.bootstrap_access_key_id, given.bootstrap_secret_access_key
    shown_password = "" if password else secrets.token_urlsafe(12)
    created = accounts.create_account_with_administrator(
        account_id,
        ADMINISTRATOR,
        password=password or shown_password,
        access_key_id=access_key_id,
        secret_access_key=secret,
    )
    return FirstAdministrator(
        account_id=account_id,
        user_name=ADMINISTRATOR,
        password=shown_password,
        access_key_id="" if access_key_id else created.access_key_id,
        secret_access_key="" if secret else created.secret_access_key,
    )


def record_unsealed(file: root_files.RootFile) -> None:
    """In every account's trail: that the root key was opened by people's shares, and when. Whose they were nobody knows. Raises
    TrailUnavailable."""
    details = {"rootKeyID": file.root_key_id, "sharesNeeded": ShareCollection(file.description[file.provider]).needed}
    events = [
        service_event(
            ServiceEvent(
                account_id=account_id,
                region="us-east-1",
                source="kms.amazonaws.com",
                name="Unsealed",
                now=clock.now(account_id),
                details=details,
            )
        )
        for account_id in Account.objects.order_by("account_id").values_list("account_id", flat=True)
    ]
    recorder.record(events)


def close_connections() -> None:
    """Before workers start: no database handle of the parent may be shared with them."""
    connection.close()
    cache.close()
