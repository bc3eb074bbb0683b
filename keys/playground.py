"""The playground: one form for each cryptographic operation, run on the endpoint as the signed-in principal.

Nothing typed is stored: no session, no URL, no cache (every answer says no-store). Which members a form has is one row of a table;
what each may be comes from the service model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError, ParamValidationError
from botocore.session import get_session
from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from keys import call, encodings, remedies, service

_SPARE_ROWS = 2  # empty encryption-context rows offered beyond those that are filled


@dataclass(frozen=True, slots=True)
class Play:
    """One page: the API operation, the members its form asks for, and the key usage it needs ("" = no key)."""

    operation: str
    title: Any
    usage: str
    members: tuple[str, ...]
    does: Any
    results: tuple[str, ...] = ()
    needs_key: bool = field(default=True)


PLAYS: dict[str, Play] = {
    "encrypt": Play(
        "Encrypt",
        gettext_lazy("Encrypt"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "Plaintext", "EncryptionContext", "EncryptionAlgorithm"),
        gettext_lazy("Encrypts up to 4,096 bytes under a key. Larger data is encrypted under a data key."),
    ),
    "decrypt": Play(
        "Decrypt",
        gettext_lazy("Decrypt"),
        "ENCRYPT_DECRYPT",
        ("CiphertextBlob", "EncryptionContext", "KeyId", "EncryptionAlgorithm"),
        gettext_lazy("Opens a ciphertext. A symmetric ciphertext names its key, so the key may be left out."),
        needs_key=False,
    ),
    "re-encrypt": Play(
        "ReEncrypt",
        gettext_lazy("Re-encrypt"),
        "ENCRYPT_DECRYPT",
        ("CiphertextBlob", "SourceEncryptionContext", "DestinationKeyId", "DestinationEncryptionContext"),
        gettext_lazy("Moves a ciphertext to another key or context without the plaintext leaving the service."),
    ),
    "generate-data-key": Play(
        "GenerateDataKey",
        gettext_lazy("Generate data key"),
        "ENCRYPT_DECRYPT",
        ("KeyId", "KeySpec", "EncryptionContext"),
        gettext_lazy("Makes a data key: in the clear to encrypt with now, and encrypted under the key to keep."),
    ),
    "sign": Play(
        "Sign",
        gettext_lazy("Sign"),
        "SIGN_VERIFY",
        ("KeyId", "Message", "MessageType", "SigningAlgorithm"),
        gettext_lazy("Signs a message of up to 4,096 bytes, or the digest of a longer one."),
    ),
    "verify": Play(
        "Verify",
        gettext_lazy("Verify"),
        "SIGN_VERIFY",
        ("KeyId", "Message", "MessageType", "Signature", "SigningAlgorithm"),
        gettext_lazy("Tells whether a signature was made by this key over this message."),
    ),
    "generate-mac": Play(
        "GenerateMac",
        gettext_lazy("Generate MAC"),
        "GENERATE_VERIFY_MAC",
        ("KeyId", "Message", "MacAlgorithm"),
        gettext_lazy("Computes a message authentication code with an HMAC key."),
    ),
    "verify-mac": Play(
        "VerifyMac",
        gettext_lazy("Verify MAC"),
        "GENERATE_VERIFY_MAC",
        ("KeyId", "Message", "Mac", "MacAlgorithm"),
        gettext_lazy("Tells whether a MAC was made by this key over this message."),
    ),
    "derive-shared-secret": Play(
        "DeriveSharedSecret",
        gettext_lazy("Derive shared secret"),
        "KEY_AGREEMENT",
        ("KeyId", "PublicKey", "KeyAgreementAlgorithm"),
        gettext_lazy("Agrees on a secret with the owner of another key pair (ECDH)."),
    ),
    "encapsulate": Play(
        "Encapsulate",
        gettext_lazy("Encapsulate"),
        "ENCAPSULATE_DECAPSULATE",
        ("KeyId", "EncapsulationAlgorithm"),
        gettext_lazy("Makes a shared secret and its encapsulation under an ML-KEM key."),
    ),
    "decapsulate": Play(
        "Decapsulate",
        gettext_lazy("Decapsulate"),
        "ENCAPSULATE_DECAPSULATE",
        ("KeyId", "SharedSecretCiphertextBlob", "EncapsulationAlgorithm"),
        gettext_lazy("Opens an encapsulated shared secret."),
    ),
    "generate-random": Play(
        "GenerateRandom",
        gettext_lazy("Generate random bytes"),
        "",
        ("NumberOfBytes",),
        gettext_lazy("Random bytes from the service."),
        needs_key=False,
    ),
}

_LABELS = {
    "KeyId": gettext_lazy("Key"),
    "DestinationKeyId": gettext_lazy("Destination key"),
    "Plaintext": gettext_lazy("Plaintext"),
    "CiphertextBlob": gettext_lazy("Ciphertext"),
    "Message": gettext_lazy("Message"),
    "Signature": gettext_lazy("Signature"),
    "Mac": gettext_lazy("MAC"),
    "PublicKey": gettext_lazy("Public key of the other side (DER)"),
    "SharedSecretCiphertextBlob": gettext_lazy("Encapsulated secret"),
    "EncryptionContext": gettext_lazy("Encryption context"),
    "SourceEncryptionContext": gettext_lazy("Encryption context of the ciphertext"),
    "DestinationEncryptionContext": gettext_lazy("New encryption context"),
    "EncryptionAlgorithm": gettext_lazy("Encryption algorithm"),
    "SigningAlgorithm": gettext_lazy("Signing algorithm"),
    "MacAlgorithm": gettext_lazy("MAC algorithm"),
    "KeyAgreementAlgorithm": gettext_lazy("Key agreement algorithm"),
    "EncapsulationAlgorithm": gettext_lazy("Encapsulation algorithm"),
    "MessageType": gettext_lazy("The message is"),
    "KeySpec": gettext_lazy("Data key"),
    "NumberOfBytes": gettext_lazy("Number of bytes"),
    "SharedSecret": gettext_lazy("Shared secret"),
}

_PLAIN_BYTES = {"Plaintext", "Message"}


class PlayForm(forms.Form):
    """A form made from the service model's input shape of one operation."""

    def __init__(self, play: Play, keys: list[tuple[str, str]], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.play = play
        self.shape = get_session().get_service_model("kms").operation_model(play.operation).input_shape
        self.context_members: list[str] = []
        for member in play.members:
            shape = self.shape.members[member]
            if shape.type_name == "map":
                self.context_members.append(member)
            elif shape.type_name == "blob":
                self._bytes_fields(member, required=member in self.shape.required_members)
            elif member.endswith("KeyId"):
                self._key_field(member, keys)
            elif getattr(shape, "enum", None):
                self._choice_field(member, shape.enum)
            else:
                self.fields[member] = forms.IntegerField(
                    label=_LABELS[member], min_value=1, max_value=shape.metadata.get("max"), initial=32
                )

    def _key_field(self, member: str, keys: list[tuple[str, str]]) -> None:
        choices = keys if self.play.needs_key else [("", _("The one the ciphertext names")), *keys]
        self.fields[member] = forms.ChoiceField(label=_LABELS[member], choices=choices, required=self.play.needs_key)

    def _choice_field(self, member: str, values: list[str]) -> None:
        required = member in self.shape.required_members or member == "KeySpec"
        choices = [(value, value) for value in values]
        self.fields[member] = forms.ChoiceField(
            label=_LABELS[member],
            choices=choices if required else [("", _("As the key decides")), *choices],
            required=required,
        )

    def _bytes_fields(self, member: str, *, required: bool) -> None:
        self.fields[member] = forms.CharField(
            label=_LABELS[member],
            required=False,
            strip=False,
            widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "mono", "autocomplete": "off"}),
        )
        self.fields[member].needed = required  # type: ignore[attr-defined]  # a text or a file: `clean` sees to it
        self.fields[f"{member}_as"] = forms.ChoiceField(
            label=_("written as"),
            choices=[("text", _("Text")), ("hex", _("Hex")), ("base64", "Base64")],
            initial="text" if member in _PLAIN_BYTES else "base64",
            widget=forms.RadioSelect,
        )
        self.fields[f"{member}_file"] = forms.FileField(label=_("or a file"), required=False, max_length=255)

    def bytes_members(self) -> list[str]:
        return [member for member in self.play.members if self.shape.members[member].type_name == "blob"]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for member in self.bytes_members():
            upload: UploadedFile[bytes] | None = given.get(f"{member}_file")
            limit = self.shape.members[member].metadata.get("max", 4096)
            if upload:
                if (upload.size or 0) > limit:
                    message = _("The file has %(size)d bytes; this operation takes %(limit)d at most.")
                    self.add_error(member, message % {"size": upload.size, "limit": limit})
                    continue
                given[member] = upload.read()
                continue
            try:
                given[member] = encodings.decode(given.get(member) or "", given.get(f"{member}_as") or "text")
            except encodings.NotEncoded as reason:
                self.add_error(member, str(reason))
                continue
            if not given[member]:
                self.add_error(member, _("Type something, or choose a file."))
        for member in self.context_members:
            given[member] = self._context(member)
        return given

    def _context(self, member: str) -> dict[str, str]:
        context: dict[str, str] = {}
        for name, value in self._pairs(member):
            if not name:
                self.add_error(None, _("Encryption context: “%(value)s” has no name.") % {"value": value})
            elif name in context:
                self.add_error(None, _("Encryption context: “%(name)s” stands twice.") % {"name": name})
            context[name] = value
        return context

    def _pairs(self, member: str) -> list[tuple[str, str]]:
        if not self.is_bound:
            return []
        data: Any = self.data
        names, values = data.getlist(f"{member}_name"), data.getlist(f"{member}_value")
        return [(name, value) for name, value in zip(names, values, strict=False) if name or value]

    def context_rows(self) -> list[tuple[str, Any, list[tuple[str, str]]]]:
        """(member, label, rows) for the template; the last rows are empty, so a pair can be added without JavaScript."""
        return [
            (member, _LABELS[member], [*self._pairs(member), *[("", "")] * _SPARE_ROWS])
            for member in self.context_members
        ]

    def parameters(self) -> dict[str, Any]:
        """The call's parameters: what was filled in and nothing else."""
        return {
            member: self.cleaned_data[member]
            for member in self.play.members
            if self.cleaned_data.get(member) not in ("", None, {}, b"")
        }


def index(request: HttpRequest) -> HttpResponse:
    return render(request, "keys/play/index.html", {"plays": PLAYS})


@never_cache
@sensitive_post_parameters()
def operation(request: HttpRequest, operation: str) -> HttpResponse:
    play = PLAYS.get(operation)
    if play is None:
        raise Http404
    kms = service.client(request)
    picker_problem = ""
    try:
        keys = service.keys_for_picker(request, play.usage) if play.usage else []
    except ClientError as error:
        keys, picker_problem = [], f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    form = PlayForm(
        play, keys, request.POST or None, request.FILES or None, initial={"KeyId": request.GET.get("key", "")}
    )
    outcome: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        outcome = _run(request, kms, play, form.parameters())
    return render(
        request,
        "keys/play/operation.html",
        {
            "play": play,
            "plays": PLAYS,
            "slug": operation,
            "form": form,
            "picker_problem": picker_problem,
            **outcome,
        },
        status=422 if form.errors else 200,
    )


def _run(request: HttpRequest, kms: Any, play: Play, parameters: dict[str, Any]) -> dict[str, Any]:
    shown_call = call.show(request, play.operation, parameters)
    method = getattr(kms, xform_name(play.operation))
    try:
        answer = method(**parameters)
    except ClientError as error:
        details = error.response["Error"]
        return {
            "call": shown_call,
            "problem": {**details, "remedy": remedies.remedy(play.operation, details["Code"], details["Message"])},
        }
    except ParamValidationError as error:
        return {"call": shown_call, "problem": {"Code": "ParamValidation", "Message": str(error), "remedy": ""}}
    answer.pop("ResponseMetadata")
    return {
        "call": shown_call,
        "blobs": [(_LABELS.get(n, n), n, encodings.show(v)) for n, v in answer.items() if isinstance(v, bytes)],
        "facts": [(n, v) for n, v in answer.items() if not isinstance(v, bytes)],
    }
