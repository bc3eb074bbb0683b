"""Keys on a date: what state every key was in at a moment, who brought it there, who had used it last; told by the trail."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.core.paginator import Paginator
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from audit import states
from audit.forms import AsOfForm
from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from keys import service
from keys.common import problem_page
from keys.record import events as record

PAGE = 100
_COLUMNS = ("as_of", "arn", "state", "since", "by", "event_id", "spec", "usage", "origin", "created", "deletion_date", "aliases", "description")  # fmt: skip


def page(request: ConsoleRequest) -> HttpResponseBase:
    form = AsOfForm(request.GET)
    form.is_valid()
    now = service.record_now(request)
    as_of = form.cleaned_data.get("as_of") or now
    if form.errors:
        return _render(request, form, as_of, now, [], status=422)
    try:
        found = record.by_names(request, states.STATE_EVENTS, as_of)
    except ClientError as error:
        return problem_page(request, _("Key states at a date"), error)
    region = request.signed_in.region
    listed = [(key, key.state(as_of)) for key in states.replay(found.records, region, as_of)]
    if request.GET.get("format") == "csv":
        return _export(_chosen(listed, form), as_of)
    return _render(request, form, as_of, now, listed, begins=found.begins)


def _chosen(listed: list[tuple[states.KeySnapshot, str]], form: AsOfForm) -> list[tuple[states.KeySnapshot, str]]:
    state, words = form.cleaned_data.get("state", ""), form.cleaned_data.get("q", "").lower().split()
    return [
        (key, now)
        for key, now in listed
        if (not state or now == state)
        and all(word in " ".join([key.key_id, *key.aliases, key.description]).lower() for word in words)
    ]


def _render(
    request: ConsoleRequest,
    form: AsOfForm,
    as_of: datetime,
    now: datetime,
    listed: list[tuple[states.KeySnapshot, str]],
    *,
    begins: datetime | None = None,
    status: int = 200,
) -> HttpResponse:
    chosen = _chosen(listed, form) if not form.errors else []
    paginator = Paginator(chosen, PAGE)
    return render(
        request,
        "audit/keys.html",
        {
            "form": form,
            "as_of": as_of,
            "past": as_of < now,
            "states": sorted(Counter(state for _key, state in listed).items(), key=lambda each: (-each[1], each[0])),
            "state": form.data.get("state", ""),
            "total": len(listed),
            "page": paginator.get_page(request.GET.get("page")),
            "begins": begins,
        },
        status=status,
    )


def _export(listed: list[tuple[states.KeySnapshot, str]], as_of: datetime) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(_csv(listed, as_of), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="keys-as-of-{as_of:%Y-%m-%d}.csv"'
    return answer


def _csv(listed: list[tuple[states.KeySnapshot, str]], as_of: datetime) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(_COLUMNS)
    for key, state in listed:
        own: dict[str, Any] = {"as_of": as_of, "state": state, "aliases": sorted(key.aliases)}
        row = [own[name] if name in own else getattr(key, name) for name in _COLUMNS]
        yield writer.writerow([cell(each.isoformat() if isinstance(each, datetime) else each) for each in row])
