"""Creating a grant: who gets what, under which constraint, and who may end it. Its token is shown once."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.forms import set_choices
from console.request import ConsoleRequest
from keys import account_principals, call, service
from keys.common import name_of, problem_page
from keys.grants import grants
from keys.lifecycle import action_rules

_OFFERED = 500  # principals that are offered while an ARN is typed


class GrantForm(forms.Form):
    grantee = forms.CharField(
        label=gettext_lazy("Grantee principal (ARN)"),
        max_length=256,
        help_text=gettext_lazy("A user, role, account, or the session of a role."),
        widget=forms.TextInput(
            attrs={"list": "principals", "spellcheck": "false", "class": "mono", "autocomplete": "off"}
        ),
    )
    operations = forms.MultipleChoiceField(
        label=gettext_lazy("What the grant allows"), widget=forms.CheckboxSelectMultiple, choices=()
    )
    constraint = forms.ChoiceField(
        label=gettext_lazy("Only with this encryption context"),
        required=False,
        choices=[
            ("", gettext_lazy("With any")),
            ("EncryptionContextSubset", gettext_lazy("When these pairs are in it")),
            ("EncryptionContextEquals", gettext_lazy("When it is exactly these pairs")),
        ],
    )
    retiring = forms.CharField(
        label=gettext_lazy("Retiring principal (ARN)"),
        max_length=256,
        required=False,
        help_text=gettext_lazy("May end the grant when its work is done."),
        widget=forms.TextInput(
            attrs={"list": "principals", "spellcheck": "false", "class": "mono", "autocomplete": "off"}
        ),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        max_length=256,
        required=False,
        help_text=gettext_lazy("With a name, sending the same request twice makes one grant."),
    )

    def __init__(self, *args: Any, key: dict[str, Any], pairs: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.pairs = pairs
        offered = grants.operations_for(key)
        set_choices(self, "operations", [(each, f"{each} – {grants.WORDS.get(each, '')}") for each in offered])
        if key["KeySpec"] != "SYMMETRIC_DEFAULT":
            del self.fields["constraint"]  # only symmetric encryption has a context

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        names = [name for name, _value in self.pairs]
        if "constraint" in self.fields and "" in names:
            self.add_error("constraint", _("A pair below has a value and no name."))
        if "constraint" in self.fields and len(set(names)) < len(names):
            self.add_error("constraint", _("A name below is a duplicate."))
        if given.get("constraint") and not self.pairs:
            self.add_error("constraint", _("Name the pairs below."))
        if not given.get("constraint") and self.pairs:
            self.add_error("constraint", _("Say how the pairs below are to be met, or remove them."))
        return given

    def parameters(self, key_id: str) -> dict[str, Any]:
        given = self.cleaned_data
        made: dict[str, Any] = {
            "KeyId": key_id,
            "GranteePrincipal": given["grantee"],
            "Operations": given["operations"],
        }
        if given.get("constraint"):
            made["Constraints"] = {given["constraint"]: dict(self.pairs)}
        if given["retiring"]:
            made["RetiringPrincipal"] = given["retiring"]
        if given["name"]:
            made["Name"] = given["name"]
        return made


def create(request: ConsoleRequest, key_id: str) -> HttpResponse:
    """POST creates it; with `preview` it only says in words what it would allow, and shows the call."""
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    names, values = request.POST.getlist("context_name"), request.POST.getlist("context_value")
    pairs = [(name, value) for name, value in zip(names, values, strict=False) if name or value]
    form = GrantForm(request.POST or None, key=key, pairs=pairs)
    shown: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        parameters = form.parameters(key["KeyId"])
        if "preview" not in request.POST:
            try:
                made = kms.create_grant(**parameters)
            except ClientError as error:
                form.add_error(None, service.sentence(error))
            else:
                return _made(request, key_id, made)
        shown = {"call": call.show(request, "CreateGrant", parameters), "sentence": grants.sentence(parameters)}
    return render(
        request,
        "keys/grants/grant.html",
        {
            "key": key,
            "key_name": name_of(kms, key),
            "form": form,
            "pairs": [*pairs, ("", "")],
            "principals": [arn for arn, _words in account_principals.users_and_roles(request)[0][:_OFFERED]],
            "why": action_rules.unavailable_actions(request, key).get("grant-add", ""),
            **shown,
        },
        status=422 if form.errors else 200,
    )


def _made(request: ConsoleRequest, key_id: str, made: dict[str, Any]) -> HttpResponse:
    words = _(
        "The grant is in force. Its token, for calls within the next minutes on an endpoint that is still learning of it:"
    )
    messages.success(request, format_html('{} <code class="lab-clip">{}</code>', words, made["GrantToken"]))
    return redirect("key-tab", key_id=key_id, tab="grants")
