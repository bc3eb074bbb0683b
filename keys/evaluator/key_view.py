"""The key's side of a decision: its policy, grants and facts, read through the API as the signed-in principal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from botocore.exceptions import ClientError

from console.request import ConsoleRequest
from engine.public.decision import CompiledPolicy, GrantView, compile_policy
from keys import service
from keys.evaluator import condition_context


@dataclass(frozen=True, slots=True)
class KeyView:
    """`condition_context` are the condition keys known of the key; `grants_known` is False where the caller may not list its grants; `unread`:
    the actions that would tell more of what conditions ask about."""

    key_id: str
    arn: str
    account_id: str
    spec: str
    usage: str
    label: str
    policy: CompiledPolicy
    grants: tuple[GrantView, ...]
    condition_context: Mapping[str, str | tuple[str, ...]]
    grants_known: bool = True
    unread: tuple[str, ...] = ()

    @property
    def region(self) -> str:
        return self.arn.split(":")[3]


def read(request: ConsoleRequest, key: str) -> KeyView:
    """Raises ClientError if the caller may not describe the key or read its policy, MalformedPolicy for one not understood."""
    kms = service.client(request)
    return of(kms, kms.describe_key(KeyId=key)["KeyMetadata"])


def of(kms: Any, metadata: dict[str, Any], policy: str | None = None) -> KeyView:
    """`policy` instead of the key's own, to ask what would be."""
    key_id = metadata["Arn"]
    text = policy if policy is not None else kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    grants, grants_known = _permitted(lambda: service.pages(kms, "list_grants", "Grants", KeyId=key_id), [])
    tags, tags_known = _permitted(lambda: kms.list_resource_tags(KeyId=key_id)["Tags"], [])
    aliases, aliases_known = _permitted(lambda: service.pages(kms, "list_aliases", "Aliases", KeyId=key_id), [])
    names = sorted(alias["AliasName"] for alias in aliases if alias)
    unread = (("kms:ListResourceTags", tags_known), ("kms:ListAliases", aliases_known))
    made = make(
        metadata,
        text,
        [grant for grant in grants if grant],
        {tag["TagKey"]: tag["TagValue"] for tag in tags},
        names,
        grants_known,
    )
    return replace(made, unread=tuple(action for action, known in unread if not known))


def make(
    metadata: Mapping[str, Any],
    policy: str,
    grants: Iterable[Mapping[str, Any]],
    tags: Mapping[str, str],
    aliases: list[str],
    grants_known: bool = True,
) -> KeyView:
    """A key's side from what DescribeKey, GetKeyPolicy, ListGrants, ListResourceTags and ListAliases answer. Pure."""
    return KeyView(
        key_id=metadata["KeyId"],
        arn=metadata["Arn"],
        account_id=metadata["AWSAccountId"],
        spec=metadata.get("KeySpec", metadata.get("CustomerMasterKeySpec", "")),
        usage=metadata.get("KeyUsage", ""),
        label=aliases[0].removeprefix("alias/") if aliases else metadata["KeyId"],
        policy=compile_policy(policy, name="key policy", kind="resource"),
        grants=tuple(grant_view(grant, metadata["Arn"]) for grant in grants),
        condition_context=condition_context.of_key(metadata, tags, aliases),
        grants_known=grants_known,
    )


def grant_view(grant: Mapping[str, Any], key_arn: str) -> GrantView:
    return GrantView(
        grant_id=grant["GrantId"],
        grantee=grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal", ""),
        operations=frozenset(grant["Operations"]),
        constraints=grant.get("Constraints", {}),
        key_arn=key_arn,
        name=grant.get("Name", ""),
    )


def _permitted(call: Any, otherwise: Any) -> tuple[Any, bool]:
    """(answer, True), or (otherwise, False) where the caller may not read it."""
    try:
        return call(), True
    except ClientError as error:
        if not service.denied(error):
            raise
        return otherwise, False


def named_in(policy: CompiledPolicy, grants: Iterable[GrantView]) -> set[str]:
    """Every principal that a key's policy and grants name: ARNs, root ARNs of accounts, services, "*" for everyone."""
    found: set[str] = set()
    for statement in policy.statements:
        principals = statement.principals
        if principals is None or principals.negated:
            continue
        found |= principals.names | principals.services
        found |= {f"arn:aws:iam::{account}:root" for account in principals.accounts}
        if principals.everyone:
            found.add("*")
    return found | {grant.grantee for grant in grants}


def statements(text: str) -> list[dict[str, Any]]:
    written = json.loads(text).get("Statement", [])
    return written if isinstance(written, list) else [written]
