"""Rules of the policy checker on who a statement is about. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from engine.iam import condition_keys, vocabulary
from engine.iam.lint_conditions import names
from engine.iam.lint_elements import unknown
from engine.iam.lint_findings import Element, Finding, Statement, texts

_TYPES = ("AWS", "Service", "Federated", "CanonicalUser")
_PRINCIPAL = re.compile(r"\d{12}|arn:aws[a-z-]*:(iam|sts)::\d{12}:.+|A(?:IDA|ROA)[A-Z0-9]{8,}")
_ARN_PARTS = 6


def principal_types(statement: Statement) -> Iterator[Element]:
    """The members of a Principal that is an object."""
    found = _principal(statement)
    if found is not None and isinstance(found.value, dict):
        for name, value in found.value.items():
            yield Element(statement, (*found.path, name), value)


def aws_principals(statement: Statement) -> Iterator[Element]:
    """Each principal of type AWS, which is what a bare text is too."""
    found = _principal(statement)
    if found is None:
        return
    if isinstance(found.value, dict):
        yield from texts(statement, (*found.path, "AWS"), found.value.get("AWS"))
    else:
        yield from texts(statement, found.path, found.value)


def _principal(statement: Statement) -> Element | None:
    """The Principal, or the NotPrincipal of a statement that denies."""
    member = "Principal" if "Principal" in statement.written else "NotPrincipal"
    if member not in statement.written or (member == "NotPrincipal" and statement.allows):
        return None
    return Element(statement, (*statement.path, member), statement.written[member])


def principal_in_identity_policy(element: Element) -> Finding | None:
    message = _("This kind of policy is about whom it is attached to: it names no principal.")
    return element.error("principal", message, of_name=True)


def no_principal(element: Element) -> Finding | None:
    if "Principal" in element.value or "NotPrincipal" in element.value:
        return None
    return element.error("principal", _("A statement of this kind of policy has a Principal."))


def allow_with_not_principal(element: Element) -> Finding | None:
    if "Principal" in element.statement.written or not element.statement.allows:
        return None
    message = _("Allow with NotPrincipal allows everyone else there is, strangers included.")
    return element.warning("broad", message, of_name=True)


def unknown_type(element: Element) -> Finding | None:
    return None if element.name in _TYPES else unknown(element, _TYPES)


def everyone(element: Element) -> Finding | None:
    statement = element.statement
    if element.value != "*" or not statement.allows or any(map(condition_keys.says_who, names(statement.written))):
        return None
    account_id = statement.about.account_id
    return element.warning(
        "broad",
        _("“*” is everyone in every AWS account. Name the account, or add a condition that says who."),
        account_id and f"arn:aws:iam::{account_id}:root",
    )


def wildcard_in_principal(element: Element) -> Finding | None:
    if element.value == "*" or "*" not in element.value:
        return None
    return element.error(
        "principal",
        _("A principal's ARN has no wildcard: use the account's root ARN and a condition on aws:PrincipalArn."),
    )


def no_such_user_or_role(element: Element) -> Finding | None:
    about, parts = element.statement.about, _iam_arn(element.value)
    if not parts or parts[5].partition("/")[0] not in ("user", "role"):
        return None
    if about.principals is None or parts[4] != about.account_id or element.value in about.principals:
        return None
    near = vocabulary.nearest(element.value, about.principals)
    return element.error("principal", _("There is no such user or role in this account."), near)


def group_as_principal(element: Element) -> Finding | None:
    parts = _iam_arn(element.value)
    if not parts or not parts[5].startswith("group/"):
        return None
    return element.error(
        "principal", _("A group is no principal: name its users, or let the account's policies decide.")
    )


def no_principal_at_all(element: Element) -> Finding | None:
    parts = _iam_arn(element.value)
    if element.value == "*" or _PRINCIPAL.fullmatch(element.value):
        return None
    if parts and parts[5].partition("/")[0] in ("user", "role"):
        return None
    return element.error(
        "principal", _("This is no principal: an account ID, or the ARN of an account, user, role or role session.")
    )


def _iam_arn(text: Any) -> list[str]:
    parts: list[str] = text.split(":", 5)
    return parts if len(parts) == _ARN_PARTS and parts[2] == "iam" else []
