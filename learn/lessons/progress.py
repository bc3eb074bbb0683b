"""How far a learner is: each lesson's checks over the record of calls, read as the signed-in principal. Nothing is kept of it here."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from console.aws_calls import optional
from console.request import ConsoleRequest
from engine.public.transport import by_itself
from keys import service
from keys.endpoints import backends
from learn.lessons import explanation, lessons, library, pages, words
from learn.lessons.checks import Check, Evidence, Found, Record, find, is_done, keys_of
from learn.lessons.event_patterns import first_mismatch
from learn.lessons.lesson import Lesson, Step

_OPEN = '"$KEY_ID"'  # the shell's variable, where the key is not known yet
_MAKES_A_KEY_ONES_OWN = ("CreateKey", "PutKeyPolicy")
_FRESH = timedelta(hours=1)  # what is longer ago is no mistake that somebody is at now
Describe = Callable[[str], Mapping[str, Any]]


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
            "arn": self.arn,
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
class ShownMistake:
    """An event that did not tick a step: what it was, why it does not count, and a hint (HTML) where the mistake is a usual one."""

    event_id: str
    name: str
    error: str
    time: datetime
    why: str
    title: str = ""
    hint: SafeString | str = ""


@dataclass(frozen=True, slots=True)
class ShownStep:
    """A step as the page shows it to a learner; `address` is that of its page in the console, empty where it has none. `seen` of its
    `events` are in the record, `lacks` is the next of them in words. `answer`: what was chosen last of the choices."""

    step: Step
    title: str
    body: SafeString
    why: SafeString
    commands: list[tuple[str, str]]
    address: str
    proof: Proof | None
    choices: list[SafeString]
    answer: frozenset[int]
    seen: int
    events: int
    lacks: str
    mistake: ShownMistake | None


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


def of(arn: str, records: Sequence[Record], everybodys: Collection[str] = ()) -> list[Record]:
    """Those of one principal, calls that services made for it among them; and others' of the operations `everybodys` that are about keys
    which this principal made or gave their policy: its exercises with other people."""
    own = [each for each in records if each["userIdentity"].get("arn") == arn]
    keys = {key for each in own if each["eventName"] in _MAKES_A_KEY_ONES_OWN for key in keys_of(each)}
    if not everybodys or not keys:
        return own
    return [
        each
        for each in records
        if each["userIdentity"].get("arn") == arn or (each["eventName"] in everybodys and keys_of(each) & keys)
    ]


def learner(arn: str, records: Sequence[Record]) -> Learner:
    """With the newest alias that its own records tell of. `records`: CreateAlias and UpdateAlias among them."""
    for record in reversed(records):
        if record["eventName"] in ("CreateAlias", "UpdateAlias") and not record.get("errorCode"):
            given = record["requestParameters"]
            keys = sorted(keys_of(record), key=lambda key: not key.endswith(given["targetKeyId"].rpartition("/")[2]))
            if keys:
                return Learner(arn, given["aliasName"], keys[0])
    return Learner(arn)


def lesson_progress(rows: Sequence[Lesson], records: Sequence[Record], arn: str | None = None) -> list[LessonProgress]:
    """`records`: one person's, in the order they happened; or everybody's, and its ARN, which an exercise of two people needs. What keys
    are now is not looked at: the record alone decides."""
    evidence = Evidence(records, arn)
    return [LessonProgress(row, sum(is_done(step.check, evidence) for step in row.steps)) for row in rows]


def steps(
    lesson: Lesson,
    who: Learner,
    records: Sequence[Record],
    now: datetime,
    places: Mapping[str, str],
    describe: Describe,
) -> list[ShownStep]:
    """`records`: everybody's of the lesson's operations. `places`: what {region} and {endpoint} stand for; `describe`: a key by its ARN."""
    places = {**places, **who.places()}
    evidence = Evidence(records, who.arn, {"region": places["region"]})
    shown: list[ShownStep] = []
    for step in lesson.steps:
        later = any(each.proof is None for each in shown)
        shown.append(_shown(step, who, evidence, now - _FRESH, places, describe, later))
    return shown


def _shown(
    step: Step,
    who: Learner,
    evidence: Evidence,
    fresh: datetime,
    places: Mapping[str, str],
    describe: Describe,
    later: bool,
) -> ShownStep:
    said, found = step.words, step.find(evidence)

    def fill(html: str) -> SafeString:
        filled = words.fill(html, places, lambda page: pages.address(page, who.key_id))
        return mark_safe(filled)  # noqa: S308  (learn.lessons.words escapes what is written)

    lacks = "" if found.proof is not None else explanation.lacks(step.check[found.reached], found)
    proof = found.proof
    if proof is not None and step.key and (wrong := _key_differs(step, found, describe)):
        proof, lacks = None, wrong
    mistake = None if proof is not None else _mistake(step, found, evidence, fresh, fill, later)
    return ShownStep(
        step=step,
        title=words.fill_text(said.title, places),
        body=fill(said.body),
        why=fill(said.why),
        commands=[(language, words.fill_text(text, places)) for language, text in said.commands],
        address=pages.address(said.page, who.key_id) if said.page else "",
        proof=_proof(proof) if proof is not None else None,
        choices=[fill(choice) for choice in said.choices],
        answer=_answer(step, found),
        seen=found.reached,
        events=len(step.check),
        lacks=lacks,
        mistake=mistake,
    )


def _key_differs(step: Step, found: Found, describe: Describe) -> str:
    """What of the key is not as the step wants it to be now; empty where all is."""
    for arn in found.keys:
        told = describe(arn)
        path = first_mismatch(step.key, told, {})
        if path is None:
            return ""
        value = told.get(path.partition(".")[0], "-")
        return _("the key is no longer as it has to be: its %(field)s is %(value)s") % {"field": path, "value": value}
    return ""


def _mistake(
    step: Step, found: Found, evidence: Evidence, fresh: datetime, fill: Callable[[str], SafeString], later: bool
) -> ShownMistake | None:
    """The newest mistake at a step: one of its own hints, else a usual one (of the first step that is open only), else what came near."""
    for hint in step.hints:
        if (seen := _seen(hint.check, evidence, found.last, fresh)) is not None:
            return _shown_mistake(seen, "", fill(step.words.hints[hint.name]))
    near = found.near if found.near is not None and _time(found.near) > fresh else None
    if near is not None and near["eventName"] == library.QUESTION:
        return _shown_mistake(near, _("This is not the right answer yet."), fill(step.words.hints.get("wrong", "")))
    names = {name for event in step.check for name in event.names}
    for usual in lessons.usual_mistakes() if not later else ():
        seen = _seen(usual.check, evidence, found.last, fresh)
        if seen is not None and seen["eventName"] in names and not _is_wanted(step, seen):
            return _shown_mistake(seen, "", fill(usual.words.body), usual.title)
    if later or near is None or found.reason is None:
        return None
    return _shown_mistake(near, explanation.why_not(near, found.reason))


def _seen(check: Check, evidence: Evidence, after: int, fresh: datetime) -> Record | None:
    found = find(check, evidence)
    return found.proof if found.proof is not None and found.last >= after and _time(found.proof) > fresh else None


def _time(record: Record) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def _is_wanted(step: Step, record: Record) -> bool:
    """Whether a step wants to see this very refusal."""
    return any(event.refused and record.get("errorCode") in event.errors for event in step.check)


def _shown_mistake(record: Record, why: str, hint: SafeString | str = "", title: str = "") -> ShownMistake:
    return ShownMistake(
        record["eventID"],
        record["eventName"],
        record.get("errorCode", ""),
        _time(record),
        why,
        title,
        hint,
    )


def _answer(step: Step, found: Found) -> frozenset[int]:
    """The numbers of what was chosen last of a question's answers."""
    record = found.proof or found.near
    if not step.words.choices or record is None:
        return frozenset()
    chosen = str(record["requestParameters"].get("answer", ""))
    return frozenset(int(each) for each in chosen.split(",") if each.isdecimal())


def _proof(record: Record) -> Proof:
    return Proof(
        record["eventID"],
        record["eventName"],
        record.get("errorCode", ""),
        _time(record),
        record["userIdentity"].get("invokedBy", ""),
    )


def key_now(request: ConsoleRequest, who: Learner) -> dict[str, Any]:
    """The learner's key as KMS describes it at this moment, with its rotation; empty without one. A refusal is put in words."""
    if not who.key_arn:
        return {}
    # An alias may be of another Region than the page's.
    kms = service.client(request, region=who.key_arn.split(":")[3])
    with by_itself():
        described, problem = optional(lambda: kms.describe_key(KeyId=who.key_arn)["KeyMetadata"])
        rotation, _refused = optional(lambda: kms.get_key_rotation_status(KeyId=who.key_arn))
    return {"key": described, "problem": problem, "rotation": rotation}


def places(request: ConsoleRequest, who: Learner) -> dict[str, str]:
    """What {region} and {endpoint} stand for: the Region of the learner's key, else the page's."""
    region = who.key_arn.split(":")[3] if who.key_arn else request.signed_in.region
    return {"region": region, "endpoint": service.endpoint_url(request) if not _is_aws(request) else ""}


def introduction(lesson: Lesson, request: ConsoleRequest, who: Learner) -> SafeString:
    filled = words.fill(
        lesson.words.introduction,
        {**places(request, who), **who.places()},
        lambda page: pages.address(page, who.key_id),
    )
    return mark_safe(filled)  # noqa: S308  (learn.lessons.words escapes what is written)


def describe(request: ConsoleRequest) -> Describe:
    """A key by its ARN as DescribeKey answers, with the refusal in its place where it is refused."""

    def ask(arn: str) -> dict[str, Any]:
        kms = service.client(request, region=arn.split(":")[3])
        with by_itself():
            told, problem = optional(lambda: dict(kms.describe_key(KeyId=arn)["KeyMetadata"]))
        return told or {"KeyState": str(problem)}

    return ask


def _is_aws(request: ConsoleRequest) -> bool:
    return service.backend(request).kind == service.AWS


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
