"""Who calls: a user, a role's session, an AWS service, the account itself. Immutable, made by engine.iam.credentials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from engine.iam.policy import CompiledPolicy


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """What temporary credentials carry. `issuer_arn` and `issuer_id` are the role's (or the user's) the session was made of.

    `created` is on the account's clock, as aws:CurrentTime is; `expires` on the real one. `transitive` names the tags that a
    session made from this one takes over. `console_session` is the sign-in to the console that it was made for, and ends with.
    `federated_provider` is the identity provider that said who it is, `federated_keys` the condition keys that stay of what it said.
    """

    name: str
    issuer_arn: str
    issuer_id: str
    created: datetime
    expires: datetime
    mfa: bool = False
    policies: tuple[CompiledPolicy, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    source_identity: str = ""
    transitive: tuple[str, ...] = ()
    console_session: str = ""
    federated_provider: str = ""
    federated_keys: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Principal:
    """`kind`: root, user, assumed-role, federated-user, service, anonymous; or web-identity or saml, who is what an identity
    provider (`provider`, its ARN) says and is about to become a role. `unique_id` is aws:userid.

    `invoked_by` names the AWS service that calls on the principal's behalf ("s3.amazonaws.com"), or that is the principal;
    `source_arn` is the resource the service does it for (aws:SourceArn). `memo` is room for what follows from the principal
    and its account's IAM alone; it dies with this object, which a change of the account's IAM replaces.
    """

    kind: str
    account_id: str
    arn: str
    unique_id: str
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    access_key_id: str = ""
    session: SessionFacts | None = None
    invoked_by: str = ""
    source_arn: str = ""
    provider: str = ""
    memo: dict[Any, Any] = field(init=False, default_factory=dict, compare=False, repr=False)
