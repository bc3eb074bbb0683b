"""A change as the calls that make it: shown by GET (or POST with `preview`), sent in order by POST."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render

from console import addresses
from console.aws_calls import attempt
from console.linediff import DiffLine
from console.request import ConsoleRequest
from keys import call, permissions, service


@dataclass(frozen=True, slots=True)
class Change:
    """`title` says what the calls do, `done` what is said when they are done; `danger` for what cannot be undone, `explain` for what
    follows from it, `diffs` for texts that it changes: the name of each with its lines."""

    title: str
    calls: list[call.Call]
    done: str
    danger: bool = False
    service: str = "iam"
    explain: str = ""
    diffs: Sequence[tuple[str, Sequence[DiffLine]]] = ()


def asked(request: ConsoleRequest) -> QueryDict:
    """What the form says: sent to be done, or only looked at; a preview repeats it as a program in each language, so it is bounded."""
    return request.POST if request.method == "POST" else addresses.repeated(request)


def previews(request: ConsoleRequest) -> bool:
    return request.method != "POST" or "preview" in request.POST


def send(client: Any, calls: list[call.Call]) -> None:
    """Raises ClientError; what was sent before stays."""
    for operation, parameters in calls:
        getattr(client, xform_name(operation))(**parameters)


def carry_out(request: ConsoleRequest, change: Change | None, back: str, after: str = "") -> HttpResponse:
    """`back` is the page the change belongs to, `after` the one to go to when it is done; no change, where the form asks for none."""
    if change is None:
        return redirect(back)
    if not previews(request):
        client = service.client(request, change.service)
        done = attempt(request, lambda: send(client, change.calls), change.done)
        return redirect(after if done and after else back)
    return render(
        request,
        "keys/change.html",
        {
            "change": change,
            "why": permissions.of_calls(request, change.service, change.calls),
            "call": call.show_all(request, change.calls, change.service),
            "given": [
                (name, value)
                for name, values in asked(request).lists()
                for value in values
                if name not in ("csrfmiddlewaretoken", "preview")
            ],
            "back": back,
        },
    )
