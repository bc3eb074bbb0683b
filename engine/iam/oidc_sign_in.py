"""Signing in to the console by an OpenID Connect provider: authorization code with PKCE, and the claims mapped to a role.

The browser goes to the provider with a state, a nonce and a challenge that only it can answer, and comes back with a code; the ID token
for the code comes from the provider itself, over HTTPS. The role's trust policy then decides as it does for AssumeRoleWithWebIdentity.
Every sign-in is in the trail (ConsoleLogin), a refused one too. Source: OpenID Connect Core 1.0, section 3.1; RFC 7636; RFC 9700.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from django.conf import settings

from engine import https_client
from engine.https_client import HttpsError
from engine.iam import accounts, federated_sign_in, federation, provider_keys, role_mapping, web_identity
from engine.iam.credentials import GLOBAL
from engine.iam.federated_sign_in import REFUSED
from engine.iam.models import Role, SignInProvider
from engine.iam.role_mapping import Rule
from engine.iam.signin import SignedIn, SignInRefused, record_login
from engine.vault import domain_keys
from engine.wire.errors import AWSError

logger = logging.getLogger(__name__)

_SECRET = "sign-in-client"  # noqa: S105 -- what it is sealed as
_NO_ANSWER = "The identity provider does not answer."
_NOBODY = "No rule gives you a role here. Ask an administrator."
_NOT_TRUSTED = "The role that the rules give you does not trust this sign-in. Ask an administrator."


@dataclass(frozen=True, slots=True)
class Option:
    """A provider that the sign-in page offers."""

    id: int
    label: str
    account_id: str


@dataclass(frozen=True, slots=True)
class Begun:
    """Where the browser goes, and what has to be kept for it meanwhile: each counts once."""

    url: str
    state: str
    nonce: str
    verifier: str


def options(account: str) -> list[Option]:
    """What may be signed in by to an account, by its ID or alias."""
    found = accounts.named(account) if "\0" not in account else None
    if found is None:
        return []
    rows = SignInProvider.objects.filter(provider__account=found).select_related("provider").order_by("label")
    return [Option(row.pk, row.label, found.account_id) for row in rows]


def _row(option_id: int) -> SignInProvider:
    row = SignInProvider.objects.select_related("provider").filter(pk=option_id).first()
    if row is None:
        raise SignInRefused("There is no such identity provider any more.")
    return row


def begin(option_id: int, redirect_uri: str) -> Begun:
    """Raises SignInRefused."""
    row = _row(option_id)
    endpoint = _endpoint(row, "authorization_endpoint")
    state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": row.client_id,
        "redirect_uri": redirect_uri,
        "scope": row.scopes,
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", state, nonce, verifier)


def _endpoint(row: SignInProvider, name: str) -> str:
    try:
        found = provider_keys.configuration(row.provider).get(name)
    except HttpsError as reason:
        logger.warning("signing in by %s: %s", row.provider.url, reason)
        raise SignInRefused(_NO_ANSWER) from reason
    if not isinstance(found, str) or urlsplit(found).scheme != "https":
        raise SignInRefused(_NO_ANSWER)
    return found


def issuer_of(option_id: int) -> str:
    return _row(option_id).provider.issuer


def finish(
    option_id: int, *, code: str, verifier: str, nonce: str, redirect_uri: str, source_ip: str, user_agent: str
) -> SignedIn:
    """The session of who comes back with `code`. Raises SignInRefused; why is in the trail too."""
    row = _row(option_id)
    account_id = str(row.provider.account_id)
    try:
        identity = _identity(row, code, verifier, nonce, redirect_uri)
        return _enter(row, identity, source_ip, user_agent)
    except SignInRefused as reason:
        record_login(account_id, None, source_ip, user_agent, str(reason), provider=row.provider.arn)
        raise


def _identity(row: SignInProvider, code: str, verifier: str, nonce: str, redirect_uri: str) -> web_identity.Identity:
    token = _token(row, code, verifier, redirect_uri)
    try:
        identity = web_identity.check_by(row.provider, token, [row.client_id])
    except AWSError as reason:
        raise SignInRefused(REFUSED.format(reason.message)) from reason
    claims = identity.claims
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise SignInRefused(REFUSED.format("it is not for this sign-in (nonce)"))
    if isinstance(claims["aud"], list) and len(claims["aud"]) > 1 and claims.get("azp") != row.client_id:
        raise SignInRefused(REFUSED.format("it is for another client"))
    return identity


def _token(row: SignInProvider, code: str, verifier: str, redirect_uri: str) -> str:
    """The ID token that the provider gives for the code. The client proves itself by its secret, if it has one."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": row.client_id,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secret = _client_secret(row)
    endpoint = _endpoint(row, "token_endpoint")
    if secret:
        methods = provider_keys.configuration(row.provider).get("token_endpoint_auth_methods_supported")
        if isinstance(methods, list) and "client_secret_basic" not in methods:
            form["client_secret"] = secret
        else:  # RFC 6749, section 2.3.1: both are form-encoded first
            pair = f"{quote(row.client_id, safe='')}:{quote(secret, safe='')}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    try:
        status, body = https_client.request(
            "POST", endpoint, body=urlencode(form).encode(), headers=headers, thumbprints=row.provider.thumbprints
        )
    except HttpsError as reason:
        raise SignInRefused(_NO_ANSWER) from reason
    try:
        answer = json.loads(body)
        token = answer.get("id_token") if status == 200 else None
    except (ValueError, AttributeError, RecursionError):
        token = None
    if not isinstance(token, str):
        raise SignInRefused("The identity provider did not take the code. Sign in again.")
    return token


def _client_secret(row: SignInProvider) -> str:
    if not row.wrapped_secret:
        return ""
    account_id = str(row.provider.account_id)
    return domain_keys.open_(
        _SECRET, account_id, GLOBAL, row.provider.url, row.client_id, bytes(row.wrapped_secret)
    ).decode()


def sealed_secret(account_id: str, url: str, client_id: str, secret: str) -> bytes:
    return domain_keys.seal(_SECRET, account_id, GLOBAL, url, client_id, secret.encode()) if secret else b""


def rules_of(row: SignInProvider) -> list[Rule]:
    return [Rule(each.claim, each.pattern, each.role_name) for each in row.rules.all()]


def role_named(account_id: str, name: str) -> Role | None:
    return Role.objects.filter(account_id=account_id, name__iexact=name).first()


def _enter(row: SignInProvider, identity: web_identity.Identity, source_ip: str, user_agent: str) -> SignedIn:
    account_id = str(row.provider.account_id)
    rule = role_mapping.first(rules_of(row), identity.claims)
    role = role_named(account_id, rule.role_name) if rule is not None else None
    if role is None:
        raise SignInRefused(_NOBODY)
    try:
        return federated_sign_in.enter(
            role,
            federation.of_web_identity(identity, session_name(identity)),
            seconds=min(role.max_session_duration, settings.SESSION_HOURS * 3600),
            subject=identity.subject,
            provider=row.provider.arn,
            label=row.label,
            source_ip=source_ip,
            user_agent=user_agent,
        )
    except AWSError as reason:
        raise SignInRefused(_NOT_TRUSTED) from reason


def session_name(identity: web_identity.Identity) -> str:
    """What the trail shows beside the role: the address that the provider says is verified, else its name for the person."""
    claims = identity.claims
    shown = claims["email"] if isinstance(claims.get("email"), str) and claims.get("email_verified") is True else ""
    return re.sub(r"[^\w+=,.@-]", "-", shown or identity.subject, flags=re.ASCII)[:64].ljust(2, "-")
