"""Audit: events newest first, one event whole, and whether the record is complete. Read by keys.record."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import gettext as _

from audit.forms import AsOfForm, FilterForm
from console.request import ConsoleRequest
from console.spreadsheet import Echo, cell
from engine.public.vocabulary import CRYPTOGRAPHIC
from keys import service
from keys.common import problem_page
from keys.record import events as record

PAGE = 50
_KEY_ID = re.compile(r"(mrk-)?[0-9a-f-]{32,36}")
MOST_PAGES = 40  # how far one request looks for events that match every filter
# CloudTrail calls them read-only: they change nothing, and are what a key is for.
USES_A_KEY = CRYPTOGRAPHIC | {"GenerateRandom"}
_COLUMNS = ("eventTime", "eventID", "eventName", "eventSource", "user", "principal", "sourceIPAddress", "awsRegion", "keys", "errorCode", "errorMessage", "requestID")  # fmt: skip


def events(request: ConsoleRequest) -> HttpResponse:
    form = FilterForm(request.GET or None)
    as_of = _as_of(request)
    wanted = form.cleaned_data if form.is_bound and form.is_valid() else {}
    found: list[dict[str, Any]] = []
    after, looked_until, hidden = "", None, 0
    if not form.errors:
        try:
            wanted = _resolved(request, form, wanted)
            if not form.errors:
                lookup = _lookup(request, wanted, as_of)
                found, after, looked_until, hidden = _find(lookup, wanted, request.GET.get("after", ""))
        except ClientError as error:
            return problem_page(request, _("Audit"), error)
    return render(
        request,
        "audit/events.html",
        {
            "form": form,
            "events": found,
            "after": after,
            "reads_hidden": hidden,
            "looked_until": looked_until if after and len(found) < PAGE else None,
            "as_of": as_of,
            "filtered": any(value for name, value in wanted.items() if name != "reads") or bool(form.errors),
        },
        status=422 if form.errors else 200,
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


def _as_of(request: ConsoleRequest) -> datetime | None:
    form = AsOfForm(request.GET)
    return form.cleaned_data.get("as_of") if form.is_valid() else None


def _lookup(request: ConsoleRequest, wanted: dict[str, Any], as_of: datetime | None) -> Any:
    """LookupEvents with what it can narrow by: a time range and one attribute, the narrowest."""
    attributes = [
        {"AttributeKey": name, "AttributeValue": wanted[field]}
        for field, name in (("key", "ResourceName"), ("user", "Username"), ("operation", "EventName"))
        if wanted.get(field)
    ][:1]
    end = min((moment for moment in (wanted.get("end"), as_of) if moment), default=None)
    parameters: dict[str, Any] = {
        "MaxResults": PAGE,
        **({"LookupAttributes": attributes} if attributes else {}),
        **({"StartTime": wanted["start"]} if wanted.get("start") else {}),
        **({"EndTime": end} if end else {}),
    }
    return lambda after: record.look_up(request, **parameters, **({"NextToken": after} if after else {}))


def _find(lookup: Any, wanted: dict[str, Any], after: str) -> tuple[list[dict[str, Any]], str, datetime | None, int]:
    """(one page of events that match every filter, where to go on, how far back was looked, how many of the console's reads were left out)."""
    found: list[dict[str, Any]] = []
    looked_until, hidden = None, 0
    hides = not (wanted.get("reads") or wanted.get("operation"))
    for _number in range(MOST_PAGES):
        answer = lookup(after)
        shown = [_shown(event) for event in answer["Events"]]
        matching = [each for each in shown if _matches(each, wanted)]
        kept = [each for each in matching if not (hides and _is_read_by_console(each))]
        found += kept
        hidden += len(matching) - len(kept)
        looked_until = shown[-1]["time"] if shown else looked_until
        after = answer.get("NextToken", "")
        if not after or len(found) >= PAGE:
            break
    return found, after, looked_until, hidden


def _is_read_by_console(shown: dict[str, Any]) -> bool:
    """What a page asked to show itself: answered, changed nothing, and used no key."""
    record = shown["record"]
    from_console = record.get("sessionCredentialFromConsole") == "true"
    return bool(from_console and record.get("readOnly") and not shown["error"] and shown["name"] not in USES_A_KEY)


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    record = json.loads(event["CloudTrailEvent"])
    return {
        "id": event["EventId"],
        "time": datetime.fromisoformat(record["eventTime"]),
        "name": event["EventName"],
        "user": event.get("Username", ""),
        "source_ip": record.get("sourceIPAddress", ""),
        "service": record["eventSource"].partition(".")[0],
        "error": record.get("errorCode", ""),
        "voided": record.get("voided", False),
        "keys": [resource["ARN"].rpartition("/")[2] for resource in record.get("resources", ())],
        "record": record,
    }


def _matches(shown: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if wanted.get("user") and shown["user"] != wanted["user"]:
        return False
    if wanted.get("operation") and shown["name"] != wanted["operation"]:
        return False
    if wanted.get("error") and not shown["error"].startswith(wanted["error"]):
        return False
    return not wanted.get("refused") or bool(shown["error"])


def export(request: ConsoleRequest) -> HttpResponseBase:
    """The events of a filter as a file, streamed: CSV, or the records themselves, one JSON a line."""
    form = FilterForm(request.GET)
    if not form.is_valid():
        return events(request)
    try:
        wanted = _resolved(request, form, form.cleaned_data)
        if form.errors:
            return events(request)
        lookup = _lookup(request, wanted, _as_of(request))
        first = lookup("")
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    rows = _all(lookup, first, wanted)
    as_json = request.GET.get("format") == "json"
    answer = StreamingHttpResponse(
        (json.dumps(each["record"]) + "\n" for each in rows) if as_json else _csv(rows),
        content_type="application/x-ndjson" if as_json else "text/csv; charset=utf-8",
    )
    answer["Content-Disposition"] = f'attachment; filename="events.{"jsonl" if as_json else "csv"}"'
    return answer


def _all(lookup: Any, answer: dict[str, Any], wanted: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every event that matches, however many: an export is not cut."""
    while True:
        yield from (shown for shown in map(_shown, answer["Events"]) if _matches(shown, wanted))
        after = answer.get("NextToken", "")
        if not after:
            return
        answer = lookup(after)


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
    return render(request, "audit/event.html", {"event": _shown(answer["Events"][0])})


def verify(request: ConsoleRequest) -> HttpResponse:
    """The chain is walked when asked (POST): it takes as long as the record is long."""
    if request.method == "POST":
        try:
            return render(request, "audit/verify.html", {"verdict": record.verify(request)})
        except ClientError as error:
            return problem_page(request, _("Verify integrity"), error)
        except record.CheckpointError as reason:
            return render(request, "audit/verify.html", {"unknown": reason})
    return render(request, "audit/verify.html")
