"""`manage.py check_lessons [FOLDER …]`: whether lessons are as docs/teaching.md says, before somebody learns by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from learn.lessons import lessons, library


class Command(BaseCommand):
    help = "Check lessons: the given folders, or all of the program and of the data folder."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("folders", nargs="*", metavar="FOLDER", type=Path, help="the folder of one lesson")

    def handle(self, *args: Any, **options: Any) -> None:
        read: list[str] = []
        faults: list[str] = []
        for folder in options["folders"]:
            lesson, wrong = library.read(folder.resolve())
            faults += wrong
            if lesson is not None:
                read.append(f"{lesson.slug}: {len(lesson.steps)} steps, {', '.join(sorted(lesson.by_language))}")
        if not options["folders"]:
            found = library.load(lessons.own_folder())
            faults += found.faults
            read = [f"{each.slug}: {len(each.steps)} steps{', own' if each.own else ''}" for each in found.lessons]
        for line in read:
            self.stdout.write(line)
        for fault in faults:
            self.stdout.write(self.style.ERROR(fault))
        if faults:
            raise CommandError(f"{len(faults)} {'mistake' if len(faults) == 1 else 'mistakes'} in lessons")
