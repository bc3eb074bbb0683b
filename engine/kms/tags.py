"""Tags of keys. Source: AWS KMS API Reference, TagResource; AWS General Reference, "Tag naming limits"."""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.kms import access, key_snapshots, paging
from engine.kms.changing import for_change
from engine.wire.errors import AWSError

MAXIMUM = 50


def checked(listed: list[dict[str, str]]) -> dict[str, str]:
    """The tags of one request as a mapping. Raises TagException for duplicates, reserved names and more than 50."""
    found: dict[str, str] = {}
    for tag in listed:
        name = tag["TagKey"]
        if name.lower().startswith("aws:"):
            raise AWSError("TagException", "Tags beginning with aws: are reserved")
        if name in found:
            raise AWSError("TagException", "Duplicate tag keys")
        found[name] = tag["TagValue"]
    if len(found) > MAXIMUM:
        raise AWSError("TagException", "Too many tags")
    return found


def tag_resource(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    together = {**row.tags, **checked(parameters["Tags"])}
    if len(together) > MAXIMUM:
        raise AWSError("LimitExceededException", "Too many tags")
    row.tags = together
    row.save(update_fields=["tags"])
    return {}


def untag_resource(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _, row = for_change(context, parameters)
    row.tags = {name: value for name, value in row.tags.items() if name not in parameters["TagKeys"]}
    row.save(update_fields=["tags"])
    return {}


def list_resource_tags(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    names, more = paging.page_of("tags", parameters, sorted(key.tags), str, limit=50, by_name=True)
    return {"Tags": [{"TagKey": name, "TagValue": key.tags[name]} for name in names], **more}
