"""Importing key material: take a wrapping key and a token, wrap outside, bring it back. Or, for training, have it wrapped here."""

from __future__ import annotations

import io
import os
import zipfile
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from keys import inventory, service
from keys.views.common import problem_page

ALGORITHMS = ("RSAES_OAEP_SHA_256", "RSAES_OAEP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1")
SPECS = ("RSA_4096", "RSA_3072", "RSA_2048")


class ParametersForm(forms.Form):
    wrapping_spec = forms.ChoiceField(label=gettext_lazy("Wrapping key spec"), choices=[(name, name) for name in SPECS])
    algorithm = forms.ChoiceField(
        label=gettext_lazy("Wrapping algorithm"), choices=[(name, name) for name in ALGORITHMS]
    )


class UploadForm(forms.Form):
    wrapped = forms.FileField(label=gettext_lazy("Wrapped key material"))
    token = forms.FileField(label=gettext_lazy("Import token"))
    expires = forms.DateTimeField(
        label=gettext_lazy("Expires (UTC)"),
        required=False,
        help_text=gettext_lazy("Empty: the key material does not expire."),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )


class TrainingForm(forms.Form):
    material = forms.CharField(
        label=gettext_lazy("Key material in hexadecimal"),
        required=False,
        help_text=gettext_lazy("64 digits for a symmetric key. Empty: random material is made and forgotten."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "class": "mono"}),
    )

    def clean_material(self) -> bytes:
        typed = self.cleaned_data["material"]
        try:
            return bytes.fromhex(typed)
        except ValueError as reason:
            raise forms.ValidationError(_("This is not hexadecimal: two digits 0-9 a-f for each byte.")) from reason


@never_cache
@sensitive_post_parameters("material")
def import_page(request: HttpRequest, key_id: str) -> HttpResponse:
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    upload = UploadForm(request.POST if "upload" in request.POST else None, request.FILES or None)
    training = TrainingForm(request.POST if "train" in request.POST else None)
    done = False
    if "upload" in request.POST and upload.is_valid():
        done = _upload(kms, key_id, upload)
    elif "train" in request.POST and training.is_valid():
        done = _train(kms, key, training)
    if done:
        inventory.forget(request)
        messages.success(request, _("The key material is imported."))
        return redirect("key-tab", key_id=key_id, tab="material")
    return render(
        request,
        "keys/import.html",
        {"key": key, "parameters": ParametersForm(), "upload": upload, "training": training},
        status=422 if upload.errors or training.errors else 200,
    )


def _upload(kms: Any, key_id: str, form: UploadForm) -> bool:
    given = form.cleaned_data
    expiry: dict[str, Any] = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}
    if given["expires"]:
        expiry = {"ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": given["expires"].astimezone(UTC)}
    try:
        kms.import_key_material(
            KeyId=key_id, EncryptedKeyMaterial=given["wrapped"].read(), ImportToken=given["token"].read(), **expiry
        )
    except ClientError as error:
        form.add_error(None, service.sentence(error))
        return False
    return True


def _train(kms: Any, key: dict[str, Any], form: TrainingForm) -> bool:
    """Wrap what was typed (or random bytes) under a fresh wrapping key, as the openssl commands on the page do."""
    material = form.cleaned_data["material"] or _random_material(key["KeySpec"])
    try:
        given = kms.get_parameters_for_import(
            KeyId=key["KeyId"], WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256", WrappingKeySpec="RSA_4096"
        )
        kms.import_key_material(
            KeyId=key["KeyId"],
            ImportToken=given["ImportToken"],
            EncryptedKeyMaterial=_wrap(given["PublicKey"], material),
            ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
        )
    except ClientError as error:
        form.add_error(None, service.sentence(error))
        return False
    return True


def _random_material(spec: str) -> bytes:
    if spec.startswith("HMAC_"):
        return os.urandom(int(spec[5:]) // 8)
    if spec.startswith("RSA_"):
        private = rsa.generate_private_key(public_exponent=65537, key_size=int(spec[4:]))
        return private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    return os.urandom(32)


def _wrap(public_der: bytes, material: bytes) -> bytes:
    """RSA_AES_KEY_WRAP_SHA_256: an AES key under OAEP, the material under AES-KWP (RFC 5649)."""
    public = serialization.load_der_public_key(public_der)
    assert isinstance(public, rsa.RSAPublicKey)
    key = os.urandom(32)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    return public.encrypt(key, oaep) + keywrap.aes_key_wrap_with_padding(key, material)


_README = """Key material import for {key_id}
Made {made:%Y-%m-%d %H:%M:%S} UTC; the import token is good for 24 hours.

  WrappingPublicKey.bin   wrap your key material with it ({algorithm})
  ImportToken.bin         goes back with the wrapped material

With OpenSSL, for 32 bytes of symmetric key material and RSAES_OAEP_SHA_256:
  openssl rand -out PlaintextKeyMaterial.bin 32
  openssl pkeyutl -encrypt -in PlaintextKeyMaterial.bin -out EncryptedKeyMaterial.bin \\
      -inkey WrappingPublicKey.bin -keyform DER -pubin \\
      -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
"""


@never_cache
def parameters(request: HttpRequest, key_id: str) -> HttpResponse:
    """The wrapping public key, the import token and what to do with them, as one archive."""
    form = ParametersForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return redirect("key-import", key_id=key_id)
    algorithm = form.cleaned_data["algorithm"]
    try:
        given = service.client(request).get_parameters_for_import(
            KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=form.cleaned_data["wrapping_spec"]
        )
    except ClientError as error:
        return problem_page(request, key_id, error)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("WrappingPublicKey.bin", given["PublicKey"])
        made.writestr("ImportToken.bin", given["ImportToken"])
        made.writestr("README.txt", _README.format(key_id=key_id, made=datetime.now(UTC), algorithm=algorithm))
    answer = HttpResponse(archive.getvalue(), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="import-{key_id}.zip"'
    return answer
