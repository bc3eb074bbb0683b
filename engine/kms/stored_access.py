"""A stored key's policy and grants as decisions take them: they are about whom they named when they were stored, not about who has such a
name now (engine.iam.principal_ids)."""

from __future__ import annotations

from collections.abc import Mapping

from engine.iam.grant_matching import GrantView
from engine.iam.policy import CompiledPolicy, stored_policy
from engine.kms import models


def key_policy(text: str, pins: Mapping[str, str], *, source: str = "") -> CompiledPolicy:
    """`source`: the key's ARN, where it is told of; without it, keys with the same policy have one compiled."""
    return stored_policy(text, name="default", kind="resource", pins=tuple(sorted(pins.items())), source=source)


def policy_of(row: models.Key) -> CompiledPolicy:
    return key_policy(row.policy, row.policy_pins)


def grant_view(row: models.Grant, key_arn: str = "") -> GrantView:
    return GrantView(
        grant_id=row.grant_id,
        grantee=row.grantee,
        grantee_id=row.grantee_pin,
        operations=frozenset(row.operations),
        constraints=row.constraints,
        key_arn=key_arn,
        name=row.name,
    )
