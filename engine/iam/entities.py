"""What the IAM operations share: finding users, groups, roles and policies, permission for them, pages, tags."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from engine.context import CallContext
from engine.iam import principal_ids, quotas
from engine.iam.authorize import authorize
from engine.iam.models import Group, InstanceProfile, Role, User
from engine.store.transaction import changed, iam_entity
from engine.wire.errors import AWSError


@dataclass(frozen=True, slots=True)
class Kind:
    """How IAM speaks of one kind of principal: its table, its parameter, its words."""

    word: str
    model: type[User] | type[Group] | type[Role]

    @property
    def parameter(self) -> str:
        return f"{self.word.capitalize()}Name"


USER, GROUP, ROLE = Kind("user", User), Kind("group", Group), Kind("role", Role)


def missing(word: str, name: str) -> AWSError:
    return AWSError("NoSuchEntity", f"The {word} with name {name} cannot be found.")


def get(context: CallContext, kind: Kind, name: str) -> Any:
    """The entity. Raises NoSuchEntity."""
    return named(context.account_id, kind, name)


def named(account_id: str, kind: Kind, name: str) -> Any:
    """As `get`, of any account."""
    row = kind.model.objects.filter(account_id=account_id, name__iexact=name).first()
    if row is None:
        raise missing(kind.word, name)
    return row


def permitted(context: CallContext, kind: Kind, parameters: Mapping[str, Any], **conditions: Any) -> Any:
    """The entity that the request names, on which the caller may do this operation."""
    name = parameters[kind.parameter]
    row = kind.model.objects.filter(account_id=context.account_id, name__iexact=name).first()
    path = row.path if row is not None else "/"
    arn = f"arn:aws:iam::{context.account_id}:{kind.word}{path}{row.name if row is not None else name}"
    if context.operation in _BOUNDED and isinstance(row, User | Role) and row.permissions_boundary:
        conditions = {"iam_PermissionsBoundary": row.permissions_boundary, **conditions}
    permit(context, arn, row, asked=parameters, **conditions)
    if row is None:
        raise missing(kind.word, name)
    if isinstance(row, Role) and context.operation in _CHANGE_ROLES:
        refuse_service_linked(row)
    return row


# Of a service-linked role its description and tags may be changed, nothing else.
_CHANGE_ROLES = frozenset(
    (
        *("AttachRolePolicy", "DeleteRole", "DeleteRolePermissionsBoundary", "DeleteRolePolicy", "DetachRolePolicy"),
        *("PutRolePermissionsBoundary", "PutRolePolicy", "UpdateAssumeRolePolicy"),
    )
)


# Where iam:PermissionsBoundary is the one that the user or role has. Source: Service Authorization Reference, "Actions, resources, and
# condition keys for AWS IAM"; in use: IAM User Guide, "Delegating responsibility to others using permissions boundaries".
_BOUNDED = frozenset(
    f"{verb}{word}{what}"
    for word in ("User", "Role")
    for verb, what in (
        *(("Attach", "Policy"), ("Detach", "Policy"), ("Put", "Policy"), ("Delete", "Policy")),
        ("Delete", "PermissionsBoundary"),
    )
)

# What else who makes something with tags has to be allowed. Source: as before, and the errors of AWS.
_TAGS_NEW = {
    "CreateInstanceProfile": "TagInstanceProfile",
    "CreateOpenIDConnectProvider": "TagOpenIDConnectProvider",
    "CreatePolicy": "TagPolicy",
    "CreateRole": "TagRole",
    "CreateSAMLProvider": "TagSAMLProvider",
    "CreateUser": "TagUser",
    "CreateVirtualMFADevice": "TagMFADevice",
    "UploadServerCertificate": "TagServerCertificate",
}


def permit(
    context: CallContext,
    resource: str = "*",
    row: Any = None,
    asked: Mapping[str, Any] | None = None,
    **conditions: Any,
) -> None:
    """Raise AccessDenied unless the caller may do this operation on `resource`, which is `row` if it is there.

    `asked`: the request, whose tags are condition keys; `conditions`: more keys, with "_" for the first ":".
    """
    actions = [context.operation]
    if asked and asked.get("Tags") and context.operation in _TAGS_NEW:
        actions.append(_TAGS_NEW[context.operation])
    for action in actions:
        authorize(
            context,
            f"iam:{action}",
            resource=resource,
            conditions=lambda: {
                **tag_conditions(row),
                **_tags_asked(asked or {}),
                **{name.replace("_", ":", 1).lower(): value for name, value in conditions.items()},
            },
        )


def tag_conditions(row: Any) -> dict[str, str | tuple[str, ...]]:
    """The condition keys that the tags of an entity are, if it is there and has any."""
    tags = getattr(row, "tags", None) or {}
    return {f"{prefix}:resourcetag/{name.lower()}": value for prefix in ("aws", "iam") for name, value in tags.items()}


def _tags_asked(parameters: Mapping[str, Any]) -> dict[str, str | tuple[str, ...]]:
    keys = tuple(parameters.get("TagKeys", ())) or tuple(tag["Key"] for tag in parameters.get("Tags", ()))
    values: dict[str, str | tuple[str, ...]] = {
        f"aws:requesttag/{tag['Key'].lower()}": tag["Value"] for tag in parameters.get("Tags", ())
    }
    return {**values, "aws:tagkeys": keys} if keys else values


def touched(context: CallContext) -> None:
    """Announce that this account's principals or policies are not what caches hold."""
    changed(iam_entity(context.account_id))


SERVICE_ROLES = "/aws-service-role/"  # the path of service-linked roles


def refuse_service_linked(role: Role) -> None:
    """What changes a role calls this: a service-linked role only its service may change."""
    if role.path.startswith(SERVICE_ROLES):
        raise AWSError(
            "UnmodifiableEntity",
            f"Cannot perform the operation on the protected role '{role.name}' - this role is only modifiable by AWS",
        )


def refuse_existing(context: CallContext, kind: Kind, name: str) -> None:
    if kind.model.objects.filter(account_id=context.account_id, name__iexact=name).exists():
        raise AWSError("EntityAlreadyExists", f"{kind.word.capitalize()} with name {name} already exists.")


def page(
    parameters: Mapping[str, Any], items: list[Any], key: str, *, wrong_marker: str = "Invalid Marker: {}"
) -> dict[str, Any]:
    """IAM's paging: MaxItems (100), Marker, IsTruncated. The marker is the number of items before the page, and the item it begins with:
    who deletes what each page lists skips nothing."""
    start = _start(parameters["Marker"], items, wrong_marker) if "Marker" in parameters else 0
    end = start + int(parameters.get("MaxItems", 100))
    answer: dict[str, Any] = {key: items[start:end], "IsTruncated": len(items) > end}
    if len(items) > end:
        answer["Marker"] = base64.b64encode(f"{end} {_digest(items[end])}".encode()).decode()
    return answer


def _start(marker: str, items: list[Any], wrong_marker: str) -> int:
    """Where a page begins: at its first item, wherever that is now, or as far from the beginning as it was."""
    try:
        number, _, first = base64.b64decode(marker, validate=True).decode("ascii").partition(" ")
    except ValueError:
        number = ""
    if not number.isdigit():
        raise AWSError("ValidationError", wrong_marker.format(marker))
    start = int(number)
    if start < len(items) and _digest(items[start]) == first:
        return start
    return next((place for place, item in enumerate(items) if _digest(item) == first), start)


def _digest(item: Any) -> str:
    return hashlib.sha256(orjson.dumps(item, default=str)).hexdigest()[:16]


def under_path(parameters: Mapping[str, Any], rows: Any) -> Any:
    prefix = parameters.get("PathPrefix")
    return rows.filter(path__startswith=prefix) if prefix else rows


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": name, "Value": value} for name, value in tags.items()]


def tag_mapping(
    listed: list[dict[str, str]], before: Mapping[str, str] | None = None, *, any_case: bool = True
) -> dict[str, str]:
    """Tags as a mapping, added to those before. Raises InvalidInput for duplicates, LimitExceeded for more than 50.

    Names of tags differ by more than case (`any_case`); those of policies do not have to.
    """
    names = [tag["Key"].lower() if any_case else tag["Key"] for tag in listed]
    if len(set(names)) != len(names):
        hint = " Please note that Tag keys are case insensitive." if any_case else ""
        raise AWSError("InvalidInput", f"Duplicate tag keys found.{hint}")
    if any(name.lower().startswith("aws:") for name in names):
        raise AWSError("InvalidInput", "Tag keys beginning with aws: are reserved.")
    kept = {
        name: value for name, value in (before or {}).items() if (name.lower() if any_case else name) not in set(names)
    }
    together = {**kept, **{tag["Key"]: tag["Value"] for tag in listed}}
    if len(together) > quotas.TAGS:
        raise AWSError("LimitExceeded", "The number of tags has reached the maximum limit.")
    return together


def tags_without(tags: Mapping[str, str], names: list[str], *, any_case: bool = True) -> dict[str, str]:
    """What untagging leaves. `any_case`: as in `tag_mapping`."""
    gone = {name.lower() if any_case else name for name in names}
    return {name: value for name, value in tags.items() if (name.lower() if any_case else name) not in gone}


def encoded(document: str) -> str:
    """Policy documents leave IAM percent-encoded (RFC 3986)."""
    return quote(document, safe="")


def user_entry(user: User) -> dict[str, Any]:
    entry = _entry(user, "User")
    if user.is_root:  # it has no name
        entry = without(entry, "Path", "UserName")
    if user.password_last_used is not None:
        entry["PasswordLastUsed"] = user.password_last_used
    return entry


def group_entry(group: Group) -> dict[str, Any]:
    return _entry(group, "Group")


def role_entry(role: Role) -> dict[str, Any]:
    return {
        **_entry(role, "Role"),
        "AssumeRolePolicyDocument": encoded(principal_ids.shown(role.trust_policy, role.trust_pins)),
        **({"Description": role.description} if role.description else {}),
        "MaxSessionDuration": role.max_session_duration,
    }


def _entry(row: User | Group | Role | InstanceProfile, word: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "Path": row.path,
        f"{word}Name": row.name,
        f"{word}Id": row.unique_id,
        "Arn": row.arn,
        "CreateDate": row.created,
    }
    boundary = getattr(row, "permissions_boundary", "")
    if boundary:
        entry["PermissionsBoundary"] = {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": boundary}
    return entry


def instance_profile_entry(profile: InstanceProfile) -> dict[str, Any]:
    unseen = ("Description", "MaxSessionDuration", "PermissionsBoundary")
    roles = [without(role_entry(profile.role), *unseen)] if profile.role is not None else []
    return {**_entry(profile, "InstanceProfile"), "Roles": roles}


def without(entry: dict[str, Any], *members: str) -> dict[str, Any]:
    """An entry without what one operation does not show of it."""
    return {name: value for name, value in entry.items() if name not in members}


def with_tags(entry: dict[str, Any], row: Any) -> dict[str, Any]:
    """Get operations show tags, list operations do not."""
    return {**entry, "Tags": tag_list(row.tags)} if row.tags else entry
