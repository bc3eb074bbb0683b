"""Importing key material, in AWS's three steps: choose how to wrap, take the wrapping key and token, bring the wrapped material back.
Or, for training, have it wrapped here."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from console import error_help
from console.forms import set_choices
from console.request import ConsoleRequest
from keys import call, permissions, service
from keys.common import name_of, problem_page
from keys.inventory import inventory
from keys.lifecycle import action_rules
from keys.material import wrapping

_SESSION = "import_parameters"
_LARGEST = 64 * 1024  # bytes of an uploaded file; AWS takes 6,144


class ParametersForm(forms.Form):
    """What GetParametersForImport is asked for."""

    wrapping_spec = forms.ChoiceField(
        label=gettext_lazy("Wrapping key spec"),
        choices=[(name, name) for name in wrapping.SPECS],
        help_text=gettext_lazy(
            "The kind of public key that KMS makes for this import. Choose the longest that your tool can use."
        ),
    )
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Wrapping algorithm"),
        help_text=gettext_lazy(
            "RSAES_OAEP wraps the material itself; RSA_AES_KEY_WRAP wraps an AES key and with it material of any length."
        ),
    )

    def __init__(self, *args: Any, key_spec: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.key_spec = key_spec
        set_choices(self, "algorithm", [(name, name) for name in wrapping.algorithms_for(key_spec)])

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        algorithm, spec = given.get("algorithm", ""), given.get("wrapping_spec", "")
        if wrapping.too_short(self.key_spec, algorithm, spec):
            self.add_error(
                "wrapping_spec",
                _("%(spec)s is too short for this key's material with this algorithm.") % {"spec": spec},
            )
        return given


class MaterialForm(forms.Form):
    """What ImportKeyMaterial is told beside the material itself. `remedy`: what helps after AWS's error."""

    remedy = ""
    expires = forms.DateTimeField(
        label=gettext_lazy("Expires"), required=False, widget=forms.DateTimeInput(attrs={"type": "datetime-local"})
    )
    import_type = forms.ChoiceField(
        label=gettext_lazy("Import as"),
        required=False,
        choices=[
            ("", gettext_lazy("The key's material, or the same again")),
            ("NEW_KEY_MATERIAL", gettext_lazy("New key material, to rotate to on demand")),
        ],
    )
    description = forms.CharField(label=gettext_lazy("Description of the material"), required=False, max_length=256)
    material_id = forms.CharField(
        label=gettext_lazy("Key material ID"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("When the same material is imported again: AWS checks that it is the one."),
        widget=forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
    )

    def __init__(self, *args: Any, key: dict[str, Any], **options: Any) -> None:
        """Fields that this key's import does not take are left out: several materials are for symmetric keys alone."""
        super().__init__(*args, **options)
        self.fields["expires"].help_text = _(
            "In your time zone, %(zone)s; at most 365 days ahead. Empty: the key material does not expire."
        ) % {"zone": timezone.get_current_timezone_name()}
        symmetric = key["KeySpec"] == "SYMMETRIC_DEFAULT"
        first = key["KeyState"] == "PendingImport" and not key.get("CurrentKeyMaterialId")
        if not symmetric:
            del self.fields["description"]
        if not symmetric or (first and not self.initial.get("material_id")):
            del self.fields["import_type"], self.fields["material_id"]

    def parameters(self, key_id: str) -> dict[str, Any]:
        given = self.cleaned_data
        made: dict[str, Any] = {"KeyId": key_id, "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
        if given["expires"]:
            made |= {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": given["expires"].astimezone(UTC)}
        for field, member in (
            ("import_type", "ImportType"),
            ("description", "KeyMaterialDescription"),
            ("material_id", "KeyMaterialId"),
        ):
            if given.get(field):
                made[member] = given[field]
        return made


class UploadForm(MaterialForm):
    wrapped = forms.FileField(label=gettext_lazy("Wrapped key material (EncryptedKeyMaterial.bin)"))
    token = forms.FileField(label=gettext_lazy("Import token (ImportToken.bin)"))
    field_order = ("wrapped", "token")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for name in ("wrapped", "token"):
            if given.get(name) and given[name].size > _LARGEST:
                self.add_error(name, _("This file is too long to be it."))
        return given


class TrainingForm(MaterialForm):
    material = forms.CharField(
        label=gettext_lazy("Key material in hexadecimal"),
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono", "data-no-draft": True}
        ),
    )
    field_order = ("material",)

    def __init__(self, *args: Any, key: dict[str, Any], **options: Any) -> None:
        super().__init__(*args, key=key, **options)
        self.fields["material"].help_text = (
            _("64 digits for a symmetric key. Empty: random material is made and forgotten.")
            if key["KeySpec"] == "SYMMETRIC_DEFAULT"
            else _("Empty: random material is made and forgotten.")
        )

    def clean_material(self) -> bytes:
        typed = self.cleaned_data["material"]
        try:
            return bytes.fromhex(typed)
        except ValueError as reason:
            raise forms.ValidationError(_("This is not hexadecimal: two digits 0-9 a-f for each byte.")) from reason


@never_cache
@sensitive_post_parameters("material")
def import_page(request: ConsoleRequest, key_id: str) -> HttpResponse:
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    initial = {"material_id": request.GET.get("material", "")}
    action = next((name for name in _ACTIONS if name in request.POST), "")
    upload = UploadForm(
        request.POST if action == "upload" else None, request.FILES or None, initial=initial, auto_id="up_%s", key=key
    )
    training = TrainingForm(request.POST if action == "train" else None, initial=initial, auto_id="train_%s", key=key)
    downloaded = _downloaded(request, key["KeyId"])
    begun = downloaded or {"wrapping_spec": wrapping.SPECS[0], "algorithm": wrapping.algorithms_for(key["KeySpec"])[0]}
    asked = request.GET if "algorithm" in request.GET else None
    chosen = ParametersForm(asked, initial=begun, key_spec=key["KeySpec"])
    given = chosen.cleaned_data if chosen.is_valid() else begun
    spec, algorithm = given["wrapping_spec"], given["algorithm"]
    generate, wrap = wrapping.commands(key["KeySpec"], algorithm)
    why = action_rules.unavailable_actions(request, key).get("import", "")
    form: MaterialForm = training if action == "train" else upload
    sent = _ACTIONS[action](kms, key, form) if action and form.is_valid() else None
    previewed = "preview" in request.POST
    if sent is not None and not previewed and _import(request, kms, sent, form):
        return redirect("key-tab", key_id=key_id, tab="material")
    parameters = {"KeyId": key["KeyId"], "WrappingAlgorithm": algorithm, "WrappingKeySpec": spec}
    return render(
        request,
        "keys/material/import.html",
        {
            "key": key,
            "key_name": name_of(kms, key),
            "chosen": chosen,
            "downloaded": downloaded,
            "algorithm": algorithm,
            "generate_commands": generate,
            "wrap_commands": wrap,
            "errors": error_help.of_operation("ImportKeyMaterial"),
            "upload": upload,
            "training": training,
            "why": why,
            "why_remedy": error_help.remedy("ImportKeyMaterial", why.partition(":")[0], why),
            "why_parameters": permissions.refusal(request, "kms:GetParametersForImport", key["Arn"]),
            "call": call.show(request, "GetParametersForImport", parameters),
            "previewed": previewed,
            "import_call": call.show(request, "ImportKeyMaterial", sent) if sent else None,
        },
        status=422 if upload.errors or training.errors or chosen.errors else 200,
    )


def _uploaded(kms: Any, key: dict[str, Any], form: MaterialForm) -> dict[str, Any]:
    """What was wrapped elsewhere, with the token that came with the wrapping key."""
    given = form.cleaned_data
    files = {"ImportToken": given["token"].read(), "EncryptedKeyMaterial": given["wrapped"].read()}
    return {**form.parameters(key["KeyId"]), **files}


def _wrapped_here(kms: Any, key: dict[str, Any], form: MaterialForm) -> dict[str, Any] | None:
    """Wrap what was typed (or random material) under a fresh wrapping key, as the openssl commands on the page do."""
    material = form.cleaned_data["material"] or wrapping.random_material(key["KeySpec"])
    algorithm = "RSA_AES_KEY_WRAP_SHA_256"
    try:
        given = kms.get_parameters_for_import(
            KeyId=key["KeyId"], WrappingAlgorithm=algorithm, WrappingKeySpec=wrapping.SPECS[0]
        )
    except ClientError as error:
        _refuse(form, error)
        return None
    wrapped = wrapping.wrap(given["PublicKey"], material, algorithm)
    return {
        **form.parameters(key["KeyId"]),
        "ImportToken": given["ImportToken"],
        "EncryptedKeyMaterial": wrapped,
    }


# The button that was pressed → what ImportKeyMaterial is sent with; None where AWS refused, with its error in the form.
_ACTIONS: dict[str, Callable[[Any, dict[str, Any], MaterialForm], dict[str, Any] | None]] = {
    "upload": _uploaded,
    "train": _wrapped_here,
}


def _refuse(form: MaterialForm, error: ClientError) -> None:
    form.add_error(None, service.sentence(error))
    form.remedy = error_help.explained(error)["remedy"]


def _import(request: ConsoleRequest, kms: Any, parameters: dict[str, Any], form: MaterialForm) -> bool:
    try:
        kms.import_key_material(**parameters)
    except ClientError as error:
        _refuse(form, error)
        return False
    request.session.pop(_SESSION, None)
    inventory.mark_outdated(request)
    if parameters.get("ImportType") == "NEW_KEY_MATERIAL":
        messages.success(
            request, _("The new key material is imported and waits: “Rotate now” makes it the current one.")
        )
    else:
        messages.success(request, _("The key material is imported."))
    return True


def _downloaded(request: ConsoleRequest, key_id: str) -> dict[str, Any] | None:
    """Which wrapping key and token this session downloaded last, if they are this key's: `until` they are good."""
    found = request.session.get(_SESSION)
    if not found or found["key_id"] != key_id:
        return None
    until = datetime.fromisoformat(found["until"])
    return {**found, "until": until, "expired": until <= service.now(request)}


@never_cache
def parameters(request: ConsoleRequest, key_id: str) -> HttpResponse:
    """The wrapping public key, the import token and what to do with them, as one archive."""
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        form = ParametersForm(request.POST or None, key_spec=key["KeySpec"])
        if request.method != "POST":
            return redirect("key-import", key_id=key_id)
        if not form.is_valid():  # the page says why, beside the choice
            chosen = {name: request.POST.get(name, "") for name in ParametersForm.base_fields}
            return redirect(f"{reverse('key-import', args=[key_id])}?{urlencode(chosen)}")
        algorithm, spec = form.cleaned_data["algorithm"], form.cleaned_data["wrapping_spec"]
        given = kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
    except ClientError as error:
        return problem_page(request, key_id, error)
    until = given["ParametersValidTo"]
    request.session[_SESSION] = {
        "key_id": key["KeyId"],
        "wrapping_spec": spec,
        "algorithm": algorithm,
        "until": until.isoformat(),
    }
    readme = render_to_string(
        "keys/material/import_readme.txt",
        {
            "key": key,
            "made": _in_both_zones(service.now(request)),
            "until": _in_both_zones(until),
            "wrapping_spec": spec,
            "algorithm": algorithm,
            "commands": "\n\n".join(wrapping.commands(key["KeySpec"], algorithm)),
            "region": request.signed_in.region,
            "endpoint": service.endpoint_url(request),
        },
    )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("WrappingPublicKey.bin", given["PublicKey"])
        made.writestr("ImportToken.bin", given["ImportToken"])
        made.writestr("README.txt", readme)
    answer = HttpResponse(archive.getvalue(), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="import-{key_id}.zip"'
    return answer


def _in_both_zones(moment: datetime) -> str:
    """For a file, which has no hover: the reader's time with its zone, and UTC."""
    utc = f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    zone = timezone.get_current_timezone_name()
    return utc if zone == "UTC" else f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S} {zone} ({utc})"
