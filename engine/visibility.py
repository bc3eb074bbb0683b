"""What a principal may read of an account's keys, by the same decision that each call is decided with, for many keys at once.

For a console's list of 100,000 keys: which of them this principal may not describe, and of which it may not read tags, rotation or
policy. Nothing of a key leaves here but whether it may be read, its condition keys, and its alias for who may list aliases.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from django.db.models import F, Max, Q

from engine import clock, console_actions
from engine.context import CallContext
from engine.iam import authorize as iam
from engine.iam import condition_keys, credentials, policy_lookup
from engine.iam.decide import Decision, Request, decide
from engine.iam.grant_matching import GrantView, grants_to
from engine.iam.policy import CompiledPolicy
from engine.kms import models, stored_access
from engine.store import cache
from engine.store.models import Change
from engine.store.transaction import key_entity


@dataclass(frozen=True, slots=True)
class Viewer:
    """A principal as its credentials present it now. `digest` changes with anything its decisions depend on, save the
    keys and how it calls (engine.premises)."""

    context: CallContext
    name: str
    digest: str
    identity: tuple[CompiledPolicy, ...]
    boundary: CompiledPolicy | None


def viewer(
    access_key_id: str, session_token: str, region: str, source_ip: str, *, secure: bool, user_agent: str = ""
) -> Viewer:
    """Who holds these credentials. Raises AWSError if they are not valid any more."""
    cache.synchronise()
    principal = credentials.find(access_key_id, session_token).principal
    context = CallContext(
        account_id=principal.account_id,
        region=region,
        service="kms",
        operation="DescribeKey",
        principal=principal,
        now=clock.now(principal.account_id),
        request_id=str(uuid4()),
        event_id=str(uuid4()),
        source_ip=source_ip,
        user_agent=user_agent,
        secure=secure,
    )
    session = tuple(policy.text for policy in principal.session.policies) if principal.session else ()
    name = _hash(principal.arn, *session)
    identity, boundary = policy_lookup.policies_of(principal)
    policies = [*identity, *([boundary] if boundary else [])]
    tags = [f"{key}={value}" for key, value in sorted(principal.tags.items())]
    digest = _hash(
        principal.unique_id.partition(":")[0],
        *(f"{policy.kind} {policy.text}" for policy in policies),
        *session,
        *tags,
    )
    return Viewer(context, name, digest, identity, boundary)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_allowed(who: Viewer, action: str) -> bool:
    """Whether the principal may do what is about no key: "kms:ListAliases", or an action of the console's own."""
    if console_actions.refusal_to_member(who.context, action):
        return False
    request, policies = iam.question(who.context, action, "*", who.context.account_id, None, (), None)
    return decide(request, policies).allowed


def with_conditions(who: Viewer, key_ids: list[str]) -> dict[str, tuple[models.Key, Mapping[str, Any]]]:
    """Key ID → the key and its condition keys, of the Region's keys among these: read together, for there may be a hundred thousand."""
    place = {"account_id": who.context.account_id, "region": who.context.region}
    names = alias_names(place, key_ids)
    rows = models.Key.objects.filter(**place, key_id__in=key_ids)
    return {row.key_id: (row, conditions(who, row, names.get(row.key_id, ()))) for row in rows}


def alias_names(place: Mapping[str, str], key_ids: list[str]) -> dict[str, list[str]]:
    names: defaultdict[str, list[str]] = defaultdict(list)
    aliases = models.Alias.objects.filter(**place, target_key_id__in=key_ids)
    for key_id, name in aliases.values_list("target_key_id", "name"):
        names[key_id].append(name)
    return names


def for_key(
    who: Viewer, action: str, row: models.Key, conditions: Mapping[str, Any], grants: tuple[GrantView, ...]
) -> bool:
    return _decided(who, action, row.arn, stored_access.policy_of(row), grants, conditions)


def key_conditions(who: Viewer, region: str, key_id: str) -> Mapping[str, Any]:
    """The condition keys that a key of the account has, its tags among them; none for one that is not here."""
    row = models.Key.objects.filter(account_id=who.context.account_id, region=region, key_id=key_id).first()
    return row_conditions(who, row) if row is not None else {}


def first_aliases(who: Viewer, region: str, key_ids: Iterable[str]) -> dict[str, str]:
    """Key ID → the first of its aliases, without "alias/", of those of these keys that have one; none for who may not list aliases."""
    if not is_allowed(who, "kms:ListAliases"):
        return {}
    place = {"account_id": who.context.account_id, "region": region, "target_key_id__in": list(key_ids)}
    found = models.Alias.objects.filter(**place).order_by("-name").values_list("target_key_id", "name")
    return {str(key_id): name.removeprefix("alias/") for key_id, name in found}


def row_conditions(who: Viewer, row: models.Key) -> Mapping[str, Any]:
    """The condition keys of engine.kms.access.key_conditions, from the stored row alone: no material is opened for a list."""
    aliases = models.Alias.objects.filter(account_id=row.account_id, region=row.region, target_key_id=row.key_id)
    return conditions(who, row, aliases.values_list("name", flat=True))


def conditions(who: Viewer, row: models.Key, aliases: Iterable[str]) -> Mapping[str, Any]:
    facts = condition_keys.KeyFacts(
        spec=row.spec,
        usage=row.usage,
        origin=row.origin,
        multi_region_type=("PRIMARY" if row.primary_region == row.region else "REPLICA") if row.multi_region else "",
        account_id=row.account_id,
        aliases=tuple(aliases),
        tags=row.tags,
    )
    return condition_keys.CALLER_ACCOUNT.given(who.context.principal.account_id) | condition_keys.of_key(facts)


def _decided(
    who: Viewer, action: str, arn: str, policy: CompiledPolicy, grants: tuple[GrantView, ...], values: Mapping[str, Any]
) -> bool:
    return decision(who, action, arn, policy, grants, values)[0].allowed


def decision(
    who: Viewer, action: str, arn: str, policy: CompiledPolicy, grants: tuple[GrantView, ...], values: Mapping[str, Any]
) -> tuple[Decision, Request]:
    account_id = who.context.account_id
    request, policies = iam.question(who.context, f"kms:{action}", arn, account_id, policy, grants, lambda: values)
    return decide(request, policies), request


def grants_by_key(who: Viewer, key_id: str = "") -> dict[str, tuple[GrantView, ...]]:
    """The grants to this principal by key ID, or of one key: the others cannot allow it anything."""
    principal = who.context.principal
    grantees = [principal.arn, f"arn:aws:iam::{principal.account_id}:root"]
    if principal.session is not None:
        grantees.append(principal.session.issuer_arn)
    named = Q(grantee__in=grantees) | Q(
        grantee_pin=principal.unique_id.partition(":")[0]
    )  # whatever it was called then
    rows = models.Grant.objects.filter(
        named, key__account_id=who.context.account_id, key__region=who.context.region
    ).annotate(on=F("key__key_id"))
    if key_id:
        rows = rows.filter(key__key_id=key_id)
    found: dict[str, tuple[GrantView, ...]] = {}
    for row in rows.order_by("created", "pk"):
        grant = stored_access.grant_view(row)
        if grants_to(grant, principal):
            found[row.on] = (*found.get(row.on, ()), grant)
    return found


def latest_change() -> int:
    return Change.objects.aggregate(latest=Max("id"))["latest"] or 0


def changed_keys(account_id: str, region: str, after: int, until: int, limit: int) -> tuple[list[str], int]:
    """(IDs of the account's keys that changes beyond `after` concern, the last change that this takes in): of at most `limit` changes. How
    much others change in between does not count."""
    prefix = key_entity(account_id, region, "")
    changes = Change.objects.filter(id__gt=after, id__lte=until, entity__startswith=prefix)
    rows = list(changes.order_by("id").values_list("id", "entity")[:limit])
    key_ids = dict.fromkeys(entity.removeprefix(prefix) for _id, entity in rows)
    return list(key_ids), rows[-1][0] if len(rows) == limit else until
