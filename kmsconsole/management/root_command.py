"""What `rotate_root` and `change_root_provider` have in common: options, progress, and errors in one line."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.trail.groupcommit import TrailUnavailable
from engine.vault import hierarchy
from kmsconsole.installation import root_rotation
from kmsconsole.installation.root_rotation import Wanted


class RootCommand(BaseCommand):
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument(
            "--prepare", action="store_true", help="only make the next root key, to be copied to other nodes"
        )
        parser.add_argument("--yes", action="store_true", help="do not ask whether shares were handed out")

    def wanted(self, options: dict[str, Any]) -> Wanted | None:
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        self._yes = options["yes"]
        wanted = self.wanted(options)
        try:
            root_rotation.run(wanted, self._tell, self._confirm, prepare=options["prepare"])
        except (hierarchy.RootKeyError, hierarchy.UnwrapError, TrailUnavailable, DatabaseError, OSError) as reason:
            raise CommandError(f"the root key was not rotated: {reason}") from reason

    def _tell(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _confirm(self, handed_out: tuple[str, ...]) -> None:
        self._tell("Give each of these shares to another person. They are shown this once and kept nowhere:")
        for each in handed_out:
            self._tell(f"  {each}")
        if self._yes:
            return
        if not sys.stdin.isatty() or input("Has each person their share? Type yes: ").strip() != "yes":
            raise hierarchy.RootKeyError(
                "the shares were not confirmed (--yes does without asking); nothing has changed"
            )
