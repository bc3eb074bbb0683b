"""The lessons of this installation, as they are at this moment: the program's and those of the data folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from django.conf import settings

from learn.lessons import library
from learn.lessons.lesson import Lesson, Step


def own_folder() -> Path:
    """Where the lessons lie that somebody wrote here."""
    return Path(settings.DATA) / "lessons"


def every() -> tuple[Lesson, ...]:
    return library.library(own_folder()).lessons


def for_students() -> tuple[Lesson, ...]:
    return tuple(lesson for lesson in every() if lesson.for_students)


def by_slug(slug: str) -> Lesson | None:
    return next((lesson for lesson in every() if lesson.slug == slug), None)


def usual_mistakes() -> tuple[Step, ...]:
    """What the words and checks of mistakes are that any step may meet with."""
    return library.library(own_folder()).mistakes


def faults() -> tuple[str, ...]:
    """What is wrong with folders of lessons, which are left out for it."""
    return library.library(own_folder()).faults


def operations(lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Every operation whose records the lessons' checks read."""
    return tuple(dict.fromkeys(name for lesson in lessons for name in lesson.operations))


def others_operations(lessons: Sequence[Lesson]) -> tuple[str, ...]:
    """Every operation of which they read other principals' records too."""
    return tuple(dict.fromkeys(name for lesson in lessons for name in lesson.others_operations))
