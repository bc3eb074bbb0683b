"""Endpoints: the embedded engine and what else the console is connected to; connect, test, switch, refresh, forget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console import redirects
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page, requires
from keys.endpoints import backends, connections, kept_secret
from keys.endpoints.diagnosis import Finding
from keys.inventory import inventory
from keys.models import Connection


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint with what is known of its keys in the page's Region."""

    backend: backends.Backend
    sync_state: Any
    keys: int

    @property
    def tested(self) -> datetime | None:
        connection = self.backend.connection
        return datetime.fromisoformat(connection.facts["when"]) if connection is not None and connection.facts else None

    @property
    def last_finding(self) -> Finding | None:
        """Of the last test, which ends with what is wrong."""
        connection = self.backend.connection
        findings = connections.last_findings(connection) if connection is not None else []
        return findings[-1] if findings else None


_listed = requires(backends.LIST_CONNECTIONS, gettext_lazy("Endpoints"))


@_listed
def index(request: ConsoleRequest) -> HttpResponse:
    lines = []
    for backend in backends.choices(request):
        lines.append(EndpointRow(backend, *inventory.state_of_endpoint(request, backend.scope)))
    return render(
        request, "keys/endpoints/index.html", {"lines": lines, "manages": connections.may(request, connections.MANAGE)}
    )


@never_cache
@sensitive_post_parameters("secret", "token")
def new(request: ConsoleRequest) -> HttpResponse:
    return _refused(request) or _form(request, None)


@never_cache
@sensitive_post_parameters("secret", "token")
def edit(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a connection: its secret stays unless another is entered."""
    return _refused(request) or _form(request, _connection(request, pk))


def _form(request: ConsoleRequest, connection: Connection | None) -> HttpResponse:
    """Enter or change a connection. It is tested first, and saved if the test is good or `anyway` asks for it."""
    others = Connection.objects.filter(account_id=request.signed_in.account_id)
    if connection is not None:
        others = others.exclude(pk=connection.pk)
    kept = kept_secret.from_form(request.POST.get("kept", "")) or kept_secret.of_connection(connection)
    form = connections.ConnectionForm(
        connections.sealing_keys(request),
        set(others.values_list("name", flat=True)),
        request.POST or None,
        initial=connections.initial(connection) if connection is not None else None,
        kept=kept,
    )
    name = connection.name if connection is not None else ""
    before = connection.url if connection is not None else ""
    findings: list[Finding] = []
    if request.method == "POST" and form.is_valid():
        made = _prepared(request, form, connection)
        if made is not None:
            kept = kept_secret.of_prepared(request, made)
            form.keep(kept)
            findings = connections.test(request, made)
            good = all(finding.good for finding in findings)
            if (good or "anyway" in request.POST) and _sealed(request, form, made):
                made.save()
                if before and before != made.url:
                    inventory.drop(f"c{made.pk}")  # the keys of the address before
                if good:
                    messages.success(request, _("Connected to %(name)s.") % {"name": made.name})
                else:
                    messages.warning(request, _("%(name)s is saved, although its test failed.") % {"name": made.name})
                return redirect("endpoint", made.pk)
            if not good:
                _beside_its_field(form, findings[-1])
    return render(
        request,
        "keys/endpoints/form.html",
        {
            "form": form,
            "pk": connection.pk if connection is not None else None,
            "name": name,
            "findings": findings,
            "failed": not all(finding.good for finding in findings),
            "kept": kept.carried() if kept is not None and request.method == "POST" else "",
        },
        status=422 if form.errors or findings else 200,
    )


# What a test found wrong → the field that it is about.
_ABOUT = {
    **dict.fromkeys(("dns", "address", "refused", "timeout", "tls", "answer"), "url"),
    "key": "access_key_id",
    "secret": "secret",
    "profile": "profile",
}
# Field → the choice that it belongs to, a field and its value.
_FILLED_IN_FOR = {
    "url": ("kind", backends.URL),
    "access_key_id": ("method", "keys"),
    "secret": ("method", "keys"),
    "profile": ("method", "profile"),
}


def _beside_its_field(form: connections.ConnectionForm, failed: Finding) -> None:
    field = _ABOUT.get(failed.kind, "")
    choice, value = _FILLED_IN_FOR.get(field, ("", ""))
    if field and form.cleaned_data[choice] == value:
        form.add_error(field, failed.title_in_readers_language)


def _prepared(
    request: ConsoleRequest, form: connections.ConnectionForm, connection: Connection | None
) -> Connection | None:
    try:
        return connections.prepared(request, form.cleaned_data, form.kept, connection)
    except ClientError as error:
        form.add_error("secret" if error.operation_name == "Decrypt" else "sealing_key", service.sentence(error))
        return None


def _sealed(request: ConsoleRequest, form: connections.ConnectionForm, made: Connection) -> bool:
    try:
        connections.seal(request, made)
    except ClientError as error:
        form.add_error("sealing_key", service.sentence(error))
        return False
    return True


@_listed
def detail(request: ConsoleRequest, pk: int) -> HttpResponse:
    """A connection and what its last test found; POST tests it again."""
    connection = _connection(request, pk)
    if request.method == "POST":
        if refused := _refused(request):
            return refused
        connections.test(request, connection)
        connection.save(update_fields=["facts", "unsupported_operations"])
        return redirect("endpoint", pk)
    return render(
        request,
        "keys/endpoints/detail.html",
        {
            "connection": connection,
            "findings": connections.last_findings(connection),
            "manages": connections.may(request, connections.MANAGE),
        },
    )


def delete(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Asks first: a secret that is removed cannot be had again."""
    if refused := _refused(request):
        return refused
    connection = _connection(request, pk)
    if request.method != "POST":
        return render(request, "keys/endpoints/delete.html", {"connection": connection})
    inventory.drop(f"c{connection.pk}")
    name = connection.name
    connection.delete()
    messages.success(request, _("The connection %(name)s and its secret were removed.") % {"name": name})
    return redirect("endpoints")


@require_POST
def switch(request: ConsoleRequest) -> HttpResponse:
    """Pages speak to another endpoint from now on; a key's page of the old one would not be found there, so go to the list."""
    try:
        chosen = backends.switch(request, request.POST.get("endpoint", ""))
    except LookupError:
        messages.error(request, _("There is no such endpoint any more."))
        return redirect("endpoints")
    after = redirects.safe(request, request.POST.get("next", "/"), "")
    messages.success(request, _("These pages now use %(name)s.") % {"name": chosen.name or _("the embedded engine")})
    return redirect(reverse("keys") if not after or after.startswith("/keys/") else after)


@require_POST
def refresh(request: ConsoleRequest) -> HttpResponse:
    """Read the current endpoint's whole list again."""
    inventory.read_again(request)
    return redirect("keys")


def _connection(request: ConsoleRequest, pk: int) -> Connection:
    account_id = request.signed_in.account_id
    found = Connection.objects.filter(pk=pk, account_id=account_id).first()
    if found is None:
        raise Http404
    return found


def _refused(request: ConsoleRequest) -> HttpResponse | None:
    """AWS's refusal to who may not manage connections. What a form sends is recorded, with what it is about."""
    if request.method != "POST":
        error = service.refusal(request, connections.MANAGE)
        return problem_page(request, _("Endpoints"), error) if error is not None else None
    asked = {"address": request.path, "name": request.POST.get("name", "")[:64]}
    try:
        service.console_action(request, connections.MANAGE, lambda: None, parameters=asked)
    except ClientError as error:
        return problem_page(request, _("Endpoints"), error)
    return None
