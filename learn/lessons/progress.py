"""How far a learner is: each lesson's checks over the record of calls, read as the signed-in principal. Nothing is kept of it here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.endpoints import backends
from learn.lessons.checks import Record
from learn.lessons.lessons import EVENTS, KEY, Lesson, Step

_OPEN = '"$KEY_ID"'  # the shell's variable, where the key is not known yet


@dataclass(frozen=True, slots=True)
class Learner:
    """Who learns: the principal whose calls count, and its newest alias with the key that it names (empty where there is none yet)."""

    arn: str
    alias: str = ""
    key_arn: str = ""

    @property
    def name(self) -> str:
        """What CloudTrail calls the Username."""
        return self.arn.rpartition("/")[2]

    @property
    def key_id(self) -> str:
        return self.key_arn.rpartition("/")[2]

    @property
    def suggested_alias(self) -> str:
        """The learner's own, or one that no other learner will take."""
        return self.alias or f"alias/{re.sub('[^a-zA-Z0-9_-]+', '-', self.name)}-key"

    def places(self) -> dict[str, str]:
        """What stands in for the places of a lesson's words and commands."""
        return {
            "alias": self.suggested_alias,
            "key": self.key_id or _OPEN,
            "user": self.name,
            "account": self.arn.split(":")[4],
        }


@dataclass(frozen=True, slots=True)
class Proof:
    """The event that ticks a step."""

    event_id: str
    name: str
    error: str
    time: datetime
    service: str


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as the page shows it to a learner; `address` is that of its page in the console, empty where it has none."""

    step: Step
    words: str
    command: str
    address: str
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class LessonProgress:
    """How many of a lesson's steps were done."""

    lesson: Lesson
    done: int

    @property
    def steps(self) -> int:
        return len(self.lesson.steps)

    @property
    def whole(self) -> bool:
        return self.done == self.steps


def learner_arn(request: ConsoleRequest) -> str:
    """Whose calls count: the signed-in principal, or on real AWS that of the connection's credentials. Raises ClientError."""
    if service.backend(request).kind != service.AWS:
        return str(request.signed_in.arn)
    return str(service.client(request, "sts").get_caller_identity()["Arn"])


def of(arn: str, records: Sequence[Record]) -> list[Record]:
    """Those of one principal, calls that services made for it among them."""
    return [record for record in records if record["userIdentity"].get("arn") == arn]


def learner(arn: str, records: Sequence[Record]) -> Learner:
    """With the newest alias that its own records tell of. `records`: CreateAlias among them."""
    for record in reversed(records):
        if record["eventName"] == "CreateAlias" and not record.get("errorCode") and record.get("resources"):
            return Learner(arn, record["requestParameters"]["aliasName"], record["resources"][0]["ARN"])
    return Learner(arn)


def lesson_progress(lessons: Sequence[Lesson], records: Sequence[Record]) -> list[LessonProgress]:
    """`records`: of one principal."""
    return [LessonProgress(lesson, sum(proof is not None for proof in lesson.proofs(records))) for lesson in lessons]


def steps(lesson: Lesson, who: Learner, records: Sequence[Record]) -> list[ShownStep]:
    places = who.places()
    return [
        ShownStep(
            step,
            str(step.words).format(**places),
            step.command.format(**places),
            _address(step, who),
            _proof(record) if record is not None else None,
        )
        for step, record in zip(lesson.steps, lesson.proofs(records), strict=True)
    ]


def _proof(record: Record) -> Proof:
    return Proof(
        record["eventID"],
        record["eventName"],
        record.get("errorCode", ""),
        datetime.fromisoformat(record["eventTime"]),
        record["userIdentity"].get("invokedBy", ""),
    )


def _address(step: Step, who: Learner) -> str:
    """The list of keys stands in for the page of a key that is not there yet."""
    if not step.link:
        return ""
    name, *arguments = step.link
    if name == EVENTS:
        return f"{reverse('audit')}?{urlencode({'key': who.key_id})}"
    if KEY in arguments and not who.key_id:
        return reverse("keys")
    return reverse(name, args=[who.key_id if each == KEY else each for each in arguments])


def key_now(request: ConsoleRequest, who: Learner) -> dict[str, Any]:
    """The learner's key as KMS describes it at this moment, with its rotation; empty without one. A refusal is put in words."""
    if not who.key_arn:
        return {}
    # An alias may be of another Region than the page's.
    kms = service.client(request, region=who.key_arn.split(":")[3])
    described, problem = optional(lambda: kms.describe_key(KeyId=who.key_arn)["KeyMetadata"])
    rotation, _refused = optional(lambda: kms.get_key_rotation_status(KeyId=who.key_arn))
    return {"key": described, "problem": problem, "rotation": rotation}


def terminal(request: ConsoleRequest) -> str:
    """What a terminal is told once, so that the lessons' commands reach this very endpoint."""
    region = request.signed_in.region
    lines = [f"export AWS_DEFAULT_REGION={region}"]
    if service.backend(request).kind != service.AWS:
        lines.insert(0, f"export AWS_ENDPOINT_URL={service.endpoint_url(request)}")
    return "\n".join(lines)


def countable(request: ConsoleRequest) -> bool:
    """Whether what is called at this endpoint stands in a record that these pages can read: not at another endpoint of the KMS API."""
    chosen: backends.Backend = service.backend(request)
    return chosen.embedded or chosen.kind == service.AWS
