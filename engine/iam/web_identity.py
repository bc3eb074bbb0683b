"""ID tokens of OpenID Connect providers: who signed one, for whom, and until when. The signature is PyJWT's to check.

Only asymmetric algorithms are taken, and the key's own type has to go with the token's algorithm, so that no public key is ever used as
a secret. Source: OpenID Connect Core 1.0, section 3.1.3.7; AWS STS API Reference, AssumeRoleWithWebIdentity (codes); the sentences are
AWS's where they are known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import orjson

from engine.https_client import CertificateError, HttpsError
from engine.iam import provider_keys
from engine.iam.models import OpenIDConnectProvider
from engine.iam.principal import Principal
from engine.wire.errors import AWSError

ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_KEY_TYPES = {"RS": "RSA", "ES": "EC"}
_REQUIRED = ["iss", "sub", "aud", "exp", "iat"]
_NOT_A_TOKEN = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"  # noqa: S105
_NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"  # with two blanks, as recorded
)
# Claims that are condition keys for every provider, and those that GitHub's tokens have besides.
_CLAIMS = ("amr", "email", "sub")
_OF_GITHUB = (
    *("actor", "actor_id", "environment", "job_workflow_ref", "ref", "repository", "repository_id"),
    *("repository_owner", "repository_owner_id", "repository_visibility", "workflow", "workflow_ref"),
)
_GITHUB = "token.actions.githubusercontent.com"
# Those that stay with the role's session. Source: IAM User Guide, "Available keys for AWS OIDC federation".
_OF_SESSION = ("amr", "aud", "sub")


def invalid(message: str) -> AWSError:
    return AWSError("InvalidIdentityToken", message)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a token that was checked is about."""

    provider: OpenIDConnectProvider
    claims: Mapping[str, Any]

    @property
    def subject(self) -> str:
        return str(self.claims["sub"])

    @property
    def audience(self) -> str:
        """The authorized party where the token names one, as in AWS."""
        return str(self.claims.get("azp") or _listed(self.claims["aud"])[0])

    @property
    def conditions(self) -> dict[str, str | tuple[str, ...]]:
        """The condition keys of a trust policy: `PROVIDER:CLAIM`."""
        named = (*_CLAIMS, *(_OF_GITHUB if self.provider.url == _GITHUB else ()))
        values: dict[str, Any] = {name: self.claims[name] for name in named if name in self.claims}
        values["aud"] = self.audience
        if "azp" in self.claims:
            values["oaud"] = _listed(self.claims["aud"])[0]
        prefix = self.provider.url.lower()
        return {f"{prefix}:{name}": _value(value) for name, value in values.items()}

    @property
    def session_conditions(self) -> dict[str, str | tuple[str, ...]]:
        return {name: value for name, value in self.conditions.items() if name.rpartition(":")[2] in _OF_SESSION}

    def principal(self) -> Principal:
        return Principal(
            kind="web-identity",
            account_id=str(self.provider.account_id),
            arn="",
            unique_id=f"{self.provider.arn}:{self.audience}:{self.subject}",
            name=self.subject,
            provider=self.provider.arn,
        )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _value(value: Any) -> str | tuple[str, ...]:
    if isinstance(value, list):
        return tuple(str(each) for each in value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def check(account_id: str, token: str) -> Identity:
    """Who a token is about, by a provider of this account. Raises AWSError: InvalidIdentityToken, ExpiredTokenException."""
    said = unverified(token)
    issuer = said.get("iss")
    provider = None
    if isinstance(issuer, str) and issuer.startswith("https://"):
        mine = OpenIDConnectProvider.objects.filter(account_id=account_id)
        provider = mine.filter(url=issuer.removeprefix("https://")).first() if "\0" not in issuer else None
    if provider is None:
        raise invalid(f"No OpenIDConnect provider found in your account for {issuer}")
    return check_by(provider, token, provider.client_ids)


def unverified(token: str) -> dict[str, Any]:
    """What a token says, before anything of it is believed."""
    try:
        claims = dict(jwt.decode(token, options={"verify_signature": False}))
        orjson.dumps(claims)  # half a character, or a number without end, is nothing that could be shown or recorded
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as reason:
        raise invalid(_NOT_A_TOKEN) from reason
    return claims


def check_by(provider: OpenIDConnectProvider, token: str, audiences: Sequence[str]) -> Identity:
    """As `check`, by this provider and for one of these clients."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as reason:
        raise invalid(_NOT_A_TOKEN) from reason
    unverified(token)
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        shown = algorithm if isinstance(algorithm, str) and re.fullmatch(r"[\w-]{1,32}", algorithm, re.ASCII) else "?"
        raise invalid(f"Provided token is signed by an algorithm that is not supported: {shown}")
    key = _key(provider, header.get("kid"), algorithm)
    try:
        claims = jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            audience=list(audiences),
            issuer=provider.issuer,
            options={"require": _REQUIRED, "verify_iat": False},  # the two clocks may differ by seconds
        )
    except jwt.ExpiredSignatureError as reason:
        until = unverified(token).get("exp")
        raise AWSError(
            "ExpiredTokenException",
            f"Token expired: current date/time {int(time.time())} must be before the expiration date/time {until}",
            declared=True,
        ) from reason
    except jwt.InvalidAudienceError as reason:
        raise invalid("Incorrect token audience") from reason
    except jwt.MissingRequiredClaimError as reason:
        raise invalid(f"Missing a required claim: {reason.claim}") from reason
    except jwt.ImmatureSignatureError as reason:
        raise invalid("Token is not valid yet") from reason
    except jwt.InvalidSignatureError as reason:
        raise invalid("Invalid signature of the identity token") from reason
    except (jwt.PyJWTError, ValueError, TypeError) as reason:
        raise invalid(_NOT_A_TOKEN) from reason
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise invalid("Missing a required claim: sub")
    return Identity(provider, claims)


def _key(provider: OpenIDConnectProvider, key_id: Any, algorithm: str) -> Any:
    """The provider's key that may have signed."""

    def may_sign(key: provider_keys.Key) -> bool:
        if key.get("kty") != _KEY_TYPES[algorithm[:2]] or key.get("use", "sig") != "sig":
            return False
        return key.get("alg", algorithm) == algorithm and (key_id is None or key.get("kid") == key_id)

    try:
        found = provider_keys.keys(provider, may_sign)
    except CertificateError as reason:
        raise invalid("OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint") from reason
    except HttpsError as reason:
        raise invalid(_NO_KEY) from reason
    if len(found) != 1:
        raise invalid(_NO_KEY)
    try:
        return jwt.PyJWK(found[0], algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError) as reason:
        raise invalid(_NO_KEY) from reason
