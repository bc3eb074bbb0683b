"""`manage.py trail_segments`: the sealed segments of the audit trail, and what is done with them.

Without a word: lists them. `seal` seals what is due (`--now`: everything), `move` moves sealed ones to KMSCONSOLE_TRAIL_ARCHIVE, `remove` asks
for the removal of those older than KMSCONSOLE_TRAIL_RETENTION_DAYS, and carries it out once every account that has records there has
approved it on its page "Verify integrity" (`--dry-run`: only tells what it would do). `withdraw` takes the request back.
"""

from __future__ import annotations

import getpass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection

from engine import clock
from engine.iam.models import Account
from engine.sinks import state
from engine.trail import log, log_records, recorder, removal, removals, segment_keeper, segment_work, segments
from engine.trail.checkpoints import CheckpointError
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.journal import Journal
from engine.trail.removal import RemovalRefused
from engine.trail.segments import Segment
from engine.trail.signed_note import NoteError
from engine.vault.hierarchy import RootKeyError
from keys.record import history

_FAILURES = (
    RemovalRefused,
    segment_work.Busy,
    TrailUnavailable,
    log.LogRewritten,
    CheckpointError,
    NoteError,
    RootKeyError,
    DatabaseError,
    OSError,
)


class Command(BaseCommand):
    help = "List the sealed segments of the audit trail; seal, move or remove them."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "what",
            nargs="?",
            default="list",
            choices=("list", "seal", "move", "remove", "withdraw"),
            help="default list",
        )
        parser.add_argument("--now", action="store_true", help="seal all records but the last, due or not")
        parser.add_argument("--to", help="move there instead: a folder, or s3://bucket/prefix")
        parser.add_argument("--older-than", type=int, metavar="DAYS", help="remove what is older than so many days")
        parser.add_argument("--reason", default="", help="why records are removed; it becomes part of the record")
        parser.add_argument("--dry-run", action="store_true", help="only tell what would be removed")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor == "postgresql":
            raise CommandError("with PostgreSQL the audit trail is in the database: it has no segments")
        self._trail = Path(settings.DATA) / "trail"
        try:
            getattr(self, f"_{options['what']}")(options)
        except _FAILURES as reason:
            raise CommandError(str(reason)) from reason

    def _list(self, options: dict[str, Any]) -> None:
        del options
        found = segments.load(self._trail)
        for removed in found.removals:
            self.stdout.write(removals.statement(removed).sentence())
        for each in found.kept:
            self.stdout.write(_words(each))
        base = found.base
        self.stdout.write(f"journal: records from {base.sequence + 1} on")
        if found.request is not None:
            self.stdout.write(
                f"asked for: removal of everything up to record {found.request.last} ({found.request.reason})"
            )

    def _seal(self, options: dict[str, Any]) -> None:
        made = segment_keeper.seal(_journal(), log_records.of_account(""), settings.KMSCONSOLE, at_once=options["now"])
        self._told(made, "sealed", "nothing is due to be sealed")

    def _move(self, options: dict[str, Any]) -> None:
        target = options["to"] or settings.KMSCONSOLE.trail_archive
        if not target:
            raise CommandError("say where: --to, or KMSCONSOLE_TRAIL_ARCHIVE")
        with segment_work.lock(self._trail):
            moved = segment_work.move(self._trail, target)
        self._told(moved, f"moved to {target}", "no segment lies in the data folder")

    def _told(self, done: list[Segment], word: str, nothing: str) -> None:
        for each in done:
            self.stdout.write(f"{word}: {_words(each)}")
        if not done:
            self.stdout.write(nothing)

    def _remove(self, options: dict[str, Any]) -> None:
        accounts = list(Account.objects.order_by("account_id").values_list("account_id", flat=True))
        found = segments.load(self._trail)
        if found.request is None and found.pending is None:
            self._ask(options)
            return
        if options["dry_run"]:
            self._list(options)
            return
        for account in accounts:
            history.take_in(account)  # what changed keys and principals stays known
        done = removal.carry_out(self._trail, log_records.of_account(""), accounts, self.deciding())
        self.stdout.write(removals.statement(done).sentence())

    def deciding(self) -> list[str]:
        """A student's account is the class's to decide for, also when nobody signs in to it any more."""
        rows = Account.objects.filter(membership=None).order_by("account_id")
        return list(rows.values_list("account_id", flat=True))

    def _ask(self, options: dict[str, Any]) -> None:
        days = options["older_than"] or settings.KMSCONSOLE.trail_retention_days
        if not days:
            raise CommandError("say what is old enough: --older-than, or KMSCONSOLE_TRAIL_RETENTION_DAYS")
        due = removal.due(self._trail, clock.real_now() - timedelta(days=days))
        if not due:
            self.stdout.write(f"no segment is older than {days} days")
            return
        for each in due:
            self.stdout.write(f"to be removed: {_words(each)}")
        for sink in state.all_of(Path(settings.DATA), settings.SINKS):
            if sink.position.sequence < due[-1].last:
                raise CommandError(f"the sink {sink.sink.name} has not taken them all")
        if options["dry_run"]:
            return
        if not options["reason"].strip():
            raise CommandError("--reason must say why the records are removed")
        by = f"the operator of the machine ({getpass.getuser()})"
        made = removal.ask(self._trail, due[-1], by, f"older than {days} days: {options['reason']}")
        waits = [each.account for each in removal.decisions(made, self.deciding())]
        self.stdout.write(
            f"asked for. It waits for the approval of account {', '.join(waits)} (page Verify integrity); then run "
            "`trail_segments remove` again"
        )

    def _withdraw(self, options: dict[str, Any]) -> None:
        del options
        removal.withdraw(self._trail)
        self.stdout.write("no removal is asked for")


def _journal() -> Journal:
    found = recorder.journal()
    if not isinstance(found, Journal):
        raise CommandError("the audit trail is no journal file")
    return found


def _words(each: Segment) -> str:
    return (
        f"records {each.first} to {each.last}, {each.begins} to {each.ends}, "
        f"{each.end - each.start} bytes, {each.size} compressed, {each.place or 'in the data folder'}"
    )
