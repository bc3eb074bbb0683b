"""The compiled policies that hold for a principal: its own, its groups', its boundary. Cached until its account's IAM changes."""

from __future__ import annotations

from collections.abc import Iterable

from engine.iam import aws_managed
from engine.iam.models import Attachment, Group, InlinePolicy, ManagedPolicyVersion, Role, User
from engine.iam.policy import COMPILED, CompiledPolicy, Kind, stored_policy
from engine.iam.principal import Principal
from engine.store.cache import Cache
from engine.store.transaction import iam_entity

Attached = tuple[tuple[CompiledPolicy, ...], CompiledPolicy | None]


def _weight(_key: tuple[str, str], attached: Attached) -> int:
    policies, boundary = attached
    return 500 + COMPILED * sum(len(policy.text) for policy in (*policies, boundary) if policy is not None)


_attached: Cache[tuple[str, str], Attached] = Cache("policies", limit=20_000, weigh=_weight)


def policies_of(principal: Principal) -> Attached:
    """(identity policies, permissions boundary) of a user or role session; nothing for a service or an anonymous caller.

    A federated user has those of the user who asked for its credentials.
    """
    if principal.provider:
        return (), None
    session = principal.session
    if principal.kind == "federated-user" and session is not None:
        unique_id = session.issuer_id
    else:
        unique_id = principal.unique_id.partition(":")[0]
    return with_boundary(principal.account_id, unique_id)


def _load(account_id: str, unique_id: str) -> tuple[Attached, list[str]]:
    owners: dict[str, list[int]] = {}
    boundary = ""
    if unique_id.startswith("AIDA"):
        user = User.objects.filter(account_id=account_id, unique_id=unique_id).first()
        if user is not None:
            boundary = user.permissions_boundary
            owners["user"] = [user.pk]
            if groups := list(user.groups.values_list("pk", flat=True)):
                owners["group"] = groups
    elif unique_id.startswith("AROA"):
        role = Role.objects.filter(account_id=account_id, unique_id=unique_id).first()
        if role is not None:
            boundary = role.permissions_boundary
            owners["role"] = [role.pk]
    limit = managed(account_id, boundary, kind="boundary") if boundary else None
    return (_compiled(account_id, owners), limit), [iam_entity(account_id)]


def of_principal(account_id: str, unique_id: str) -> tuple[CompiledPolicy, ...]:
    """The identity policies of a user (its groups' too) or a role."""
    return with_boundary(account_id, unique_id)[0]


def with_boundary(account_id: str, unique_id: str) -> Attached:
    """The identity policies of a user or a role, and the permissions boundary."""
    return _attached.get((account_id, unique_id), lambda: _load(account_id, unique_id))


def of_group(group: Group) -> tuple[CompiledPolicy, ...]:
    """The policies of a group, which its users have too. Not cached."""
    return _compiled(group.account_id, {"group": [group.pk]})


def _compiled(account_id: str, owners: dict[str, list[int]]) -> tuple[CompiledPolicy, ...]:
    return (*_inline(owners), *(managed(account_id, arn) for arn in _attachments(owners)))


def _inline(owners: dict[str, list[int]]) -> Iterable[CompiledPolicy]:
    for kind, ids in owners.items():
        rows = InlinePolicy.objects.filter(**{f"{kind}_id__in": ids}).select_related(kind).order_by("pk")
        for row in rows:
            yield stored_policy(row.document, name=row.name, kind="identity", source=getattr(row, kind).arn)


def _attachments(owners: dict[str, list[int]]) -> list[str]:
    arns: list[str] = []
    for kind, ids in owners.items():
        arns += Attachment.objects.filter(**{f"{kind}_id__in": ids}).order_by("pk").values_list("policy_arn", flat=True)
    return list(dict.fromkeys(arns))


def managed(account_id: str, arn: str, *, kind: Kind = "identity") -> CompiledPolicy:
    """The default version of a managed policy, AWS's or the account's own. Raises LookupError if there is none of that ARN."""
    return stored_policy(managed_document(account_id, arn), name=arn.rpartition("/")[2], kind=kind, source=arn)


def managed_document(account_id: str, arn: str) -> str:
    published = aws_managed.find(arn)
    if published is not None:
        return published.document
    owner, _, path_and_name = arn.partition(":policy")
    if owner != f"arn:aws:iam::{account_id}":
        raise LookupError(arn)
    path, _, name = path_and_name.rpartition("/")
    version = ManagedPolicyVersion.objects.filter(
        policy__account_id=account_id, policy__name=name, policy__path=path + "/", is_default=True
    ).first()
    if version is None:
        raise LookupError(arn)
    return version.document
