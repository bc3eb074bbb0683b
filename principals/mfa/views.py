"""A person's own second factors: authenticator apps (virtual MFA devices), passkeys, recovery codes; and taking a user's away.

Identity is the embedded engine's whichever endpoint the pages speak to, and so are the calls for one's own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from console.aws_calls import attempt_on_form, optional, pages
from console.request import ConsoleRequest
from engine.public import mfa, signin
from keys import call, service
from keys.changes import Change, asked, carry_out
from keys.common import problem_page
from principals.mfa.forms import CodesForm, DeviceForm, PasskeyForm
from principals.names import is_passkey
from principals.sign_in import site

REGISTER, RECOVERY = "kmsconsole:RegisterPasskey", "kmsconsole:CreateRecoveryCodes"
_STATE = "passkey_to_register"


def index(request: ConsoleRequest) -> HttpResponse:
    """My security credentials."""
    signed_in = request.signed_in
    own = not signed_in.role_name
    iam = service.embedded(request, "iam")
    devices, problem = optional(lambda: pages(iam, "list_mfa_devices", "MFADevices")) if own else ([], "")
    return render(
        request,
        "principals/security_credentials.html",
        {
            "acting": not own,
            "devices": [{**each, "passkey": is_passkey(each["SerialNumber"])} for each in devices or []],
            "problem": problem,
            "codes_left": mfa.recovery_codes_left(signed_in.account_id, signed_in.user_name) if own else 0,
            "takes_passkeys": site.takes_passkeys(site.of(request)),
        },
    )


def _of_a_user(view: Callable[[ConsoleRequest], HttpResponse]) -> Callable[[ConsoleRequest], HttpResponse]:
    """Who acts as a role, or came by an identity provider, is no user here: the name that it goes by may be somebody else's."""

    @wraps(view)
    def guarded(request: ConsoleRequest) -> HttpResponse:
        return redirect("security-credentials") if request.signed_in.role_name else view(request)

    return guarded


@_of_a_user
def new_device(request: ConsoleRequest) -> HttpResponse:
    """First its name, then its secret, shown once, with two of its codes to show that it is there."""
    name = request.signed_in.user_name
    iam = service.embedded(request, "iam")
    if request.method == "POST" and "serial_number" in request.POST:
        return _enable(request, iam, name)
    form = DeviceForm(request.POST if request.method == "POST" else None, initial={"name": name})
    if form.is_bound and form.is_valid():
        made: dict[str, Any] = {}
        wanted = {"VirtualMFADeviceName": form.cleaned_data["name"]}
        if attempt_on_form(form, lambda: made.update(iam.create_virtual_mfa_device(**wanted)), field="name"):
            device = made["VirtualMFADevice"]
            return _codes_page(request, CodesForm(initial={"serial_number": device["SerialNumber"]}), name, device)
    parameters = {"VirtualMFADeviceName": str(form["name"].value() or "")}
    return render(
        request,
        "principals/mfa_device_new.html",
        {"form": form, "call": call.show(request, "CreateVirtualMFADevice", parameters, "iam")},
        status=422 if form.errors else 200,
    )


def _enable(request: ConsoleRequest, iam: Any, name: str) -> HttpResponse:
    form = CodesForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        parameters = {
            "UserName": name,
            "SerialNumber": given["serial_number"],
            "AuthenticationCode1": given["first"],
            "AuthenticationCode2": given["second"],
        }
        if attempt_on_form(form, lambda: iam.enable_mfa_device(**parameters), field="first"):
            messages.success(request, _("The device is your second factor from now on."))
            return redirect("security-credentials")
    return _codes_page(request, form, name)


def _codes_page(
    request: ConsoleRequest, form: CodesForm, name: str, device: dict[str, Any] | None = None
) -> HttpResponse:
    parameters = {
        "UserName": name,
        "SerialNumber": str(form["serial_number"].value() or ""),
        "AuthenticationCode1": "",
        "AuthenticationCode2": "",
    }
    return render(
        request,
        "principals/mfa_device_codes.html",
        {
            "form": form,
            "secret": device["Base32StringSeed"].decode() if device else "",
            "picture": base64.b64encode(device["QRCodePNG"]).decode() if device else "",
            "call": call.show(request, "EnableMFADevice", parameters, "iam"),
        },
        status=422 if form.errors else 200,
    )


@sensitive_post_parameters("passkey")
@_of_a_user
def new_passkey(request: ConsoleRequest) -> HttpResponse:
    """Only this page needs a script: no form can speak to a passkey."""
    signed_in, here = request.signed_in, site.of(request)
    form = PasskeyForm(request.POST if request.method == "POST" else None)
    state = request.session.pop(_STATE, None)  # an answer is to the question asked last, and to that once
    if form.is_bound and form.is_valid():
        given = form.cleaned_data["passkey"]
        if state is None:
            form.add_error(None, _("This page was open for too long. Try again."))
        elif attempt_on_form(
            form,
            lambda: service.console_action(
                request,
                REGISTER,
                lambda: mfa.register(signed_in.account_id, signed_in.user_name, here, state, given),
                resource=signed_in.arn,
                parameters={"userName": signed_in.user_name},
            ),
        ):
            messages.success(request, _("The passkey is your second factor from now on."))
            return redirect("security-credentials")
    possible = site.takes_passkeys(here)
    options: dict[str, Any] = {}
    if possible:
        options, request.session[_STATE] = mfa.ask_to_register(signed_in.account_id, signed_in.user_name, here)
    return render(
        request,
        "principals/passkey_new.html",
        {"form": form, "possible": possible, "options": json.dumps(options)},
        status=422 if form.errors else 200,
    )


@require_POST
@_of_a_user
def recovery_codes(request: ConsoleRequest) -> HttpResponse:
    """New ones, shown once."""
    signed_in = request.signed_in
    try:
        codes = service.console_action(
            request,
            RECOVERY,
            lambda: mfa.new_recovery_codes(signed_in.account_id, signed_in.user_name),
            resource=signed_in.arn,
            parameters={"userName": signed_in.user_name},
        )
    except ClientError as error:
        return problem_page(request, _("Recovery codes"), error)
    return render(request, "principals/recovery_codes.html", {"codes": codes})


def remove(request: ConsoleRequest, name: str) -> HttpResponse:
    """Take one of a user's devices away; a virtual one is deleted with it."""
    given = asked(request)
    serial_number = given.get("serial_number", "")
    own = given.get("from") == "own"
    back = reverse("security-credentials") if own else reverse("user", args=[name])
    if not serial_number:
        return redirect(back)
    whose = {"UserName": name} if name != signin.ROOT_NAME else {}
    calls: list[call.Call] = [("DeactivateMFADevice", {**whose, "SerialNumber": serial_number})]
    if not is_passkey(serial_number):
        calls.append(("DeleteVirtualMFADevice", {"SerialNumber": serial_number}))
    made = Change(
        _("Remove the MFA device %(device)s?") % {"device": serial_number.rpartition("/")[2]},
        calls,
        _("The MFA device is removed."),
        danger=True,
    )
    return carry_out(request, made, back)
