"""Resource Groups Tagging API: tags of KMS keys and of what IAM has, found and changed by ARN.

A change is the call of the service that has the resource, with that service's permission and a record of its own, as in AWS. What has no
tag is not listed: that something once had one is not kept. Source: Resource Groups Tagging API Reference.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import orjson

from engine.context import CallContext
from engine.iam import credentials
from engine.iam.authorize import authorize
from engine.iam.condition_keys import REQUEST_TAG, TAG_KEYS
from engine.iam.operations import OPERATIONS as IAM
from engine.kms.models import Key
from engine.kms.operations import OPERATIONS as KMS
from engine.operation import Operation
from engine.tagging import iam_resources
from engine.trail import record
from engine.wire import protocol, services
from engine.wire.errors import AWSError
from engine.wire.validate import validate

Answer = dict[str, Any]
Found = tuple[str, Mapping[str, str]]  # ARN, tags
_TABLES = {"kms": KMS, "iam": IAM}
_RESOURCES, _TAGS = 50, 100  # of a page, unless the request says
_MOST_RESOURCES, _MOST_TAGS = 100, 500
_KEYS = 1_000  # tag keys or values of a page


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidParameterException", message)


def get_resources(context: CallContext, parameters: dict[str, Any]) -> Answer:
    authorize(context, "tag:GetResources")
    arns = parameters.get("ResourceARNList")
    paging = [name for name in ("PaginationToken", "ResourcesPerPage", "TagsPerPage") if parameters.get(name)]
    if arns is not None and (paging or parameters.get("TagFilters") or parameters.get("ResourceTypeFilters")):
        raise _invalid("ResourceARNList cannot be used with TagFilters, ResourceTypeFilters or pagination parameters.")
    if parameters.get("ExcludeCompliantResources") and not parameters.get("IncludeComplianceDetails"):
        raise _invalid("ExcludeCompliantResources can be used only if IncludeComplianceDetails is true.")
    if parameters.get("ExcludeCompliantResources"):
        return {"ResourceTagMappingList": [], "PaginationToken": ""}  # without a tag policy everything complies
    at_once = _within(parameters, "ResourcesPerPage", _RESOURCES, 1, _MOST_RESOURCES)
    tags_at_once = _within(parameters, "TagsPerPage", _TAGS, _TAGS, _MOST_TAGS)
    after = _read_token(parameters)
    if arns is not None:
        named = set(arns)
        every: Iterable[Found] = (each for each in _tagged(context, "", named) if each[0] in named)
        at_once = len(arns)
    else:
        every = _tagged(context, after)
    page: list[Found] = []
    for arn, tags in every:
        if not (_is_of_type(arn, parameters) and _has_tags(tags, parameters)):
            continue
        spent = sum(max(len(each), 1) for _, each in page)
        if len(page) == at_once or ("TagsPerPage" in parameters and spent + len(tags) > tags_at_once):
            return {**_mappings(page, parameters), "PaginationToken": _token(page[-1][0])}
        page.append((arn, tags))
    return {**_mappings(page, parameters), "PaginationToken": ""}


def _mappings(page: list[Found], parameters: dict[str, Any]) -> Answer:
    compliance = {"ComplianceDetails": {"ComplianceStatus": True}} if parameters.get("IncludeComplianceDetails") else {}
    return {
        "ResourceTagMappingList": [
            {"ResourceARN": arn, "Tags": [{"Key": name, "Value": tags[name]} for name in tags], **compliance}
            for arn, tags in page
        ]
    }


def _within(parameters: dict[str, Any], member: str, default: int, least: int, most: int) -> int:
    wanted = int(parameters.get(member, default))
    if not least <= wanted <= most:
        raise _invalid(f"{member} must be between {least} and {most}.")
    return wanted


def _tagged(context: CallContext, after: str = "", arns: set[str] | None = None) -> Iterator[Found]:
    """What has tags in the caller's account and Region, behind the ARN `after`: keys by their ID, then IAM's by ARN, which is in us-east-1."""
    if not after or ":kms:" in after:
        rows = Key.objects.filter(account_id=context.account_id, region=context.region).exclude(tags={})
        if after:
            rows = rows.filter(key_id__gt=after.rpartition("/")[2])
        if arns is not None:
            rows = rows.filter(key_id__in=[arn.rpartition("/")[2] for arn in arns])
        for row in rows.only("account_id", "region", "key_id", "tags").order_by("key_id").iterator(chunk_size=500):
            yield row.arn, row.tags
        after = ""
    if context.region == iam_resources.REGION:
        yield from (each for each in iam_resources.tagged(context.account_id) if each[0] > after)


def _is_of_type(arn: str, parameters: dict[str, Any]) -> bool:
    wanted = parameters.get("ResourceTypeFilters")
    if not wanted:
        return True
    _, _, service, _, _, path = arn.split(":", 5)
    return service in wanted or f"{service}:{path.partition('/')[0]}" in wanted


def _has_tags(tags: Mapping[str, str], parameters: dict[str, Any]) -> bool:
    """All filters, each by any of its values; by the key alone where it has none."""
    for each in parameters.get("TagFilters", ()):
        if "Key" not in each:
            raise _invalid("TagFilters must have a Key.")
        if each["Key"] not in tags or (each.get("Values") and tags[each["Key"]] not in each["Values"]):
            return False
    return True


def _token(after: str) -> str:
    return base64.b64encode(json.dumps({"after": after}).encode()).decode()


def _read_token(parameters: dict[str, Any]) -> str:
    token = parameters.get("PaginationToken")
    if not token:
        return ""
    try:
        after = orjson.loads(base64.b64decode(token, validate=True))["after"]
    except (ValueError, KeyError, TypeError) as reason:
        raise _invalid("The PaginationToken is not valid.") from reason
    if not isinstance(after, str) or "\0" in after:
        raise _invalid("The PaginationToken is not valid.")
    return after


def get_tag_keys(context: CallContext, parameters: dict[str, Any]) -> Answer:
    authorize(context, "tag:GetTagKeys")
    return _texts("TagKeys", {name for _, tags in _tagged(context) for name in tags}, parameters)


def get_tag_values(context: CallContext, parameters: dict[str, Any]) -> Answer:
    authorize(context, "tag:GetTagValues")
    key = parameters["Key"]
    return _texts("TagValues", {tags[key] for _, tags in _tagged(context) if key in tags}, parameters)


def _texts(member: str, found: set[str], parameters: dict[str, Any]) -> Answer:
    after = _read_token(parameters)
    texts = sorted(each for each in found if not after or each > after)
    more = len(texts) > _KEYS
    return {member: texts[:_KEYS], "PaginationToken": _token(texts[_KEYS - 1]) if more else ""}


def tag_resources(context: CallContext, parameters: dict[str, Any]) -> Answer:
    tags = parameters["Tags"]
    authorize(context, "tag:TagResources", conditions=lambda: REQUEST_TAG.given_each(tags) | TAG_KEYS.given(tags))
    kms = {"Tags": [{"TagKey": name, "TagValue": value} for name, value in tags.items()]}
    iam = {"Tags": [{"Key": name, "Value": value} for name, value in tags.items()]}
    return _each(context, parameters, "Tag", kms, iam)


def untag_resources(context: CallContext, parameters: dict[str, Any]) -> Answer:
    keys = {"TagKeys": parameters["TagKeys"]}
    authorize(context, "tag:UntagResources", conditions=lambda: TAG_KEYS.given(parameters["TagKeys"]))
    return _each(context, parameters, "Untag", keys, keys)


def _each(context: CallContext, parameters: dict[str, Any], verb: str, kms: Answer, iam: Answer) -> Answer:
    failed: dict[str, Any] = {}
    for arn in dict.fromkeys(parameters["ResourceARNList"]):
        service = arn.split(":", 3)[2] if arn.count(":") >= 5 else ""
        try:
            if service == "kms":
                _call(context, service, f"{verb}Resource", {"KeyId": _own(context, arn), **kms})
            elif service == "iam":
                operation, named = iam_resources.operation(context, verb, arn)
                _call(context, service, operation, {**named, **iam})
            else:
                raise _invalid(f"{arn} is not the ARN of a resource that can be tagged here.")
        except AWSError as error:
            code, status = protocol.spelled(service if service in _TABLES else "tagging", error)
            failed[arn] = {"StatusCode": status, "ErrorCode": code, "ErrorMessage": error.message}
    return {"FailedResourcesMap": failed}


def _own(context: CallContext, arn: str) -> str:
    """Of another account or Region nothing is tagged. Source: API Reference, TagResources."""
    _, _, _, region, account_id, path = arn.split(":", 5)
    if region != context.region or account_id != context.account_id or not path.startswith("key/"):
        raise _invalid(f"{arn} is not the ARN of a key of this account and Region.")
    return arn


def _call(context: CallContext, service: str, operation: str, parameters: Answer) -> None:
    """An operation of another service for this call's principal, with a record of its own beside this call's."""
    own = context.beside(operation, service=service)
    model = services.model(service).operation_model(operation)
    try:
        credentials.refuse_out_of_reach(context.principal, service, operation)
        validate(service, model, parameters)
        result = _TABLES[service][operation].run(own, parameters)
    except AWSError as error:
        context.further_records += record.build(own, model, parameters, error=error, writes=True)
        raise
    context.further_records += record.build(own, model, parameters, result=result, writes=True)


OPERATIONS: dict[str, Operation] = {
    "GetResources": Operation(get_resources),
    "GetTagKeys": Operation(get_tag_keys),
    "GetTagValues": Operation(get_tag_values),
    "TagResources": Operation(tag_resources, writes=True),
    "UntagResources": Operation(untag_resources, writes=True),
}
