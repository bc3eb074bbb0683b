"""Alerts of an account, and the rules that find them. Seeing is kmsconsole:ListAlerts, all else kmsconsole:ManageAlerts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache

from audit.alerts import delivery, watch
from audit.alerts.forms import RuleForm
from audit.alerts.kinds import KINDS
from audit.alerts.models import Alert, AlertRule, Delivery
from console import kept_words
from console.request import ConsoleRequest
from engine.public import webhook_signature
from keys import permissions, service
from keys.common import problem_page, requires
from keys.inventory import inventory
from keys.record.events import READ_RECORD

LIST, MANAGE = "kmsconsole:ListAlerts", "kmsconsole:ManageAlerts"
_PAGE = 50
_MOST_RULES = 100


@requires(LIST, gettext_lazy("Alerts"))
def index(request: ConsoleRequest) -> HttpResponse:
    account_id = request.signed_in.account_id
    if request.method == "POST":
        return _acknowledge(request)
    alerts = Alert.objects.filter(account_id=account_id).select_related("rule")
    unread = alerts.filter(acknowledged=None).count()
    if request.GET.get("show") != "all":
        alerts = alerts.filter(acknowledged=None)
    page = Paginator(alerts, _PAGE).get_page(request.GET.get("page"))
    deliveries = Delivery.objects.filter(alert__in=[each.pk for each in page]).order_by("pk")
    here = permissions.key_arn(request, "")
    ids = {each.key: each.key.removeprefix(here) for each in page if each.key.startswith(here)}
    names = inventory.aliases(request, ids.values()) if service.backend(request).embedded else {}
    told: dict[int, list[tuple[Delivery, str]]] = {}
    for each in deliveries:
        told.setdefault(each.alert_id, []).append(
            (each, kept_words.in_readers_language(each.problem, delivery.PROBLEMS))
        )
    return render(
        request,
        "audit/alerts/index.html",
        {
            "page": page,
            "rows": [
                (
                    each,
                    delivery.sentence(each),
                    ids.get(each.key, ""),
                    names.get(ids.get(each.key, ""), ""),
                    told.get(each.pk, []),
                )
                for each in page
            ],
            "unread": unread,
            "show_all": request.GET.get("show") == "all",
            "rules": [(each, KINDS[each.kind]) for each in AlertRule.objects.filter(account_id=account_id)],
        },
    )


def _acknowledge(request: ConsoleRequest) -> HttpResponse:
    account_id = request.signed_in.account_id
    chosen = [int(each) for each in request.POST.getlist("alert") if each.isascii() and each.isdecimal()][:_PAGE]

    def acknowledge() -> None:
        found = Alert.objects.filter(account_id=account_id, acknowledged=None)
        if request.POST.get("do") != "all":
            found = found.filter(pk__in=chosen)
        found.update(acknowledged=timezone.now(), acknowledged_by=request.signed_in.arn)

    return _changed(request, acknowledge, {"purpose": "acknowledge"}, _("The alerts are acknowledged."))


@never_cache
def rule(request: ConsoleRequest, pk: int | None = None) -> HttpResponse:
    """A new rule, or one to change."""
    account_id = request.signed_in.account_id
    if (refused := service.refusal(request, LIST)) is not None:
        return problem_page(request, _("Alerts"), refused)
    found = AlertRule.objects.filter(account_id=account_id, pk=pk).first() if pk else None
    if pk and found is None:
        raise Http404
    initial = _initial(found) if found else {"enabled": True, "kind": request.GET.get("kind", "deletion")}
    form = RuleForm(request.POST or None, account_id=account_id, rule=found, initial=initial)
    if request.method == "POST" and form.is_valid():
        return _store(request, form, found)
    status = 422 if form.errors else 200
    context = {"form": form, "rule": found}
    return render(request, "audit/alerts/rule.html", context, status=status)


def _initial(found: AlertRule) -> dict[str, Any]:
    shown = {"name": found.name, "kind": found.kind, "emails": found.emails, "webhook": found.webhook}
    return {**shown, "enabled": found.enabled, **found.settings}


def _store(request: ConsoleRequest, form: RuleForm, found: AlertRule | None) -> HttpResponse:
    for action in (MANAGE, READ_RECORD):  # a rule reads the record on nobody's behalf: who makes it must be allowed to
        if (refused := service.refusal(request, action)) is not None:
            return problem_page(request, _("Alerts"), refused)
    account_id, data, secret = request.signed_in.account_id, form.cleaned_data, ""
    if found is None and AlertRule.objects.filter(account_id=account_id).count() >= _MOST_RULES:
        form.add_error(None, _("An account has at most %(number)d rules.") % {"number": _MOST_RULES})
        return render(request, "audit/alerts/rule.html", {"form": form}, status=422)
    made = found or AlertRule(
        account_id=account_id, kind=data["kind"], created=timezone.now(), created_by=request.signed_in.arn
    )
    wants_secret = bool(data["webhook"]) and (data["webhook"] != made.webhook or bool(request.POST.get("new_secret")))
    made.name, made.settings, made.emails = data["name"], form.numbers(), data["emails"]
    begins = found is None or (data["enabled"] and not found.enabled)
    made.webhook, made.enabled = data["webhook"], data["enabled"]
    if begins:
        watch.begin(made)
    if wants_secret:
        secret = webhook_signature.new_secret()

    def store() -> None:
        made.save()
        if secret:
            delivery.seal(made, secret)
            made.save(update_fields=["sealed_secret"])

    parameters = {"rule": made.name, "kind": made.kind, "enabled": made.enabled}
    answer = _changed(request, store, {"purpose": "rule", **parameters})
    if secret and answer.status_code == 302:
        return render(request, "audit/alerts/secret.html", {"rule": made, "secret": secret})
    return answer


def delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    account_id = request.signed_in.account_id
    if (refused := service.refusal(request, LIST)) is not None:
        return problem_page(request, _("Alerts"), refused)
    found = AlertRule.objects.filter(account_id=account_id, pk=pk).first()
    if found is None:
        raise Http404
    if request.method == "POST":
        deleted = _("The rule %(name)s is deleted.") % {"name": found.name}
        return _changed(request, lambda: found.delete(), {"purpose": "delete", "rule": found.name}, deleted)
    context = {"rule": found, "alerts": found.alerts.count()}
    return render(request, "audit/alerts/delete.html", context)


def _changed(
    request: ConsoleRequest, change: Callable[[], object], parameters: dict[str, Any], done: str = ""
) -> HttpResponse:
    try:
        service.console_action(request, MANAGE, change, parameters=parameters)
    except ClientError as error:
        return problem_page(request, _("Alerts"), error)
    messages.success(request, done or _("Saved."))
    return redirect("audit-alerts")
