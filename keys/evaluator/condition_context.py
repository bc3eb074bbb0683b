"""Condition keys whose values are known before there is a request: of the principal, of the key. Names in lower case.

Everything else (encryption context, kms:ViaService, source address…) only a request brings; a decision that hangs on such a key is
"depends". Source: AWS KMS Developer Guide, "Condition keys"; IAM User Guide, "AWS global condition context keys".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from engine.public.condition_keys import CALLER_ACCOUNT, KeyFacts, Values, is_known_beforehand, is_of_request
from engine.public.condition_keys import of_key as values_of_key
from engine.public.decision import CallContext, CompiledPolicy, Principal, global_conditions


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
    return {name: value for name, value in global_conditions(context).items() if not is_of_request(name)}


def caller_account(principal: Principal, action: str, resource: str) -> Values:
    """kms:CallerAccount goes with operations on keys, aliases and key stores only."""
    has_it = (resource.startswith("arn:aws") and ":kms:" in resource) or "customkeystore" in action.lower()
    return CALLER_ACCOUNT.given(principal.account_id) if has_it else {}


def of_key(metadata: Mapping[str, Any], tags: Mapping[str, str], aliases: Iterable[str]) -> Values:
    """`metadata` as DescribeKey has it; `aliases` with their prefix."""
    multi_region = metadata.get("MultiRegion")
    facts = KeyFacts(
        spec=metadata.get("KeySpec", ""),
        usage=metadata.get("KeyUsage", ""),
        origin=metadata.get("Origin", ""),
        multi_region_type=metadata["MultiRegionConfiguration"]["MultiRegionKeyType"] if multi_region else "",
        account_id=metadata["AWSAccountId"],
        aliases=tuple(aliases),
        tags=tags,
    )
    return values_of_key(facts)


def asked_for(policies: Iterable[CompiledPolicy], action: str, given: Mapping[str, Any]) -> list[str]:
    """The condition keys that these policies' statements about an action ask a request for, and that are neither known nor `given`."""
    asked = {
        condition.key for policy in policies for statement in policy.about(action) for condition in statement.conditions
    }
    return sorted(name for name in asked if name not in given and not is_known_beforehand(name))
