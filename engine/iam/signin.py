"""Signing in to the console: an IAM user's name and password for temporary credentials. The one thing that has no AWS API.

Every attempt whose password was looked at is in the trail (ConsoleLogin). Guessing is slowed for each account, user and address
together, in every worker; attempts at the same moment count each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from django.contrib.auth.hashers import check_password, make_password

from engine import clock
from engine.iam import credentials
from engine.iam.models import Account, SignInAttempt, User
from engine.store import transaction
from engine.store.transaction import changed, iam_entity
from engine.trail import record, recorder

SESSION_HOURS = 12
ATTEMPTS = 5
WINDOW = timedelta(minutes=5)
_SOURCE = "signin.amazonaws.com"


class SignInRefused(Exception):
    """Why, in words that tell no more to a guesser than to a user who mistyped."""


@dataclass(frozen=True, slots=True)
class SignedInUser:
    account_id: str
    user_name: str
    arn: str
    credentials: credentials.TemporaryCredentials


def sign_in(account: str, user_name: str, password: str, *, source_ip: str, user_agent: str) -> SignedInUser:
    """Raises SignInRefused. `account` is an account ID or alias."""
    found = Account.objects.filter(account_id=account).first() or Account.objects.filter(alias=account or None).first()
    who = f"{found.account_id if found else account}/{user_name}/{source_ip}".lower()[:255]
    now = clock.real_now()
    SignInAttempt.objects.filter(when__lte=now - WINDOW).delete()
    this = SignInAttempt.objects.create(who=who, when=now)  # before the look, so that nobody guesses many at once
    if SignInAttempt.objects.filter(who=who).count() > ATTEMPTS:
        this.delete()
        raise SignInRefused("Too many attempts. Wait five minutes, then try again.")
    user = User.objects.filter(account=found, name__iexact=user_name).first() if found else None
    right = check_password(password, user.password if user is not None and user.password else _nobody())
    if user is None or not user.password or not right:
        if found is not None:
            _record(found.account_id, user, source_ip, user_agent, "Failed authentication")
        raise SignInRefused("Account, user name or password is not right.")
    SignInAttempt.objects.filter(who=who).delete()
    _record(user.account_id, user, source_ip, user_agent, "")
    with transaction.write():
        User.objects.filter(pk=user.pk).update(password_last_used=clock.now(user.account_id))
        changed(iam_entity(user.account_id))
    made = credentials.create_session(user, timedelta(hours=SESSION_HOURS))
    return SignedInUser(user.account_id, user.name, user.arn, made)


@cache
def _nobody() -> str:
    """Compared when there is no such user, so that the answer takes as long."""
    return make_password("nobody's password")


def _record(account_id: str, user: User | None, source_ip: str, user_agent: str, error: str) -> None:
    recorder.record(
        [
            record.service_event(
                account_id=account_id,
                region="us-east-1",
                source=_SOURCE,
                name="ConsoleLogin",
                now=clock.now(account_id),
                principal=credentials.user_principal(user) if user is not None else None,
                error_message=error,
                details={"MFAUsed": "No", "MobileVersion": "No"},
                response={"ConsoleLogin": "Failure" if error else "Success"},
                source_ip=source_ip,
                user_agent=user_agent,
                event_type="AwsConsoleSignIn",
            )
        ]
    )
