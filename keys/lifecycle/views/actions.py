"""What is done to a key from its page. Each is a form; what has risk is confirmed on a page of its own first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy

from console.awsmodel import regions
from console.forms import set_choices
from console.request import ConsoleRequest
from keys import call, permissions, service
from keys.common import name_of, problem_page
from keys.inventory import inventory
from keys.lifecycle import action_rules, approvals
from keys.lifecycle.views import deletion

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
    takes_key: bool = False


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


class RegionForm(forms.Form):
    """A choice of the Regions that can be meant; the key tells which are taken."""

    region = forms.ChoiceField(label=gettext_lazy("Region"))

    def __init__(self, *args: Any, key: Data, **options: Any) -> None:
        super().__init__(*args, **options)
        set_choices(self, "region", [(name, name) for name in self.choices(key)])

    def choices(self, key: Data) -> list[str]:
        raise NotImplementedError


class ReplicaForm(RegionForm):
    description = forms.CharField(label=gettext_lazy("Description of the replica"), max_length=8192, required=False)

    def choices(self, key: Data) -> list[str]:
        configuration = key.get("MultiRegionConfiguration", {})
        taken = {each["Region"] for each in configuration.get("ReplicaKeys", [])}
        return [
            name for name in regions("kms") if name not in taken | {configuration.get("PrimaryKey", {}).get("Region")}
        ]


class PrimaryForm(RegionForm):
    def choices(self, key: Data) -> list[str]:
        return [each["Region"] for each in key.get("MultiRegionConfiguration", {}).get("ReplicaKeys", [])]


class GrantIdForm(forms.Form):
    grant = forms.CharField(label=gettext_lazy("Grant ID"), max_length=128)


class MaterialForm(forms.Form):
    """Without an ID the current material is meant."""

    material = forms.CharField(label=gettext_lazy("Key material ID"), max_length=64, required=False)
    confirmed = forms.BooleanField(
        label=gettext_lazy("I have this key material elsewhere, or never need it again."),
        widget=forms.CheckboxInput(attrs={"data-no-draft": True}),
    )


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
    "cancel-deletion": Action(
        "CancelKeyDeletion",
        gettext_lazy("Cancel key deletion"),
        gettext_lazy("Deletion is cancelled. The key is disabled: enable it to use it."),
    ),
    "rotate": Action(
        "RotateKeyOnDemand",
        gettext_lazy("Rotate now"),
        gettext_lazy("The key has new material. What was encrypted before still opens."),
        explain=gettext_lazy(
            "This cannot be undone, and a key can be rotated on demand 25 times in all. What was encrypted before still opens."
        ),
        tab="material",
        confirm=True,
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
        lambda data: {
            "ReplicaRegion": data["region"],
            **({"Description": data["description"]} if data["description"] else {}),
        },
        ReplicaForm,
        gettext_lazy("A key of the same ID and material in another Region: what one encrypts the other opens."),
        tab="regions",
        takes_key=True,
    ),
    "primary": Action(
        "UpdatePrimaryRegion",
        gettext_lazy("Change primary Region"),
        gettext_lazy("The primary Region is changed."),
        lambda data: {"PrimaryRegion": data["region"]},
        PrimaryForm,
        gettext_lazy(
            "Rotation and replication are done in the primary Region. While it changes, both keys go on working."
        ),
        tab="regions",
        takes_key=True,
    ),
    "grant-revoke": Action(
        "RevokeGrant",
        gettext_lazy("Revoke grant"),
        gettext_lazy("The grant is revoked."),
        lambda data: {"GrantId": data["grant"]},
        GrantIdForm,
        gettext_lazy("What the grant allows ends at once."),
        tab="grants",
    ),
    "grant-retire": Action(
        "RetireGrant",
        gettext_lazy("Retire grant"),
        gettext_lazy("The grant is retired."),
        lambda data: {"GrantId": data["grant"]},
        GrantIdForm,
        gettext_lazy(
            "What the grant allows ends at once. For its retiring principal, and its grantee where it says so."
        ),
        tab="grants",
    ),
    "delete-material": Action(
        "DeleteImportedKeyMaterial",
        gettext_lazy("Delete key material"),
        gettext_lazy("The key material is deleted. Import the same material to use the key again."),
        lambda data: {"KeyMaterialId": data["material"]} if data["material"] else {},
        MaterialForm,
        gettext_lazy("What this material encrypted cannot be opened until the very same material is imported again."),
        tab="material",
        danger=True,
        confirm=True,
    ),
}


# AWS's error → the field that it is about, if the action's form has it.
_ABOUT = {
    "AlreadyExistsException": "alias",
    "InvalidAliasNameException": "alias",
    "NotAuthorizedException": "alias",
    "TagException": "key",
}


def _do(
    request: ConsoleRequest, kms: Any, action: Action, key_id: str, parameters: dict[str, Any], form: forms.Form
) -> HttpResponse | None:
    """Send it, and back to the key's page; None where AWS's error is in the form."""
    back = redirect("key-tab", key_id=key_id, tab=action.tab)
    try:
        getattr(kms, xform_name(action.operation))(**parameters)
    except ClientError as error:
        about = _ABOUT.get(error.response["Error"]["Code"], "")
        form.add_error(about if about in form.fields else None, service.sentence(error))
        if form.fields:
            return None
        messages.error(request, service.sentence(error))
        return back
    inventory.mark_outdated(request)
    messages.success(request, str(action.done))
    return back


def perform(request: ConsoleRequest, key_id: str, action: str) -> HttpResponse:
    """GET asks (with the form, its explanation and the call); POST does it, and shows AWS's error where it is refused.

    POST with `preview` only checks the form and shows the call.
    """
    found = ACTIONS.get(action)
    if found is None:
        raise Http404
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    form = _form(request, found, key)
    posted = request.method == "POST"
    valid = posted and form.is_valid()
    two_persons = found.operation in approvals.GUARDED_OPERATIONS and approvals.required(request.signed_in.account_id)
    if valid and "preview" not in request.POST:
        parameters = _parameters(found, key["KeyId"], form.cleaned_data)
        if two_persons:
            answer = deletion.ask(request, found.operation, parameters, name_of(kms, key), "", form)
        else:
            answer = _do(request, kms, found, key_id, parameters, form)
        if answer is not None:
            return answer
    shown = None
    asked = form if posted or not request.GET else _bound(found, key, request.GET)
    if not form.fields or (asked.is_bound and asked.is_valid()):
        parameters = _parameters(found, key["KeyId"], getattr(asked, "cleaned_data", {}))
        shown = call.show(request, found.operation, parameters)
    return render(
        request,
        "keys/lifecycle/action.html",
        {
            "key": key,
            "key_name": name_of(kms, key),
            "action": found,
            "slug": action,
            "form": form,
            "call": shown,
            "why": _why(request, action, found, key, asked),
            "two_persons": two_persons,
            "previewed": "preview" in request.POST or bool(request.GET),
        },
        status=422 if form.errors else 200,
    )


def _why(request: ConsoleRequest, slug: str, action: Action, key: Data, asked: forms.Form) -> str:
    """The AWS error that the action would give now. An alias is a resource of its own, which is asked about before its key."""
    if slug == "alias-delete":
        name = str(asked["alias"].value() or "").removeprefix("alias/")
        alias = f"{key['Arn'].rpartition(':')[0]}:alias/{name}"
        found = (permissions.refusal(request, f"kms:{action.operation}", arn) for arn in (alias, key["Arn"]))
        return next(filter(None, found), "")
    return action_rules.unavailable_actions(request, key).get(slug, "")


def _bound(action: Action, key: Data, data: QueryDict) -> forms.Form:
    given: Data = {"key": key} if action.takes_key else {}
    return action.form(data, **given)


def _form(request: ConsoleRequest, action: Action, key: Data) -> forms.Form:
    given: Data = {"key": key} if action.takes_key else {}
    initial = {"description": key.get("Description", "") if action.operation == "UpdateKeyDescription" else ""}
    initial |= {name: value for name, value in request.GET.items() if name != "description"}
    form = action.form(request.POST or None, initial=initial, **given)
    if request.method == "POST" and not form.fields:
        return action.form({"submitted": "1"}, **given)
    return form


def _parameters(action: Action, key_id: str, data: Data) -> Data:
    given = action.parameters(data)
    return {action.key_member: key_id, **given} if action.key_member else given
