"""A key's page: general configuration, and one tab at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from console import pem
from console.aws_calls import optional
from console.request import ConsoleRequest
from engine.public.key_states import refusal
from keys import service
from keys.common import problem_page
from keys.detail import access_tab, past, timeline, use_tabs
from keys.grants import grants
from keys.inventory import reads
from keys.lifecycle import action_rules
from keys.lifecycle.views import actions, deletion
from keys.policy import views as key_policy
from keys.record import as_of


def _crypto(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"algorithms": past.algorithms(key)}


def _aliases(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"aliases": service.pages(kms, "list_aliases", "Aliases", KeyId=key["KeyId"])}


def _tags(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    return {"tags": kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]}


def _material(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    if key.get("CustomKeyStoreId"):
        return {}  # AWS has none of this for such a key, and answers so
    status, status_problem = optional(lambda: kms.get_key_rotation_status(KeyId=key["KeyId"]))
    rotations, rotations_problem = optional(
        lambda: service.pages(
            kms, "list_key_rotations", "Rotations", KeyId=key["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL"
        )
    )
    return {
        "rotation": status,
        "rotation_problem": status_problem,
        "rotations": rotations,
        "rotations_problem": rotations_problem,
    }


def _regions(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    given = {"key": key}
    return {
        "configuration": key.get("MultiRegionConfiguration"),
        "replica_regions": actions.ReplicaForm(**given).choices(key),
        "primary_regions": actions.PrimaryForm(**given).choices(key),
    }


def _grants(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    found = service.pages(kms, "list_grants", "Grants", KeyId=key["KeyId"])
    return {"grants": [(grant, grants.sentence(grant)) for grant in found]}


def _public_key(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    der = kms.get_public_key(KeyId=key["KeyId"])["PublicKey"]
    return {"pem": pem.from_der(der), "fingerprint": pem.fingerprint(der), "size": len(der)}


def _rotates(key: dict[str, Any]) -> bool:
    return bool(key["KeySpec"] == "SYMMETRIC_DEFAULT" or key["Origin"] == "EXTERNAL")


def _is_asymmetric(key: dict[str, Any]) -> bool:
    return str(key["KeySpec"]).startswith(("RSA", "ECC", "ML_", "SM2"))


@dataclass(frozen=True, slots=True)
class Tab:
    """`load` reads what the tab shows; `there` says for which keys it is there, and `why_not` at its address why it is not; a `rare` one is
    in the menu *More*."""

    words: Any
    load: Callable[[ConsoleRequest, Any, dict[str, Any]], dict[str, Any]]
    there: Callable[[dict[str, Any]], bool] = lambda key: True
    rare: bool = False
    why_not: Any = ""


TABS: dict[str, Tab] = {
    "policy": Tab(_("Key policy"), key_policy.load),
    "crypto": Tab(_("Cryptographic configuration"), _crypto, rare=True),
    "aliases": Tab(_("Aliases"), _aliases),
    "tags": Tab(_("Tags"), _tags),
    "material": Tab(
        _("Key material and rotations"),
        _material,
        _rotates,
        why_not=_("Key material that AWS KMS made rotates in symmetric encryption keys only."),
    ),
    "regions": Tab(
        _("Regionality"),
        _regions,
        lambda key: bool(key.get("MultiRegion")),
        rare=True,
        why_not=_("This key is single-Region. Whether a key is multi-Region is chosen when it is created."),
    ),
    "public-key": Tab(
        _("Public key"), _public_key, _is_asymmetric, rare=True, why_not=_("Only asymmetric keys have a public key.")
    ),
    "grants": Tab(_("Grants"), _grants),
    "access": Tab(_("Access"), access_tab.load),
    "use": Tab(_("Use"), use_tabs.use),
    "timeline": Tab(_("Timeline"), timeline.load, rare=True),
    "impact": Tab(
        _("Impact of deletion"),
        use_tabs.impact,
        lambda key: bool(key["KeyManager"] != "AWS"),
        rare=True,
        why_not=_("AWS managed keys cannot be deleted."),
    ),
}


@as_of.shows_past
def page(request: ConsoleRequest, key_id: str, tab: str = "policy") -> HttpResponse:
    if tab not in TABS:
        raise Http404
    asked = as_of.asked(request)
    if asked is not None:
        return past.page(request, key_id, tab, asked)
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        return problem_page(request, key_id, error, key_id=key_id)
    aliases, names_problem = optional(lambda: _aliases(request, kms, key)["aliases"])
    there = TABS[tab].there(key)
    loaded, problem = optional(lambda: TABS[tab].load(request, kms, key)) if there else (None, "")
    last_use, last_use_problem = optional(lambda: use_tabs.last_use(request, kms, key))
    rotation, rotation_unread = None, ""
    if reads.rotates(key["KeySpec"], key["Origin"]) and key["KeyManager"] != "AWS":
        rotation, rotation_unread = optional(lambda: kms.get_key_rotation_status(KeyId=key["KeyId"]))
    names = [alias["AliasName"].removeprefix("alias/") for alias in aliases or []]
    return render(
        request,
        "keys/detail/key.html",
        {
            "key": key,
            "names": names,
            "names_problem": names_problem,
            "title": names[0] if names else key["KeyId"],
            "key_name": names[0] if names else key["KeyId"],
            "tab": tab,
            "tabs": [(slug, each.words) for slug, each in TABS.items() if each.there(key) and not each.rare],
            "rare_tabs": [(slug, each.words) for slug, each in TABS.items() if each.there(key) and each.rare],
            "rare_tab": TABS[tab].words if TABS[tab].rare else "",
            "problem": problem,
            "template": f"keys/detail/tabs/{tab.replace('-', '_') if there else 'not_there'}.html",
            "tab_words": TABS[tab].words,
            "why_not": TABS[tab].why_not,
            "refused": action_rules.unavailable_actions(request, key),
            "last_use": last_use,
            "last_use_problem": last_use_problem,
            "rotation": rotation,
            "rotation_unread": rotation_unread,
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


def _uses(key: dict[str, Any]) -> list[tuple[str, Any, str, str]]:
    """What the playground does with such a key (page, words, the action that policies allow, the AWS error that the key's state answers
    with); nothing with one that is for AWS services alone."""
    if key["KeyManager"] == "AWS":
        return []
    data_key = (("generate-data-key", _("Generate data key")),)
    uses = _USES.get(key["KeyUsage"], ()) + (data_key if key["KeySpec"] == "SYMMETRIC_DEFAULT" else ())
    found = []
    for slug, words in uses:
        operation = slug.title().replace("-", "")
        refused = refusal(operation, key["KeyState"], key["Arn"], key.get("Origin", ""))
        found.append((slug, words, f"kms:{operation}", str(refused or "")))
    return found


@as_of.shows_past
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
