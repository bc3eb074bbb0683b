"""Keys at two moments: which were created and deleted between them, and what of each other one changed, told by the record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from audit.forms import TwoMomentsForm
from console import paging
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.policy.policy_changes import PolicyDifference
from keys.record import key_changes, key_states, past_keys
from keys.record.key_changes import FactChange
from keys.record.snapshots import KeySnapshot

PAGE = 50
CREATED, DELETED, CHANGED = "created", "deleted", "changed"
GONE, LISTED = "gone", "listed"  # of keys that readings alone tell of: no longer in the list, in it again


@dataclass(frozen=True, slots=True)
class KeyChange:
    """`mark` is CREATED, DELETED, CHANGED, GONE or LISTED; `policy` is None where it says the same."""

    mark: str
    key: KeySnapshot
    facts: tuple[FactChange, ...] = ()
    policy: PolicyDifference | None = None


def page(request: ConsoleRequest) -> HttpResponse:
    now = service.record_now(request)
    form = TwoMomentsForm(request.GET or None, now=now)
    context: dict[str, Any] = {"form": form}
    if not form.is_bound:
        return render(request, "audit/compare.html", context)
    if not form.is_valid():
        return render(request, "audit/compare.html", context, status=422)
    before, after = form.cleaned_data["before"], form.cleaned_data["after"] or now
    try:
        older, newer = (past_keys.all_known(request, each, past_keys.as_it_is) for each in (before, after))
    except ClientError as error:
        return problem_page(request, _("Compare two dates"), error)
    found = list(changes(older.keys, newer.keys, before, after, request.signed_in.account_id))
    context |= {
        "asked": urlencode({name: request.GET[name] for name in ("before", "after") if request.GET.get(name)}),
        "page": paging.page_of(found, PAGE, request.GET),
        "before": before,
        "after": after,
        "begins": older.begins if older.begins and before < older.begins else None,
        "observed": any(key.observed for key in newer.keys),
        "untold": newer.untold,
        "counts": [
            (mark, sum(each.mark == mark for each in found)) for mark in (CREATED, CHANGED, DELETED, GONE, LISTED)
        ],
    }
    return render(request, "audit/compare.html", context)


def changes(
    older: Iterable[KeySnapshot], newer: Iterable[KeySnapshot], before: datetime, after: datetime, account_id: str
) -> Iterator[KeyChange]:
    """In the order of the newer keys. A deleted key's record stays, so it is told by its state."""
    then = {key.arn: key for key in older if key.state(before) != key_states.DELETED}
    for key in newer:
        old = then.get(key.arn)
        if old is key and key.deletion_date is None and key.valid_to is None:
            continue  # no call changed it, nor can time have done
        was_gone, is_gone = old is not None and old.gone is not None, key.gone is not None
        if was_gone or is_gone:
            if old is not None and was_gone is not is_gone:
                yield KeyChange(GONE if is_gone else LISTED, key)
            continue
        gone = key.state(after) == key_states.DELETED
        if old is None:
            if not gone:
                yield KeyChange(CREATED, key)
        elif gone:
            yield KeyChange(DELETED, key)
        else:
            facts = tuple(key_changes.facts(old, key, before, after))
            policy = key_changes.policy(old, key, account_id)
            if facts or policy is not None:
                yield KeyChange(CHANGED, key, facts, policy)
