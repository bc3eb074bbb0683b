"""Signing in to the console: an IAM user's name and password for temporary credentials. The one thing that has no AWS API.

Every attempt whose password was looked at is in the trail (ConsoleLogin). Guessing is slowed for each account, user and address
together, in every worker; attempts at the same moment count each other.
"""

from __future__ import annotations

import functools
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.hashers import check_password, make_password

from engine import clock
from engine.iam import account_limits, console_sessions, credentials
from engine.iam.models import Account, ConsoleSession, SignInAttempt, User
from engine.iam.principal import Principal
from engine.store import cache, transaction
from engine.store.transaction import changed, iam_entity
from engine.trail import record, recorder
from engine.wire.errors import AWSError

SESSION_HOURS = 12
ATTEMPTS = 5
WINDOW = timedelta(minutes=5)
_REFUSED = "Account, user name or password is not right."
_SOURCE = "signin.amazonaws.com"
_CONSOLE = "kmsconsole"
REGION = "us-east-1"


class SignInRefused(Exception):
    """Why, in words that tell no more to a guesser than to a user who mistyped."""


@dataclass(frozen=True, slots=True)
class SignedInUser:
    account_id: str
    user_name: str
    arn: str
    credentials: credentials.TemporaryCredentials
    session_id: str


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
            record_login(found.account_id, _principal(user), source_ip, user_agent, "Failed authentication")
        raise SignInRefused(_REFUSED)
    SignInAttempt.objects.filter(who=who).delete()
    _refuse_ended(user.account_id)
    ends = timedelta(hours=SESSION_HOURS)
    session_id = ""
    with transaction.write():
        if User.objects.filter(pk=user.pk, password=user.password).exists():  # not changed since it was looked at
            session_id = console_sessions.begin(
                user, clock.real_now() + ends, source_ip=source_ip, user_agent=user_agent
            )
            User.objects.filter(pk=user.pk).update(password_last_used=clock.now(user.account_id))
            changed(iam_entity(user.account_id))
    record_login(
        user.account_id, _principal(user), source_ip, user_agent, "" if session_id else "Failed authentication"
    )
    if not session_id:
        raise SignInRefused(_REFUSED)
    made = credentials.create_session(user, ends, console_session=session_id)
    return SignedInUser(user.account_id, user.name, user.arn, made, session_id)


def _refuse_ended(account_id: str) -> None:
    """Raises SignInRefused for an account that has ended: to who knows the password, so it may be said."""
    cache.synchronise()
    ends = account_limits.ends(account_id)
    if ends is not None and ends <= clock.real_now():
        raise SignInRefused("This account was closed.")


def is_valid(access_key_id: str, session_token: str) -> bool:
    """Whether the engine takes these credentials now: neither they nor their console session ended, and their principal is there."""
    cache.synchronise()
    try:
        credentials.find(access_key_id, session_token)
    except AWSError:
        return False
    return True


def end_own_sessions(own: str, ended: Collection[str], *, source_ip: str, user_agent: str) -> int:
    """End those of `ended` that are sessions of the user whose session `own` is; how many they were. It is in the trail."""
    theirs = [each.id for each in console_sessions.of_same_user(own) if each.id in ended]
    row = ConsoleSession.objects.select_related("user", "role").filter(session_id=own).first()
    number = console_sessions.end(theirs)
    if row is not None and number:
        account_id, name = console_sessions.owner(row)
        event = record.service_event(
            record.ServiceEvent(
                account_id=account_id,
                region=REGION,
                source=_CONSOLE,
                name="EndConsoleSessions",
                now=clock.now(account_id),
                principal=_principal(row.user),
                parameters={"userName": name, "sessions": number},
                source_ip=source_ip,
                user_agent=user_agent,
                event_type="AwsConsoleAction",
            )
        )
        recorder.record([event])
    return number


def end_sessions_of(account_id: str, user_name: str) -> int:
    """End all console sessions of a user; how many those were. Raises AWSError if there is no such user. The caller decides and records."""
    user = _named(account_id, user_name)
    if user is None:
        raise AWSError("NoSuchEntity", f"The user with name {user_name} cannot be found.")
    with transaction.write():
        return console_sessions.end_of_user(user)


def user_arn(account_id: str, user_name: str) -> str:
    """What a policy names the user by; "*" for one that does not exist."""
    user = _named(account_id, user_name)
    return user.arn if user is not None else "*"


def in_path(account_id: str, user_name: str, path: str) -> bool:
    """Whether a user, or a group that it is in, is under an IAM path."""
    user = _named(account_id, user_name)
    return user is not None and (user.path.startswith(path) or user.groups.filter(path__startswith=path).exists())


def _named(account_id: str, user_name: str) -> User | None:
    return User.objects.filter(account_id=account_id, name__iexact=user_name).first()


@functools.cache
def _nobody() -> str:
    """Compared when there is no such user, so that the answer takes as long."""
    return make_password("nobody's password")


def _principal(user: User | None) -> Principal | None:
    return credentials.user_principal(user) if user is not None else None


def record_login(
    account_id: str, principal: Principal | None, source_ip: str, user_agent: str, error: str, *, provider: str = ""
) -> None:
    """`provider`: the identity provider, for who signs in by one."""
    recorder.record(
        [
            record.service_event(
                record.ServiceEvent(
                    account_id=account_id,
                    region=REGION,
                    source=_SOURCE,
                    name="ConsoleLogin",
                    now=clock.now(account_id),
                    principal=principal,
                    error_message=error,
                    details={
                        "MFAUsed": "No",
                        "MobileVersion": "No",
                        **({"identityProvider": provider} if provider else {}),
                    },
                    response={"ConsoleLogin": "Failure" if error else "Success"},
                    source_ip=source_ip,
                    user_agent=user_agent,
                    event_type="AwsConsoleSignIn",
                )
            )
        ]
    )
