"""What is done to a key from its page. Each is a form; what has risk is confirmed on a page of its own first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from botocore.session import get_session
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy

from keys import call, inventory, service
from keys.views.common import optional, problem_page

Data = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Action:
    """The operation an action sends, its parameters from the form's data, its words, and where it leads back to."""

    operation: str
    title: Any
    done: Any
    parameters: Callable[[Data], Data] = lambda data: {}
    form: type[forms.Form] = forms.Form
    explain: Any = ""
    tab: str = "policy"
    danger: bool = False
    confirm: bool = False
    key_member: str = "KeyId"


class DeletionForm(forms.Form):
    days = forms.IntegerField(
        label=gettext_lazy("Waiting period in days"),
        min_value=7,
        max_value=30,
        initial=30,
        help_text=gettext_lazy("7 to 30."),
    )
    confirmed = forms.BooleanField(
        label=gettext_lazy("I confirm that I want to schedule this key for deletion after the waiting period.")
    )


class DescriptionForm(forms.Form):
    description = forms.CharField(
        label=gettext_lazy("Description"), max_length=8192, required=False, widget=forms.Textarea(attrs={"rows": 3})
    )


class AliasForm(forms.Form):
    alias = forms.CharField(
        label=gettext_lazy("Alias"), max_length=250, help_text=gettext_lazy("“alias/” is put before it.")
    )


class TagForm(forms.Form):
    key = forms.CharField(label=gettext_lazy("Tag key"), max_length=128)
    value = forms.CharField(label=gettext_lazy("Tag value"), max_length=256, required=False)


class RotationForm(forms.Form):
    period = forms.IntegerField(
        label=gettext_lazy("Rotation period in days"),
        min_value=90,
        max_value=2560,
        initial=365,
        help_text=gettext_lazy("90 to 2,560."),
    )


class ReplicaForm(forms.Form):
    region = forms.CharField(label=gettext_lazy("Replica Region"), max_length=32)
    description = forms.CharField(label=gettext_lazy("Description"), max_length=8192, required=False)


class PrimaryForm(forms.Form):
    region = forms.CharField(label=gettext_lazy("New primary Region"), max_length=32)


class GrantForm(forms.Form):
    grantee = forms.CharField(label=gettext_lazy("Grantee principal (ARN)"), max_length=256)
    operations = forms.MultipleChoiceField(
        label=gettext_lazy("What the grant allows"), widget=forms.CheckboxSelectMultiple, choices=()
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=256, required=False)
    retiring = forms.CharField(label=gettext_lazy("Retiring principal (ARN)"), max_length=256, required=False)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        enum = get_session().get_service_model("kms").shape_for("GrantOperation").enum
        self.fields["operations"].choices = [(name, name) for name in enum]  # type: ignore[attr-defined]


ACTIONS: dict[str, Action] = {
    "enable": Action("EnableKey", gettext_lazy("Enable key"), gettext_lazy("The key is enabled.")),
    "disable": Action(
        "DisableKey",
        gettext_lazy("Disable key"),
        gettext_lazy("The key is disabled."),
        explain=gettext_lazy(
            "Nothing encrypts, decrypts or signs with a disabled key, until it is enabled again. Programs that use it will fail."
        ),
        confirm=True,
    ),
    "delete": Action(
        "ScheduleKeyDeletion",
        gettext_lazy("Schedule key deletion"),
        gettext_lazy("Deletion is scheduled. It can be cancelled until its date."),
        lambda data: {"PendingWindowInDays": data["days"]},
        DeletionForm,
        gettext_lazy(
            "After the waiting period the key and its material are destroyed, and what it encrypted can never be opened again."
        ),
        danger=True,
        confirm=True,
    ),
    "cancel-deletion": Action(
        "CancelKeyDeletion",
        gettext_lazy("Cancel key deletion"),
        gettext_lazy("Deletion is cancelled. The key is disabled: enable it to use it."),
    ),
    "rotate": Action(
        "RotateKeyOnDemand",
        gettext_lazy("Rotate now"),
        gettext_lazy("The key has new material. What was encrypted before still opens."),
        tab="material",
    ),
    "rotation-on": Action(
        "EnableKeyRotation",
        gettext_lazy("Turn on automatic rotation"),
        gettext_lazy("Automatic rotation is on."),
        lambda data: {"RotationPeriodInDays": data["period"]},
        RotationForm,
        tab="material",
    ),
    "rotation-off": Action(
        "DisableKeyRotation",
        gettext_lazy("Turn off automatic rotation"),
        gettext_lazy("Automatic rotation is off."),
        tab="material",
    ),
    "describe": Action(
        "UpdateKeyDescription",
        gettext_lazy("Edit description"),
        gettext_lazy("The description is changed."),
        lambda data: {"Description": data["description"]},
        DescriptionForm,
        confirm=True,
    ),
    "alias-add": Action(
        "CreateAlias",
        gettext_lazy("Create alias"),
        gettext_lazy("The alias is created."),
        lambda data: {"AliasName": f"alias/{data['alias'].removeprefix('alias/')}"},
        AliasForm,
        tab="aliases",
        key_member="TargetKeyId",
    ),
    "alias-delete": Action(
        "DeleteAlias",
        gettext_lazy("Delete alias"),
        gettext_lazy("The alias is deleted."),
        lambda data: {"AliasName": f"alias/{data['alias']}"},
        AliasForm,
        tab="aliases",
        key_member="",
    ),
    "tag-add": Action(
        "TagResource",
        gettext_lazy("Set tag"),
        gettext_lazy("The tag is set."),
        lambda data: {"Tags": [{"TagKey": data["key"], "TagValue": data["value"]}]},
        TagForm,
        tab="tags",
    ),
    "tag-delete": Action(
        "UntagResource",
        gettext_lazy("Remove tag"),
        gettext_lazy("The tag is removed."),
        lambda data: {"TagKeys": [data["key"]]},
        TagForm,
        tab="tags",
    ),
    "replicate": Action(
        "ReplicateKey",
        gettext_lazy("Create replica key"),
        gettext_lazy("The replica key is created."),
        lambda data: {"ReplicaRegion": data["region"], "Description": data["description"]},
        ReplicaForm,
        tab="regions",
    ),
    "primary": Action(
        "UpdatePrimaryRegion",
        gettext_lazy("Change primary Region"),
        gettext_lazy("The primary Region is changed."),
        lambda data: {"PrimaryRegion": data["region"]},
        PrimaryForm,
        tab="regions",
    ),
    "grant-add": Action(
        "CreateGrant",
        gettext_lazy("Create grant"),
        gettext_lazy("The grant is in force."),
        lambda data: {
            "GranteePrincipal": data["grantee"],
            "Operations": data["operations"],
            **({"Name": data["name"]} if data["name"] else {}),
            **({"RetiringPrincipal": data["retiring"]} if data["retiring"] else {}),
        },
        GrantForm,
        tab="grants",
    ),
    "grant-revoke": Action(
        "RevokeGrant",
        gettext_lazy("Revoke grant"),
        gettext_lazy("The grant is revoked."),
        lambda data: {"GrantId": data["key"]},
        TagForm,
        tab="grants",
    ),
    "delete-material": Action(
        "DeleteImportedKeyMaterial",
        gettext_lazy("Delete key material"),
        gettext_lazy("The key material is deleted. Import the same material to use the key again."),
        explain=gettext_lazy("The key is unusable until the same material is imported again."),
        tab="material",
        danger=True,
        confirm=True,
    ),
}


def perform(request: HttpRequest, key_id: str, action: str) -> HttpResponse:
    """GET asks (with the form, its explanation and the call); POST does it, and shows AWS's error where it is refused."""
    found = ACTIONS.get(action)
    if found is None:
        raise Http404
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    form = found.form(request.POST or None, initial={"description": key.get("Description", "")})
    posted = request.method == "POST"
    if posted and not form.fields:
        form = found.form({"submitted": "1"})
    if posted and form.is_valid():
        parameters = _parameters(found, key_id, form.cleaned_data)
        try:
            getattr(kms, xform_name(found.operation))(**parameters)
        except ClientError as error:
            form.add_error(None, service.sentence(error))
            if not found.form().fields:
                messages.error(request, service.sentence(error))
                return redirect("key-tab", key_id=key_id, tab=found.tab)
        else:
            inventory.forget(request)
            messages.success(request, str(found.done))
            return redirect("key-tab", key_id=key_id, tab=found.tab)
    aliases, _problem = optional(
        lambda: [alias["AliasName"] for alias in service.pages(kms, "list_aliases", "Aliases", KeyId=key_id) if alias]
    )
    shown = None
    if not found.form().fields or (posted and form.is_valid()):
        shown = call.show(request, found.operation, _parameters(found, key_id, getattr(form, "cleaned_data", {})))
    return render(
        request,
        "keys/action.html",
        {"key": key, "action": found, "slug": action, "form": form, "aliases": aliases or [], "call": shown},
        status=422 if form.errors else 200,
    )


def _parameters(action: Action, key_id: str, data: Data) -> Data:
    given = action.parameters(data)
    return {action.key_member: key_id, **given} if action.key_member else given
