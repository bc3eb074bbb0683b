"""Audit: events newest first, one event whole, and whether the record is complete. Read by keys.record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from audit import evidence, related, search
from audit.event_policies import policies_of
from audit.exports import FORMATS, Asked
from audit.forms import FilterForm
from audit.histogram import histogram
from console import paging
from console.request import ConsoleRequest
from keys import service, viewer
from keys.common import problem_page
from keys.models import SavedView
from keys.record import as_of, proofs
from keys.record import events as record

_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")
_SAVED = "audit"  # which saved views are searches of events
_MOMENTS = ("start", "end")
T = TypeVar("T")


@as_of.shows_past
def events(request: ConsoleRequest) -> HttpResponse:
    form = FilterForm(request.GET or None)
    asked = as_of.asked(request)
    wanted = form.cleaned_data if form.is_bound and form.is_valid() else {}
    if not form.errors and (address := _absolute(request, wanted)):
        return redirect(address)
    most = paging.PRINTED if paging.prints_all(request.GET) else search.PAGE
    found = search.Found()
    if not form.errors and not (asked and asked.problem):
        try:
            wanted = _resolved(request, form, wanted)
            if not form.errors:
                moment = asked.moment if asked else None
                found = search.find(request, wanted, moment, request.GET.get("after", ""), most)
        except ClientError as error:
            return problem_page(request, _("Audit"), error)
        search.with_aliases(request, found, named=not asked)  # what a key is called now is not what it was called then
    return render(
        request,
        "audit/events.html",
        {
            "form": form,
            "fields": [form[name] for name in form.shown],
            "more_fields": [form[name] for name in form.more],
            "more_open": any(form[name].errors or request.GET.get(name) for name in (*form.more, "reads")),
            "found": found,
            "events": found.events,
            "after": found.after,
            "total": len(found.events) + bool(found.after),
            "reads_hidden": found.hidden,
            "looked_until": found.looked_until if found.after and len(found.events) < most else None,
            "facets": found.facets,
            "histogram": histogram(request, found.histogram),
            "as_of": asked,
            "filtered": any(value for name, value in wanted.items() if name != "reads") or bool(form.errors),
            "holding": _holding(request, found),
            "live": "live" in request.GET and not asked and not request.GET.get("after") and not found.walked,
            "formats": [(name, each.words) for name, each in FORMATS.items()],
            "saved_query": _saved_query(request.GET),
            "searches": _searches(request),
            "filtered_here": [form.fields[name].label for name in found.filtered_here],
        },
        status=asked.status if asked and asked.problem else 422 if form.errors else 200,
    )


def _absolute(request: ConsoleRequest, wanted: dict[str, Any]) -> str:
    """The address with its moments in UTC, "" if they are: what is shared shows the same events to readers in every zone."""
    typed = {name: request.GET.get(name, "") for name in _MOMENTS if wanted.get(name)}
    changed = {name: f"{wanted[name].astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" for name in typed}
    if all(text.endswith("Z") or re.search(r"[+-]\d\d:?\d\d$", text[10:]) for text in typed.values()):
        return ""
    query = request.GET.copy()
    for name, text in changed.items():
        query[name] = text
    return f"{request.path}?{query.urlencode()}"


def _holding(request: ConsoleRequest, found: search.Found) -> str:
    """The query of a link that shows the same events tomorrow: up to the last event that there is now."""
    query = request.GET.copy()
    for name in ("live", "print"):
        query.pop(name, None)
    if found.newest and "newest" not in query:
        query["newest"] = str(found.newest)
    if found.walked and not query.get("end"):
        query["end"] = f"{service.record_now(request).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"?{query.urlencode()}"


def newer(request: ConsoleRequest) -> HttpResponse:
    """What came since an event, for a page that shows events as they come; 204 where nothing did."""
    form, since = FilterForm(request.GET), request.GET.get("since", "")
    if not form.is_valid() or not since.isdecimal() or len(since) > 18:
        raise Http404
    try:
        wanted = _resolved(request, form, form.cleaned_data)
        if form.errors:
            raise Http404
        found = search.newer(request, wanted, int(since))
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    if found is None:
        return HttpResponse(status=204)
    search.with_aliases(request, found)
    return render(request, "audit/newer.html", {"events": found.events, "found": found, "more": found.after})


@require_POST
def save_search(request: ConsoleRequest) -> HttpResponse:
    """Keep, or with `delete` drop, a search of this principal's under its name."""
    owner, name = viewer.owner(request), request.POST.get("name", "").strip()[:80]
    query = _saved_query(QueryDict(request.POST.get("query", "")[:8000]))
    if request.POST.get("delete"):
        SavedView.objects.filter(owner=owner, manager=_SAVED, name=name).delete()
        messages.success(request, _("The search “%(name)s” is deleted.") % {"name": name})
    elif name:
        SavedView.objects.update_or_create(owner=owner, manager=_SAVED, name=name, defaults={"query": query})
        messages.success(request, _("The search is saved as “%(name)s”.") % {"name": name})
    else:
        messages.error(request, _("A search needs a name."))
    return redirect(f"{reverse('audit')}?{query}")


def _saved_query(query: QueryDict) -> str:
    """What a saved search keeps of an address: the filter, and no place in the list."""
    kept = QueryDict(mutable=True)
    for name in FilterForm.base_fields:
        if name != "newest" and (value := query.get(name)):
            kept[name] = value
    return kept.urlencode()


def _searches(request: ConsoleRequest) -> list[tuple[SavedView, bool]]:
    """The principal's saved searches, and which of them is being looked at."""
    now = _saved_query(request.GET)
    saved = SavedView.objects.filter(owner=viewer.owner(request), manager=_SAVED)
    return [(each, each.query == now) for each in saved]


def _resolved(request: ConsoleRequest, form: FilterForm, wanted: dict[str, Any]) -> dict[str, Any]:
    """The filter with the ARN in place of an alias: events name keys by ARN. One that leads to no key is an error beside the field."""
    named = str(wanted.get("key", "")).strip()
    if not named or _KEY_ID.fullmatch(named) or ":key/" in named:
        return wanted
    alias = named if named.startswith(("alias/", "arn:")) else f"alias/{named}"
    try:
        metadata = service.client(request).describe_key(KeyId=alias)["KeyMetadata"]
    except ClientError as error:
        form.add_error("key", service.sentence(error))
        return wanted
    return {**wanted, "key": metadata["Arn"]}


@as_of.shows_past
def export(request: ConsoleRequest) -> HttpResponseBase:
    """The events of a filter as a file, streamed however many there are (audit.exports)."""
    form = FilterForm(request.GET)
    asked = as_of.asked(request)
    if not form.is_valid() or (asked and asked.problem):
        return events(request)
    name = request.GET.get("format", "csv")
    if name not in (*FORMATS, "evidence", "proved"):
        raise Http404
    chosen = FORMATS.get(name, FORMATS["csv"])
    try:
        wanted = _resolved(request, form, form.cleaned_data)
        if form.errors:
            return events(request)
        moment = asked.moment if asked else None
        oldest_first = chosen.oldest_first or name in ("evidence", "proved")
        rows = search.every(request, wanted, moment, oldest_first=oldest_first)
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    if name == "proved":
        return _proved(request, rows)
    signed_in = request.signed_in
    of = {name: str(value) for name, value in {**wanted, "as_of": moment}.items() if value}
    about = Asked(signed_in.account_id, signed_in.region, of)
    if name == "evidence":
        until = min(filter(None, (moment, wanted.get("end"), service.record_now(request))))
        return _evidence(request, rows, about, wanted.get("start"), until)
    answer = StreamingHttpResponse(chosen.write(rows, about), content_type=chosen.content_type)
    file = f"events-{signed_in.account_id}-{signed_in.region}.{chosen.ending}"
    answer["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


def _begun(pieces: Iterator[T]) -> Iterator[T]:
    """The same pieces, the first one made: what is wrong by then is answered as an error, not by a file that breaks off."""
    first = list(islice(pieces, 1))

    def every() -> Iterator[T]:
        yield from first
        yield from pieces

    return every()


def _evidence(
    request: ConsoleRequest, rows: Iterator[dict[str, Any]], asked: Asked, start: datetime | None, end: datetime
) -> HttpResponseBase:
    """The evidence bundle (docs/proofs.md), streamed however many events there are."""
    try:
        pieces = _begun(evidence.bundle(request, rows, asked, start, end))
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    except proofs.FAILURES as reason:
        return HttpResponse(str(reason), "text/plain; charset=utf-8", status=409)
    answer = StreamingHttpResponse(pieces, content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="evidence-{asked.account_id}-{end:%Y-%m-%d}.zip"'
    return answer


def _proved(request: ConsoleRequest, rows: Iterator[dict[str, Any]]) -> HttpResponseBase:
    """The events with their proofs, for the stand-alone verifier (docs/proofs.md), streamed however many there are."""
    try:
        lines = _begun(proofs.export(request, (each["id"] for each in rows)))
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    except proofs.FAILURES as reason:
        return HttpResponse(str(reason), "text/plain; charset=utf-8", status=409)
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="events-proved.jsonl"'
    return answer


def event(request: ConsoleRequest, event_id: Any) -> HttpResponse:
    try:
        answer = record.look_up(
            request, LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": str(event_id)}]
        )
    except ClientError as error:
        return problem_page(request, _("Event"), error)
    if not answer["Events"]:
        raise Http404
    shown = search.of_event(answer["Events"][0])
    search.with_aliases(request, search.Found(events=[shown]))
    found = shown["record"]
    shows = {
        "event": shown,
        "policies": policies_of(found),
        "related": related.of(found),
        "provable": record.may_search(request),
    }
    return render(request, "audit/event.html", shows)
