"""Inline policies of users, groups and roles; managed policies with their versions; attachments."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from django.db.models import Q

from engine.context import CallContext
from engine.iam import aws_managed, entities, entity_tags, grammar, quotas
from engine.iam.credentials import new_unique_id
from engine.iam.entities import GROUP, ROLE, USER, Kind
from engine.iam.models import Attachment, InlinePolicy, ManagedPolicy, ManagedPolicyVersion, Role, User
from engine.iam.principals_api import check_attachable, check_policy_exists, find_policy
from engine.wire.errors import AWSError

Answer = dict[str, Any]
Run = Callable[[CallContext, dict[str, Any]], Answer]


def put_inline(kind: Kind) -> Run:
    def run(context: CallContext, parameters: dict[str, Any]) -> Answer:
        row = entities.permitted(context, kind, parameters)
        name, document = parameters["PolicyName"], parameters["PolicyDocument"]
        grammar.check_identity(document)
        others = InlinePolicy.objects.filter(**{kind.word: row}).exclude(name=name)
        limit = quotas.INLINE_SIZE[kind.word]
        if quotas.size(document) + sum(quotas.size(other.document) for other in others) > limit:
            raise AWSError("LimitExceeded", f"Maximum policy size of {limit} bytes exceeded for {kind.word} {row.name}")
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
        check_attachable(context, arn, role=kind is ROLE)
        mine = Attachment.objects.filter(**{kind.word: row})
        if not mine.filter(policy_arn=arn).exists():
            quotas.hold(f"PoliciesPer{kind.word.capitalize()}", mine.count() + 1)
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
    entities.permit(context, f"arn:aws:iam::{context.account_id}:policy{path}{name}", asked=parameters)
    if ManagedPolicy.objects.filter(account_id=context.account_id, name__iexact=name).exists():
        raise AWSError(
            "EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed."
        )
    grammar.check_managed(parameters["PolicyDocument"])
    quotas.hold(quotas.POLICIES, ManagedPolicy.objects.filter(account_id=context.account_id).count() + 1)
    policy = ManagedPolicy.objects.create(
        account_id=context.account_id,
        path=path,
        name=name,
        unique_id=new_unique_id("ANPA"),
        created=context.now,
        updated=context.now,
        description=parameters.get("Description", ""),
        tags=entities.tag_mapping(parameters.get("Tags", []), any_case=False),
    )
    ManagedPolicyVersion.objects.create(
        policy=policy, version_id="v1", document=parameters["PolicyDocument"], is_default=True, created=context.now
    )
    return {"Policy": entities.with_tags(policy_entry(policy, detail=False), policy)}


def _permitted(context: CallContext, parameters: dict[str, Any]) -> ManagedPolicy:
    """The account's own policy that the request names."""
    arn = parameters["PolicyArn"]
    policy = find_policy(context, arn)
    entities.permit(context, arn, policy, asked=parameters)
    if policy is None:
        if "VersionId" in parameters:
            raise _no_version(arn, parameters["VersionId"])
        raise AWSError("NoSuchEntity", f"Policy {arn} was not found.")
    return policy


@dataclass(frozen=True, slots=True)
class Uses:
    """How often each policy is attached and is a boundary in an account, by ARN, and the default versions of its own policies by row:
    read for all at once, where an answer lists many."""

    attached: Counter[str]
    bounding: Counter[str]
    defaults: dict[int, str] = field(default_factory=dict)


def uses(account_id: str, arn: str = "", own: Iterable[ManagedPolicy] = ()) -> Uses:
    """Of every policy, or of the one of this ARN; with the default versions of `own`."""
    owners = Q(user__account_id=account_id) | Q(group__account_id=account_id) | Q(role__account_id=account_id)
    attachments = Attachment.objects.filter(owners)
    bounding: Counter[str] = Counter()
    for table in (User, Role):
        bounded = table.objects.filter(account_id=account_id).exclude(permissions_boundary="")
        bounded = bounded.filter(permissions_boundary=arn) if arn else bounded
        bounding.update(bounded.values_list("permissions_boundary", flat=True))
    attachments = attachments.filter(policy_arn=arn) if arn else attachments
    return Uses(Counter(attachments.values_list("policy_arn", flat=True)), bounding, default_versions(own))


def default_versions(own: Iterable[ManagedPolicy]) -> dict[int, str]:
    versions = ManagedPolicyVersion.objects.filter(policy__in=list(own), is_default=True)
    return dict(versions.values_list("policy_id", "version_id"))


def policy_entry(policy: ManagedPolicy, found: Uses | None = None, *, detail: bool = True) -> Answer:
    """`found`: what was read for many policies, this one among them."""
    found = found or uses(policy.account_id, policy.arn, [policy])
    entry: Answer = {
        "PolicyName": policy.name,
        "PolicyId": policy.unique_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": found.defaults.get(policy.pk),
        "AttachmentCount": found.attached[policy.arn],
        "PermissionsBoundaryUsageCount": found.bounding[policy.arn],
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    if policy.description and detail:
        entry["Description"] = policy.description
    return entry


def aws_entry(policy: aws_managed.ManagedDocument, found: Uses, *, detail: bool) -> Answer:
    entry: Answer = {
        "PolicyName": policy.name,
        "PolicyId": policy.policy_id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.version_id,
        "AttachmentCount": found.attached[policy.arn],
        "PermissionsBoundaryUsageCount": found.bounding[policy.arn],
        "IsAttachable": True,
        "CreateDate": policy.created,
        "UpdateDate": policy.updated,
    }
    return {**entry, "Description": policy.description} if detail and policy.description else entry


def get_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    published = aws_managed.find(arn)
    if published is not None:
        entities.permit(context, arn)
        return {"Policy": {**aws_entry(published, uses(context.account_id, arn), detail=True), "Tags": []}}
    policy = _permitted(context, parameters)
    return {"Policy": {**policy_entry(policy), "Tags": entities.tag_list(policy.tags)}}


def list_policies(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    scope, prefix = parameters.get("Scope", "All"), parameters.get("PathPrefix", "/")
    found: list[ManagedPolicy | aws_managed.ManagedDocument] = []
    if scope in ("All", "Local"):
        rows = ManagedPolicy.objects.filter(account_id=context.account_id).order_by("name")
        found += entities.under_path(parameters, rows)
    if scope in ("All", "AWS"):
        found += [policy for policy in aws_managed.every() if policy.path.startswith(prefix)]
    every = uses(context.account_id)
    by_use = {"PermissionsPolicy": every.attached, "PermissionsBoundary": every.bounding}
    if "PolicyUsageFilter" in parameters:
        found = [policy for policy in found if policy.arn in by_use[parameters["PolicyUsageFilter"]]]
    if parameters.get("OnlyAttached"):
        found = [policy for policy in found if any(policy.arn in arns for arns in by_use.values())]
    page = entities.page(parameters, found, "Policies")
    own = [policy for policy in page["Policies"] if isinstance(policy, ManagedPolicy)]
    every = replace(every, defaults=default_versions(own))
    return {**page, "Policies": [_short_entry(policy, every) for policy in page["Policies"]]}


def _short_entry(policy: ManagedPolicy | aws_managed.ManagedDocument, found: Uses) -> Answer:
    if isinstance(policy, ManagedPolicy):
        return policy_entry(policy, found, detail=False)
    return aws_entry(policy, found, detail=False)


def delete_policy(context: CallContext, parameters: dict[str, Any]) -> Answer:
    policy = _permitted(context, parameters)
    bounds = any(table.objects.filter(permissions_boundary=policy.arn).exists() for table in (User, Role))
    if bounds or Attachment.objects.filter(policy_arn=policy.arn).exists():
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
    grammar.check_managed(parameters["PolicyDocument"])
    most = quotas.QUOTAS["VersionsPerPolicy"]
    if policy.versions.count() >= most:
        raise AWSError(
            "LimitExceeded",
            f"A managed policy can have up to {most} versions. Before you create a new version, you must delete an existing version.",
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


def aws_version_entry(policy: aws_managed.ManagedDocument, version_id: str, *, document: bool) -> Answer:
    entry: Answer = {
        "VersionId": version_id,
        "IsDefaultVersion": version_id == policy.version_id,
        "CreateDate": policy.versions[version_id],
    }
    return {**entry, "Document": entities.encoded(policy.document_of(version_id))} if document else entry


def _version(policy: ManagedPolicy, version_id: str) -> ManagedPolicyVersion:
    version = policy.versions.filter(version_id=version_id).first()
    if version is None:
        raise _no_version(policy.arn, version_id)
    return version


def _no_version(arn: str, version_id: str) -> AWSError:
    return AWSError("NoSuchEntity", f"Policy {arn} version {version_id} does not exist or is not attachable.")


def get_policy_version(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    published = aws_managed.find(arn)
    if published is not None:
        entities.permit(context, arn)
        if parameters["VersionId"] not in published.versions:
            raise _no_version(arn, parameters["VersionId"])
        return {"PolicyVersion": aws_version_entry(published, parameters["VersionId"], document=True)}
    return {
        "PolicyVersion": version_entry(
            _version(_permitted(context, parameters), parameters["VersionId"]), document=True
        )
    }


def list_policy_versions(context: CallContext, parameters: dict[str, Any]) -> Answer:
    arn = parameters["PolicyArn"]
    published = aws_managed.find(arn)
    if published is not None:
        entities.permit(context, arn)
        listed = [aws_version_entry(published, version, document=False) for version in published.versions]
        return entities.page(parameters, listed, "Versions")
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
    wanted, usage = parameters.get("EntityFilter"), parameters.get("PolicyUsageFilter")
    found: list[tuple[str, Answer]] = []
    for kind in (GROUP, USER, ROLE):
        label = kind.word.capitalize()
        if wanted not in (None, label):
            continue
        uses = Q(attachment__policy_arn=arn) if usage != "PermissionsBoundary" else Q(pk__in=[])
        if kind is not GROUP and usage != "PermissionsPolicy":
            uses |= Q(permissions_boundary=arn)
        rows = kind.model.objects.filter(uses, account_id=context.account_id).distinct().order_by("name")
        found += [
            (f"Policy{label}s", {f"{label}Name": row.name, f"{label}Id": row.unique_id})
            for row in entities.under_path(parameters, rows)
        ]
    page = entities.page(parameters, found, "found")
    answer: Answer = {f"Policy{word}s": [] for word in ("Group", "User", "Role")}
    for key, entry in page.pop("found"):
        answer[key].append(entry)
    return {**answer, **page}


TAGS = entity_tags.operations("Policy", _permitted, any_case=False)
