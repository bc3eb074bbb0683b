"""What of IAM can be tagged by ARN, one row a kind.

IAM's tags are those of us-east-1. Users and roles can be tagged and are not listed. Source: Resource Groups Tagging API Reference,
"Services that support the Resource Groups Tagging API".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engine.context import CallContext
from engine.iam.models import InstanceProfile, ManagedPolicy, OpenIDConnectProvider, Role, SAMLProvider, User
from engine.iam.operations import OPERATIONS
from engine.wire.errors import AWSError

REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class _Kind:
    """`word` names it in the operations ("TagRole"), `member` is their parameter, which takes the ARN or (`by_name`) the name."""

    word: str
    member: str
    by_name: bool = True
    model: Any = None
    listed: bool = True


_KINDS: dict[str, _Kind] = {
    "instance-profile": _Kind("InstanceProfile", "InstanceProfileName", model=InstanceProfile),
    "mfa": _Kind("MFADevice", "SerialNumber", by_name=False),
    "oidc-provider": _Kind(
        "OpenIDConnectProvider", "OpenIDConnectProviderArn", by_name=False, model=OpenIDConnectProvider
    ),
    "policy": _Kind("Policy", "PolicyArn", by_name=False, model=ManagedPolicy),
    "role": _Kind("Role", "RoleName", model=Role, listed=False),
    "saml-provider": _Kind("SAMLProvider", "SAMLProviderArn", by_name=False, model=SAMLProvider),
    "server-certificate": _Kind("ServerCertificate", "ServerCertificateName"),
    "user": _Kind("User", "UserName", model=User, listed=False),
}


def tagged(account_id: str) -> list[tuple[str, Mapping[str, str]]]:
    """(ARN, tags) of what has tags, by ARN."""
    found = []
    for kind in _KINDS.values():
        if kind.model is not None and kind.listed:
            rows = kind.model.objects.filter(account_id=account_id)
            found += [(row.arn, row.tags) for row in rows if row.tags]
    return sorted(found, key=lambda each: str(each[0]))


def operation(context: CallContext, verb: str, arn: str) -> tuple[str, dict[str, Any]]:
    """The operation that tags (`verb` Tag or Untag) what an ARN names, and the parameter that names it."""
    _, _, _, region, account_id, path = arn.split(":", 5)
    word, _, rest = path.partition("/")
    kind = _KINDS.get(word)
    if context.region != REGION or region or account_id != context.account_id or kind is None or not rest:
        raise _not_here(arn)
    name = f"{verb}{kind.word}"
    if name not in OPERATIONS:
        raise _not_here(arn)
    if not kind.by_name:
        return name, {kind.member: arn}
    short = rest.rpartition("/")[2]
    if kind.model is not None:
        row = kind.model.objects.filter(account_id=account_id, name__iexact=short).first()
        if row is not None and row.arn != arn:  # a name is unique whatever its path, and this is another path
            raise AWSError("NoSuchEntity", f"The {word} with ARN {arn} cannot be found.")
    return name, {kind.member: short}


def _not_here(arn: str) -> AWSError:
    return AWSError("InvalidParameterException", f"{arn} is not the ARN of an IAM resource that can be tagged here.")
