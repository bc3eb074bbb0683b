"""A key's page: general configuration, and one tab at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from keys import service
from keys.views import access_tab, key_policy
from keys.views.common import optional, problem_page

Load = Callable[[Any, dict[str, Any]], dict[str, Any]]


def _crypto(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    lists = (
        "EncryptionAlgorithms",
        "SigningAlgorithms",
        "MacAlgorithms",
        "KeyAgreementAlgorithms",
        "EncapsulationAlgorithms",
    )
    return {"algorithms": [(name, key[name]) for name in lists if name in key]}


def _aliases(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"aliases": [alias for alias in service.pages(kms, "list_aliases", "Aliases", KeyId=key["KeyId"]) if alias]}


def _tags(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"tags": kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}


def _material(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    status, status_problem = optional(lambda: kms.get_key_rotation_status(KeyId=key["KeyId"]))
    rotations, rotations_problem = optional(
        lambda: [
            each
            for each in service.pages(
                kms, "list_key_rotations", "Rotations", KeyId=key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL"
            )
            if each
        ]
    )
    return {
        "rotation": status,
        "rotation_problem": status_problem,
        "rotations": rotations,
        "rotations_problem": rotations_problem,
    }


def _regions(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"configuration": key.get("MultiRegionConfiguration")}


def _grants(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    grants = [grant for grant in service.pages(kms, "list_grants", "Grants", KeyId=key["KeyId"]) if grant]
    shape = kms.meta.service_model.shape_for("GrantOperation")
    return {"grants": grants, "grant_operations": shape.enum}


def _public_key(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"pem": _pem(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])}


def _pem(der: bytes) -> str:
    public = serialization.load_der_public_key(der)
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


# Tab → words, what it reads, and for which keys it is there.
TABS: dict[str, tuple[Any, Load, Callable[[dict[str, Any]], bool]]] = {
    "policy": (_("Key policy"), lambda kms, key: {}, lambda key: True),
    "crypto": (_("Cryptographic configuration"), _crypto, lambda key: True),
    "aliases": (_("Aliases"), _aliases, lambda key: True),
    "tags": (_("Tags"), _tags, lambda key: True),
    "material": (
        _("Key material and rotations"),
        _material,
        lambda key: key["KeySpec"] == "SYMMETRIC_DEFAULT" or key["Origin"] == "EXTERNAL",
    ),
    "regions": (_("Regionality"), _regions, lambda key: bool(key.get("MultiRegion"))),
    "public-key": (_("Public key"), _public_key, lambda key: key["KeySpec"].startswith(("RSA", "ECC", "ML_", "SM2"))),
    "grants": (_("Grants"), _grants, lambda key: True),
    "access": (_("Access"), lambda kms, key: {}, lambda key: True),
}
# Tabs that hang on more than the key: they also get the request.
WIDER: dict[str, Callable[[HttpRequest, Any, dict[str, Any]], dict[str, Any]]] = {
    "policy": key_policy.load,
    "access": access_tab.load,
}


def page(request: HttpRequest, key_id: str, tab: str = "policy") -> HttpResponse:
    if tab not in TABS:
        raise Http404
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    aliases, _problem = optional(lambda: _aliases(kms, key)["aliases"])
    load = WIDER.get(tab)
    loaded, problem = optional(lambda: load(request, kms, key) if load else TABS[tab][1](kms, key))
    names = [alias["AliasName"].removeprefix("alias/") for alias in aliases or []]
    return render(
        request,
        "keys/key.html",
        {
            "key": key,
            "names": names,
            "title": names[0] if names else key["KeyId"],
            "tab": tab,
            "tabs": [(slug, words) for slug, (words, _load, there) in TABS.items() if there(key)],
            "problem": problem,
            "template": f"keys/tabs/{tab.replace('-', '_')}.html",
            "refused": refused_actions(key),
            **(loaded or {}),
        },
    )


def refused_actions(key: dict[str, Any]) -> dict[str, str]:
    """Action → the AWS error it would give now, for those that would be refused; they stay visible with it."""
    arn, state = key["Arn"], key["KeyState"]
    if key["KeyManager"] == "AWS":
        return dict.fromkeys(
            ("enable", "disable", "delete", "cancel-deletion", "rotate", "describe", "edit-policy"),
            "AccessDeniedException: AWS managed keys take no administration.",
        )
    refused = {}
    if state in ("PendingDeletion", "PendingReplicaDeletion"):
        sentence = f"KMSInvalidStateException: {arn} is pending deletion."
        refused = dict.fromkeys(("enable", "disable", "delete", "rotate", "describe"), sentence)
    else:
        refused["cancel-deletion"] = f"KMSInvalidStateException: {arn} is not pending deletion."
    if state == "PendingImport":
        refused.update(
            dict.fromkeys(("enable", "disable", "rotate"), f"KMSInvalidStateException: {arn} is pending import.")
        )
    if state == "Disabled":
        refused["rotate"] = f"DisabledException: {arn} is disabled."
    return refused


def public_key_pem(request: HttpRequest, key_id: str) -> HttpResponse:
    try:
        der = service.client(request).get_public_key(KeyId=key_id)["PublicKey"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    answer = HttpResponse(_pem(der), content_type="application/x-pem-file")
    answer["Content-Disposition"] = f'attachment; filename="{key_id}.pem"'
    return answer
