"""Keys on a date: what state every key was in at a moment, who brought it there, who had used it last; told by the trail."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from audit.forms import StatesForm
from console import paging
from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from keys import service
from keys.common import problem_page
from keys.inventory.untold import NOT_KNOWN
from keys.record import as_of, past_keys
from keys.record.as_of import AsOf
from keys.record.past_keys import PastKeys
from keys.record.snapshots import KeySnapshot

PAGE = 100
_COLUMNS = ("as_of", "arn", "state", "since", "by", "event_id", "spec", "usage", "origin", "created", "deletion_date", "aliases", "description")  # fmt: skip


@as_of.shows_past
def page(request: ConsoleRequest) -> HttpResponseBase:
    now = service.record_now(request)
    form = StatesForm(request.GET, now=now)
    asked = as_of.of_form(form, request.GET.get(as_of.PARAMETER, "").strip())
    if asked.problem:
        return _render(request, asked, form, [], status=asked.status)
    moment = asked.moment or now
    try:
        found = past_keys.all_known(request, moment, _states)
    except ClientError as error:
        return problem_page(request, _("Key states at a date"), error)
    listed, states = _states(found, moment)
    if request.GET.get("format") == "csv":
        return _export(_chosen(listed, form), moment)
    return _render(request, asked.of_record(found.begins), form, listed, states, untold=found.untold)


def _states(past: PastKeys, moment: datetime) -> tuple[list[tuple[KeySnapshot, str]], Counter[str]]:
    """(each key with its state, how many there are of each)."""
    listed = past.once("states", lambda: [(key.by_time(moment), key.state(moment)) for key in past.keys])
    return listed, past.once("numbers of states", lambda: Counter(state for _key, state in listed if state))


def _chosen(listed: list[tuple[KeySnapshot, str]], form: StatesForm) -> list[tuple[KeySnapshot, str]]:
    state, words = form.cleaned_data.get("state", ""), form.cleaned_data.get("q", "").lower().split()
    if not state and not words:
        return listed
    return [
        (key, now)
        for key, now in listed
        if (not state or now == state)
        and all(word in " ".join([key.key_id, *key.aliases, key.description]).lower() for word in words)
    ]


def _render(
    request: ConsoleRequest,
    asked: AsOf,
    form: StatesForm,
    listed: list[tuple[KeySnapshot, str]],
    states: Counter[str] | None = None,
    *,
    status: int = 200,
    untold: str = "",
) -> HttpResponse:
    chosen = _chosen(listed, form) if not form.errors else []
    return render(
        request,
        "audit/keys.html",
        {
            "form": form,
            "as_of": asked if asked.typed else None,
            "states": sorted((states or Counter()).items(), key=lambda each: (-each[1], each[0])),
            "state": form.data.get("state", ""),
            "total": len(listed),
            "page": paging.page_of(chosen, PAGE, request.GET),
            "begins": asked.begins,
            "observed": any(key.observed for key, _state in listed),
            "untold": untold,
        },
        status=status,
    )


def _export(listed: list[tuple[KeySnapshot, str]], moment: datetime) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(as_csv(listed, moment), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="keys-as-of-{moment:%Y-%m-%d}.csv"'
    return answer


def as_csv(listed: list[tuple[KeySnapshot, str]], moment: datetime) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(_COLUMNS)
    for key, state in listed:
        own: dict[str, Any] = {"as_of": moment, "state": state, "aliases": key.aliases}
        own |= {name: NOT_KNOWN for name in key.unknown if name in _COLUMNS and not own.get(name)}
        row = [own[name] if name in own else getattr(key, name) for name in _COLUMNS]
        yield writer.writerow([cell(each.isoformat() if isinstance(each, datetime) else each) for each in row])
