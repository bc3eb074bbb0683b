"""Who signs with an access key ID: long-term keys of users (AKIA…) and temporary credentials (ASIA… with a session token).

A session token is self-contained: sealed under the account's domain key, it holds the secret and who it was given to. What the
principal is today (does it still exist, its tags) is read from the database, through a cache that a changed account empties.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import string
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from engine import clock
from engine.iam import account_limits, console_sessions, policy_lookup
from engine.iam.models import AccessKey, Role, User
from engine.iam.policy import COMPILED, CompiledPolicy, stored_policy
from engine.iam.principal import Principal, SessionFacts
from engine.store.cache import Cache
from engine.store.transaction import iam_entity
from engine.vault import domain_keys
from engine.wire.errors import AWSError

GLOBAL = "global"  # IAM is not regional: its secrets hang under this name in the key hierarchy
_TOKEN_VERSION = b"\x01"
_LONG = 2_000  # bytes; what more a session brings is packed, for its token is sent in a header (engine.iam.session_parameters.packed_size)
_ALPHABET = string.ascii_uppercase + "234567"
_SECRET_ALPHABET = string.ascii_letters + string.digits + "+/"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a signature is checked with, and who it then is. `expires` is None for a long-term key."""

    access_key_id: str
    secret: str
    principal: Principal
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class TemporaryCredentials:
    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


def _weight(key: tuple[str, str], found: Credentials) -> int:
    session = found.principal.session
    policies = sum(len(policy.text) for policy in session.policies) if session is not None else 0
    return 2_000 + 2 * len(key[1]) + COMPILED * policies


_found: Cache[tuple[str, str], Credentials] = Cache("credentials", limit=20_000, weigh=_weight, most=32 << 20)


def find(access_key_id: str, session_token: str) -> Credentials:
    """The credentials of an access key ID. Raises UnrecognizedClientException (unknown, inactive or deleted) or ExpiredTokenException."""
    found = _found.get((access_key_id, session_token), lambda: _load(access_key_id, session_token))
    if found.expires is not None and found.expires <= clock.real_now():
        raise AWSError("ExpiredTokenException", "The security token included in the request is expired")
    return found


def _load(access_key_id: str, session_token: str) -> tuple[Credentials, list[str]]:
    if session_token:
        return _load_session(access_key_id, session_token)
    row = AccessKey.objects.select_related("user").filter(access_key_id=access_key_id, active=True).first()
    if row is None:
        raise unrecognized()
    user = row.user
    secret = domain_keys.open_(
        "access-key", user.account_id, GLOBAL, access_key_id, user.unique_id, bytes(row.wrapped_secret)
    )
    ends = account_limits.ends(user.account_id)
    found = Credentials(access_key_id, secret.decode(), user_principal(user, access_key_id), ends)
    return found, [iam_entity(user.account_id), account_limits.entity(user.account_id)]


def unrecognized() -> AWSError:
    return AWSError("UnrecognizedClientException", "The security token included in the request is invalid.")


def user_principal(user: User, access_key_id: str = "", session: SessionFacts | None = None) -> Principal:
    if user.is_root:
        return Principal(
            "root", user.account_id, user.arn, user.unique_id, access_key_id=access_key_id, session=session
        )
    return Principal(
        kind="user",
        account_id=user.account_id,
        arn=user.arn,
        unique_id=user.unique_id,
        name=user.name,
        tags=dict(user.tags),
        access_key_id=access_key_id,
        session=session,
    )


def role_principal(role: Role, session: SessionFacts, access_key_id: str = "") -> Principal:
    return Principal(
        kind="assumed-role",
        account_id=role.account_id,
        arn=role.session_arn(session.name),
        unique_id=f"{role.unique_id}:{session.name}",
        name=session.name,
        tags={**role.tags, **session.tags},
        access_key_id=access_key_id,
        session=session,
    )


def federated_user(user: Principal) -> Principal:
    """Who has the credentials of GetFederationToken that `user` asked for: somebody of its session's name."""
    session = user.session
    assert session is not None  # there are no others
    return replace(
        user,
        kind="federated-user",
        arn=f"arn:aws:sts::{user.account_id}:federated-user/{session.name}",
        unique_id=f"{user.account_id}:{session.name}",
        name=session.name,
        tags=session.tags,
    )


def refuse_out_of_reach(principal: Principal, service: str, operation: str) -> None:
    """Raise what AWS answers where temporary credentials are not enough, whatever policies allow: those that GetSessionToken gave to who
    had no second factor make no call of IAM, and a federated user none of IAM or STS. So nobody makes lasting credentials with them.

    Source: IAM User Guide, "Compare AWS STS credentials".
    """
    session = principal.session
    if session is None or session.console_session or principal.kind not in ("user", "federated-user"):
        return
    federated = principal.kind == "federated-user"
    if service == "iam" and (federated or not session.mfa):
        raise unrecognized()
    if service == "sts" and federated and operation != "GetCallerIdentity":
        raise AWSError("AccessDenied", f"Cannot call {operation} with session credentials")


def new_credential_id(prefix: str) -> str:
    """For what users have beside access keys: APKA (SSH public key), ACCA (service-specific credential)."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(16))


def new_access_key_id(account_id: str, prefix: str = "AKIA") -> str:
    """80 bits in base32: a one, the account's number, then random ones, as in AWS's access key IDs; see `account_of`."""
    bits = (1 << 40 | int(account_id)) << _KEY_ID_RANDOM | secrets.randbits(_KEY_ID_RANDOM)
    return prefix + base64.b32encode(bits.to_bytes(10, "big")).decode()


_KEY_ID_RANDOM = 39


def account_of(access_key_id: str) -> str:
    """The account whose number an access key ID has in it, whether the key is temporary, inactive or deleted; "" if it has none."""
    try:
        bits = int.from_bytes(base64.b32decode(access_key_id[4:]), "big") >> _KEY_ID_RANDOM
    except ValueError:
        return ""
    return f"{bits - (1 << 40):012d}" if bits >> 40 == 1 else ""


def new_secret() -> str:
    return "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(40))


def new_unique_id(prefix: str) -> str:
    """AIDA (user), AGPA (group), AROA (role), ANPA (managed policy)."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(17))


def new_long_id() -> str:
    """For what has 32 characters and no word before them: signing certificates."""
    return (new_unique_id("") + new_unique_id(""))[:32]


def create_access_key(user: User, access_key_id: str = "", secret: str = "") -> tuple[AccessKey, str]:
    """A new long-term key of `user` and its secret, which is stored sealed and can be had only here."""
    access_key_id = access_key_id or new_access_key_id(user.account_id)
    secret = secret or new_secret()
    row = AccessKey.objects.create(
        access_key_id=access_key_id,
        user=user,
        wrapped_secret=domain_keys.seal(
            "access-key", user.account_id, GLOBAL, access_key_id, user.unique_id, secret.encode()
        ),
        created=clock.now(user.account_id),
    )
    return row, secret


def create_session(
    principal: User | Role,
    duration: timedelta,
    *,
    name: str = "",
    policies: list[str] | None = None,
    tags: Mapping[str, str] | None = None,
    mfa: bool = False,
    source_identity: str = "",
    transitive: Sequence[str] = (),
    console_session: str = "",
    federated_user: bool = False,
    provider: str = "",
    provider_keys: Mapping[str, str | Sequence[str]] | None = None,
) -> TemporaryCredentials:
    """Temporary credentials for a user (GetSessionToken, the console's sign-in) or a role (AssumeRole). `policies`: session policies as JSON, or ARNs of managed ones.

    With a `console_session` they are worth something as long as that has not ended. `federated_user`: they are not the user's, but those of
    `name`, to whom the user lends its permissions. `provider`, `provider_keys`: the identity provider a role's session was asked for with.
    """
    expires = clock.real_now().replace(microsecond=0) + duration
    content = {
        "principal": principal.unique_id,
        "created": int(clock.now(principal.account_id).timestamp()),
        "expires": int(expires.timestamp()),
        "name": name,
        "policies": policies or [],
        "tags": dict(tags or {}),
        "mfa": mfa,
        "source_identity": source_identity,
        "transitive": list(transitive),
        "console_session": console_session,
    }
    if federated_user:
        content["federated_user"] = True
    if provider:
        content |= {"provider": provider, "provider_keys": dict(provider_keys or {})}
    return seal_token(principal.account_id, content)


def seal_token(account_id: str, content: Mapping[str, Any]) -> TemporaryCredentials:
    """A new access key ID and secret, and the token that says what `content` does: `open_token` gives its members back."""
    access_key_id, secret = new_access_key_id(account_id, "ASIA"), new_secret()
    said = orjson.dumps({**content, "secret": secret})
    if len(said) > _LONG:
        said = zlib.compress(said)
    sealed = domain_keys.seal("session", account_id, GLOBAL, access_key_id, "", said)
    token = base64.b64encode(_TOKEN_VERSION + account_id.encode() + sealed).decode()
    return TemporaryCredentials(access_key_id, secret, token, datetime.fromtimestamp(content["expires"], UTC))


def _load_session(access_key_id: str, token: str) -> tuple[Credentials, list[str]]:
    account_id, content = open_token(access_key_id, token)
    if content.get("invoked_by") and not content["principal"]:  # a service as itself: engine.iam.forward
        by_itself = Principal(
            "service", account_id, "", "", "", invoked_by=content["invoked_by"], source_arn=content["source_arn"]
        )
        expires = datetime.fromtimestamp(content["expires"], UTC)
        return Credentials(access_key_id, content["secret"], by_itself, expires), []
    session = SessionFacts(
        name=content["name"],
        issuer_arn="",
        issuer_id="",
        created=datetime.fromtimestamp(content["created"], UTC),
        expires=datetime.fromtimestamp(content["expires"], UTC),
        mfa=content["mfa"],
        policies=tuple(_session_policy(account_id, text) for text in content["policies"]),
        tags=content["tags"],
        source_identity=content["source_identity"],
        transitive=_named(content["tags"], content.get("transitive", ())),  # tokens of earlier versions have none
        console_session=content.get("console_session", ""),
        federated_provider=content.get("provider", ""),
        federated_keys={
            name: tuple(value) if isinstance(value, list) else value
            for name, value in content.get("provider_keys", {}).items()
        },
    )
    entities = [iam_entity(account_id), account_limits.entity(account_id)]
    if session.console_session:
        try:
            entities.append(iam_entity(console_sessions.account_of(session.console_session)))
        except LookupError as reason:
            raise unrecognized() from reason
    principal = _session_principal(account_id, content["principal"], session, access_key_id)
    if content.get("federated_user"):
        principal = federated_user(principal)
    if content.get("invoked_by"):
        principal = replace(principal, invoked_by=content["invoked_by"])
    ends = account_limits.ends(account_id)
    expires = min(session.expires, ends) if ends is not None else session.expires
    return Credentials(access_key_id, content["secret"], principal, expires), entities


def _session_policy(account_id: str, text: str) -> CompiledPolicy:
    """A managed one is its ARN in the token, which a header could not hold otherwise. One that is gone allows nothing."""
    if not text.startswith("arn:"):
        return stored_policy(text, name="session policy", kind="session")
    try:
        return policy_lookup.managed(account_id, text, kind="session")
    except LookupError:
        return CompiledPolicy(text, "session", "", (), False, text)


def _named(tags: Mapping[str, str], keys: Sequence[str]) -> tuple[str, ...]:
    """The tags that these keys name, in whatever case, as the tags themselves are written."""
    wanted = {key.lower() for key in keys}
    return tuple(name for name in tags if name.lower() in wanted)


def _session_principal(account_id: str, unique_id: str, session: SessionFacts, access_key_id: str) -> Principal:
    if unique_id.startswith("AIDA") or unique_id == account_id:
        user = User.with_root.filter(account_id=account_id, unique_id=unique_id).first()
        if user is None:
            raise unrecognized()
        return user_principal(user, access_key_id, replace(session, issuer_arn=user.arn, issuer_id=user.unique_id))
    role = Role.objects.filter(account_id=account_id, unique_id=unique_id).first()
    if role is None:
        raise unrecognized()
    return role_principal(role, replace(session, issuer_arn=role.arn, issuer_id=role.unique_id), access_key_id)


def open_token(access_key_id: str, token: str) -> tuple[str, dict[str, Any]]:
    """(account ID, content) of a session token that goes with this access key ID. Raises UnrecognizedClientException."""
    try:
        raw = base64.b64decode(token, validate=True)
        account_id = raw[1:13].decode()
        if raw[:1] != _TOKEN_VERSION or not account_id.isdigit() or len(account_id) != 12:
            raise unrecognized()
        said = domain_keys.open_("session", account_id, GLOBAL, access_key_id, "", raw[13:])
        return account_id, orjson.loads(said if said[:1] == b"{" else zlib.decompress(said))
    except (binascii.Error, UnicodeDecodeError, ValueError) as reason:
        raise unrecognized() from reason
