"""Identity providers: list, create, one with how people sign in by it, its rules for roles, and who a token would become.

Providers are IAM's; how people sign in to the console by one is the console's own (kmsconsole:ListSignInProviders, …ManageSignInProviders).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from console import addresses
from console.aws_calls import attempt_on_form, optional
from console.request import ConsoleRequest
from engine.public import identity_providers
from keys import call, service
from keys.changes import Change, carry_out, previews
from keys.common import problem_page
from principals.identity_providers.forms import (
    KeysForm,
    OpenIDConnectEditForm,
    OpenIDConnectForm,
    PreviewForm,
    SamlEditForm,
    SamlForm,
    SignInSettingsForm,
    rules_text,
)
from principals.sign_in import steps
from principals.sign_in.views.provider import callback_address
from principals.sign_in.views.saml import saml_address

_SHOWN = 20_000  # characters of a metadata document: a page is not to be as long as some are
LIST, MANAGE = "kmsconsole:ListSignInProviders", "kmsconsole:ManageSignInProviders"


def index(request: ConsoleRequest) -> HttpResponse:
    iam = service.client(request, "iam")
    try:
        oidc = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
        saml = iam.list_saml_providers()["SAMLProviderList"]
    except ClientError as error:
        return problem_page(request, _("Identity providers"), error)
    shown = [{"arn": each["Arn"], "name": each["Arn"].partition("/")[2], "kind": "OpenID Connect"} for each in oidc]
    shown += [
        {"arn": each["Arn"], "name": each["Arn"].partition("/")[2], "kind": "SAML", "created": each["CreateDate"]}
        for each in saml
    ]
    return render(request, "principals/identity_providers/index.html", {"providers": shown})


def create(request: ConsoleRequest) -> HttpResponse:
    form = OpenIDConnectForm(request.POST or None)
    return _create(
        request,
        form,
        "CreateOpenIDConnectProvider",
        lambda: form.parameters(),
        ("OpenIDConnectProviderArn", "create_open_id_connect_provider"),
        _("Create OpenID Connect provider"),
    )


def create_saml(request: ConsoleRequest) -> HttpResponse:
    form = SamlForm(request.POST or None)
    return _create(
        request,
        form,
        "CreateSAMLProvider",
        lambda: {"Name": form.cleaned_data["name"], "SAMLMetadataDocument": form.cleaned_data["metadata"]},
        ("SAMLProviderArn", "create_saml_provider"),
        _("Create SAML provider"),
    )


def _create(
    request: ConsoleRequest,
    form: forms.Form,
    operation: str,
    parameters: Callable[[], dict[str, Any]],
    names: tuple[str, str],
    title: str,
) -> HttpResponse:
    shown = None
    if request.method == "POST" and form.is_valid():
        given = parameters()
        shown = call.show(request, operation, given, "iam")
        answer: dict[str, Any] = {}
        member, method = names
        make = getattr(service.client(request, "iam"), method)
        if not previews(request) and attempt_on_form(form, lambda: answer.update(make(**given))):
            messages.success(request, _("The identity provider was created."))
            return redirect(address("identity-provider", answer[member]))
    return render(
        request,
        "principals/identity_providers/new.html",
        {"form": form, "title": title, "call": shown, "action": f"iam:{operation}"},
        status=422 if form.errors else 200,
    )


def address(name: str, arn: str) -> str:
    return f"{reverse(name)}?{urlencode({'arn': arn})}"


def is_saml(arn: str) -> bool:
    return ":saml-provider/" in arn


def read(request: ConsoleRequest, arn: str) -> dict[str, Any]:
    """Raises ClientError."""
    iam = service.client(request, "iam")
    if is_saml(arn):
        return dict(iam.get_saml_provider(SAMLProviderArn=arn))
    return dict(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn))


def detail(request: ConsoleRequest) -> HttpResponse:
    arn = request.GET.get("arn", "")
    saml = is_saml(arn)
    try:
        found = read(request, arn)
    except ClientError as error:
        return problem_page(request, _("Identity provider"), error)
    settings, problem = (None, "") if saml else optional(lambda: _settings(request, arn))
    return render(
        request,
        "principals/identity_providers/detail.html",
        {
            "arn": arn,
            "name": arn.partition("/")[2],
            "saml": saml,
            "provider": found,
            "metadata": found.get("SAMLMetadataDocument", "")[:_SHOWN],
            "settings": settings,
            "settings_problem": problem,
            "callback": _saml_address(request, found) if saml else callback_address(request),
            "edit_action": f"iam:{SamlEditForm.action if saml else OpenIDConnectEditForm.action}",
            "delete_action": f"iam:Delete{'SAML' if saml else 'OpenIDConnect'}Provider",
        },
    )


def _saml_address(request: ConsoleRequest, provider: dict[str, Any]) -> str:
    return saml_address(request, provider["SAMLProviderUUID"] if provider["PrivateKeyList"] else "")


def _settings(request: ConsoleRequest, arn: str) -> identity_providers.Settings:
    account_id = request.signed_in.account_id
    return service.console_action(request, LIST, lambda: identity_providers.read(account_id, arn))


@sensitive_post_parameters("secret")
def sign_in(request: ConsoleRequest) -> HttpResponse:
    """How people sign in to the console by the provider; `remove` ends that."""
    arn = request.GET.get("arn", "")
    account_id = request.signed_in.account_id
    try:
        before = _settings(request, arn)
    except ClientError as error:
        return problem_page(request, _("Sign-in by the provider"), error)
    if request.method == "POST" and "remove" in request.POST:
        return _changed(request, arn, {"provider": arn}, lambda: identity_providers.remove(account_id, arn))
    initial = {
        "label": before.label,
        "client_id": before.client_id,
        "scopes": before.scopes.removeprefix("openid").strip(),
        "rules": rules_text(before.rules),
    }
    form = SignInSettingsForm(request.POST or None, initial=initial)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        said = {"provider": arn, "clientId": given["client_id"], "roleMapping": rules_text(given["rules"]).splitlines()}
        return _changed(request, arn, said, lambda: identity_providers.store(account_id, arn, **given))
    return render(
        request,
        "principals/identity_providers/sign_in.html",
        {"form": form, "arn": arn, "settings": before, "callback": callback_address(request)},
        status=422 if form.errors else 200,
    )


def keys(request: ConsoleRequest) -> HttpResponse:
    """The provider's keys, given here for one that cannot be reached."""
    arn = request.GET.get("arn", "")
    account_id = request.signed_in.account_id
    try:
        before = _settings(request, arn)
    except ClientError as error:
        return problem_page(request, _("Keys of the provider"), error)
    form = KeysForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["document"].strip()
        said = {"provider": arn, "keys": "given" if text else "fetched"}
        if attempt_on_form(
            form,
            lambda: service.console_action(
                request, MANAGE, lambda: identity_providers.store_keys(account_id, arn, text), parameters=said
            ),
            field="document",
        ):
            messages.success(request, _("Saved."))
            return redirect(address("identity-provider", arn))
    return render(
        request,
        "principals/identity_providers/keys.html",
        {"form": form, "arn": arn, "settings": before},
        status=422 if form.errors else 200,
    )


def _changed(request: ConsoleRequest, arn: str, said: dict[str, Any], change: Callable[[], object]) -> HttpResponse:
    try:
        service.console_action(request, MANAGE, change, parameters=said)
    except ClientError as error:
        return problem_page(request, _("Sign-in by the provider"), error)
    messages.success(request, _("Saved."))
    return redirect(address("identity-provider", arn))


@sensitive_post_parameters("given")
def preview(request: ConsoleRequest) -> HttpResponse:
    """Who would this token become? Nothing is made of it, and it is kept nowhere."""
    arn = request.GET.get("arn", "")
    account_id = request.signed_in.account_id
    form = PreviewForm(request.POST or None)
    outcome: dict[str, identity_providers.Outcome] = {}
    try:
        before = _settings(request, arn)
    except ClientError as error:
        return problem_page(request, _("Who would this token become?"), error)
    if request.method == "POST" and form.is_valid():
        text = form.cleaned_data["given"]
        attempt_on_form(form, lambda: outcome.update(found=_outcome(request, account_id, arn, text)), field="given")
    found = outcome.get("found")
    return render(
        request,
        "principals/identity_providers/preview.html",
        {
            "form": form,
            "arn": arn,
            "settings": before,
            "outcome": found,
            "claims": json.dumps(dict(found.claims), indent=2, ensure_ascii=False) if found else "",
        },
        status=422 if form.errors else 200,
    )


def _outcome(request: HttpRequest, account_id: str, arn: str, text: str) -> identity_providers.Outcome:
    """Raises ClientError for what is neither a token nor claims."""
    try:
        return identity_providers.preview(account_id, arn, text, **steps.browser(request))
    except ValueError as reason:
        raise ClientError({"Error": {"Code": "InvalidInput", "Message": str(reason)}}, "Preview") from reason


def delete(request: ConsoleRequest) -> HttpResponse:
    arn = addresses.repeated(request).get("arn", "")
    saml = is_saml(arn)
    made = Change(
        _("Delete identity provider %(name)s?") % {"name": arn.partition("/")[2]},
        [
            ("DeleteSAMLProvider", {"SAMLProviderArn": arn})
            if saml
            else ("DeleteOpenIDConnectProvider", {"OpenIDConnectProviderArn": arn})
        ],
        _("The identity provider was deleted."),
        danger=True,
        explain=_("Nobody signs in or gets a role by it any more. Sessions that there are go on to their end."),
    )
    return carry_out(request, made, address("identity-provider", arn), after=reverse("identity-providers"))
