"""Users, groups, roles: create, get, list, update, delete, membership, boundaries."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.db.models import Q

from engine.context import CallContext
from engine.iam import aws_managed, entities, grammar, quotas, root_user
from engine.iam.credentials import new_unique_id
from engine.iam.credentials_api import named_user
from engine.iam.entities import GROUP, ROLE, USER, Kind
from engine.iam.models import (
    Account,
    Attachment,
    Group,
    InlinePolicy,
    InstanceProfile,
    ManagedPolicy,
    ManagedPolicyVersion,
    MFADevice,
    OpenIDConnectProvider,
    Role,
    SAMLProvider,
    ServerCertificate,
    User,
)
from engine.wire.errors import AWSError

Answer = dict[str, Any]

_PREFIX = {"user": "AIDA", "group": "AGPA", "role": "AROA"}
_QUOTA = {"user": quotas.USERS, "group": quotas.GROUPS, "role": quotas.ROLES}
_OF_SERVICE_ROLES = f"arn:aws:iam::aws:policy{entities.SERVICE_ROLES}"
_POLICY_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?:\d{12}|aws):policy/.+")


def _new(context: CallContext, kind: Kind, parameters: dict[str, Any], **more: Any) -> Any:
    name, path = parameters[kind.parameter], parameters.get("Path", "/")
    boundary = parameters.get("PermissionsBoundary", "")
    entities.permit(
        context,
        f"arn:aws:iam::{context.account_id}:{kind.word}{path}{name}",
        None,
        asked=parameters,
        **({"iam_PermissionsBoundary": boundary} if boundary else {}),
    )
    entities.refuse_existing(context, kind, name)
    quotas.hold(_QUOTA[kind.word], kind.model.objects.filter(account_id=context.account_id).count() + 1)
    if kind is not GROUP:
        more["tags"] = entities.tag_mapping(parameters.get("Tags", []))
        if boundary:
            check_attachable(context, boundary, as_boundary=True)
            more["permissions_boundary"] = boundary
    entities.touched(context)
    return kind.model.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=new_unique_id(_PREFIX[kind.word]),
        created=context.now,
        **more,
    )


def check_policy_exists(context: CallContext, arn: str, *, as_boundary: bool = False) -> None:
    """Raise ValidationError for what is no ARN, InvalidInput for one of no policy, NoSuchEntity for a policy that is not there."""
    if not as_boundary and not arn.startswith("arn:"):
        raise AWSError("ValidationError", "Invalid ARN:  Could not be parsed!")
    if not _POLICY_ARN.fullmatch(arn):
        raise AWSError("InvalidInput", f"ARN {arn} is not valid.")
    if aws_managed.find(arn) is not None or find_policy(context, arn) is not None:
        return
    raise AWSError(
        "NoSuchEntity", f"{'Scope ARN:' if as_boundary else 'Policy'} {arn} does not exist or is not attachable."
    )


def check_attachable(context: CallContext, arn: str, *, role: bool = False, as_boundary: bool = False) -> None:
    """As `check_policy_exists`; PolicyNotAttachable for what only AWS attaches, to its service-linked roles (API Reference, AttachRolePolicy)."""
    check_policy_exists(context, arn, as_boundary=as_boundary)
    if arn.startswith(_OF_SERVICE_ROLES):
        raise AWSError(
            "PolicyNotAttachable",
            "Cannot attach a Service Role Policy to a Customer Role."
            if role and not as_boundary
            else "AWS service role policies can only be attached to the service-linked role for that service.",
        )


def find_policy(context: CallContext, arn: str) -> ManagedPolicy | None:
    prefix = f"arn:aws:iam::{context.account_id}:policy"
    if not arn.startswith(prefix + "/"):
        return None
    path, _, name = arn[len(prefix) :].rpartition("/")
    return ManagedPolicy.objects.filter(account_id=context.account_id, path=path + "/", name=name).first()


def create_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = _new(context, USER, parameters)
    return {"User": entities.with_tags(entities.user_entry(user), user)}


def create_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return {"Group": entities.group_entry(_new(context, GROUP, parameters))}


def create_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    if parameters.get("Path", "/").startswith(entities.SERVICE_ROLES):
        raise AWSError("InvalidInput", f"The path {parameters['Path']} is reserved for service-linked roles.")
    trust_pins = grammar.check_trust(parameters["AssumeRolePolicyDocument"])
    role = _new(
        context,
        ROLE,
        parameters,
        trust_policy=parameters["AssumeRolePolicyDocument"],
        trust_pins=trust_pins,
        description=parameters.get("Description", ""),
        max_session_duration=parameters.get("MaxSessionDuration", 3600),
    )
    return {
        "Role": entities.with_tags(
            entities.without(entities.role_entry(role), "Description", "MaxSessionDuration"), role
        )
    }


def get_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Without a name, the caller's own user."""
    user = named_user(context, parameters)
    return {"User": entities.with_tags(entities.user_entry(user), user)}


def get_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    from engine.trail import query

    role = entities.permitted(context, ROLE, parameters)
    used = query.last_use_of_role(context.account_id, role.arn)
    last = {"LastUsedDate": used.when, "Region": used.region} if used is not None else {}
    return {"Role": {**entities.with_tags(entities.role_entry(role), role), "RoleLastUsed": last}}


def get_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    group = entities.permitted(context, GROUP, parameters)
    users = [entities.user_entry(user) for user in group.users.order_by("name")]
    return {"Group": entities.group_entry(group), **entities.page(parameters, users, "Users")}


def _list(model: Any, key: str, entry: Callable[[Any], Answer]) -> Callable[[CallContext, dict[str, Any]], Answer]:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        entities.permit(context)
        rows = entities.under_path(parameters, model.objects.filter(account_id=context.account_id)).order_by("name")
        found = entities.page(parameters, list(rows), key)
        return {**found, key: [entry(row) for row in found[key]]}

    return run


list_users = _list(User, "Users", lambda row: entities.without(entities.user_entry(row), "PermissionsBoundary"))
list_groups = _list(Group, "Groups", entities.group_entry)
list_roles = _list(Role, "Roles", lambda row: entities.without(entities.role_entry(row), "PermissionsBoundary"))


def _rename(context: CallContext, kind: Kind, parameters: dict[str, Any]) -> Answer:
    """Who may for what it is called and for what it is to be called (API Reference, UpdateUser): else one would move users into a path that
    others trust."""
    row = entities.permitted(context, kind, parameters)
    before = row.name
    row.name = parameters.get(f"New{kind.parameter}") or row.name
    row.path = parameters.get("NewPath") or row.path
    entities.permit(context, row.arn, row)
    if row.name.lower() != before.lower():
        entities.refuse_existing(context, kind, row.name)
    row.save()
    entities.touched(context)
    return {}


def update_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _rename(context, USER, parameters)


def update_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _rename(context, GROUP, parameters)


def update_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    role = entities.permitted(context, ROLE, parameters)
    if "MaxSessionDuration" in parameters:
        entities.refuse_service_linked(role)
    role.description = parameters.get("Description", role.description)
    role.max_session_duration = parameters.get("MaxSessionDuration", role.max_session_duration)
    role.save()
    entities.touched(context)
    return {}


def update_role_description(context: CallContext, parameters: dict[str, Any]) -> Answer:
    update_role(context, parameters)
    entry = entities.role_entry(entities.get(context, ROLE, parameters["RoleName"]))
    return {"Role": entities.without(entry, "MaxSessionDuration")}


def update_assume_role_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    role = entities.permitted(context, ROLE, parameters)
    role.trust_pins = grammar.check_trust(parameters["PolicyDocument"])
    role.trust_policy = parameters["PolicyDocument"]
    role.save(update_fields=["trust_policy", "trust_pins"])
    entities.touched(context)
    return {}


def _delete(context: CallContext, kind: Kind, parameters: dict[str, Any]) -> Answer:
    """Raises DeleteConflict while something hangs on the entity, in AWS's words."""
    row = entities.permitted(context, kind, parameters)
    conflicts: list[tuple[str, bool]] = [
        ("detach all policies first.", Attachment.objects.filter(**{kind.word: row}).exists()),
        ("delete policies first.", InlinePolicy.objects.filter(**{kind.word: row}).exists()),
    ]
    if kind is USER:
        conflicts = [
            ("delete access keys first.", row.access_keys.exists()),
            ("delete login profile first.", bool(row.password)),
            ("delete MFA device first.", row.mfa_devices.exists()),
            ("delete certificates first.", row.signing_certificates.exists()),
            (
                "remove referenced objects first.",
                row.ssh_public_keys.exists() or row.service_specific_credentials.exists(),
            ),
            ("remove users from group first.", row.groups.exists()),
            *conflicts,
        ]
    if kind is GROUP:
        conflicts.insert(0, ("remove users from group first.", row.users.exists()))
    if kind is ROLE:
        conflicts.insert(0, ("remove roles from instance profile first.", row.instance_profiles.exists()))
    for words, holds in conflicts:
        if holds:
            raise AWSError("DeleteConflict", f"Cannot delete entity, must {words}")
    row.delete()
    entities.touched(context)
    return {}


def delete_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _delete(context, USER, parameters)


def delete_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _delete(context, GROUP, parameters)


def delete_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return _delete(context, ROLE, parameters)


def add_user_to_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    group = entities.permitted(context, GROUP, parameters)
    user = entities.get(context, USER, parameters["UserName"])
    if not user.groups.filter(pk=group.pk).exists():
        quotas.hold("GroupsPerUser", user.groups.count() + 1)
    user.groups.add(group)
    entities.touched(context)
    return {}


def remove_user_from_group(context: CallContext, parameters: dict[str, Any]) -> Answer:
    group = entities.permitted(context, GROUP, parameters)
    user = entities.get(context, USER, parameters["UserName"])
    user.groups.remove(group)  # who is not in the group is not an error, as in AWS
    entities.touched(context)
    return {}


def list_groups_for_user(context: CallContext, parameters: dict[str, Any]) -> Answer:
    user = entities.permitted(context, USER, parameters)
    return entities.page(parameters, [entities.group_entry(group) for group in user.groups.order_by("name")], "Groups")


def put_boundary(kind: Kind) -> Callable[[CallContext, dict[str, Any]], Answer]:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        arn = parameters["PermissionsBoundary"]
        row = entities.permitted(context, kind, parameters, iam_PermissionsBoundary=arn)
        check_attachable(context, arn, as_boundary=True)
        row.permissions_boundary = arn
        row.save(update_fields=["permissions_boundary"])
        entities.touched(context)
        return {}

    return run


def delete_boundary(kind: Kind) -> Callable[[CallContext, dict[str, Any]], Answer]:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        row.permissions_boundary = ""
        row.save(update_fields=["permissions_boundary"])
        entities.touched(context)
        return {}

    return run


def get_account_summary(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    mine = Q(account_id=context.account_id)
    nothing = "AccountAccessKeysPresent AccountSigningCertificatesPresent"
    root = root_user.state(context.account_id)
    return {
        "SummaryMap": {
            **{name: quotas.QUOTAS[quota] for name, quota in quotas.SUMMARY.items()},
            **{f"{kind.capitalize()}PolicySizeQuota": most for kind, most in quotas.INLINE_SIZE.items()},
            **dict.fromkeys(nothing.split(), 0),
            "AccountMFAEnabled": int(root is not None and root.has_second_factor),
            "AccountPasswordPresent": int(root is not None),
            "Users": User.objects.filter(mine).count(),
            "Groups": Group.objects.filter(mine).count(),
            "Roles": Role.objects.filter(mine).count(),
            "InstanceProfiles": InstanceProfile.objects.filter(mine).count(),
            "Policies": ManagedPolicy.objects.filter(mine).count(),
            "Providers": OpenIDConnectProvider.objects.filter(mine).count() + SAMLProvider.objects.filter(mine).count(),
            "PolicyVersionsInUse": ManagedPolicyVersion.objects.filter(policy__account_id=context.account_id).count(),
            "PolicyVersionsInUseQuota": quotas.POLICY_VERSIONS_IN_USE,
            "MFADevices": MFADevice.objects.filter(mine).count(),
            "MFADevicesInUse": MFADevice.objects.filter(mine, user__isnull=False).count(),
            "ServerCertificates": ServerCertificate.objects.filter(mine).count(),
            "GlobalEndpointTokenVersion": Account.objects.get(
                account_id=context.account_id
            ).global_endpoint_token_version,
        }
    }
