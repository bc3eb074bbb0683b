"""What tools ask before they look at keys: EC2's Regions, CloudTrail's trails, STS by GET; through boto3 and plain signed requests."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from engine import service
from engine.wire.http import HttpRequest
from tests.conftest import TestAccount, make_client


def refused(call: Any, **parameters: Any) -> tuple[int, str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    answer = reason.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"], answer["Error"]["Message"]


def names(answer: dict[str, Any]) -> list[str]:
    return [each["RegionName"] for each in answer["Regions"]]


def test_regions_are_those_enabled_for_all_and_those_with_keys(account: TestAccount) -> None:
    ec2 = account.client("ec2")
    enabled = names(ec2.describe_regions())
    assert len(enabled) == 17
    assert {"us-east-1", "eu-west-1"} <= set(enabled)
    every = ec2.describe_regions(AllRegions=True)
    assert {each["OptInStatus"] for each in every["Regions"]} == {"opt-in-not-required", "not-opted-in"}
    account.client(region="eu-south-1").create_key()
    assert set(names(ec2.describe_regions())) - set(enabled) == {"eu-south-1"}
    status = {"Name": "opt-in-status", "Values": ["opted-in"]}
    (opted,) = ec2.describe_regions(Filters=[status])["Regions"]
    assert opted == {
        "OptInStatus": "opted-in",
        "RegionName": "eu-south-1",
        "Endpoint": "ec2.eu-south-1.amazonaws.com",
    }
    assert names(ec2.describe_regions(RegionNames=["us-west-2", "eu-west-1"])) == ["eu-west-1", "us-west-2"]
    wanted = {"Name": "endpoint", "Values": ["*.us-east-?.*"]}
    assert names(ec2.describe_regions(Filters=[wanted])) == ["us-east-1", "us-east-2"]
    assert names(account.client("ec2", region="cn-north-1").describe_regions()) == ["cn-north-1", "cn-northwest-1"]


def test_ec2_refuses_in_its_own_form_and_tells_why_to_who_may_decode_it(
    account: TestAccount, other_account: TestAccount
) -> None:
    ec2 = account.client("ec2")
    assert refused(ec2.describe_regions, RegionNames=["mars-1"]) == (
        400,
        "InvalidParameterValue",
        "Invalid region provided: mars-1",
    )
    assert refused(ec2.describe_regions, Filters=[{"Name": "moons", "Values": ["1"]}])[1] == "InvalidParameterValue"
    assert refused(ec2.describe_regions, DryRun=True)[:2] == (412, "DryRunOperation")
    assert refused(ec2.describe_instances)[1] == "InvalidAction"
    ann = account.create_user("ann")
    status, code, words = refused(ann.client("ec2").describe_regions)
    assert (status, code) == (403, "UnauthorizedOperation")
    words, _, encoded = words.partition(" Encoded authorization failure message: ")
    assert words == (
        f"You are not authorized to perform this operation. User: {ann.arn} is not authorized to perform: "
        "ec2:DescribeRegions on resource: * because no identity-based policy allows the ec2:DescribeRegions action"
    )
    decoded = json.loads(account.client("sts").decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
    assert (decoded["allowed"], decoded["context"]["action"]) == (False, "ec2:DescribeRegions")
    assert refused(ann.client("sts").decode_authorization_message, EncodedMessage=encoded)[1] == "AccessDenied"
    decode = other_account.client("sts").decode_authorization_message
    for message in (encoded, "nothing"):
        assert refused(decode, EncodedMessage=message)[1] == "InvalidAuthorizationMessageException"
    nobody = make_client("ec2", "us-east-1", "AKIAAAAAAAAAAAAAAAAA", "secret")
    assert refused(nobody.describe_regions)[:2] == (401, "AuthFailure")
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventSource", "AttributeValue": "ec2.amazonaws.com"}]
    )["Events"]
    assert len(events) == 4


def test_there_is_no_trail_and_no_digest_key(account: TestAccount) -> None:
    trail = account.client("cloudtrail")
    assert trail.describe_trails()["trailList"] == []
    assert trail.describe_trails(trailNameList=["mine"])["trailList"] == []
    assert trail.list_public_keys()["PublicKeyList"] == []
    arn = f"arn:aws:cloudtrail:us-east-1:{account.account_id}:trail/mine"
    for name in ("mine", arn):
        assert refused(trail.get_trail_status, Name=name)[1:] == (
            "TrailNotFoundException",
            f"Unknown trail: {arn} for the user: {account.account_id}",
        )
    assert refused(trail.get_trail_status, Name="a b")[1] == "InvalidTrailNameException"
    ann = account.create_user("ann").client("cloudtrail")
    for call in (ann.describe_trails, ann.list_public_keys, lambda: ann.get_trail_status(Name="mine")):
        assert refused(call)[1] == "AccessDeniedException"


@pytest.mark.parametrize("signer", [SigV4Auth, SigV4QueryAuth])
def test_sts_answers_to_get(account: TestAccount, signer: Any) -> None:
    """A presigned GetCallerIdentity is how EKS and Vault are told who somebody is."""
    admin = account.administrator
    url = "http://engine.local/?Action=GetCallerIdentity&Version=2011-06-15"
    unsigned = AWSRequest("GET", url, headers={"Host": "engine.local"})
    signer(Credentials(admin.access_key_id, admin.secret_access_key), "sts", "us-east-1").add_auth(unsigned)
    signed = unsigned.prepare()
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else value for key, value in signed.headers.items()
    }
    query = signed.url.partition("?")[2]
    answer = service.handle(HttpRequest("GET", "/", query, {"host": "engine.local", **headers}, b"", "127.0.0.1"))
    assert answer.status == 200
    assert admin.arn in [each.text for each in ElementTree.fromstring(answer.body).iter()]


def test_an_account_is_in_no_organization(account: TestAccount) -> None:
    organizations = account.client("organizations")
    apart = (400, "AWSOrganizationsNotInUseException", "Your account is not a member of an organization.")
    for call in (organizations.describe_organization, organizations.list_accounts, organizations.list_roots):
        assert refused(call) == apart
    assert refused(organizations.describe_account, AccountId=account.account_id) == apart
    assert refused(account.create_user("ann").client("organizations").list_roots)[1] == "AccessDeniedException"
