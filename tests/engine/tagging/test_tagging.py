"""The Resource Groups Tagging API through boto3: tags of keys and of IAM found and changed by ARN, decided and recorded as the service's own."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conftest import TestAccount


def allow(*actions: str, **more: Any) -> str:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def tagging(account: TestAccount, region: str = "us-east-1") -> Any:
    return account.client("resourcegroupstaggingapi", region=region)


def tagged_key(account: TestAccount, **tags: str) -> str:
    listed = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
    return str(account.client().create_key(Tags=listed)["KeyMetadata"]["Arn"])


def arns(answer: dict[str, Any]) -> set[str]:
    return {each["ResourceARN"] for each in answer["ResourceTagMappingList"]}


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as reason:
        call(**parameters)
    error = reason.value.response["Error"]
    return error["Code"], error["Message"]


def test_resources_are_found_by_tags_type_and_arn(account: TestAccount) -> None:
    client, iam = tagging(account), account.client("iam")
    nothing = client.get_resources()
    assert (nothing["ResourceTagMappingList"], nothing["PaginationToken"]) == ([], "")
    blue, green = tagged_key(account, colour="blue", team="one"), tagged_key(account, colour="green")
    account.create_key()  # without a tag it is not listed
    profile = iam.create_instance_profile(InstanceProfileName="web", Tags=[{"Key": "colour", "Value": "blue"}])
    iam.create_user(UserName="ann", Tags=[{"Key": "colour", "Value": "blue"}])  # users can be tagged and are not listed
    web = profile["InstanceProfile"]["Arn"]

    assert arns(client.get_resources()) == {blue, green, web}
    colour = {"Key": "colour", "Values": ["blue", "red"]}
    found = client.get_resources(TagFilters=[colour])
    assert arns(found) == {blue, web}
    of_blue = next(each for each in found["ResourceTagMappingList"] if each["ResourceARN"] == blue)
    assert of_blue["Tags"] == [{"Key": "colour", "Value": "blue"}, {"Key": "team", "Value": "one"}]
    assert arns(client.get_resources(TagFilters=[colour, {"Key": "team"}])) == {blue}
    assert arns(client.get_resources(ResourceTypeFilters=["kms"])) == {blue, green}
    assert arns(client.get_resources(ResourceTypeFilters=["kms:key"])) == {blue, green}
    assert arns(client.get_resources(ResourceTypeFilters=["iam:policy", "s3"])) == set()
    assert arns(client.get_resources(ResourceARNList=[green, web, green[:-1]])) == {green, web}
    assert arns(tagging(account, "eu-west-1").get_resources()) == set()

    pages = client.get_paginator("get_resources").paginate(ResourcesPerPage=1)
    assert [len(page["ResourceTagMappingList"]) for page in pages] == [1, 1, 1]
    assert client.get_tag_keys()["TagKeys"] == ["colour", "team"]
    assert client.get_tag_values(Key="colour")["TagValues"] == ["blue", "green"]
    assert client.get_tag_values(Key="nothing")["TagValues"] == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"ResourceARNList": ["arn:aws:kms:::key/1"], "TagFilters": [{"Key": "a"}]}, "ResourceARNList cannot be used"),
        ({"ResourceARNList": ["arn:aws:kms:::key/1"], "ResourcesPerPage": 5}, "ResourceARNList cannot be used"),
        ({"ExcludeCompliantResources": True}, "only if IncludeComplianceDetails"),
        ({"ResourcesPerPage": 101}, "between 1 and 100"),
        ({"TagsPerPage": 50}, "between 100 and 500"),
        ({"PaginationToken": "x"}, "PaginationToken is not valid"),
        ({"PaginationToken": b64encode(rb'{"after": ":kms:/\ud800"}').decode()}, "PaginationToken is not valid"),
    ],
)
def test_what_does_not_go_together_is_an_invalid_parameter(
    account: TestAccount, asked: dict[str, Any], words: str
) -> None:
    code, message = refused(tagging(account).get_resources, **asked)
    assert code == "InvalidParameterException"
    assert words in message


def test_tagging_is_the_call_of_the_service_that_has_the_resource(account: TestAccount) -> None:
    client, kms, iam = tagging(account), account.client(), account.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    role = iam.create_role(
        RoleName="app",
        AssumeRolePolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
            }
        ),
    )["Role"]["Arn"]
    assert client.tag_resources(ResourceARNList=[key, role], Tags={"team": "one", "a": ""})["FailedResourcesMap"] == {}
    assert kms.list_resource_tags(KeyId=key)["Tags"] == [
        {"TagKey": "a", "TagValue": ""},
        {"TagKey": "team", "TagValue": "one"},
    ]
    assert {each["Key"] for each in iam.list_role_tags(RoleName="app")["Tags"]} == {"team", "a"}
    client.untag_resources(ResourceARNList=[key, role], TagKeys=["a"])
    assert [each["TagKey"] for each in kms.list_resource_tags(KeyId=key)["Tags"]] == ["team"]
    assert [each["Key"] for each in iam.list_role_tags(RoleName="app")["Tags"]] == ["team"]

    lookup = account.client("cloudtrail").lookup_events
    recorded = [json.loads(event["CloudTrailEvent"]) for event in lookup()["Events"]]
    sources = {(event["eventSource"], event["eventName"]) for event in recorded}
    assert sources >= {
        ("tagging.amazonaws.com", "TagResources"),
        ("kms.amazonaws.com", "TagResource"),
        ("iam.amazonaws.com", "TagRole"),
        ("kms.amazonaws.com", "UntagResource"),
    }
    (of_key,) = [event for event in recorded if event["eventName"] == "TagResource"]
    assert of_key["resources"][0]["ARN"] == key


def test_what_cannot_be_tagged_is_told_for_each_resource(account: TestAccount) -> None:
    key = account.client().create_key()["KeyMetadata"]["Arn"]
    gone = f"{key.rpartition('/')[0]}/00000000-0000-0000-0000-000000000000"
    elsewhere = key.replace("us-east-1", "eu-west-1")
    nobody = f"arn:aws:iam::{account.account_id}:role/nobody"
    bucket = "arn:aws:s3:::bucket"
    failed = tagging(account).tag_resources(
        ResourceARNList=[key, gone, elsewhere, nobody, bucket], Tags={"team": "one"}
    )["FailedResourcesMap"]
    assert {arn: (each["StatusCode"], each["ErrorCode"]) for arn, each in failed.items()} == {
        gone: (400, "NotFoundException"),
        elsewhere: (400, "InvalidParameterException"),
        nobody: (404, "NoSuchEntity"),
        bucket: (400, "InvalidParameterException"),
    }


def test_both_permissions_are_needed_and_both_refusals_recorded(account: TestAccount) -> None:
    key = account.client().create_key()["KeyMetadata"]["Arn"]
    ann = account.create_user("ann", allow("tag:*"))
    client = ann.client("resourcegroupstaggingapi")
    failed = client.tag_resources(ResourceARNList=[key], Tags={"team": "one"})["FailedResourcesMap"][key]
    assert failed["ErrorCode"] == "AccessDeniedException"
    assert failed["ErrorMessage"].startswith(f"User: {ann.arn} is not authorized to perform: kms:TagResource")
    bob = account.create_user("bob", allow("kms:*"))
    code, message = refused(
        bob.client("resourcegroupstaggingapi").tag_resources, ResourceARNList=[key], Tags={"team": "one"}
    )
    assert code == "AccessDeniedException"
    assert "tag:TagResources" in message
    carl = account.create_user(
        "carl", allow("tag:TagResources", Condition={"StringEquals": {"aws:RequestTag/team": "one"}})
    )
    of_carl = carl.client("resourcegroupstaggingapi")
    assert refused(of_carl.tag_resources, ResourceARNList=[key], Tags={"team": "two"})[0] == "AccessDeniedException"
    assert of_carl.tag_resources(ResourceARNList=[key], Tags={"team": "one"})["FailedResourcesMap"]
    assert refused(of_carl.get_resources)[0] == "AccessDeniedException"
    lookup = account.client("cloudtrail").lookup_events
    events = lookup(LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "TagResource"}])["Events"]
    assert [json.loads(each["CloudTrailEvent"])["errorCode"] for each in events] == ["AccessDenied"] * 2


def test_what_else_the_api_has_is_not_available(account: TestAccount) -> None:
    assert refused(tagging(account).get_compliance_summary)[0] == "UnsupportedOperationException"
