"""What a teacher says to a class, as its students' pages show it: a message, and the step at which all are to be."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from django.urls import reverse

from engine.public import member_accounts
from learn.lessons import lessons
from learn.models import ClassAccount


@dataclass(frozen=True, slots=True)
class Notice:
    """`address`: of the step, with its words; empty without one. `version` changes with what is said."""

    message: str
    lesson: str
    step: str
    number: int
    address: str

    @property
    def version(self) -> str:
        said = f"{self.message}\0{self.address}"
        return hashlib.sha256(said.encode()).hexdigest()[:12]

    @property
    def says_something(self) -> bool:
        return bool(self.message or self.address)


def of_account(account_id: str) -> Notice | None:
    """None for an account that is in no class. Each page asks: that costs a look into memory for all other accounts."""
    if not member_accounts.is_member(account_id):
        return None
    found = ClassAccount.objects.select_related("of_class").filter(account_id=account_id, ended=None).first()
    if found is None or found.of_class.closed is not None:
        return None
    of_class = found.of_class
    lesson = lessons.by_slug(of_class.lesson) if of_class.lesson else None
    if lesson is None:
        return Notice(of_class.message, "", "", 0, "")
    address, step = reverse("lesson", args=[lesson.slug]), ""
    if 0 < of_class.step <= len(lesson.steps):
        step = lesson.steps[of_class.step - 1].title
        address += f"#{lesson.steps[of_class.step - 1].name}"
    return Notice(of_class.message, lesson.title, step, of_class.step if step else 0, address)
