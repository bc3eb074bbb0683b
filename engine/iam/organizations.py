"""AWS Organizations: what scanners ask about an account first. An account here is in no organization, and is told so as AWS tells it.
Source: AWS Organizations API Reference, AWSOrganizationsNotInUseException.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.context import CallContext
from engine.iam.authorize import authorize
from engine.operation import Operation
from engine.wire.errors import AWSError

_ASKED = (
    *("DescribeAccount", "DescribeOrganization", "ListAccounts", "ListDelegatedAdministrators", "ListParents"),
    *("ListPolicies", "ListRoots", "ListTagsForResource"),
)


def _not_in_use(action: str) -> Callable[[CallContext, dict[str, Any]], dict[str, Any]]:
    def run(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
        authorize(context, f"organizations:{action}")
        raise AWSError("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")

    return run


OPERATIONS: dict[str, Operation] = {name: Operation(_not_in_use(name)) for name in _ASKED}
