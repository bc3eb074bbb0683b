"""Signing in to the console: an IAM user's name and password for temporary credentials. The one thing that has no AWS API.

Every attempt whose password was looked at is in the trail (ConsoleLogin). Guessing is slowed for each account, user and address
together, in every worker; attempts at the same moment count each other.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password

from engine import clock
from engine.iam import (
    account_limits,
    accounts,
    console_sessions,
    credentials,
    entities,
    mfa,
    mfa_requirement,
    passkeys,
    passwords,
)
from engine.iam.entities import USER
from engine.iam.mfa_requirement import Asked
from engine.iam.models import ConsoleSession, SignInAttempt, User
from engine.iam.principal import Principal
from engine.store import cache, transaction
from engine.store.transaction import changed, iam_entity
from engine.trail import record, recorder
from engine.vault import domain_keys, hierarchy
from engine.wire.client_address import address_of
from engine.wire.errors import AWSError

ATTEMPTS = 5
WINDOW = timedelta(minutes=5)
_REFUSED = "Account, user name or password is not right."
_SOURCE = "signin.amazonaws.com"
_CONSOLE = "kmsconsole"
REGION = "us-east-1"


class SignInRefused(Exception):
    """Why, in words that tell no more to a guesser than to a user who mistyped."""


class Unfinished(Exception):
    """The password is right, and something else is to be given; `token` says how far this sign-in has come."""

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token


class SecondFactorNeeded(Unfinished):
    """`token` goes on with `second_factor`."""


class NewPasswordNeeded(Unfinished):
    """The password has expired or is to be changed; `token` goes on with `new_password`."""


class EnrolmentNeeded(Unfinished):
    """A second factor is asked for, and the user has none; `token` goes on with engine.iam.enrolment."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who has signed in. `role_name` and `provider` (as the sign-in page names it) are set for who came by an identity provider."""

    account_id: str
    user_name: str
    arn: str
    credentials: credentials.TemporaryCredentials
    session_id: str
    role_name: str = ""
    provider: str = ""


def sign_in(account: str, user_name: str, password: str, *, source_ip: str, user_agent: str) -> SignedIn:
    """Raises SignInRefused, SecondFactorNeeded, NewPasswordNeeded, EnrolmentNeeded. `account` is an account ID or alias;
    `user_name` models.ROOT_NAME for the account's root user."""
    found = accounts.named(account)
    user = User.with_root.filter(account=found, name__iexact=user_name).first() if found else None
    # By the user as it is called: databases take letters for others that none would.
    named = user.name if user is not None else user_name
    who = f"{found.account_id if found else account}/{named}/{address_of(source_ip)}".lower()[:255]
    now = clock.real_now()
    with transaction.write():
        SignInAttempt.objects.filter(when__lte=now - WINDOW).delete()
        too_many = SignInAttempt.objects.filter(who=who).count() >= ATTEMPTS
        if not too_many:  # written before the password is looked at, so that nobody guesses many at once
            SignInAttempt.objects.create(who=who, when=now)
    if too_many:
        raise SignInRefused("Too many attempts. Wait five minutes, then try again.")
    right = check_password(password, user.password if user is not None and user.password else _nobody())
    if user is None or not user.password or not right:
        if found is not None:
            record_login(found.account_id, _principal(user), source_ip, user_agent, "Failed authentication")
        raise SignInRefused(_REFUSED)
    SignInAttempt.objects.filter(who=who).delete()
    _refuse_ended(user.account_id)
    return _go_on(user, Client(source_ip, user_agent), with_mfa=False)


@dataclass(frozen=True, slots=True)
class Client:
    """Whose browser it is, for the trail."""

    source_ip: str
    user_agent: str


_STEP_SECONDS = 600  # from one step of a sign-in to the next
_EXPIRED = "Your password has expired. An administrator has to set a new one."
OVER = "This sign-in took too long. Start again."


def _go_on(user: User, client: Client, *, with_mfa: bool) -> SignedIn:
    """The next step of who has shown the password (`with_mfa`: and a second factor)."""
    if user.mfa_devices.exists() and not with_mfa:
        raise SecondFactorNeeded(_token(Progress(user, with_mfa=False)))
    policy = _password_policy(user)
    expired = _has_expired(user, policy)
    if expired and policy.get("HardExpiry"):
        _record_user(user, client, "Password expired", with_mfa=with_mfa)
        raise SignInRefused(_EXPIRED)
    if expired or user.password_reset_required:
        raise NewPasswordNeeded(_token(Progress(user, with_mfa=with_mfa)))
    if not user.mfa_devices.exists() and (asked := mfa_requirement.of(user)) is not Asked.NO:
        raise EnrolmentNeeded(_token(Progress(user, False, mfa.new_seed(), asked is Asked.REQUIRED)))
    return enter(user, client, with_mfa=with_mfa)


def _password_policy(user: User) -> passwords.Policy:
    return {} if user.is_root else passwords.policy_of(user.account_id)


def _has_expired(user: User, policy: passwords.Policy) -> bool:
    expires = passwords.expires_at(user, policy)
    return expires is not None and expires <= clock.now(user.account_id)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sign-in has come whose password is right. For who is to enrol: the secret of the device that they may set up (`seed`),
    and whether there is no way around that (`required`)."""

    user: User
    with_mfa: bool
    seed: bytes = b""
    required: bool = False


def _token(progress: Progress) -> str:
    """Says so, sealed. It is worth nothing once the password is another one."""
    user = progress.user
    content = {
        "user": user.unique_id,
        "password": hashlib.sha256(user.password.encode()).hexdigest(),
        "until": clock.real_now().timestamp() + _STEP_SECONDS,
        "mfa": progress.with_mfa,
        "seed": progress.seed.hex(),
        "required": progress.required,
    }
    sealed = domain_keys.seal("sign-in", user.account_id, credentials.GLOBAL, "", "", json.dumps(content).encode())
    return f"{user.account_id}.{sealed.hex()}"


def opened(token: str) -> Progress:
    """Raises SignInRefused."""
    account_id, _dot, sealed = token.partition(".")
    try:
        content = json.loads(
            domain_keys.open_("sign-in", account_id, credentials.GLOBAL, "", "", bytes.fromhex(sealed))
        )
    except (ValueError, hierarchy.UnwrapError) as reason:
        raise SignInRefused(OVER) from reason
    user = User.with_root.filter(account_id=account_id, unique_id=content["user"]).first()
    same = user is not None and hashlib.sha256(user.password.encode()).hexdigest() == content["password"]
    if user is None or not same or content["until"] <= clock.real_now().timestamp():
        raise SignInRefused(OVER)
    return Progress(user, bool(content["mfa"]), bytes.fromhex(content.get("seed", "")), bool(content.get("required")))


@dataclass(frozen=True, slots=True)
class SecondFactors:
    """What a user may give: codes of a device, a passkey (with what its browser is asked), a recovery code."""

    codes: bool
    recovery: bool
    options: dict[str, Any] | None
    state: passkeys.State | None


def second_factors(token: str, site: passkeys.Site) -> SecondFactors:
    user = opened(token).user
    options, state = None, None
    if user.mfa_devices.exclude(credential_id="").exists():
        options, state = passkeys.ask_to_sign_in(user, site)
    codes = user.mfa_devices.filter(credential_id="").exists()
    return SecondFactors(codes, user.recovery_codes.exists(), options, state)


@dataclass(frozen=True, slots=True)
class GivenFactor:
    """One of them is given."""

    code: str = ""
    recovery_code: str = ""
    passkey: Mapping[str, Any] | None = None
    state: passkeys.State | None = None


def second_factor(token: str, given: GivenFactor, site: passkeys.Site, *, source_ip: str, user_agent: str) -> SignedIn:
    """Raises SignInRefused, NewPasswordNeeded, EnrolmentNeeded."""
    user = opened(token).user
    if not _right(user, given, site):
        _record_user(user, Client(source_ip, user_agent), "Failed authentication", with_mfa=True)
        raise SignInRefused("This is not right, or was used before. Try again with a new code.")
    return _go_on(user, Client(source_ip, user_agent), with_mfa=True)


def _right(user: User, given: GivenFactor, site: passkeys.Site) -> bool:
    if given.passkey is not None:
        return given.state is not None and passkeys.verify(user, site, given.state, given.passkey)
    if given.recovery_code:
        return mfa.use_recovery_code(user, given.recovery_code)
    return any(mfa.verify(device, given.code) for device in user.mfa_devices.filter(credential_id=""))


def new_password(token: str, password: str, *, source_ip: str, user_agent: str) -> SignedIn:
    """Raises SignInRefused, EnrolmentNeeded, and AWSError (PasswordPolicyViolation) for one that may not be."""
    progress = opened(token)
    user, with_mfa = progress.user, progress.with_mfa
    if user.mfa_devices.exists() and not with_mfa:
        raise SignInRefused(OVER)
    if not user.password_reset_required and not _has_expired(user, _password_policy(user)):
        raise SignInRefused(OVER)  # this step is for who has to: policies say who else may
    given = passwords.Given(password)
    if given.is_of(user.password):
        raise AWSError("PasswordPolicyViolation", "The new password is the one until now.")
    passwords.check(user.account_id, given, user)
    given.hashed()
    with transaction.write():
        passwords.put(user, given, clock.now(user.account_id))
        console_sessions.end_of_user(user)
    return _go_on(user, Client(source_ip, user_agent), with_mfa=with_mfa)


def enter(user: User, client: Client, *, with_mfa: bool) -> SignedIn:
    """The session of who has given all that is asked for. Raises SignInRefused if the password is not any more what was looked at."""
    ends = timedelta(hours=settings.SESSION_HOURS)
    session_id = ""
    with transaction.write():
        if User.with_root.filter(pk=user.pk, password=user.password).exists():  # not changed since it was looked at
            session_id = console_sessions.begin(
                user,
                clock.real_now() + ends,
                source_ip=client.source_ip,
                user_agent=client.user_agent,
                mfa=with_mfa,
            )
            User.with_root.filter(pk=user.pk).update(password_last_used=clock.now(user.account_id))
            changed(iam_entity(user.account_id))
    _record_user(user, client, "" if session_id else "Failed authentication", with_mfa=with_mfa)
    if not session_id:
        raise SignInRefused(_REFUSED)
    made = credentials.create_session(user, ends, mfa=with_mfa, console_session=session_id)
    return SignedIn(user.account_id, user.name, user.arn, made, session_id)


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
    with transaction.write():
        number = console_sessions.end(theirs)
        if row is not None and number:
            account_id, name = console_sessions.owner(row)
            parameters = {"userName": name, "sessions": number}
            record_change(account_id, row.user, "EndConsoleSessions", parameters, Client(source_ip, user_agent))
    return number


def record_change(account_id: str, user: User | None, name: str, parameters: dict[str, Any], client: Client) -> None:
    """What somebody changed of their own sign-in, for which no policy is asked. Part of the caller's transaction."""
    event = record.service_event(
        record.ServiceEvent(
            account_id=account_id,
            region=REGION,
            source=_CONSOLE,
            name=name,
            now=clock.now(account_id),
            principal=_principal(user),
            parameters=parameters,
            source_ip=client.source_ip,
            user_agent=client.user_agent,
            event_type="AwsConsoleAction",
        )
    )
    recorder.record_change([event])


def end_sessions_of(account_id: str, user_name: str) -> int:
    """End all console sessions of a user; how many those were. Raises AWSError if there is no such user. The caller decides and records."""
    user: User = entities.named(account_id, USER, user_name)
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


def _record_user(user: User, client: Client, error: str, *, with_mfa: bool) -> None:
    record_login(user.account_id, _principal(user), client.source_ip, client.user_agent, error, with_mfa=with_mfa)


def record_login(
    account_id: str,
    principal: Principal | None,
    source_ip: str,
    user_agent: str,
    error: str,
    *,
    provider: str = "",
    with_mfa: bool = False,
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
                        "MFAUsed": "Yes" if with_mfa else "No",
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
