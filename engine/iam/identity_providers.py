"""What OpenID Connect and SAML providers share: one row a kind, and how they are found, permitted and changed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from engine.context import CallContext
from engine.iam import entities
from engine.iam.models import OpenIDConnectProvider, SAMLProvider
from engine.wire.errors import AWSError


@dataclass(frozen=True, slots=True)
class Kind:
    """`word` is in the ARN, and what the column `field` holds follows it. `parameter`: the ARN's in requests; `missing`: IAM's words."""

    word: str
    field: str
    model: type[OpenIDConnectProvider] | type[SAMLProvider]
    parameter: str
    missing: str


OIDC = Kind(
    "oidc-provider",
    "url",
    OpenIDConnectProvider,
    "OpenIDConnectProviderArn",
    "OpenIDConnect Provider not found for arn {}",
)
SAML = Kind("saml-provider", "name", SAMLProvider, "SAMLProviderArn", "Manifest not found for arn {}")


def by_arn(kind: Kind, account_id: str, arn: str) -> Any:
    """The account's provider that an ARN names; None if there is none."""
    prefix = f"arn:aws:iam::{account_id}:{kind.word}/"
    if not arn.startswith(prefix) or "\0" in arn:
        return None
    return kind.model.objects.filter(account_id=account_id, **{kind.field: arn.removeprefix(prefix)}).first()


def not_found(kind: Kind, arn: str) -> AWSError:
    return AWSError("NoSuchEntity", kind.missing.format(arn))


def permitted(context: CallContext, kind: Kind, parameters: dict[str, Any], *, may_be_gone: bool = False) -> Any:
    """The provider that the request names. None for one that is not there (`may_be_gone`), else NoSuchEntity; InvalidInput for no ARN."""
    arn = parameters[kind.parameter]
    found = by_arn(kind, context.account_id, arn)
    entities.permit(context, arn, found, asked=parameters)
    if not re.fullmatch(rf"arn:aws[a-z-]*:iam::\d{{12}}:{kind.word}/.+", arn):
        raise AWSError("InvalidInput", f"Invalid ARN: {arn}")
    if found is None and not may_be_gone:
        raise not_found(kind, arn)
    return found


def save(context: CallContext, provider: OpenIDConnectProvider | SAMLProvider, **changed: Any) -> dict[str, Any]:
    """Set these columns. The answer has no members."""
    for name, value in changed.items():
        setattr(provider, name, value)
    provider.save(update_fields=list(changed))
    entities.touched(context)
    return {}
