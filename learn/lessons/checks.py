"""What ticks a step of a lesson: events that have to be in the record, one after the other. Pure.

A check is a sequence of `ExpectedEvent`s, as a lesson's lesson.toml has them. It believes nothing but the record of calls. What is found
says which event proves the step, how far one is, and which event came near without counting.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from engine.public.transport import BY_ITSELF
from keys.record.events import is_read_by_console
from learn.lessons.event_patterns import Pattern, first_mismatch

Record = Mapping[str, Any]
Check = tuple["ExpectedEvent", ...]
_TEMPORARY = "ASIA"  # how the access key IDs begin with which the console's pages sign
_KEY_ARN = re.compile(r"arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key/[\w-]+")
_KEY_ID = re.compile(r"(?:mrk-[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")

# Why an event does not count, in the order in which it is looked at.
NOT_ANSWERED, NOT_REFUSED, OTHER_CALLER, OTHER_FIELDS, OTHER_SUBJECT = (
    "not answered",
    "not refused",
    "other caller",
    "other fields",
    "other subject",
)
PROGRAM, PERSON, AWS_SERVICE = "program", "person", "service"  # who an event may be asked of
SELF, OTHER = "self", "other"


@dataclass(frozen=True, slots=True)
class ExpectedEvent:
    """One event of a check.

    `errors`: the codes with which it has to be refused; without them it has to be answered. `by`: PROGRAM (signed with an access key of
    one's own), PERSON (not an AWS service on one's behalf), AWS_SERVICE, or "" for any. `who`: OTHER is another principal than the
    learner. `about`: fields without which an event has nothing to do with it, as an answer to another question. `same`: of what it has
    to be that of the events before (SUBJECTS). `unless`: an event that must not have come between the one before and this. `times`: how
    often.
    """

    names: tuple[str, ...]
    errors: tuple[str, ...] = ()
    refused: bool = False
    by: str = ""
    who: str = SELF
    where: Pattern = field(default_factory=dict)
    same: tuple[str, ...] = ()
    unless: ExpectedEvent | None = None
    times: int = 1
    about: Pattern = field(default_factory=dict)
    token: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "token", repr(self))  # what is the same in several lessons is looked for once

    @property
    def all_names(self) -> tuple[str, ...]:
        return (*self.names, *(self.unless.all_names if self.unless else ()))


def keys_of(record: Record) -> frozenset[str]:
    """ARNs of the keys that a call named. What is refused names no resource: its message or its parameters may tell the key."""
    named = frozenset(resource["ARN"] for resource in record.get("resources", ()) if ":key/" in resource.get("ARN", ""))
    if named or not record.get("errorCode"):
        return named
    told = frozenset(_KEY_ARN.findall(record.get("errorMessage", "")))
    return told or _asked_key(record)


def _asked_key(record: Record) -> frozenset[str]:
    asked = str(given(record).get("keyId", ""))
    if _KEY_ARN.fullmatch(asked):
        return frozenset({asked})
    account = record.get("recipientAccountId") or record["userIdentity"].get("accountId", "")
    if not _KEY_ID.fullmatch(asked):
        return frozenset()
    return frozenset({f"arn:aws:kms:{record.get('awsRegion', '')}:{account}:key/{asked}"})


def given(record: Record) -> Mapping[str, Any]:
    return record.get("requestParameters") or {}


def _parameter(*names: str) -> Callable[[Record], frozenset[str]]:
    return lambda record: frozenset(str(given(record)[name]) for name in names if given(record).get(name))


def _alias(record: Record) -> frozenset[str]:
    """The alias that a call is about, or by which it names its key."""
    named = given(record).get("aliasName") or given(record).get("keyId") or ""
    return frozenset({str(named)}) if str(named).startswith("alias/") else frozenset()


# What events of a check may be asked to have in common → its values in one event.
SUBJECTS: dict[str, Callable[[Record], frozenset[str]]] = {
    "key": keys_of,
    "store": _parameter("customKeyStoreId"),
    "alias": _alias,
    "user": _parameter("userName"),
    "group": _parameter("groupName"),
}


def through_service(record: Record) -> str:
    """The AWS service that made the call on the person's behalf; empty for a call of its own."""
    return str(record["userIdentity"].get("invokedBy", ""))


def by_program(record: Record) -> bool:
    """Signed with an access key of the person's own, as the CLI does; the console's pages sign with temporary ones."""
    return not through_service(record) and not record["userIdentity"].get("accessKeyId", "").startswith(_TEMPORARY)


_CALLERS: dict[str, Callable[[Record], bool]] = {
    "": lambda record: True,
    PROGRAM: by_program,
    PERSON: lambda record: not through_service(record),
    AWS_SERVICE: lambda record: bool(through_service(record)),
}


class Evidence:
    """Records in the order they happened. Without `arn` all are the learner's own. `places`: values of the patterns' places, beside
    {user} and {account}, which each record says itself."""

    def __init__(self, records: Sequence[Record], arn: str | None = None, places: Mapping[str, str] | None = None):
        self.records = records
        self.arn = arn
        self._places = dict(places or {})
        self._matching: dict[str, list[int]] = {}

    @cached_property
    def _numbers(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, record in enumerate(self.records):
            found.setdefault(record["eventName"], []).append(number)
        return found

    def numbers(self, event: ExpectedEvent) -> list[int]:
        """Places of the records of its operations and person, in order, whether they count or not."""
        several = [self._numbers[name] for name in dict.fromkeys(event.names) if name in self._numbers]
        found = several[0] if len(several) == 1 else sorted(number for each in several for number in each)
        return [number for number in found if self._is_of(event, self.records[number])]

    def matching(self, event: ExpectedEvent) -> list[int]:
        """Places of those that count by themselves."""
        found = self._matching.get(event.token)
        if found is None:
            found = [number for number in self.numbers(event) if self.why_not(event, self.records[number]) is None]
            self._matching[event.token] = found
        return found

    def _is_of(self, event: ExpectedEvent, record: Record) -> bool:
        if event.about and first_mismatch(event.about, record, {}) is not None:
            return False
        if record.get("errorCode") and is_read_by_console(record):  # a page looked whether something is there
            return False
        if record.get("userAgent", "").endswith(BY_ITSELF):  # as a lesson's own page, which says how the key is
            return False
        own = self.arn is None or record["userIdentity"].get("arn") == self.arn
        return own if event.who == SELF else not own

    def why_not(self, event: ExpectedEvent, record: Record) -> tuple[str, str] | None:
        """(one of the reasons above, what of it) for a record of this operation and person; None where it counts by itself."""
        code = record.get("errorCode", "")
        if not event.refused and code:
            return NOT_ANSWERED, code
        if event.refused and (not code or (event.errors and code not in event.errors)):
            return NOT_REFUSED, code
        if event.by and not _CALLERS[event.by](record):
            return OTHER_CALLER, event.by
        path = first_mismatch(event.where, record, self._places_of(record)) if event.where else None
        return None if path is None else (OTHER_FIELDS, path)

    def _places_of(self, record: Record) -> dict[str, str]:
        identity = record["userIdentity"]
        return {**self._places, "user": identity.get("userName", ""), "account": identity.get("accountId", "")}


@dataclass(frozen=True, slots=True)
class Found:
    """How far a check is. `proof`: the newest record that completes it. `reached`: how many of its events are there, and `times` how often
    the one after them. `near`: the newest record after those that is of the next event's operation and does not count, with the reason.
    `last`: the place of the last event that counted, -1 where there is none."""

    proof: Record | None
    reached: int
    times: int = 0
    near: Record | None = None
    reason: tuple[str, str] | None = None
    last: int = -1
    keys: frozenset[str] = frozenset()


def is_done(check: Check, evidence: Evidence) -> bool:
    """As `find` says by its proof, and no more: for many people at once."""
    if len(check) == 1:
        return len(evidence.matching(check[0])) >= check[0].times
    return bool(_runs(check, evidence, first_only=True)[1])


def find(check: Check, evidence: Evidence) -> Found:
    runs, complete = _runs(check, evidence)
    if complete:
        number, subject = max(((run.number, subject) for subject, run in complete.items()), key=lambda each: each[0])
        keys = frozenset(value for name, value in subject if name == "key") or keys_of(evidence.records[number])
        return Found(evidence.records[number], len(check), last=number, keys=keys)
    reached = 0
    while any(run.times >= check[reached].times for run in runs[reached].values()):
        reached += 1
    last = max((run.number for each in runs[:reached] for run in each.values()), default=-1)
    times = max((run.times for run in runs[reached].values()), default=0)
    near, reason = _near(check[reached], evidence, last)
    return Found(None, reached, times, near, reason, last)


_Subject = frozenset[tuple[str, str]]  # the values that the events of one run through a check have in common


@dataclass(slots=True)
class _Run:
    """How often the last event of a subject's run was seen, and where."""

    times: int
    number: int


_Runs = dict[_Subject, _Run]


def _runs(check: Check, evidence: Evidence, *, first_only: bool = False) -> tuple[list[_Runs], _Runs]:
    """(for each place of the check the subjects whose runs came so far, those that are complete). With `first_only` it ends with the
    first that is."""
    wanted = sorted({name for event in check for name in event.same})
    runs: list[_Runs] = [{} for _event in check]
    complete: _Runs = {}
    if not evidence.matching(check[0]):
        return runs, complete
    # The later places first: one record is one event of a run.
    seen = [(number, -place, True) for place, event in enumerate(check) for number in evidence.matching(event)]
    seen += [
        (number, -place, False)
        for place, event in enumerate(check)
        if event.unless
        for number in evidence.matching(event.unless)
    ]
    for number, negative, counts in sorted(seen):
        record, place = evidence.records[number], -negative
        if not counts:
            same = check[place].same
            for subject in [each for each in runs[place - 1] if _agrees(each, same, record)]:
                del runs[place - 1][subject]
            continue
        for subject in _continued(check, runs, place, record, wanted):
            run = runs[place].setdefault(subject, _Run(0, number))
            run.times, run.number = run.times + 1, number
            if place == len(check) - 1 and run.times >= check[-1].times:
                complete[subject] = run
                if first_only:
                    return runs, complete
    return runs, complete


def _continued(check: Check, runs: list[_Runs], place: int, record: Record, wanted: list[str]) -> Iterator[_Subject]:
    """The subjects of the runs that a record goes on with at its place in the check; at the first place those that it begins."""
    if not place:
        yield from _with_values(frozenset(), record, wanted)
        return
    event, before = check[place], check[place - 1]
    for subject, run in list(runs[place - 1].items()):
        if run.times >= before.times and _agrees(subject, event.same, record):
            yield from _with_values(subject, record, [name for name in wanted if name not in dict(subject)])


def _with_values(subject: _Subject, record: Record, names: list[str]) -> Iterator[_Subject]:
    """The subject with the values that a record adds to it, one for each where it has several."""
    made = [subject]
    for name in names:
        values = SUBJECTS[name](record)
        made = [each | {(name, value)} for each in made for value in values] if values else made
    yield from made


def _agrees(subject: _Subject, same: tuple[str, ...], record: Record) -> bool:
    known = dict(subject)
    return all(name in known and known[name] in SUBJECTS[name](record) for name in same)


def _near(event: ExpectedEvent, evidence: Evidence, last: int) -> tuple[Record | None, tuple[str, str] | None]:
    found = evidence.numbers(event)
    if not found or found[-1] <= last:
        return None, None
    record = evidence.records[found[-1]]
    return record, evidence.why_not(event, record) or (OTHER_SUBJECT, ", ".join(event.same))
