"""Who has to have a second factor to sign in with a password: the root user, everyone of an account that asks for it, and whose policies do.

A policy asks for one where a statement decides otherwise for a session with a second factor than for one without: it denies without
(`BoolIfExists` on `aws:MultiFactorAuthPresent`, say), or allows only with one. Source: IAM User Guide, "Secure API access with MFA".
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from engine.iam import policy_lookup
from engine.iam.models import Account, User
from engine.iam.policy import CompiledPolicy, Statement
from engine.iam.variables import Values
from engine.store import cache

_KEYS = ("aws:multifactorauthpresent", "aws:multifactorauthage")
_WITHOUT: Values = {"aws:multifactorauthpresent": "false"}
_WITH: Values = {"aws:multifactorauthpresent": "true", "aws:multifactorauthage": "0"}
_ANY_ACTION = "any:action"  # an action that only * and NotAction take in


class Asked(Enum):
    """`ADVISED`: some of what the policies allow needs a second factor; `REQUIRED`: nothing to speak of is possible without."""

    NO = "no"
    ADVISED = "advised"
    REQUIRED = "required"


def of(user: User) -> Asked:
    if user.is_root or required_of_all(user.account_id):
        return Asked.REQUIRED
    cache.synchronise()
    identity, boundary = policy_lookup.with_boundary(user.account_id, user.unique_id)
    found = {by_policies(identity), by_policies([boundary] if boundary is not None else [])}
    return next(each for each in (Asked.REQUIRED, Asked.ADVISED, Asked.NO) if each in found)


def required_of_all(account_id: str) -> bool:
    """Whether the account asks everyone for a second factor."""
    return Account.objects.filter(account_id=account_id, requires_mfa=True).exists()


def require_of_all(account_id: str, required: bool) -> None:
    """Sessions that have begun go on. Called in a transaction; the caller decides and records."""
    Account.objects.filter(account_id=account_id).update(requires_mfa=required)


def by_policies(policies: Iterable[CompiledPolicy]) -> Asked:
    """What policies that hold together ask for. Pure."""
    statements = [statement for policy in policies for statement in policy.statements]
    asking = [each for each in statements if _asks(each)]
    if not asking:
        return Asked.NO
    allowing = [each for each in statements if each.allows]
    nothing_else = all(each in asking for each in allowing) or any(
        not each.allows and each.any_resource and each.about_action(_ANY_ACTION) and _only_asks(each) for each in asking
    )
    return Asked.REQUIRED if nothing_else else Asked.ADVISED


def _asks(statement: Statement) -> bool:
    about_mfa = [each for each in statement.conditions if each.key in _KEYS]
    without, with_one = (all(each.holds(values) for each in about_mfa) for values in (_WITHOUT, _WITH))
    return with_one and not without if statement.allows else without and not with_one


def _only_asks(statement: Statement) -> bool:
    return all(each.key in _KEYS for each in statement.conditions)
