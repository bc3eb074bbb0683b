"""Grants of a KMS key: which of them allows an operation to a principal. Pure.

Source: KMS Developer Guide, "Grants in AWS KMS"; AWS KMS API Reference, GrantConstraints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.iam.principal import Principal
from engine.iam.variables import Values
from engine.kms_operations import CONTEXT_ACTIONS

ACTION_PREFIX = "kms:"


@dataclass(frozen=True, slots=True)
class GrantView:
    grant_id: str
    grantee: str
    operations: frozenset[str]
    constraints: Mapping[str, Any]
    key_arn: str = ""
    name: str = ""
    grantee_id: str = ""  # unique ID of the user or role that the grantee's ARN stood for


def first_allowing(
    grants: Sequence[GrantView],
    action: str,
    principal: Principal,
    context: Values,
    encryption_context: Mapping[str, str] | None,
) -> GrantView | None:
    """The first grant that allows `action` (kms:Decrypt) to the principal in this request."""
    if not grants or not action.startswith(ACTION_PREFIX):
        return None
    operation = action[len(ACTION_PREFIX) :]
    for grant in grants:
        if (
            operation in grant.operations
            and is_named(grant.grantee, grant.grantee_id, principal)
            and constraints_hold(grant, operation, context, encryption_context)
        ):
            return grant
    return None


def grants_to(grant: GrantView, principal: Principal) -> bool:
    """Whether the grant's grantee is this principal."""
    return is_named(grant.grantee, grant.grantee_id, principal)


def is_named(name: str, unique_id: str, principal: Principal) -> bool:
    """Whether a grant's `name` is this principal: its ARN, its role's, its account's root, or the service that it is.

    With a `unique_id`, that alone counts: a user or role deleted and made anew under the same name is another principal.
    """
    if principal.kind == "service":
        return name == principal.invoked_by
    if unique_id:
        return unique_id == principal.unique_id.partition(":")[0]
    arn = principal.arn
    if not arn:
        return False
    if name == arn or (name[-5:] == ":root" and name.split(":", 5)[4:5] == [principal.account_id]):
        return True
    return principal.session is not None and name == principal.session.issuer_arn


def constraints_hold(
    grant: GrantView, operation: str, context: Values, encryption_context: Mapping[str, str] | None
) -> bool:
    """Encryption context for the operations that have one; SourceArn for all but RetireGrant.

    Keys of an encryption context are compared without regard to case here, values exactly (API Reference, GrantConstraints).
    """
    constraints = grant.constraints
    if not constraints:
        return True
    source = constraints.get("SourceArn")
    if source and operation != "RetireGrant" and context.get("aws:sourcearn") != source:
        return False
    if operation not in CONTEXT_ACTIONS:
        return True
    given = _folded(encryption_context)
    equals, subset = constraints.get("EncryptionContextEquals"), constraints.get("EncryptionContextSubset")
    if isinstance(equals, Mapping) and equals and given != _folded(equals):
        return False
    return not isinstance(subset, Mapping) or not _folded(subset) - given


def _folded(pairs: Mapping[str, str] | None) -> Counter[tuple[str, str]]:
    """Of keys that differ by case alone none hides another."""
    return Counter((name.lower(), value) for name, value in (pairs or {}).items())
