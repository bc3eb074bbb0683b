"""GetAccountAuthorizationDetails: every user, group, role and policy of an account with what hangs on each, page by page.

Source: IAM API Reference, GetAccountAuthorizationDetails. Of AWS's managed policies only those in use are listed, as in AWS.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.context import CallContext
from engine.iam import aws_managed, entities, policies_api
from engine.iam.models import Attachment, Group, InlinePolicy, InstanceProfile, ManagedPolicy, Role, User
from engine.trail import query

Answer = dict[str, Any]

# Filter → the member of the answer that it fills.
_MEMBERS = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}


def get_account_authorization_details(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    wanted = parameters.get("Filter") or list(_MEMBERS)
    everything = [(kind, key) for kind in _MEMBERS if kind in wanted for key in _identifiers(context, kind)]
    page = entities.page(parameters, everything, "entries")
    entries = page.pop("entries")
    answer: Answer = {**{member: [] for member in _MEMBERS.values()}, **page}
    for kind, member in _MEMBERS.items():
        answer[member] += _DETAILS[kind](context, [key for each, key in entries if each == kind])
    return answer


def _identifiers(context: CallContext, kind: str) -> Iterable[Any]:
    """What is listed of a kind, in the order of the pages: primary keys, or ARNs of AWS's policies."""
    if kind == "AWSManagedPolicy":
        used = policies_api.uses(context.account_id)
        return sorted(arn for arn in {*used.attached, *used.bounding} if aws_managed.find(arn) is not None)
    model: Any = {"User": User, "Group": Group, "Role": Role, "LocalManagedPolicy": ManagedPolicy}[kind]
    return model.objects.filter(account_id=context.account_id).order_by("name").values_list("pk", flat=True)


def _rows(model: Any, keys: list[int]) -> list[Any]:
    return list(model.objects.filter(pk__in=keys).order_by("name")) if keys else []


@dataclass(frozen=True, slots=True)
class _HangsOn:
    """What hangs on each of many owners, by primary key: three plain queries, where related managers cost a query set a row."""

    inline: Mapping[int, list[Answer]]
    attached: Mapping[int, list[Answer]]
    groups: Mapping[int, list[str]]

    def policies(self, key: int, word: str) -> Answer:
        return {
            f"{word}PolicyList": self.inline.get(key, []),
            "AttachedManagedPolicies": self.attached.get(key, []),
        }


def _hanging_on(owner: str, keys: list[int]) -> _HangsOn:
    """`owner`: user, group or role. Everything in the order of its name."""
    inline: dict[int, list[Answer]] = defaultdict(list)
    attached: dict[int, list[Answer]] = defaultdict(list)
    groups: dict[int, list[str]] = defaultdict(list)
    mine = {f"{owner}__in": keys}
    for key, name, document in InlinePolicy.objects.filter(**mine).values_list(owner, "name", "document"):
        inline[key].append({"PolicyName": name, "PolicyDocument": entities.encoded(document)})
    for key, arn in Attachment.objects.filter(**mine).values_list(owner, "policy_arn"):
        attached[key].append({"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn})
    if owner == "user":
        membership: Any = User.groups.through
        for key, name in membership.objects.filter(user__in=keys).values_list("user", "group__name"):
            groups[key].append(name)
    for policies in inline.values():
        policies.sort(key=lambda each: each["PolicyName"])
    for policies in attached.values():
        policies.sort(key=lambda each: each["PolicyArn"])
    for names in groups.values():
        names.sort()
    return _HangsOn(inline, attached, groups)


def _users(context: CallContext, keys: list[int]) -> list[Answer]:
    hanging = _hanging_on("user", keys)
    return [
        {
            **entities.with_tags(entities.without(entities.user_entry(row), "PasswordLastUsed"), row),
            **hanging.policies(row.pk, "User"),
            "GroupList": hanging.groups.get(row.pk, []),
        }
        for row in _rows(User, keys)
    ]


def _groups(context: CallContext, keys: list[int]) -> list[Answer]:
    hanging = _hanging_on("group", keys)
    return [{**entities.group_entry(row), **hanging.policies(row.pk, "Group")} for row in _rows(Group, keys)]


def _roles(context: CallContext, keys: list[int]) -> list[Answer]:
    answer, hanging = [], _hanging_on("role", keys)
    profiles: dict[int, list[InstanceProfile]] = defaultdict(list)
    for profile in InstanceProfile.objects.filter(role__in=keys).select_related("role").order_by("name"):
        profiles[profile.role_id or 0].append(profile)
    for row in _rows(Role, keys):
        used = query.last_use_of_role(context.account_id, row.arn)
        answer.append(
            {
                **entities.with_tags(
                    entities.without(entities.role_entry(row), "Description", "MaxSessionDuration"), row
                ),
                **hanging.policies(row.pk, "Role"),
                "InstanceProfileList": [entities.instance_profile_entry(each) for each in profiles.get(row.pk, ())],
                "RoleLastUsed": {"LastUsedDate": used.when, "Region": used.region} if used is not None else {},
            }
        )
    return answer


def _local_policies(context: CallContext, keys: list[int]) -> list[Answer]:
    rows = _rows(ManagedPolicy, keys)
    found = policies_api.uses(context.account_id, own=rows)
    return [
        {
            **policies_api.policy_entry(row, found),
            "PolicyVersionList": [
                policies_api.version_entry(version, document=True) for version in row.versions.order_by("-pk")
            ],
        }
        for row in rows
    ]


def _aws_policies(context: CallContext, arns: list[str]) -> list[Answer]:
    uses = policies_api.uses(context.account_id)
    found = [policy for arn in arns if (policy := aws_managed.find(arn)) is not None]
    return [
        {
            **policies_api.aws_entry(policy, uses, detail=True),
            "PolicyVersionList": [policies_api.aws_version_entry(policy, policy.version_id, document=True)],
        }
        for policy in found
    ]


_DETAILS: dict[str, Callable[[CallContext, list[Any]], list[Answer]]] = {
    "User": _users,
    "Group": _groups,
    "Role": _roles,
    "LocalManagedPolicy": _local_policies,
    "AWSManagedPolicy": _aws_policies,
}
