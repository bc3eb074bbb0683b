"""Condition keys whose values are known before there is a request: of the principal, of the key. Names in lower case.

Everything else (encryption context, kms:ViaService, source address…) only a request brings; a decision that hangs on such a key is
"depends". Source: AWS KMS Developer Guide, "Condition keys"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from engine.public.decision import CallContext, CompiledPolicy, Principal, global_conditions

Values = dict[str, "str | tuple[str, ...]"]

# Member of KeyMetadata → the condition keys that have its value.
_METADATA = {
    "KeySpec": ("kms:keyspec", "kms:customermasterkeyspec"),
    "KeyUsage": ("kms:keyusage", "kms:customermasterkeyusage"),
    "Origin": ("kms:keyorigin",),
}
_OF_THE_REQUEST = (
    "aws:sourceip",
    "aws:useragent",
    "aws:tokenissuetime",
    "aws:multifactorauthpresent",
    "aws:multifactorauthage",
    "aws:securetransport",
    "aws:currenttime",
    "aws:epochtime",
)
_KNOWN = frozenset(
    {
        "aws:principalarn",
        "aws:principalaccount",
        "aws:principaltype",
        "aws:userid",
        "aws:username",
        "aws:principalisawsservice",
        "aws:requestedregion",
        "aws:resourceaccount",
        "kms:calleraccount",
        "kms:multiregion",
        "kms:multiregionkeytype",
        "kms:resourcealiases",
        *(name for names in _METADATA.values() for name in names),
    }
)
_KNOWN_PREFIXES = ("aws:principaltag/", "aws:resourcetag/")


def known(name: str) -> bool:
    """Whether a condition key's value (or that it has none) is known without a request."""
    return name in _KNOWN or name.startswith(_KNOWN_PREFIXES)


def of_principal(principal: Principal, region: str, now: datetime) -> Values:
    context = CallContext(
        account_id=principal.account_id,
        region=region,
        service="kms",
        operation="",
        principal=principal,
        now=now,
        request_id="",
        event_id="",
        source_ip="",
        user_agent="",
    )
    return {name: value for name, value in global_conditions(context).items() if name not in _OF_THE_REQUEST}


def caller_account(principal: Principal, action: str, resource: str) -> Values:
    """kms:CallerAccount goes with operations on keys, aliases and key stores only."""
    has_it = (resource.startswith("arn:aws") and ":kms:" in resource) or "customkeystore" in action.lower()
    return {"kms:calleraccount": principal.account_id} if has_it else {}


def of_key(metadata: Mapping[str, Any], tags: Mapping[str, str], aliases: Iterable[str]) -> Values:
    """`metadata` as DescribeKey has it; `aliases` with their prefix."""
    values: Values = {"aws:resourceaccount": metadata["AWSAccountId"]}
    for member, names in _METADATA.items():
        if member in metadata:
            values.update(dict.fromkeys(names, metadata[member]))
    multi_region = bool(metadata.get("MultiRegion"))
    values["kms:multiregion"] = "true" if multi_region else "false"
    if multi_region:
        values["kms:multiregionkeytype"] = metadata["MultiRegionConfiguration"]["MultiRegionKeyType"]
    if listed := tuple(aliases):
        values["kms:resourcealiases"] = listed
    values.update({f"aws:resourcetag/{name.lower()}": value for name, value in tags.items()})
    return values


def of_encryption_context(pairs: Mapping[str, str]) -> Values:
    if not pairs:
        return {}
    values: Values = {f"kms:encryptioncontext:{name.lower()}": value for name, value in pairs.items()}
    return {**values, "kms:encryptioncontextkeys": tuple(pairs)}


def asked_for(policies: Iterable[CompiledPolicy], action: str, given: Mapping[str, Any]) -> list[str]:
    """The condition keys that these policies' statements about an action ask a request for, and that are neither known nor `given`."""
    asked = {
        condition.key for policy in policies for statement in policy.about(action) for condition in statement.conditions
    }
    return sorted(name for name in asked if name not in given and not known(name))
