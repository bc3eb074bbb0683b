"""Inline policies of users, groups and roles; managed policies with their versions; attachments."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engine.context import CallContext
from engine.iam import aws_managed, entities
from engine.iam.credentials import new_unique_id
from engine.iam.entities import GROUP, ROLE, USER, Kind
from engine.iam.models import Attachment, InlinePolicy, ManagedPolicy, ManagedPolicyVersion, Role, User
from engine.iam.policy import MalformedPolicy, compile_policy
from engine.iam.principals_api import check_policy_exists, find_policy
from engine.wire.errors import AWSError

Answer = dict[str, Any]
Run = Callable[[CallContext, dict[str, Any]], Answer]

# Bytes of all inline policies together, white space not counted. Source: IAM User Guide, "IAM and AWS STS quotas".
_INLINE_LIMIT = {"user": 2048, "group": 5120, "role": 10240}
_MANAGED_LIMIT = 6144
_ATTACHMENTS = 10
_VERSIONS = 5
_AWS_DATE = datetime(2015, 2, 6, tzinfo=UTC)


def _check_document(document: str) -> None:
    try:
        compile_policy(document, name="", kind="identity")
    except MalformedPolicy as reason:
        raise AWSError("MalformedPolicyDocument", reason.reason) from reason


def _size(document: str) -> int:
    return len("".join(document.split()).encode())


def put_inline(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        name, document = parameters["PolicyName"], parameters["PolicyDocument"]
        _check_document(document)
        others = InlinePolicy.objects.filter(**{kind.word: row}).exclude(name=name)
        if _size(document) + sum(_size(other.document) for other in others) > _INLINE_LIMIT[kind.word]:
            raise AWSError(
                "LimitExceeded",
                f"Maximum policy size of {_INLINE_LIMIT[kind.word]} bytes exceeded for {kind.word} {row.name}",
            )
        InlinePolicy.objects.update_or_create(**{kind.word: row}, name=name, defaults={"document": document})
        entities.touched(context)
        return {}

    return run


def _inline(kind: Kind, row: Any, name: str) -> InlinePolicy:
    found = InlinePolicy.objects.filter(**{kind.word: row}, name=name).first()
    if found is None:
        raise AWSError("NoSuchEntity", f"The {kind.word} policy with name {name} cannot be found.")
    return found


def get_inline(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        policy = _inline(kind, row, parameters["PolicyName"])
        return {
            kind.parameter: row.name,
            "PolicyName": policy.name,
            "PolicyDocument": entities.encoded(policy.document),
        }

    return run


def delete_inline(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        _inline(kind, row, parameters["PolicyName"]).delete()
        entities.touched(context)
        return {}

    return run


def list_inline(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        names = InlinePolicy.objects.filter(**{kind.word: row}).order_by("name").values_list("name", flat=True)
        return entities.page(parameters, list(names), "PolicyNames")

    return run


def attach(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        arn = parameters["PolicyArn"]
        row = entities.permitted(context, kind, parameters, iam_PolicyARN=arn)
        check_policy_exists(context, arn)
        mine = Attachment.objects.filter(**{kind.word: row})
        if not mine.filter(policy_arn=arn).exists():
            if mine.count() >= _ATTACHMENTS:
                raise AWSError(
                    "LimitExceeded", f"Cannot exceed quota for PoliciesPer{kind.word.capitalize()}: {_ATTACHMENTS}"
                )
            Attachment.objects.create(**{kind.word: row}, policy_arn=arn, created=context.now)
        entities.touched(context)
        return {}

    return run


def detach(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        arn = parameters["PolicyArn"]
        row = entities.permitted(context, kind, parameters, iam_PolicyARN=arn)
        gone, _ = Attachment.objects.filter(**{kind.word: row}, policy_arn=arn).delete()
        if not gone:
            raise AWSError("NoSuchEntity", f"Policy {arn} was not found.")
        entities.touched(context)
        return {}

    return run


def list_attached(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        arns = Attachment.objects.filter(**{kind.word: row}).order_by("policy_arn").values_list("policy_arn", flat=True)
        items = [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in arns]
        return entities.page(parameters, items, "AttachedPolicies")

    return run


def create_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    name, path = parameters["PolicyName"], parameters.get("Path", "/")
    entities.permit(context, f"arn:aws:iam::{context.account_id}:policy{path}{name}")
    if ManagedPolicy.objects.filter(account_id=context.account_id, name__iexact=name).exists():
        raise AWSError(
            "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    _check_managed(parameters["PolicyDocument"])
    policy = ManagedPolicy.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=new_unique_id("ANPA"),
        created=context.now,
        updated=context.now,
        description=parameters.get("Description", ""),
        tags=entities.tag_mapping(parameters.get("Tags", [])),
    )
    ManagedPolicyVersion.objects.create(
        policy=policy, version_id="v1", document=parameters["PolicyDocument"], is_default=True, created=context.now
    )
    return {"Policy": entities.with_tags(policy_entry(policy), policy)}


def _check_managed(document: str) -> None:
    _check_document(document)
    if _size(document) > _MANAGED_LIMIT:
        raise AWSError("LimitExceeded", f"Cannot exceed quota for PolicySize: {_MANAGED_LIMIT}")


def _permitted(context: CallContext, parameters: dict[str, Any]) -> ManagedPolicy:
    """The account's own policy that the request names."""
    arn = parameters["PolicyArn"]
    policy = find_policy(context, arn)
    entities.permit(context, arn, policy)
    if policy is None:
        raise AWSError("NoSuchEntity", f"Policy {arn} was not found.")
    return policy


def policy_entry(policy: ManagedPolicy) -> Answer:
    default = policy.versions.filter(is_default=True).values_list("version_id", flat=True).first()
    attached = Attachment.objects.filter(policy_arn=policy.arn).count()
    boundaries = sum(table.objects.filter(permissions_boundary=policy.arn).count() for table in (User, Role))
    entry: Answer = {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": default,
        "AttachmentCount": attached,
        "PermissionsBoundaryUsageCount": boundaries,
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    if policy.description:
        entry["Description"] = policy.description
    return entry


def aws_entry(context: CallContext, policy: aws_managed.ManagedDocument, *, detail: bool) -> Answer:
    mine = Attachment.objects.filter(policy_arn=policy.arn)
    count = sum(
        mine.filter(**{f"{word}__account_id": context.account_id}).count() for word in ("user", "group", "role")
    )
    entry: Answer = {
        "PolicyName": policy.name,
        "PolicyId": f"ANPA{policy.name.upper()[:17]:A<17}",
        "Arn": policy.arn,
        "Path": policy.arn.partition(":policy")[2].rpartition("/")[0] + "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": count,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": _AWS_DATE,
        "UpdateDate": _AWS_DATE,
    }
    return {**entry, "Description": policy.description} if detail else entry


def get_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    if arn in aws_managed.POLICIES:
        entities.permit(context, arn)
        return {"Policy": aws_entry(context, aws_managed.POLICIES[arn], detail=True)}
    policy = _permitted(context, parameters)
    return {"Policy": entities.with_tags(policy_entry(policy), policy)}


def list_policies(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    scope = parameters.get("Scope", "All")
    entries: list[Answer] = []
    if scope in ("All", "Local"):
        rows = ManagedPolicy.objects.filter(account_id=context.account_id).order_by("name")
        entries += [policy_entry(row) for row in entities.under_path(parameters, rows)]
    if scope in ("All", "AWS"):
        prefix = parameters.get("PathPrefix", "/")
        found = [aws_entry(context, policy, detail=False) for policy in aws_managed.POLICIES.values()]
        entries += [entry for entry in found if entry["Path"].startswith(prefix)]
    if parameters.get("OnlyAttached"):
        entries = [entry for entry in entries if entry["AttachmentCount"]]
    return entities.page(parameters, entries, "Policies")


def delete_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    if Attachment.objects.filter(policy_arn=policy.arn).exists():
        raise AWSError("DeleteConflict", "Cannot delete a policy attached to entities.")
    if policy.versions.filter(is_default=False).exists():
        raise AWSError(
            "DeleteConflict",
            "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. "
            "The default version is deleted with the policy.",
        )
    policy.delete()
    entities.touched(context)
    return {}


def create_policy_version(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    _check_managed(parameters["PolicyDocument"])
    if policy.versions.count() >= _VERSIONS:
        raise AWSError(
            "LimitExceeded",
            "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
        )
    as_default = parameters.get("SetAsDefault", False)
    if as_default:
        policy.versions.update(is_default=False)
    version = ManagedPolicyVersion.objects.create(
        policy=policy,
        version_id=f"v{policy.next_version}",
        document=parameters["PolicyDocument"],
        is_default=as_default,
        created=context.now,
    )
    policy.next_version += 1
    policy.updated = context.now
    policy.save(update_fields=["next_version", "updated"])
    entities.touched(context)
    return {"PolicyVersion": version_entry(version, document=False)}


def version_entry(version: ManagedPolicyVersion, *, document: bool) -> Answer:
    entry: Answer = {
        "VersionId": version.version_id,
        "IsDefaultVersion": version.is_default,
        "CreateDate": version.created,
    }
    return {**entry, "Document": entities.encoded(version.document)} if document else entry


def aws_version_entry(arn: str) -> Answer:
    return {
        "VersionId": "v1",
        "IsDefaultVersion": True,
        "CreateDate": _AWS_DATE,
        "Document": entities.encoded(aws_managed.POLICIES[arn].document),
    }


def _version(policy: ManagedPolicy, version_id: str) -> ManagedPolicyVersion:
    version = policy.versions.filter(version_id=version_id).first()
    if version is None:
        raise AWSError("NoSuchEntity", f"Policy {policy.arn} version {version_id} does not exist or is not attachable.")
    return version


def get_policy_version(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    if arn in aws_managed.POLICIES:
        entities.permit(context, arn)
        if parameters["VersionId"] != "v1":
            raise AWSError(
                "NoSuchEntity", f"Policy {arn} version {parameters['VersionId']} does not exist or is not attachable."
            )
        return {"PolicyVersion": aws_version_entry(arn)}
    return {
        "PolicyVersion": version_entry(
            _version(_permitted(context, parameters), parameters["VersionId"]), document=True
        )
    }


def list_policy_versions(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    if arn in aws_managed.POLICIES:
        entities.permit(context, arn)
        entry = {"VersionId": "v1", "IsDefaultVersion": True, "CreateDate": _AWS_DATE}
        return {"Versions": [entry], "IsTruncated": False}
    versions = _permitted(context, parameters).versions.order_by("-pk")
    return entities.page(parameters, [version_entry(version, document=False) for version in versions], "Versions")


def delete_policy_version(context: CallContext, parameters: dict[str, Any]) -> Answer:
    version = _version(_permitted(context, parameters), parameters["VersionId"])
    if version.is_default:
        raise AWSError("DeleteConflict", "Cannot delete the default version of a policy.")
    version.delete()
    return {}


def set_default_policy_version(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    version = _version(policy, parameters["VersionId"])
    policy.versions.update(is_default=False)
    version.is_default = True
    version.save(update_fields=["is_default"])
    entities.touched(context)
    return {}


def list_entities_for_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    entities.permit(context, arn)
    check_policy_exists(context, arn)
    answer: Answer = {"IsTruncated": False}
    wanted = parameters.get("EntityFilter")
    for kind in (GROUP, USER, ROLE):
        label = kind.word.capitalize()
        key = f"Policy{label}s"
        rows = kind.model.objects.filter(account_id=context.account_id, attachment__policy_arn=arn).order_by("name")
        show = wanted in (None, label)
        answer[key] = [{f"{label}Name": row.name, f"{label}Id": row.unique_id} for row in rows] if show else []
    return answer


def tag_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    policy.tags = entities.tag_mapping(parameters["Tags"], policy.tags)
    policy.save(update_fields=["tags"])
    return {}


def untag_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    policy.tags = {name: value for name, value in policy.tags.items() if name not in parameters["TagKeys"]}
    policy.save(update_fields=["tags"])
    return {}


def list_policy_tags(context: CallContext, parameters: dict[str, Any]) -> Answer:
    return entities.page(parameters, entities.tag_list(_permitted(context, parameters).tags), "Tags")
