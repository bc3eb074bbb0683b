"""What IAM has and this service has none of: identity providers. Their lists are truly empty; to make one is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.context import CallContext
from engine.iam import entities
from engine.iam.entities import USER

Answer = dict[str, Any]
Run = Callable[[CallContext, dict[str, Any]], Answer]


def nothing(member: str, *, paged: bool = True) -> Run:
    """A list operation: of one user's things if the request names a user, of the account's otherwise."""

    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        if "UserName" in parameters:
            entities.permitted(context, USER, parameters)
        else:
            entities.permit(context)
        return {member: [], "IsTruncated": False} if paged else {member: []}

    return run
