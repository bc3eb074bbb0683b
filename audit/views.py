"""Audit: events newest first, one event whole, and whether the record is complete. Read by keys.record."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from audit import search
from audit.forms import FilterForm
from console import paging
from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from keys import service
from keys.common import problem_page
from keys.policy import policy_document
from keys.record import as_of, proofs
from keys.record import events as record

_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")
_POLICY_PARAMETERS = ("policy", "policyDocument", "assumeRolePolicyDocument")
_COLUMNS = ("eventTime", "eventID", "eventName", "eventSource", "user", "principal", "sourceIPAddress", "awsRegion", "keys", "errorCode", "errorMessage", "requestID")  # fmt: skip


@as_of.shows_past
def events(request: ConsoleRequest) -> HttpResponse:
    form = FilterForm(request.GET or None)
    asked = as_of.asked(request)
    wanted = form.cleaned_data if form.is_bound and form.is_valid() else {}
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
    return render(
        request,
        "audit/events.html",
        {
            "form": form,
            "events": found.events,
            "after": found.after,
            "total": len(found.events) + bool(found.after),
            "reads_hidden": found.hidden,
            "looked_until": found.looked_until if found.after and len(found.events) < most else None,
            "facets": found.facets,
            "facets_whole": found.whole,
            "as_of": asked,
            "filtered": any(value for name, value in wanted.items() if name != "reads") or bool(form.errors),
        },
        status=asked.status if asked and asked.problem else 422 if form.errors else 200,
    )


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
    """The events of a filter as a file, streamed: CSV, or the records themselves, one JSON a line."""
    form = FilterForm(request.GET)
    asked = as_of.asked(request)
    if not form.is_valid() or (asked and asked.problem):
        return events(request)
    try:
        wanted = _resolved(request, form, form.cleaned_data)
        if form.errors:
            return events(request)
        lookup = search.lookup(request, wanted, asked.moment if asked else None)
        first = lookup("")
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    rows = search.every(lookup, first, wanted)
    if request.GET.get("format") == "proved":
        return _proved(request, rows)
    as_json = request.GET.get("format") == "json"
    answer = StreamingHttpResponse(
        (json.dumps(each["record"]) + "\n" for each in rows) if as_json else _csv(rows),
        content_type="application/x-ndjson" if as_json else "text/csv; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="events.{"jsonl" if as_json else "csv"}"'
    return answer


def _proved(request: ConsoleRequest, rows: Iterator[dict[str, Any]]) -> HttpResponseBase:
    """The events with their proofs, for the stand-alone verifier (docs/proofs.md)."""
    found = [each["id"] for each in islice(rows, proofs.MOST_PROVED + 1)]
    if len(found) > proofs.MOST_PROVED:
        said = _("An export with proofs holds %(most)d events at most: narrow the filter.") % {
            "most": proofs.MOST_PROVED
        }
        return HttpResponse(said, "text/plain; charset=utf-8", status=422)
    try:
        lines = proofs.export(request, found)
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    except proofs.FAILURES as reason:
        return HttpResponse(str(reason), "text/plain; charset=utf-8", status=409)
    answer = StreamingHttpResponse(lines, content_type="application/x-ndjson")
    answer["Content-Disposition"] = 'attachment; filename="events-proved.jsonl"'
    return answer


def _csv(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(_COLUMNS)
    for row in rows:
        record = row["record"]
        own = {"user": row["user"], "principal": record["userIdentity"].get("arn", ""), "keys": row["keys"]}
        yield writer.writerow([cell(own.get(name, record.get(name))) for name in _COLUMNS])


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
    shows = {"event": shown, "policies": _policies(shown["record"]), "provable": record.may_search(request)}
    return render(request, "audit/event.html", shows)


def _policies(record: dict[str, Any]) -> list[tuple[str, str]]:
    """(parameter, text) of the policies that a call was given."""
    given = record.get("requestParameters") or {}
    found = [(name, given[name]) for name in _POLICY_PARAMETERS if isinstance(given.get(name), str)]
    return [(name, policy_document.pretty(text)) for name, text in found if text]
