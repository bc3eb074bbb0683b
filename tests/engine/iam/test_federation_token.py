"""GetFederationToken through boto3: what a federated user may do is what its user may and the passed policies allow."""

from __future__ import annotations

import json
from typing import Any

from tests.conftest import TestAccount, make_client
from tests.engine.iam.test_sts_api import allow, assume, refused, role


def federated(made: dict[str, Any], service: str) -> Any:
    given = made["Credentials"]
    return make_client(service, "us-east-1", given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def test_a_federated_user_may_what_user_and_policy_allow(account: TestAccount) -> None:
    ann = account.create_user("ann", allow("kms:List*", "sts:GetFederationToken", "kms:DescribeKey"))
    made = ann.client("sts").get_federation_token(Name="guest", Policy=allow("kms:ListKeys", "kms:CreateKey"))
    arn = f"arn:aws:sts::{account.account_id}:federated-user/guest"
    assert made["FederatedUser"] == {"FederatedUserId": f"{account.account_id}:guest", "Arn": arn}
    assert 0 < made["PackedPolicySize"] < 100
    assert federated(made, "sts").get_caller_identity()["Arn"] == arn
    kms = federated(made, "kms")
    assert kms.list_keys()["Keys"] == []
    assert "no session policy allows" in refused(kms.list_aliases)[1]
    assert "no identity-based policy allows" in refused(kms.create_key)[1]
    (event, *_) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ListKeys"}]
    )["Events"]
    identity = json.loads(event["CloudTrailEvent"])["userIdentity"]
    assert (identity["type"], identity["arn"]) == ("FederatedUser", arn)
    assert identity["sessionContext"]["sessionIssuer"]["arn"] == ann.arn


def test_without_a_policy_only_what_names_the_federated_user_lets_it_in(account: TestAccount) -> None:
    ann = account.create_user("ann", allow("kms:*", "sts:*"))
    made = ann.client("sts").get_federation_token(Name="guest")
    key = account.client().create_key()["KeyMetadata"]
    kms = federated(made, "kms")
    assert refused(kms.describe_key, KeyId=key["KeyId"])[0] == "AccessDeniedException"
    policy = json.loads(account.client().get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"])
    policy["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"AWS": made["FederatedUser"]["Arn"]},
            "Action": "kms:DescribeKey",
            "Resource": "*",
        }
    )
    account.client().put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=json.dumps(policy))
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Arn"] == key["Arn"]


def test_temporary_credentials_of_a_user_make_no_lasting_ones(account: TestAccount) -> None:
    sts = account.client("sts")
    guest = sts.get_federation_token(Name="guest", Policy=allow("*"))
    token = sts.get_session_token()
    account.client("iam").create_user(UserName="ann")
    invalid = ("InvalidClientTokenId", "The security token included in the request is invalid.")
    for made in (guest, token):
        assert refused(federated(made, "iam").create_access_key, UserName="ann") == invalid
        assert federated(made, "sts").get_caller_identity()
        # Nor by a service that calls IAM for them: who tags users decides what policies by tags allow these.
        asked = {"ResourceARNList": [account.administrator.arn], "Tags": {"team": "one"}}
        (failed,) = federated(made, "resourcegroupstaggingapi").tag_resources(**asked)["FailedResourcesMap"].values()
        assert failed["ErrorCode"] == invalid[0]
    assert account.client("iam").list_user_tags(UserName="admin")["Tags"] == []
    arn = role(account)
    assert refused(assume, client=federated(guest, "sts"), arn=arn)[0] == "AccessDenied"
    assert assume(federated(token, "sts"), arn)


def test_who_may_not_ask_for_one_is_refused(account: TestAccount) -> None:
    ann = account.create_user("ann")
    assert refused(ann.client("sts").get_federation_token, Name="guest")[0] == "AccessDenied"
    made = account.client("sts").get_federation_token(Name="guest", Policy=allow("*"))
    assert refused(federated(made, "sts").get_federation_token, Name="guest") == (
        "AccessDenied",
        "Cannot call GetFederationToken with session credentials",
    )
    tagged = account.create_user("bob", allow("sts:GetFederationToken")).client("sts")
    tags = [{"Key": "team", "Value": "one"}]
    assert "sts:TagSession" in refused(tagged.get_federation_token, Name="guest", Tags=tags)[1]


def test_a_federated_user_ends_with_its_user(account: TestAccount) -> None:
    ann = account.create_user("ann", allow("sts:*", "kms:*"))
    made = ann.client("sts").get_federation_token(Name="guest", Policy=allow("kms:*"))
    iam = account.client("iam")
    iam.delete_user_policy(UserName="ann", PolicyName="test")
    assert refused(federated(made, "kms").list_keys)[0] == "AccessDeniedException"
    iam.delete_access_key(UserName="ann", AccessKeyId=ann.access_key_id)
    iam.delete_user(UserName="ann")
    assert refused(federated(made, "kms").list_keys)[0] == "UnrecognizedClientException"
