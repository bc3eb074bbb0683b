"""The console session of who an identity provider vouches for: what signing in by OpenID Connect and by SAML have in common."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from engine import clock
from engine.context import CallContext, new_id
from engine.iam import console_sessions, credentials, federation
from engine.iam.federation import Asked
from engine.iam.models import Role
from engine.iam.principal import Principal
from engine.iam.signin import REGION, SignedIn, record_login
from engine.store import transaction

REFUSED = "The identity provider's answer was refused: {}"


def enter(
    role: Role,
    asked: Asked,
    *,
    seconds: int,
    subject: str,
    provider: str,
    label: str,
    source_ip: str,
    user_agent: str,
    take: Callable[[], None] | None = None,
) -> SignedIn:
    """The session as `role`, recorded as ConsoleLogin by the provider with the ARN `provider`; pages call it `label`.

    `take`: makes what was brought count once; part of the same transaction. Raises AWSError where the role's trust policy does not
    allow it, and what `take` raises.
    """
    account_id = str(role.account_id)
    with transaction.write():
        if take is not None:
            take()
        session_id = console_sessions.begin(
            role,
            clock.real_now() + timedelta(seconds=seconds),
            subject=subject,
            source_ip=source_ip,
            user_agent=user_agent,
        )
        context = context_of(account_id, asked, source_ip, user_agent)
        made, answer = federation.become(context, role, asked, {"DurationSeconds": seconds}, console_session=session_id)
    found = credentials.find(made.access_key_id, made.session_token)
    record_login(account_id, found.principal, source_ip, user_agent, "", provider=provider)
    arn = answer["AssumedRoleUser"]["Arn"]
    return SignedIn(account_id, asked.session_name, arn, made, session_id, role_name=role.name, provider=label)


def context_of(account_id: str, asked: Asked, source_ip: str, user_agent: str) -> CallContext:
    """The call that a sign-in stands for."""
    return CallContext(
        account_id=account_id,
        region=REGION,
        service="sts",
        operation=asked.action.partition(":")[2],
        principal=Principal("anonymous", account_id, "", ""),
        now=clock.now(account_id),
        request_id=new_id(),
        event_id=new_id(),
        source_ip=source_ip,
        user_agent=user_agent,
    )
