"""Service-linked roles: created by their service's name, changed by nobody, deleted by a task.

Source: IAM User Guide, "Using service-linked roles"; the names, policies and suffixes are data (engine/iam/data/service_linked_roles.tsv).
"""

from __future__ import annotations

import csv
import json
import uuid
from dataclasses import dataclass
from functools import cache
from typing import Any

from engine.context import CallContext
from engine.iam import aws_data, entities, quotas
from engine.iam.credentials import new_unique_id
from engine.iam.entities import ROLE
from engine.iam.models import Attachment, Role, RoleDeletion
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LinkedRole:
    service: str
    name: str
    takes_suffix: bool
    policies: tuple[str, ...]


@cache
def known() -> dict[str, LinkedRole]:
    """By service name."""
    with (aws_data.PATH.parent / "service_linked_roles.tsv").open(newline="") as file:
        return {
            row["service"]: LinkedRole(
                row["service"], row["role"], row["suffix"] == "yes", tuple(row["policies"].split())
            )
            for row in csv.DictReader(file, delimiter="\t")
        }


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    service, suffix = parameters["AWSServiceName"], parameters.get("CustomSuffix", "")
    linked = known().get(service)
    path = f"{entities.SERVICE_ROLES}{service}/"
    name = (linked.name if linked is not None else "*") + (f"_{suffix}" if suffix else "")
    arn = f"arn:aws:iam::{context.account_id}:role{path}{name}"
    entities.permit(context, arn, iam_AWSServiceName=service)
    if linked is None:
        raise AWSError("InvalidInput", f"{service} is not a service that has a service-linked role.")
    if suffix and not linked.takes_suffix:
        raise AWSError("InvalidInput", f"Custom suffix is not allowed for {service}")
    if Role.objects.filter(account_id=context.account_id, name__iexact=name).exists():
        raise AWSError(
            "InvalidInput",
            f"Service role name {name} has been taken in this account, please try a different suffix.",
        )
    quotas.hold(quotas.ROLES, Role.objects.filter(account_id=context.account_id).count() + 1)
    statement = {"Effect": "Allow", "Action": ["sts:AssumeRole"], "Principal": {"Service": [service]}}
    role = Role.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=new_unique_id("AROA"),
        created=context.now,
        description=parameters.get("Description", ""),
        trust_policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    for policy in linked.policies:
        Attachment.objects.create(role=role, policy_arn=policy, created=context.now)
    entities.touched(context)
    shown = entities.without(entities.role_entry(role), "MaxSessionDuration")
    return {"Role": shown}


def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """The role is deleted at once: no service here uses it."""
    role = entities.permitted(context, ROLE, parameters)
    if not role.path.startswith(entities.SERVICE_ROLES):
        raise entities.missing("role", role.name)  # the operation knows no other error for it
    task = f"task{role.path}{role.name}/{uuid.uuid4()}"
    RoleDeletion.objects.create(account_id=context.account_id, task_id=task)
    role.delete()
    entities.touched(context)
    return {"DeletionTaskId": task}


def deletion_status(context: CallContext, parameters: dict[str, Any]) -> Answer:
    task = parameters["DeletionTaskId"]
    path = task.removeprefix("task").rpartition("/")[0]
    entities.permit(context, f"arn:aws:iam::{context.account_id}:role{path or '/*'}")
    if not RoleDeletion.objects.filter(account_id=context.account_id, task_id=task).exists():
        raise AWSError("NoSuchEntity", f"The deletion task {task} cannot be found.")
    return {"Status": "SUCCEEDED"}


OPERATIONS: dict[str, Operation] = {
    "CreateServiceLinkedRole": Operation(create, writes=True),
    "DeleteServiceLinkedRole": Operation(delete, writes=True),
    "GetServiceLinkedRoleDeletionStatus": Operation(deletion_status),
}
