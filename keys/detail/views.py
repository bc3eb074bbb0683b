"""A key's page: general configuration, and one tab at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from console import pem
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.common import problem_page
from keys.detail import access_tab, use_tabs
from keys.grants import grants
from keys.lifecycle import action_rules
from keys.lifecycle.views import actions, deletion
from keys.policy import views as key_policy

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
    given = {"key": key}
    return {
        "configuration": key.get("MultiRegionConfiguration"),
        "replica_regions": actions.ReplicaForm(**given).choices(key),
        "primary_regions": actions.PrimaryForm(**given).choices(key),
    }


def _grants(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    found = [grant for grant in service.pages(kms, "list_grants", "Grants", KeyId=key["KeyId"]) if grant]
    return {"grants": [(grant, grants.sentence(grant)) for grant in found]}


def _public_key(kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    der = kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
    return {"pem": pem.from_der(der), "fingerprint": pem.fingerprint(der), "size": len(der)}


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
    "use": (_("Use"), lambda kms, key: {}, lambda key: True),
    "timeline": (_("Timeline"), lambda kms, key: {}, lambda key: True),
    "impact": (_("Impact of deletion"), lambda kms, key: {}, lambda key: key["KeyManager"] != "AWS"),
}
# Tabs that hang on more than the key: they also get the request.
WIDER: dict[str, Callable[[ConsoleRequest, Any, dict[str, Any]], dict[str, Any]]] = {
    "policy": key_policy.load,
    "access": access_tab.load,
    "use": use_tabs.use,
    "timeline": use_tabs.timeline,
    "impact": use_tabs.impact,
}


def page(request: ConsoleRequest, key_id: str, tab: str = "policy") -> HttpResponse:
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
    last_use, last_use_problem = optional(lambda: use_tabs.last_use(request, kms, key))
    rotation = None
    if key["KeySpec"] == "SYMMETRIC_DEFAULT" and key["Origin"] == "AWS_KMS" and key["KeyManager"] != "AWS":
        rotation, _problem = optional(lambda: kms.get_key_rotation_status(KeyId=key["KeyId"]))
    names = [alias["AliasName"].removeprefix("alias/") for alias in aliases or []]
    return render(
        request,
        "keys/detail/key.html",
        {
            "key": key,
            "names": names,
            "title": names[0] if names else key["KeyId"],
            "key_name": names[0] if names else key["KeyId"],
            "tab": tab,
            "tabs": [(slug, words) for slug, (words, _load, there) in TABS.items() if there(key)],
            "problem": problem,
            "template": f"keys/detail/tabs/{tab.replace('-', '_')}.html",
            "refused": action_rules.refused_actions(key),
            "last_use": last_use,
            "last_use_problem": last_use_problem,
            "rotation": rotation,
            "uses": _uses(key),
            "waiting": deletion.waiting(request, key["KeyId"]),
            **(loaded or {}),
        },
    )


# Key usage → the playground's pages that such a key is used with. Data keys are for symmetric keys.
_USES: dict[str, tuple[tuple[str, Any], ...]] = {
    "ENCRYPT_DECRYPT": (("encrypt", _("Encrypt with this key")), ("decrypt", _("Decrypt"))),
    "SIGN_VERIFY": (("sign", _("Sign with this key")), ("verify", _("Verify"))),
    "GENERATE_VERIFY_MAC": (
        ("generate-mac", _("Generate MAC")),
        ("verify-mac", _("Verify MAC")),
    ),
    "KEY_AGREEMENT": (("derive-shared-secret", _("Derive shared secret")),),
    "ENCAPSULATE_DECAPSULATE": (
        ("encapsulate", _("Encapsulate")),
        ("decapsulate", _("Decapsulate")),
    ),
}


def _uses(key: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What the playground can do with the key now: nothing with one that is not enabled, or that is for AWS services alone."""
    if key["KeyState"] != "Enabled" or key["KeyManager"] == "AWS":
        return ()
    data_key = (("generate-data-key", _("Generate data key")),)
    return _USES.get(key["KeyUsage"], ()) + (data_key if key["KeySpec"] == "SYMMETRIC_DEFAULT" else ())


def elsewhere(request: ConsoleRequest, key_id: str, name: str) -> HttpResponse:
    """A tab or an action by the address one would guess for it: sent on to its own, with what was asked."""
    if name in TABS:
        address = reverse("key-tab", args=[key_id, name])
    elif name in actions.ACTIONS:
        address = reverse("key-action", args=[key_id, name])
    elif name == "policy/history":
        address = reverse("key-policy-history", args=[key_id])
    else:
        raise Http404
    asked = request.META.get("QUERY_STRING", "")
    return redirect(f"{address}?{asked}" if asked else address, permanent=True)


def public_key_pem(request: ConsoleRequest, key_id: str, form: str = "pem") -> HttpResponse:
    """The public key as a file: `form` is pem or der."""
    try:
        der = service.client(request).get_public_key(KeyId=key_id)["PublicKey"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    content: bytes | str = der if form == "der" else pem.from_der(der)
    answer = HttpResponse(
        content, content_type="application/octet-stream" if form == "der" else "application/x-pem-file"
    )
    answer["Content-Disposition"] = f'attachment; filename="{key_id}.{form}"'
    return answer
