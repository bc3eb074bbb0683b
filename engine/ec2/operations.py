"""Amazon EC2: DescribeRegions, which tools ask for before they go through the Regions of an account. There is nothing else of EC2 here.

The Regions that AWS enables for every account are enabled, and beside them those in which the account has keys: of the Regions that
have to be enabled, these are the ones in which there is something. Source: Amazon EC2 API Reference, DescribeRegions.
"""

from __future__ import annotations

from typing import Any

from engine.context import CallContext
from engine.iam import authorization_message
from engine.iam.access_denied import access_denied_message
from engine.iam.authorize import question
from engine.iam.decide import decide
from engine.iam.patterns import glob
from engine.kms.models import Key
from engine.operation import Operation
from engine.region_names import partition
from engine.service_models import regions
from engine.wire.errors import AWSError

# Enabled for every account. Source: AWS General Reference, "Regions and Zones"; the rest has to be enabled first.
_ENABLED = frozenset(
    (
        *("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2"),
        *("ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1"),
        *("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
        *("cn-north-1", "cn-northwest-1", "us-gov-east-1", "us-gov-west-1"),
    )
)
_MEMBERS = {"region-name": "RegionName", "endpoint": "Endpoint", "opt-in-status": "OptInStatus"}
_SUFFIX = {"aws-cn": "amazonaws.com.cn"}


def describe_regions(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    _authorize(context)
    if parameters.get("DryRun"):
        raise AWSError("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", status=412)
    every = {entry["RegionName"]: entry for entry in _regions(context)}
    named = parameters.get("RegionNames", [])
    for name in named:
        if name not in every:
            raise AWSError("InvalidParameterValue", f"Invalid region provided: {name}")
    found = [every[name] for name in sorted(named)] if named else list(every.values())
    if not named and not parameters.get("AllRegions"):
        found = [entry for entry in found if entry["OptInStatus"] != "not-opted-in"]
    for wanted in parameters.get("Filters", []):
        member = _MEMBERS.get(wanted.get("Name", ""))
        if member is None:
            raise AWSError("InvalidParameterValue", f"The filter '{wanted.get('Name', '')}' is invalid")
        patterns = [glob(value) for value in wanted.get("Values", [])]
        found = [entry for entry in found if any(pattern.match(entry[member]) for pattern in patterns)]
    return {"Regions": found}


def _authorize(context: CallContext) -> None:
    """EC2 tells why in a message that only sts:DecodeAuthorizationMessage reads."""
    request, policies = question(context, "ec2:DescribeRegions", "*", context.account_id, None, (), None)
    decision = decide(request, policies)
    if not decision.allowed:
        words = access_denied_message(decision, request)
        encoded = authorization_message.encode(decision)
        raise AWSError("AccessDeniedException", f"{words} Encoded authorization failure message: {encoded}")


def _regions(context: CallContext) -> list[dict[str, str]]:
    own = partition(context.region)
    rows = Key.objects.filter(account_id=context.account_id)
    with_keys = set(rows.order_by().values_list("region", flat=True).distinct())
    suffix = _SUFFIX.get(own, "amazonaws.com")
    entries = []
    for name in sorted(regions("ec2", own) | {region for region in with_keys if partition(region) == own}):
        status = "opted-in" if name in with_keys else "not-opted-in"
        if name in _ENABLED:
            status = "opt-in-not-required"
        entries.append({"RegionName": name, "Endpoint": f"ec2.{name}.{suffix}", "OptInStatus": status})
    return entries


OPERATIONS: dict[str, Operation] = {"DescribeRegions": Operation(describe_regions)}
