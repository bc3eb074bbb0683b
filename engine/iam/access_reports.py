"""What was last done with what a policy allows: GenerateServiceLastAccessedDetails and its kin, answered from the record.

Attempts count whether they were allowed or not, as in AWS, and only those of the tracking period. A job is done when it is answered;
its findings are kept for a week. Source: IAM User Guide, "Refine permissions in AWS using last accessed information".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import aws_managed, entities, policy_lookup, vocabulary
from engine.iam.models import AccessReport, Attachment, Group, Role, User
from engine.iam.policy import CompiledPolicy, parse
from engine.iam.principals_api import find_policy
from engine.operation import Operation
from engine.trail import query
from engine.wire.errors import AWSError

Answer = dict[str, Any]
TRACKED = timedelta(days=400)
_KEPT = timedelta(days=7)
_ARN = re.compile(r"arn:aws[a-z-]*:iam::(?:\d{12}|aws):(user|group|role|policy)/.+")
_NAMES = {
    "cloudtrail": "AWS CloudTrail",
    "iam": "AWS Identity and Access Management",
    "kms": "AWS Key Management Service",
    "sts": "AWS Security Token Service",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a report is about: its policies, and the users and roles that they hold for."""

    policies: tuple[CompiledPolicy, ...]
    holders: tuple[User | Role, ...] = field(default=())


def subject(context: CallContext, arn: str) -> Subject:
    """Raises InvalidInput for what cannot be asked about, NoSuchEntity for what is not there."""
    match = _ARN.fullmatch(arn)
    if match is None:
        raise AWSError("InvalidInput", f"ARN {arn} is not valid.")
    found = _subject(context, match[1], arn)
    if found is None:
        raise AWSError("NoSuchEntity", f"ARN {arn} cannot be found.")
    return found


def _subject(context: CallContext, kind: str, arn: str) -> Subject | None:
    account_id = context.account_id
    if kind == "policy":
        if aws_managed.find(arn) is None and find_policy(context, arn) is None:
            return None
        owners = Attachment.objects.filter(policy_arn=arn).select_related("user", "role", "group")
        holders: dict[str, User | Role] = {}
        for owner in owners:
            mine = [
                *(owner.group.users.all() if owner.group else ()),
                *(each for each in (owner.user, owner.role) if each),
            ]
            holders |= {each.arn: each for each in mine if each.account_id == account_id}
        return Subject((policy_lookup.managed(account_id, arn),), tuple(holders[each] for each in sorted(holders)))
    name = arn.rpartition("/")[2]
    if kind == "group":
        group = Group.objects.filter(account_id=account_id, name=name).first()
        if group is None or group.arn != arn:
            return None
        return Subject(policy_lookup.of_group(group), tuple(group.users.order_by("name")))
    model: type[User] | type[Role] = User if kind == "user" else Role
    row = model.objects.filter(account_id=account_id, name=name).first()
    if row is None or row.arn != arn:
        return None
    return Subject(policy_lookup.of_principal(account_id, row.unique_id), (row,))


def services_of(policies: Iterable[CompiledPolicy]) -> list[str]:
    """The prefixes of the services of which something is allowed, sorted."""
    found: set[str] = set()
    known = vocabulary.known_services() - {vocabulary.CONSOLE}  # whose uses have records of another kind
    for statement in (each for policy in policies for each in _statements(policy) if each["Effect"] == "Allow"):
        actions = statement.get("Action", "*")  # of NotAction: any but a few
        prefixes = {each.partition(":")[0].lower() for each in ([actions] if isinstance(actions, str) else actions)}
        if any("*" in each or "?" in each for each in prefixes):
            found |= known
        else:
            found |= prefixes & known
    return sorted(found)


def _statements(policy: CompiledPolicy) -> list[dict[str, Any]]:
    written = parse(policy.text)["Statement"]
    return written if isinstance(written, list) else [written]


def allowed_actions(policies: Iterable[CompiledPolicy], service: str) -> list[str]:
    """Those of a service that some statement allows (service:Name), sorted."""
    held = tuple(policies)
    return [each for each in vocabulary.actions(service) if any(policy.allows(each.lower()) for policy in held)]


Uses = Mapping[str, query.ActionUse]  # by action, "kms:Decrypt"


def uses_of(context: CallContext, holders: Iterable[User | Role]) -> dict[str, Uses]:
    """When which action was last asked for, by the ARN of each user and role."""
    since = context.now - TRACKED
    return {
        holder.arn: query.uses_by_action(
            context.account_id,
            since,
            # Of a role: how the ARNs of all its sessions begin.
            principal=holder.arn if isinstance(holder, User) else holder.session_arn(""),
            user=holder.name if isinstance(holder, User) else None,
        )
        for holder in holders
    }


def _found(context: CallContext, about: Subject, *, actions: bool) -> list[dict[str, Any]]:
    uses = uses_of(context, about.holders)
    report = []
    for service in services_of(about.policies):
        theirs = [
            (holder, max(mine, key=lambda use: use.when))
            for holder in about.holders
            if (mine := [use for name, use in uses[holder.arn].items() if name.partition(":")[0] == service])
        ]
        row: dict[str, Any] = {"namespace": service, "entities": [_entity(holder, use) for holder, use in theirs]}
        if actions and service in vocabulary.SERVICES:
            row["actions"] = [
                _action(action, [(holder, uses[holder.arn].get(action)) for holder in about.holders])
                for action in allowed_actions(about.policies, service)
            ]
        report.append(row)
    return report


def _entity(holder: User | Role, use: query.ActionUse) -> dict[str, Any]:
    return {
        "arn": holder.arn,
        "name": holder.name,
        "type": "USER" if isinstance(holder, User) else "ROLE",
        "id": holder.unique_id,
        "path": holder.path,
        "when": use.when.timestamp(),
        "region": use.region,
    }


def _action(action: str, uses: list[tuple[User | Role, query.ActionUse | None]]) -> dict[str, Any]:
    name = action.partition(":")[2]
    used = [(holder, use) for holder, use in uses if use is not None]
    if not used:
        return {"name": name}
    holder, last = max(used, key=lambda each: each[1].when)
    return {"name": name, "arn": holder.arn, "when": last.when.timestamp(), "region": last.region}


@contextmanager
def _looked_up(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    """The record is read before the transaction: other changes do not wait for it."""
    entities.permit(context, parameters["Arn"])
    about = subject(context, parameters["Arn"])
    context.prepared = _found(context, about, actions=parameters.get("Granularity") == "ACTION_LEVEL")
    yield


def generate(context: CallContext, parameters: dict[str, Any]) -> Answer:
    AccessReport.objects.filter(account_id=context.account_id, created__lt=context.now - _KEPT).delete()
    job = AccessReport.objects.create(
        account_id=context.account_id,
        job_id=str(uuid.uuid4()),
        arn=parameters["Arn"],
        granularity=parameters.get("Granularity", "SERVICE_LEVEL"),
        created=context.now,
        services=context.prepared,
    )
    return {"JobId": job.job_id}


def _job(context: CallContext, parameters: dict[str, Any]) -> AccessReport:
    job_id = parameters["JobId"]
    job = AccessReport.objects.filter(account_id=context.account_id, job_id=job_id).first()
    entities.permit(context)
    if job is None:
        raise AWSError("NoSuchEntity", f"Job with id {job_id} cannot be found.")
    return job


def _answer(job: AccessReport, page: Answer) -> Answer:
    return {"JobStatus": "COMPLETED", "JobCreationDate": job.created, "JobCompletionDate": job.created, **page}


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    job = _job(context, parameters)
    page = entities.page(parameters, job.services, "ServicesLastAccessed")
    entries = [_service_entry(each) for each in page["ServicesLastAccessed"]]
    return {"JobType": job.granularity, **_answer(job, {**page, "ServicesLastAccessed": entries})}


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _service_entry(row: dict[str, Any]) -> Answer:
    namespace, used = row["namespace"], row["entities"]
    entry: Answer = {
        "ServiceName": _NAMES.get(namespace, namespace),
        "ServiceNamespace": namespace,
        "TotalAuthenticatedEntities": len(used),
    }
    if used:
        last = max(used, key=lambda each: each["when"])
        entry |= {
            "LastAuthenticated": _moment(last["when"]),
            "LastAuthenticatedEntity": last["arn"],
            "LastAuthenticatedRegion": last["region"],
        }
    if "actions" in row:
        entry["TrackedActionsLastAccessed"] = [_action_entry(each) for each in row["actions"]]
    return entry


def _action_entry(row: dict[str, Any]) -> Answer:
    if "when" not in row:
        return {"ActionName": row["name"]}
    return {
        "ActionName": row["name"],
        "LastAccessedEntity": row["arn"],
        "LastAccessedTime": _moment(row["when"]),
        "LastAccessedRegion": row["region"],
    }


def get_with_entities(context: CallContext, parameters: dict[str, Any]) -> Answer:
    job = _job(context, parameters)
    row = next((each for each in job.services if each["namespace"] == parameters["ServiceNamespace"]), None)
    if row is None:
        raise AWSError("NoSuchEntity", f"Service {parameters['ServiceNamespace']} is not in the report {job.job_id}.")
    members = {"Arn": "arn", "Name": "name", "Type": "type", "Id": "id", "Path": "path"}
    listed = [
        {"EntityInfo": {name: each[key] for name, key in members.items()}, "LastAuthenticated": _moment(each["when"])}
        for each in sorted(row["entities"], key=lambda each: -each["when"])
    ]
    return _answer(job, entities.page(parameters, listed, "EntityDetailsList"))


def list_policies_granting(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """Of a user with its groups', a group or a role: which policies allow something of each service."""
    arn = parameters["Arn"]
    entities.permit(context, arn)
    policies = subject(context, arn).policies
    answers = []
    for service in parameters["ServiceNamespaces"]:
        granting = [_granting(each) for each in policies if service in services_of((each,))]
        answers.append({"ServiceNamespace": service, "Policies": granting})
    return {"PoliciesGrantingServiceAccess": answers, "IsTruncated": False}


def _granting(policy: CompiledPolicy) -> Answer:
    if ":policy/" in policy.source:
        return {"PolicyName": policy.name, "PolicyType": "MANAGED", "PolicyArn": policy.source}
    kind, _, name = policy.source.split(":", 5)[5].partition("/")
    return {
        "PolicyName": policy.name,
        "PolicyType": "INLINE",
        "EntityType": kind.upper(),
        "EntityName": name.rpartition("/")[2],
    }


def refuse_organizations_report(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """An account here is in no organization, so it is the management account of none."""
    entities.permit(context)
    raise AWSError("AccessDeniedException", "Your account is not the management account of an organization.")


def missing_organizations_report(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    raise AWSError("NoSuchEntity", f"Job with id {parameters['JobId']} cannot be found.")


def no_organization(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    raise AWSError("OrganizationNotFoundException", "No organization is associated with your account.")


OPERATIONS: dict[str, Operation] = {
    **{
        f"{verb}OrganizationsRoot{feature}": Operation(no_organization, writes=True)
        for verb in ("Disable", "Enable")
        for feature in ("CredentialsManagement", "Sessions")
    },
    "GenerateOrganizationsAccessReport": Operation(refuse_organizations_report),
    "GenerateServiceLastAccessedDetails": Operation(generate, writes=True, prepare=_looked_up),
    "GetOrganizationsAccessReport": Operation(missing_organizations_report),
    "GetServiceLastAccessedDetails": Operation(get),
    "GetServiceLastAccessedDetailsWithEntities": Operation(get_with_entities),
    "ListOrganizationsFeatures": Operation(no_organization),
    "ListPoliciesGrantingServiceAccess": Operation(list_policies_granting),
}
