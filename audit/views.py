"""Audit: events newest first, one event whole, and whether the record is complete. Read through CloudTrail LookupEvents."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from engine.trail import verify as trail
from keys import service
from keys.views.common import problem_page

PAGE = 50
_MOST_PAGES = 40  # how far one request looks for events that match every filter


class FilterForm(forms.Form):
    key = forms.CharField(label=gettext_lazy("Key ID or ARN"), required=False)
    user = forms.CharField(label=gettext_lazy("User"), required=False)
    operation = forms.CharField(label=gettext_lazy("Operation"), required=False)
    refused = forms.BooleanField(label=gettext_lazy("Refused only"), required=False)


def events(request: HttpRequest) -> HttpResponse:
    form = FilterForm(request.GET or None)
    wanted = form.cleaned_data if form.is_bound and form.is_valid() else {}
    try:
        found, after = _find(service.client(request, "cloudtrail"), wanted, request.GET.get("after", ""))
    except ClientError as error:
        return problem_page(request, _("Audit"), error)
    return render(
        request, "audit/events.html", {"form": form, "events": found, "after": after, "filtered": any(wanted.values())}
    )


def _find(api: Any, wanted: dict[str, Any], after: str) -> tuple[list[dict[str, Any]], str]:
    """One page of events that match every filter. LookupEvents takes one attribute: the narrowest, the rest is looked at here."""
    attributes = [
        {"AttributeKey": name, "AttributeValue": wanted[field]}
        for field, name in (("key", "ResourceName"), ("user", "Username"), ("operation", "EventName"))
        if wanted.get(field)
    ][:1]
    found: list[dict[str, Any]] = []
    for _number in range(_MOST_PAGES):
        parameters: dict[str, Any] = {"MaxResults": PAGE, **({"LookupAttributes": attributes} if attributes else {})}
        if after:
            parameters["NextToken"] = after
        answer = api.lookup_events(**parameters)
        found += [shown for shown in map(_shown, answer["Events"]) if _matches(shown, wanted)]
        after = answer.get("NextToken", "")
        if not after or len(found) >= PAGE:
            break
    return found, after


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
    return not wanted.get("refused") or bool(shown["error"])


def event(request: HttpRequest, event_id: Any) -> HttpResponse:
    try:
        answer = service.client(request, "cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventId", "AttributeValue": str(event_id)}]
        )
    except ClientError as error:
        return problem_page(request, _("Event"), error)
    if not answer["Events"]:
        raise Http404
    return render(request, "audit/event.html", {"event": _shown(answer["Events"][0])})


def verify(request: HttpRequest) -> HttpResponse:
    """The chain is walked when asked (POST): it takes as long as the record is long."""
    if request.method == "POST":
        try:
            service.client(request, "cloudtrail").lookup_events(MaxResults=1)
        except ClientError as error:
            return problem_page(request, _("Is the record complete?"), error)
        return render(request, "audit/verify.html", {"verdict": trail.verify()})
    return render(request, "audit/verify.html")
