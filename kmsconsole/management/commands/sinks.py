"""`manage.py sinks`: how far each sink of KMSCONSOLE_SINKS is, and where one is to go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from engine.sinks import state
from engine.sinks.state import Position
from engine.trail import journal_reader as journal


class Command(BaseCommand):
    help = "Show how far the sinks of the record are; with --restart say which record one is sent next."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--restart", metavar="NAME", help="the sink that is to go on elsewhere")
        parser.add_argument(
            "--at", metavar="RECORD", help="the record it is sent next: a number, or `end` for new ones"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        data = Path(settings.DATA)
        if options["restart"] is not None:
            self._restart(data, options["restart"], options["at"])
        for shown in state.all_of(data, settings.SINKS):
            self.stdout.write(
                f"{shown.sink.name:<20} {shown.sink.kind:<7} {shown.sink.target}  "
                f"record {shown.position.sequence:,}, {shown.behind:,} behind"
                f"{f', the oldest for {shown.lag:.0f} s' if shown.lag else ''}"
                f"{', required' if shown.sink.required else ''}{f'  FAILING: {shown.problem}' if shown.problem else ''}"
            )

    def _restart(self, data: Path, name: str, at: str | None) -> None:
        if name not in {sink.name for sink in settings.SINKS}:
            raise CommandError(f"KMSCONSOLE_SINKS names no sink {name}")
        if at is None or (at != "end" and not (at.isascii() and at.isdecimal() and int(at) > 0)):
            raise CommandError("--at takes the number of a record, or end")
        path = data / "trail" / "journal"
        last = journal.last_record(path)
        if at != "end" and last is not None:
            last = journal.record_before(path, journal.position_after(path, int(at) - 1))
        position = Position() if last is None else Position(last.sequence, last.digest.hex(), last.end)
        state.store(data, name, position)
        self.stdout.write("The server takes it at its next start.")
