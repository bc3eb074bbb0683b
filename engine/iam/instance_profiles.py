"""Instance profiles: create, get, list, delete, their role and tags. Source: IAM API Reference."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.iam import entities, entity_tags, quotas
from engine.iam.authorize import authorize
from engine.iam.credentials import new_unique_id
from engine.iam.entities import ROLE
from engine.iam.models import InstanceProfile
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]


def _permitted(context: CallContext, parameters: dict[str, Any]) -> InstanceProfile:
    """The profile that the request names. Raises NoSuchEntity."""
    name = parameters["InstanceProfileName"]
    found = _mine(context).filter(name__iexact=name).first()
    arn = found.arn if found is not None else f"arn:aws:iam::{context.account_id}:instance-profile/{name}"
    entities.permit(context, arn, found, asked=parameters)
    if found is None:
        raise AWSError("NoSuchEntity", f"Instance Profile {name} cannot be found.")
    return found


def _mine(context: CallContext) -> Any:
    return InstanceProfile.objects.filter(account_id=context.account_id).select_related("role")


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    name, path = parameters["InstanceProfileName"], parameters.get("Path", "/")
    arn = f"arn:aws:iam::{context.account_id}:instance-profile{path}{name}"
    entities.permit(context, arn, asked=parameters)
    if _mine(context).filter(name__iexact=name).exists():
        raise AWSError("EntityAlreadyExists", f"Instance Profile {name} already exists.")
    quotas.hold(quotas.INSTANCE_PROFILES, _mine(context).count() + 1)
    profile = InstanceProfile.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=new_unique_id("AIPA"),
        created=context.now,
        tags=entities.tag_mapping(parameters.get("Tags", [])),
    )
    return {"InstanceProfile": entities.with_tags(entities.instance_profile_entry(profile), profile)}


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    profile = _permitted(context, parameters)
    return {
        "InstanceProfile": {**entities.instance_profile_entry(profile), "Tags": entities.tag_list(profile.tags)},
    }


def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
    profile = _permitted(context, parameters)
    if profile.role_id is not None:
        raise AWSError("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
    profile.delete()
    return {}


def list_all(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    return _page(parameters, entities.under_path(parameters, _mine(context)))


def list_for_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    role = entities.permitted(context, ROLE, parameters)
    return _page(parameters, role.instance_profiles.select_related("role"))


def _page(parameters: dict[str, Any], rows: Any) -> Answer:
    page = entities.page(parameters, list(rows.order_by("name")), "InstanceProfiles")
    return {**page, "InstanceProfiles": [entities.instance_profile_entry(each) for each in page["InstanceProfiles"]]}


def add_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    profile = _permitted(context, parameters)
    role = entities.get(context, ROLE, parameters["RoleName"])
    authorize(
        context,
        "iam:PassRole",
        resource=role.arn,
        conditions=lambda: {**entities.tag_conditions(role), "iam:passedtoservice": "ec2.amazonaws.com"},
    )
    entities.refuse_service_linked(role)
    if profile.role_id is not None:
        quotas.hold("InstanceSessionsPerInstanceProfile", 2)
    profile.role = role
    profile.save(update_fields=["role"])
    return {}


def remove_role(context: CallContext, parameters: dict[str, Any]) -> Answer:
    profile = _permitted(context, parameters)
    role = entities.get(context, ROLE, parameters["RoleName"])
    if profile.role_id != role.pk:
        raise AWSError(
            "NoSuchEntity",
            f"The role with name {role.name} cannot be found in the instance profile with name {profile.name}.",
        )
    profile.role = None
    profile.save(update_fields=["role"])
    return {}


OPERATIONS: dict[str, Operation] = {
    **entity_tags.operations("InstanceProfile", _permitted),
    "AddRoleToInstanceProfile": Operation(add_role, writes=True),
    "CreateInstanceProfile": Operation(create, writes=True),
    "DeleteInstanceProfile": Operation(delete, writes=True),
    "GetInstanceProfile": Operation(get),
    "ListInstanceProfiles": Operation(list_all),
    "ListInstanceProfilesForRole": Operation(list_for_role),
    "RemoveRoleFromInstanceProfile": Operation(remove_role, writes=True),
}
