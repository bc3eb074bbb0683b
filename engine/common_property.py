"""Which keys a policy would leave to whoever is given it: the decision, for a principal that is not there yet.

A class's students share an account with other people's keys; who makes the class is told which of them the students could delete.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine import clock
from engine.iam.authorize import principal_conditions
from engine.iam.condition_keys import CALLER_ACCOUNT, KeyFacts, of_key
from engine.iam.decide import Policies, Request, decide
from engine.iam.policy import compile_policy
from engine.iam.principal import Principal
from engine.kms import models, stored_access


@dataclass(frozen=True, slots=True)
class AllowedKeys:
    """`key_ids`: the first of them. `number` of `looked_at` keys, which are all of the Region's if `whole`."""

    key_ids: list[str]
    number: int
    looked_at: int
    whole: bool


def allowed_keys(
    account_id: str, region: str, documents: Sequence[str], action: str, *, shown: int, most: int
) -> AllowedKeys:
    """The customer managed keys on which a new user with these identity policies could do `action`; at most `most` are looked at."""
    identity = tuple(compile_policy(text, name=str(number), kind="identity") for number, text in enumerate(documents))
    user = Principal("user", account_id, f"arn:aws:iam::{account_id}:user/someone-new", "AIDANEW", "someone-new")
    beside = {
        **principal_conditions(user),
        **CALLER_ACCOUNT.given(account_id),
        "aws:requestedregion": region,
        "aws:currenttime": f"{clock.now(account_id):%Y-%m-%dT%H:%M:%SZ}",
    }
    found: list[str] = []
    number = looked_at = 0
    rows = models.Key.objects.filter(account_id=account_id, region=region, manager="CUSTOMER").order_by("pk")
    rows = rows.exclude(deletion_date__isnull=False)
    for row in rows[: most + 1]:
        if looked_at == most:
            return AllowedKeys(found, number, looked_at, whole=False)
        looked_at += 1
        values = of_key(
            KeyFacts(
                spec=row.spec,
                usage=row.usage,
                origin=row.origin,
                multi_region_type="PRIMARY" if row.multi_region else "",
                account_id=account_id,
                tags=row.tags,
            )
        )
        policies = Policies(identity, stored_access.policy_of(row))
        if decide(Request(user, action, row.arn, account_id, {**beside, **values}), policies).allowed:
            number += 1
            if len(found) < shown:
                found.append(row.key_id)
    return AllowedKeys(found, number, looked_at, whole=True)
