"""What IAM has and this service has none of: MFA devices, SSH keys, certificates, instance profiles, identity providers.

Their lists are asked for by Terraform and the CLI before they delete a user or role, and are truly empty; to make one is refused as an
operation that is not available. There is no account password policy either: passwords have at least 8 characters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from engine.context import CallContext
from engine.iam import entities
from engine.iam.entities import USER
from engine.wire.errors import AWSError

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


def missing(sentence: str, member: str = "") -> Run:
    """A get or delete operation: NoSuchEntity, with the request's `member` (or the account ID) in the sentence."""

    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        entities.permit(context)
        raise AWSError("NoSuchEntity", sentence.format(parameters[member] if member else context.account_id))

    return run
