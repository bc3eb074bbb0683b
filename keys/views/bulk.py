"""Actions on many keys: first what each will answer, then, confirmed, one call after another."""

from __future__ import annotations

from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from keys import inventory, service
from keys.views.key import refused_actions

BULK: dict[str, tuple[str, Any]] = {
    "enable": ("EnableKey", gettext_lazy("Enable")),
    "disable": ("DisableKey", gettext_lazy("Disable")),
    "delete": ("ScheduleKeyDeletion", gettext_lazy("Schedule deletion (30 days)")),
    "cancel-deletion": ("CancelKeyDeletion", gettext_lazy("Cancel deletion")),
}


@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    action = request.POST.get("action", "")
    chosen = request.POST.getlist("key")
    if action not in BULK or not chosen:
        messages.error(request, _("Choose keys and an action first."))
        return redirect("keys")
    kms = service.client(request)
    operation, words = BULK[action]
    if request.POST.get("confirmed"):
        return _perform(request, kms, operation, chosen)
    rows = []
    for key_id in chosen:
        try:
            key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
            rows.append((key, refused_actions(key).get(action, "")))
        except ClientError as error:
            rows.append(({"KeyId": key_id}, service.sentence(error)))
    return render(request, "keys/bulk.html", {"rows": rows, "action": action, "words": words})


def _perform(request: HttpRequest, kms: Any, operation: str, chosen: list[str]) -> HttpResponse:
    done = 0
    for key_id in chosen:
        try:
            getattr(kms, xform_name(operation))(KeyId=key_id)
            done += 1
        except ClientError as error:
            messages.error(request, f"{key_id} – {service.sentence(error)}")
    inventory.forget(request)
    if done:
        messages.success(request, _("Done for %(number)d keys.") % {"number": done})
    return redirect("keys")
