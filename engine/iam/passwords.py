"""Console passwords: the account's password policy, and everything that it asks for: what a new one must have, which may not come back, when
one expires. Source: IAM User Guide, "Set an account password policy for IAM users"; IAM API Reference, UpdateAccountPasswordPolicy.
"""

from __future__ import annotations

import string
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.hashers import check_password, make_password

from engine.context import CallContext
from engine.iam import authorize as iam
from engine.iam import entities
from engine.iam.access_denied import access_denied_message
from engine.iam.decide import EXPLICIT_DENY, decide
from engine.iam.models import Account, User
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
Policy = dict[str, Any]
MINIMUM_LENGTH = 8  # without a password policy
_REMEMBERED = 24  # the most former passwords that a policy may ask for
SYMBOLS = "!@#$%^&*()_+-=[]{}|'"

_DEFAULTS: Policy = {
    "MinimumPasswordLength": 6,
    "RequireSymbols": False,
    "RequireNumbers": False,
    "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False,
    "AllowUsersToChangePassword": False,
}

# Member of the policy → the characters of which a password needs one, and what it is told that has none.
_CHARACTERS: dict[str, tuple[str, str]] = {
    "RequireUppercaseCharacters": (string.ascii_uppercase, "Password should have at least one uppercase letter"),
    "RequireLowercaseCharacters": (string.ascii_lowercase, "Password should have at least one lowercase letter"),
    "RequireNumbers": (string.digits, "Password should have at least one number"),
    "RequireSymbols": (SYMBOLS, "Password should have at least one symbol"),
}


def policy_of(account_id: str) -> Policy:
    """The account's password policy; empty if it has none."""
    found = Account.objects.filter(account_id=account_id).values_list("password_policy", flat=True).first()
    return dict(found or {})


class Given:
    """A password that somebody gave, with what it was compared with and hashed to. Both take long on purpose, so a change does them before its
    transaction, and there finds them done: others do not wait for it."""

    def __init__(self, password: str) -> None:
        self.password = password
        self._is: dict[str, bool] = {}
        self._hashed = ""

    def is_of(self, stored: str) -> bool:
        """Whether a stored hash is this password's."""
        if stored not in self._is:
            self._is[stored] = check_password(self.password, stored)
        return self._is[stored]

    def hashed(self) -> str:
        if not self._hashed:
            self._hashed = make_password(self.password)
        return self._hashed


def check(account_id: str, given: Given, user: User | None = None) -> None:
    """Raise PasswordPolicyViolation for what may not be a (this user's) new password."""
    password = given.password
    policy = policy_of(account_id)
    shortest = policy.get("MinimumPasswordLength", MINIMUM_LENGTH)
    missing = [f"Password should have a minimum length of {shortest}"] if len(password) < shortest else []
    for member, (characters, words) in _CHARACTERS.items():
        if policy.get(member) and not set(password) & set(characters):
            missing.append(words)
    if missing:
        raise AWSError("PasswordPolicyViolation", ", ".join(missing))
    kept = policy.get("PasswordReusePrevention", 0)
    before = [user.password, *user.former_passwords][:kept] if user is not None and user.password else []
    if any(given.is_of(each) for each in before):
        raise AWSError(
            "PasswordPolicyViolation",
            "Policy constraint violation with password reuse prevention during password change.",
        )


def put(user: User, given: Given, now: datetime, *, reset_required: bool = False) -> None:
    """Give the user this password, checked by the caller. `reset_required`: it has to be changed at the next sign-in."""
    put_hash(user, given.hashed(), now, reset_required=reset_required)


def put_hash(user: User, hashed: str, now: datetime, *, reset_required: bool) -> None:
    """As `put`, for who has hashed the password before."""
    if user.password:
        user.former_passwords = [user.password, *user.former_passwords][:_REMEMBERED]
    else:
        user.password_created = now
    user.password, user.password_reset_required = hashed, reset_required
    user.password_changed = now
    user.save(
        update_fields=[
            "password",
            "password_created",
            "password_changed",
            "password_reset_required",
            "former_passwords",
        ]
    )


def changed_at(user: User) -> datetime | None:
    return user.password_changed or user.password_created


def expires_at(user: User, policy: Policy) -> datetime | None:
    """When the user's password expires by the policy; None if it does not."""
    days, since = policy.get("MaxPasswordAge", 0), changed_at(user)
    return since + timedelta(days=days) if days and since is not None and user.password else None


def permit_own(context: CallContext, user: User | None, others: Callable[[], None]) -> None:
    """A policy with AllowUsersToChangePassword lets each user change its own password and read the policy, unless its policies deny that."""
    if user is None or not policy_of(context.account_id).get("AllowUsersToChangePassword"):
        others()
        return
    request, policies = iam.question(
        context,
        f"iam:{context.operation}",
        user.arn,
        context.account_id,
        None,
        (),
        lambda: entities.tag_conditions(user),
    )
    decision = decide(request, policies)
    if not decision.allowed and decision.reason == EXPLICIT_DENY:
        raise AWSError("AccessDeniedException", access_denied_message(decision, request))


def _caller(context: CallContext) -> User | None:
    if context.principal.kind != "user":
        return None
    return User.objects.filter(account_id=context.account_id, unique_id=context.principal.unique_id).first()


def get_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    permit_own(context, _caller(context), lambda: entities.permit(context))
    policy = policy_of(context.account_id)
    if not policy:
        raise AWSError("NoSuchEntity", f"The Password Policy with domain name {context.account_id} cannot be found.")
    return {"PasswordPolicy": {**policy, "ExpirePasswords": "MaxPasswordAge" in policy}}


def update_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """What the request does not name goes back to its default."""
    entities.permit(context)
    Account.objects.filter(account_id=context.account_id).update(password_policy={**_DEFAULTS, **parameters})
    return {}


def delete_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    if not policy_of(context.account_id):
        raise AWSError("NoSuchEntity", "The account policy with name PasswordPolicy cannot be found.")
    Account.objects.filter(account_id=context.account_id).update(password_policy=None)
    return {}


OPERATIONS: dict[str, Operation] = {
    "DeleteAccountPasswordPolicy": Operation(delete_policy, writes=True),
    "GetAccountPasswordPolicy": Operation(get_policy),
    "UpdateAccountPasswordPolicy": Operation(update_policy, writes=True),
}
