"""The integrated services: tick one, choose its key, and the KMS calls that it makes run, with what was sent and what was answered.

The calls are the engine's, by the door of `keys.service.by_aws_service`; so this page is the embedded engine's alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console.addresses import chosen_key, key_search, searches_keys
from console.aws_calls import attempt, optional
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from learn.labs import integrated, sequence
from learn.labs.integrated import RecordedCall, ServiceRefusal
from learn.labs.services import SERVICES, Service, statement
from learn.models import ProtectedResource


@never_cache
def page(request: ConsoleRequest) -> HttpResponse:
    if not service.backend(request).embedded:
        return render(request, "learn/labs/services.html", {"unavailable": True}, status=409 if request.POST else 200)
    keys, picker_problem = _keys(request)
    wrong: dict[str, str] = {}
    made: list[RecordedCall] = []
    if request.method == "POST" and not searches_keys(request):
        kept = integrated.protected_resources(request)
        made = _asked(request, kept) if "apply" not in request.POST else _apply(request, kept, keys, wrong)
        made = integrated.with_events(request, made)
        if "apply" in request.POST and not made and not wrong:
            messages.info(request, _("Nothing was ticked or unticked: no call was made."))
    kept = integrated.protected_resources(request)
    rows = [_row(request, row, kept.get(row.slug), keys, wrong) for row in SERVICES.values()]
    return render(
        request,
        "learn/labs/services.html",
        {"rows": rows, "made": made, "picker_problem": picker_problem, "find": key_search(request)},
        status=422 if wrong or any(each.code for each in made) else 200,
    )


def explain(request: ConsoleRequest, slug: str) -> HttpResponse:
    """Which calls a service makes, on whose behalf, and what stops without its key: as a diagram, and in words. It calls nothing."""
    row = SERVICES.get(slug)
    if row is None:
        raise Http404
    drawn = sequence.diagram(row)
    names = [name for _x, name in drawn.lanes]
    exchanged = [
        (part.title, names[message.sender], names[message.receiver], message)
        for part in sequence.parts(row)
        for message in part.messages
    ]
    return render(
        request,
        "learn/labs/service.html",
        {"service": row, "diagram": drawn, "exchanged": exchanged, "services": SERVICES.values()},
    )


def _keys(request: ConsoleRequest) -> tuple[list[tuple[str, str]], str]:
    """The customer managed keys that a service takes: symmetric ones."""
    try:
        text = key_search(request).text
        chosen = [chosen_key(request, f"key-{slug}") for slug in SERVICES]
        found = inventory.keys_for_picker(request, "ENCRYPT_DECRYPT", symmetric_only=True, text=text, chosen=chosen)
    except ClientError as error:
        return [], service.sentence(error)
    return [each for each in found if not each[1].startswith("aws/")], ""


def _apply(
    request: ConsoleRequest, kept: dict[str, ProtectedResource], keys: list[tuple[str, str]], wrong: dict[str, str]
) -> list[RecordedCall]:
    """Protect what is newly ticked, give up what is not ticked any more. A refusal ends its service only."""
    ticked = request.POST.getlist("tick")
    made: list[RecordedCall] = []
    for slug, row in SERVICES.items():
        try:
            if slug in ticked and slug not in kept:
                key = request.POST.get(f"key-{slug}", "")
                if key not in [*([row.alias] if row.alias else []), *(key_id for key_id, _words in keys)]:
                    wrong[slug] = _("Choose a key.")
                    continue
                made += integrated.protect(request, row, key)
            elif slug not in ticked and slug in kept:
                made += integrated.release(request, row, kept[slug])
        except ServiceRefusal as refusal:
            made += refusal.made
    return made


def _asked(request: ConsoleRequest, kept: dict[str, ProtectedResource]) -> list[RecordedCall]:
    """What the buttons of a service ask for: to read back, or to switch its key off or on and then read back."""
    step = next((step for step in _STEPS if request.POST.get(step) in kept), None)
    if step is None:
        messages.error(request, _("There is nothing to read: tick the service first."))
        return []
    slug = request.POST[step]
    if not _STEPS[step](request, kept[slug].key_arn):
        return []
    try:
        return integrated.read(request, SERVICES[slug], kept[slug])
    except ServiceRefusal as refusal:
        return refusal.made


def _enable(request: ConsoleRequest, key_arn: str) -> bool:
    return attempt(request, lambda: service.client(request).enable_key(KeyId=key_arn), _("The key is enabled."))


def _disable(request: ConsoleRequest, key_arn: str) -> bool:
    return attempt(request, lambda: service.client(request).disable_key(KeyId=key_arn), _("The key is disabled."))


# The button of a service → what is done to its key, as the person, before it is read back; whether that was done.
_STEPS: dict[str, Callable[[ConsoleRequest, str], bool]] = {
    "read": lambda request, key_arn: True,
    "disable": _disable,
    "enable": _enable,
}


def _row(
    request: ConsoleRequest,
    row: Service,
    kept: ProtectedResource | None,
    keys: list[tuple[str, str]],
    wrong: dict[str, str],
) -> dict[str, Any]:
    """A service as the page shows it: what it holds, or which keys it may be given."""
    thing = integrated.of(request, row, kept.resource_id if kept else row.new_id())
    shown: dict[str, Any] = {"service": row, "keys": keys, "wrong": wrong.get(row.slug, "")}
    shown["statement"] = statement(row, thing)
    shown["chosen"] = chosen_key(request, f"key-{row.slug}")
    shown["ticked"] = row.slug in request.POST.getlist("tick") if searches_keys(request) else kept or shown["wrong"]
    if kept is not None:
        described, problem = optional(lambda: service.client(request).describe_key(KeyId=kept.key_arn))
        shown.update(kept=kept, resource=thing, key=described["KeyMetadata"] if described else None, problem=problem)
    return shown
