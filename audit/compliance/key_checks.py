"""Checks of keys, over the inventory, of what the signed-in principal may read of them: counts of all of them together, from the kept counts
and readings of indexes, since a page shows them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q
from django.utils.translation import gettext_noop

from audit.compliance.results import Examined, Finding, Findings, Words
from console import key_words, moments
from console.request import ConsoleRequest, kept
from keys import service
from keys.inventory import inventory, key_rows, reads
from keys.inventory.inventory import VisibleKeys

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

MANAGER = "CUSTOMER"  # whose keys the checks are about
UNUSED_DAYS, EXPIRES_DAYS = 90, 30
OWNER = ("owner", "Owner")  # tag keys are case-sensitive; both spellings are common


class KeyFindings(Findings):
    """Keys that fail, read from the inventory as they are asked for."""

    def __init__(self, rows: VisibleKeys, fact: Callable[[Row], Words], number: int | None = None) -> None:
        """`number`: how many they are, where that is known."""
        self._rows, self._fact, self._number = rows, fact, number

    def number(self) -> int:
        return self._rows.count() if self._number is None else self._number

    def page(self, first: int, most: int) -> Sequence[Finding]:
        return [self._finding(row) for row in self._rows.by_name()[first : first + most]]

    def of(self, resources: Collection[str]) -> Sequence[Finding]:
        return [self._finding(row) for row in self._rows.filter(arn__in=list(resources))] if resources else []

    def _finding(self, row: Row) -> Finding:
        return Finding(row.arn, row.alias or row.key_id, "key", row.key_id, self._fact(row))


@dataclass(frozen=True, slots=True)
class _Question:
    """Which keys a check is about, and which of them fail; `needs` as `examine` has it."""

    applies: Q
    fails: Q
    needs: int = 0


def _questions(request: ConsoleRequest) -> dict[str, _Question]:
    rotates = Q(spec="SYMMETRIC_DEFAULT", origin="AWS_KMS", state="Enabled")
    stays = ~Q(state__in=key_words.PENDING_DELETION)
    soon = service.now(request) + timedelta(days=EXPIRES_DAYS)
    since = service.now(request) - timedelta(days=UNUSED_DAYS)
    return {
        "rotation": _Question(rotates, Q(rotation="off"), reads.ROTATION),
        "public": _Question(stays, Q(public="yes"), reads.POLICY),
        "owner": _Question(stays, ~Q(manager=MANAGER)),  # tags are in a table of their own
        "deletion": _Question(Q(manager=MANAGER), Q(state__in=key_words.PENDING_DELETION)),
        "expiry": _Question(Q(origin="EXTERNAL") & stays, Q(valid_to__lte=soon)),
        "unused": _Question(
            Q(state="Enabled") & ~Q(created__gte=since),
            Q(last_used__isnull=True) | Q(last_used__lt=since),
            reads.LAST_USE,
        ),
    }


def count_together(request: ConsoleRequest) -> None:
    """This request asks for all checks: the first of them counts for the others."""
    kept(request)["compliance_together"] = True


def _numbers(request: ConsoleRequest, asked: str) -> dict[str, int]:
    """For a question, by its name: how many keys it is about, and with `…_fails` how many of them fail."""
    found: dict[str, int] = kept(request).setdefault("compliance_numbers", {})
    if asked not in found:
        rows, counted = customer_keys(request).order_by(), inventory.combination_counts(request)
        for name, question in _questions(request).items():
            if name == asked or "compliance_together" in kept(request):
                found |= _counted(name, question, rows, counted)
    return found


def _counted(
    name: str, question: _Question, rows: VisibleKeys, counted: list[tuple[dict[str, str], int]] | None
) -> dict[str, int]:
    """What is about facets alone comes from the kept counts of their combinations, where this reader sees all keys: there are a few dozen
    however many the keys. The rest, a date, is counted in an index, of the keys that the question is about."""
    parts = {"": question.applies, "_fails": question.applies & question.fails}
    found, others = {}, {}
    for part, each in parts.items():
        if counted is not None and _of_facets(each):
            found[f"{name}{part}"] = sum(
                n for values, n in counted if values["manager"] == MANAGER and _holds(each, values)
            )
        else:
            others[f"of{part or '_all'}"] = part, Count("pk", filter=each)  # no name is a column's
    if others:
        # A date would have the database choose that date's index, which lacks the other columns: each row would be read.
        facets = _facets_of(question.applies)
        numbers = rows.filter(facets).aggregate(**{key: count for key, (_part, count) in others.items()})
        found |= {f"{name}{part}": numbers[key] for key, (part, _count) in others.items()}
    return found


def _facets_of(condition: Q) -> Q:
    """What a condition asks of facets alone: of all that it holds of, this holds too."""
    if _of_facets(condition):
        return condition
    whole = condition.connector == Q.AND and not condition.negated
    return Q(*(each for each in condition.children if _of_facets(Q(each)))) if whole else Q()


def _of_facets(condition: Q) -> bool:
    """Whether the kept counts tell of how many keys a condition holds."""
    parts: list[Any] = condition.children  # conditions, and (what is asked, of which value)
    return all(
        _of_facets(each) if isinstance(each, Q) else each[0].removesuffix("__in") in key_rows.FACET_COLUMNS
        for each in parts
    )


def _holds(condition: Q, values: dict[str, str]) -> bool:
    """Whether a condition of facets alone holds of the keys with these values of them."""
    parts = (_holds(each, values) if isinstance(each, Q) else _has(each, values) for each in condition.children)
    held = any(parts) if condition.connector == Q.OR else all(parts)
    return held != condition.negated


def _has(asked: Any, values: dict[str, str]) -> bool:
    """`asked`: what a condition names and wants, as Q has it."""
    name, wanted = asked
    return values[name.removesuffix("__in")] in wanted if name.endswith("__in") else bool(values[name] == wanted)


def _examine(request: ConsoleRequest, name: str, fact: Callable[[Row], Words]) -> Examined:
    question, rows = _questions(request)[name], customer_keys(request)
    if rows.visibility.lacks(question.needs):  # something is hidden of some keys: they are counted apart
        return examine(request, question.applies, lambda each: each.filter(question.fails), fact, question.needs)
    numbers = _numbers(request, name)
    failing = KeyFindings(rows.filter(question.applies & question.fails), fact, numbers[f"{name}_fails"])
    return Examined(numbers[name], failing, tuple(not_read(request)))


def examine(
    request: ConsoleRequest,
    applies: Q,
    fails: Callable[[VisibleKeys], VisibleKeys],
    fact: Callable[[Row], Words],
    needs: int = 0,
) -> Examined:
    """The customer managed keys that a check is about (`applies`) and those of them that fail it; `needs`: what it must read of them beyond
    describing (bits of keys.inventory.reads)."""
    about = customer_keys(request).filter(applies)
    number, readable = about.count(), about
    unknown = list(not_read(request))
    if about.visibility.lacks(needs):
        readable = about.readable(needs)
        unreadable = number - readable.count()
    else:
        unreadable = 0
    if unreadable:
        text = NOT_READABLE if service.backend(request).embedded else NOT_TOLD
        unknown.append(Words(text, {"number": unreadable}))
    return Examined(number, KeyFindings(fails(readable), fact), tuple(unknown))


def customer_keys(request: ConsoleRequest) -> VisibleKeys:
    return inventory.synced_keys(request).filter(manager=MANAGER)


def not_read(request: ConsoleRequest) -> Sequence[Words]:
    """Why not every key of the Region could be looked at; nothing where all were."""
    found = kept(request).get("compliance_not_read")
    if found is None:
        found = []
        if hidden := inventory.undescribable_keys(request).count():
            found.append(Words(gettext_noop("%(number)d keys may be listed and not described."), {"number": hidden}))
        if inventory.progress(request) is not None:
            found.append(Words(gettext_noop("The list of keys is not read to its end yet.")))
        kept(request)["compliance_not_read"] = found
    return found


NOT_READABLE = gettext_noop("%(number)d keys could not be looked at: what the check is about may not be read of them.")
NOT_TOLD = gettext_noop("The endpoint does not tell it of %(number)d keys.")


def rotation(request: ConsoleRequest) -> Examined:
    return _examine(request, "rotation", lambda row: Words(gettext_noop("Automatic rotation is off.")))


def public_policy(request: ConsoleRequest) -> Examined:
    words = gettext_noop("The key policy allows every principal, with no condition on who that is.")
    return _examine(request, "public", lambda row: Words(words))


def deletion_pending(request: ConsoleRequest) -> Examined:
    return _examine(
        request,
        "deletion",
        lambda row: (
            _dated(gettext_noop("It is deleted on %(date)s."), row.deletion_date)
            if row.deletion_date
            else Words(gettext_noop("It is deleted once its replicas are."))
        ),
    )


def material_expires(request: ConsoleRequest) -> Examined:
    words = gettext_noop("The imported key material expires on %(date)s.")
    return _examine(request, "expiry", lambda row: _dated(words, row.valid_to))


def unused_keys(request: ConsoleRequest) -> Examined:
    return _examine(
        request,
        "unused",
        lambda row: (
            _dated(gettext_noop("It was last used on %(date)s."), row.last_used)
            if row.last_used
            else Words(gettext_noop("No use of it is recorded."))
        ),
    )


def owner_tag(request: ConsoleRequest) -> Examined:
    stays = ~Q(state__in=key_words.PENDING_DELETION)

    def without(rows: VisibleKeys) -> VisibleKeys:
        return rows.exclude(pk__in=rows.tagged_any(OWNER).order_by().values("pk"))

    def fact(_row: Row) -> Words:
        return Words(gettext_noop("It has no tag “owner”."))

    about = customer_keys(request).filter(stays)
    if about.visibility.lacks(reads.TAGS):
        return examine(request, stays, without, fact, reads.TAGS)
    number = _numbers(request, "owner")["owner"]
    failing = KeyFindings(without(about), fact, number - about.tagged_any(OWNER).count())
    return Examined(number, failing, tuple(not_read(request)))


def _dated(text: str, moment: datetime | None) -> Words:
    return Words(text, {"date": moments.day(moment) if moment else ""})
