"""How people sign in to the console by a provider: its client, the rules that give roles, the keys that are known offline, and who a
token would become. What pages show and change of it is a console action (engine.console_actions); the caller decides and records."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt
import orjson

from engine.iam import (
    federated_sign_in,
    federation,
    identity_providers,
    oidc_sign_in,
    role_mapping,
    session_parameters,
    web_identity,
)
from engine.iam.identity_providers import OIDC
from engine.iam.models import OpenIDConnectProvider, RoleMappingRule, SignInProvider
from engine.iam.role_mapping import Rule
from engine.store.transaction import changed, iam_entity
from engine.wire.errors import AWSError


@dataclass(frozen=True, slots=True)
class Settings:
    """Empty `client_id`: nobody signs in by this provider."""

    label: str = ""
    client_id: str = ""
    has_secret: bool = False
    scopes: str = "openid"
    rules: tuple[Rule, ...] = ()
    key_ids: tuple[str, ...] = ()  # of the keys that were given


@dataclass(frozen=True, slots=True)
class RuleResult:
    rule: Rule
    values: tuple[str, ...]
    matches: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """Who a token would become. `checked`: what is wrong with the token itself, empty if nothing is or no token was given, claims alone."""

    claims: Mapping[str, Any]
    is_token: bool
    checked: str
    rules: tuple[RuleResult, ...]
    role_name: str = ""
    role_exists: bool = False
    refused: str = ""
    session_arn: str = ""


def _provider(account_id: str, arn: str) -> OpenIDConnectProvider:
    """A provider of this account. Raises AWSError."""
    row: OpenIDConnectProvider | None = identity_providers.by_arn(OIDC, account_id, arn)
    if row is None:
        raise identity_providers.not_found(OIDC, arn)
    return row


def read(account_id: str, arn: str) -> Settings:
    """Raises AWSError if there is no such provider."""
    provider = _provider(account_id, arn)
    keys = json.loads(provider.keys)["keys"] if provider.keys else []
    key_ids = tuple(str(each.get("kid", "?")) for each in keys)
    row = SignInProvider.objects.filter(provider=provider).first()
    if row is None:
        return Settings(key_ids=key_ids)
    rules = tuple(oidc_sign_in.rules_of(row))
    return Settings(row.label, row.client_id, bool(row.wrapped_secret), row.scopes, rules, key_ids)


def store(
    account_id: str, arn: str, *, label: str, client_id: str, secret: str, scopes: str, rules: Sequence[Rule]
) -> None:
    """An empty secret leaves the one there is, if the client stays the same. Called in a transaction."""
    provider = _provider(account_id, arn)
    row = SignInProvider.objects.filter(provider=provider).first() or SignInProvider(provider=provider)
    if secret or row.client_id != client_id:
        row.wrapped_secret = oidc_sign_in.sealed_secret(account_id, provider.url, client_id, secret)
    row.label, row.client_id = label, client_id
    row.scopes = " ".join(dict.fromkeys(["openid", *scopes.split()]))
    row.save()
    row.rules.all().delete()
    RoleMappingRule.objects.bulk_create(
        RoleMappingRule(sign_in=row, position=number, claim=each.claim, pattern=each.pattern, role_name=each.role_name)
        for number, each in enumerate(rules, 1)
    )


def remove(account_id: str, arn: str) -> None:
    """Nobody signs in by it any more. Sessions that there are go on."""
    SignInProvider.objects.filter(provider=_provider(account_id, arn)).delete()


def store_keys(account_id: str, arn: str, document: str) -> None:
    """Take the provider's keys (a JWKS) from here instead of from the provider; with nothing, from the provider again."""
    provider = _provider(account_id, arn)
    if document:
        try:
            keys = json.loads(document)["keys"]
            orjson.dumps(keys)
            jwt.PyJWKSet(keys)
            sound = bool(keys) and all(each.get("kty") in ("RSA", "EC") and "d" not in each for each in keys)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, jwt.PyJWTError) as reason:
            raise AWSError("InvalidInput", "That is no JSON Web Key Set.") from reason
        if not sound:
            raise AWSError("InvalidInput", "Only public RSA and EC keys are taken.")
    provider.keys = document
    provider.save(update_fields=["keys"])
    changed(iam_entity(account_id))


def preview(account_id: str, arn: str, given: str, *, source_ip: str, user_agent: str) -> Outcome:
    """Who would sign in with these claims (a JSON object) or this ID token. Nothing is made of it. Raises ValueError for what is neither."""
    provider = _provider(account_id, arn)
    row = SignInProvider.objects.filter(provider=provider).first()
    rules = oidc_sign_in.rules_of(row) if row is not None else []
    is_token = not given.lstrip().startswith("{")
    checked = ""
    if is_token:
        try:
            claims: dict[str, Any] = web_identity.unverified(given.strip())
        except AWSError as reason:
            raise ValueError(reason.message) from reason
        try:
            audiences = [*provider.client_ids, *([row.client_id] if row is not None else [])]
            web_identity.check_by(provider, given.strip(), audiences)
        except AWSError as reason:
            checked = reason.message
    else:
        claims = _claims(given)
    identity = web_identity.Identity(provider, {"aud": row.client_id if row is not None else "", "sub": "", **claims})
    results = tuple(
        RuleResult(rule, role_mapping.values(claims, rule.claim), role_mapping.matches(rule, claims)) for rule in rules
    )
    chosen = next((each.rule for each in results if each.matches), None)
    if chosen is None:
        return Outcome(claims, is_token, checked, results)
    role = oidc_sign_in.role_named(account_id, chosen.role_name)
    if role is None:
        return Outcome(claims, is_token, checked, results, chosen.role_name)
    name = oidc_sign_in.session_name(identity)
    refused = ""
    try:
        asked = federation.of_web_identity(identity, name)
        context = federated_sign_in.context_of(account_id, asked, source_ip, user_agent)
        context.principal = asked.principal
        session_parameters.permit(
            context,
            role,
            federation.members_of(asked, {}),
            asked.tags,
            action=asked.action,
            conditions=asked.conditions,
        )
    except AWSError as reason:
        refused = reason.message
    return Outcome(claims, is_token, checked, results, role.name, True, refused, role.session_arn(name))


def _claims(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
        orjson.dumps(found)  # refuses half a character, which no page can show
    except (ValueError, TypeError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ValueError("That is neither a token nor a JSON object.")
    return found
