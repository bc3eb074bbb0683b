"""Grants in words: what each operation lets one do, which go with a key, and a grant as one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.awsmodel import service_model
from engine.public.vocabulary import grantable_on_kind, kind_of_key

WORDS: dict[str, Any] = {
    "Encrypt": gettext_lazy("encrypt data of up to 4,096 bytes"),
    "Decrypt": gettext_lazy("open ciphertexts and data keys"),
    "GenerateDataKey": gettext_lazy("make data keys, in the clear and encrypted"),
    "GenerateDataKeyWithoutPlaintext": gettext_lazy("make data keys, encrypted only"),
    "GenerateDataKeyPair": gettext_lazy("make key pairs, with the private key in the clear"),
    "GenerateDataKeyPairWithoutPlaintext": gettext_lazy("make key pairs, with the private key encrypted only"),
    "ReEncryptFrom": gettext_lazy("move ciphertexts away from this key"),
    "ReEncryptTo": gettext_lazy("move ciphertexts to this key"),
    "Sign": gettext_lazy("sign messages"),
    "Verify": gettext_lazy("verify signatures"),
    "GenerateMac": gettext_lazy("make MACs"),
    "VerifyMac": gettext_lazy("verify MACs"),
    "GetPublicKey": gettext_lazy("fetch the public key"),
    "DeriveSharedSecret": gettext_lazy("agree on secrets with others"),
    "Encapsulate": gettext_lazy("encapsulate secrets"),
    "Decapsulate": gettext_lazy("open encapsulated secrets"),
    "CreateGrant": gettext_lazy("pass on what this grant allows, or part of it"),
    "RetireGrant": gettext_lazy("give this grant back"),
    "DescribeKey": gettext_lazy("read about the key"),
}


def operations_for(key: Mapping[str, Any]) -> list[str]:
    """What a grant on this key may allow, out of the service model's list. `key` is DescribeKey's KeyMetadata."""
    known = service_model("kms").shape_for("GrantOperation").enum
    return [name for name in grantable_on_kind(kind_of_key(key["KeySpec"], key["KeyUsage"])) if name in known]


def name_of(arn: str) -> str:
    """A principal as people say it: what follows the account in its ARN."""
    return arn.split(":", 5)[5] if arn.count(":") >= 5 else arn


def sentence(grant: Mapping[str, Any], *, past: bool = False) -> str:
    """Who may do what under which condition, and who may end it; `past`: who could, of a grant of then."""
    who = name_of(grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal", ""))
    what = [str(WORDS.get(each, each)) for each in grant["Operations"]]
    if what:
        text = (_("%(who)s could %(what)s") if past else _("%(who)s may %(what)s")) % {"who": who, "what": _and(what)}
    else:  # another endpoint may say so
        none = _("%(who)s could call no operation") if past else _("%(who)s may call no operation")
        text = none % {"who": who}
    for kind, pairs in grant.get("Constraints", {}).items():
        shown = (
            ", ".join(f"{name} = {value}" for name, value in pairs.items())
            if isinstance(pairs, Mapping)
            else str(pairs)
        )
        if kind == "EncryptionContextEquals":
            text += _(", only with exactly the encryption context %(pairs)s") % {"pairs": shown}
        elif kind == "EncryptionContextSubset":
            text += _(", only when the encryption context has %(pairs)s") % {"pairs": shown}
        else:
            text += _(", only for %(kind)s %(pairs)s") % {"kind": kind, "pairs": shown}
    retiring = grant.get("RetiringPrincipal") or grant.get("RetiringServicePrincipal")
    if retiring:
        ends = _("; %(who)s could retire it") if past else _("; %(who)s may retire it")
        text += ends % {"who": name_of(retiring)}
    return text + "."


def _and(parts: list[str]) -> str:
    return (
        parts[0] if len(parts) == 1 else _("%(many)s and %(last)s") % {"many": ", ".join(parts[:-1]), "last": parts[-1]}
    )
