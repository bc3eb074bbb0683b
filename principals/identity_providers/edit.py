"""Change an identity provider: the audiences and thumbprints of an OpenID Connect one, the metadata and the encryption of a SAML one."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from console import addresses
from console.aws_calls import attempt_on_form
from console.request import ConsoleRequest
from keys import call, service
from keys.changes import Change, carry_out, previews, send
from keys.common import problem_page
from principals.identity_providers.forms import OpenIDConnectEditForm, SamlEditForm
from principals.identity_providers.views import address, is_saml, read


@never_cache
def edit(request: ConsoleRequest) -> HttpResponse:
    arn = request.GET.get("arn", "")
    try:
        found = read(request, arn)
    except ClientError as error:
        return problem_page(request, _("Identity provider"), error)
    form = _form(request, arn, found)
    shown = None
    if request.method == "POST" and form.is_valid():
        calls = form.calls(arn, found)
        shown = call.show_all(request, calls, "iam") if calls else None
        if not previews(request) and attempt_on_form(form, lambda: send(service.client(request, "iam"), calls)):
            messages.success(request, _("Saved."))
            return redirect(address("identity-provider", arn))
    return render(
        request,
        "principals/identity_providers/edit.html",
        {
            "form": form,
            "name": arn.partition("/")[2],
            "cancel": address("identity-provider", arn),
            "call": shown,
            "arn": arn,
            "action": f"iam:{form.action}",
        },
        status=422 if form.errors else 200,
    )


def _form(request: ConsoleRequest, arn: str, found: dict[str, Any]) -> SamlEditForm | OpenIDConnectEditForm:
    if is_saml(arn):
        initial = {"required": found["AssertionEncryptionMode"] == "Required"}
        return SamlEditForm(request.POST or None, request.FILES or None, initial=initial)
    lines = {"clients": "\n".join(found["ClientIDList"]), "thumbprints": "\n".join(found["ThumbprintList"])}
    return OpenIDConnectEditForm(request.POST or None, initial=lines)


def remove_key(request: ConsoleRequest) -> HttpResponse:
    """One of the private keys that open encrypted assertions."""
    given = addresses.repeated(request)
    arn, key_id = given.get("arn", ""), given.get("key", "")
    made = Change(
        _("Remove private key %(key)s?") % {"key": key_id},
        [("UpdateSAMLProvider", {"SAMLProviderArn": arn, "RemovePrivateKey": key_id})],
        _("The private key was removed."),
        danger=True,
        explain=_("Assertions that are encrypted to it are refused from then on. It cannot be had back."),
    )
    return carry_out(request, made, address("identity-provider", arn))
