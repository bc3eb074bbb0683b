"""Every list of IAM that AWS gives in pages: MaxItems, IsTruncated and Marker, and all pages together are the whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from botocore import xform_name
from botocore.session import get_session

from engine.service import operations
from tests.conftest import TestAccount, TestUser, new_account
from tests.engine.iam.test_iam_limits import refused
from tests.support import credential_calls, identity_providers, totp

MODEL = get_session().get_service_model("iam")
ALLOW = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": ["kms:ListKeys", "s3:ListBucket", "ec2:DescribeRegions"], "Resource": "*"}
    ],
}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}
TAGS = [{"Key": "b", "Value": "1"}, {"Key": "a", "Value": "2"}, {"Key": "c", "Value": "3"}]
# Account aliases: there is one at most. Simulations: tests/engine/iam/test_simulate.py. Delegation requests and organizations are not here.
LEFT_OUT = {
    *("ListAccountAliases", "SimulateCustomPolicy", "SimulatePrincipalPolicy"),
    *("ListDelegationRequests", "GetOrganizationsAccessReport"),
}
PAGED = sorted(
    name
    for name in operations()["iam"]
    if (shape := MODEL.operation_model(name).input_shape) is not None
    and "MaxItems" in shape.members
    and name not in LEFT_OUT
)


# Lists whose user is the caller where none is named.
OF_A_USER = {
    *("ListAccessKeys", "ListMFADevices", "ListSSHPublicKeys", "ListServiceSpecificCredentials"),
    "ListSigningCertificates",
}


@dataclass(frozen=True)
class World:
    iam: Any
    given: dict[str, Any]


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    """Two or three of everything."""
    account: TestAccount = new_account()
    iam, document = account.client("iam"), json.dumps(ALLOW)
    policies = [
        iam.create_policy(PolicyName=each, PolicyDocument=document, Tags=TAGS)["Policy"]["Arn"] for each in "ab"
    ]
    for _ in range(2):
        iam.create_policy_version(PolicyArn=policies[0], PolicyDocument=document)
    for name in ("ann", "bob"):
        iam.create_user(UserName=name, Tags=TAGS)
        iam.create_group(GroupName=f"{name}s")
        iam.create_role(RoleName=f"{name}-role", AssumeRolePolicyDocument=json.dumps(TRUST), Tags=TAGS)
        iam.create_instance_profile(InstanceProfileName=name, Tags=TAGS)
        iam.attach_user_policy(UserName=name, PolicyArn=policies[0])
        serial_number, _seed = totp.assign(iam, "ann", f"{name}-phone")
    iam.tag_mfa_device(SerialNumber=serial_number, Tags=TAGS)
    for number, policy in enumerate(policies):
        iam.add_user_to_group(GroupName=f"{('ann', 'bob')[number]}s", UserName="ann")
        iam.add_user_to_group(GroupName="anns", UserName=("bob", "ann")[number])
        iam.attach_group_policy(GroupName="anns", PolicyArn=policy)
        iam.attach_role_policy(RoleName="ann-role", PolicyArn=policy)
        if number:
            iam.attach_user_policy(UserName="ann", PolicyArn=policy)
        inline = {"PolicyName": f"inline{number}", "PolicyDocument": document}
        iam.put_user_policy(UserName="ann", **inline)
        iam.put_group_policy(GroupName="anns", **inline)
        iam.put_role_policy(RoleName="ann-role", **inline)
        iam.create_access_key(UserName="ann")
        key = credential_calls.new_key()
        body = credential_calls.certificate("x", key)
        iam.upload_signing_certificate(UserName="ann", CertificateBody=body)
        given = {"CertificateBody": body, "PrivateKey": credential_calls.pem(key), "Tags": TAGS}
        iam.upload_server_certificate(ServerCertificateName=f"c{number}", **given)
        iam.create_service_specific_credential(UserName="ann", ServiceName="codecommit.amazonaws.com")
    for _ in range(
        2
    ):  # made now, one after the other: the stock's keys (tests/support/rsa_keys.py) come again after sixteen
        iam.upload_ssh_public_key(UserName="ann", SSHPublicKeyBody=credential_calls.ssh_key.__wrapped__())
    for name in ("ann", "bob"):
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="ann-role")
    oidc = iam.create_open_id_connect_provider(Url="https://x.example.com", Tags=TAGS)["OpenIDConnectProviderArn"]
    saml = iam.create_saml_provider(Name="x", SAMLMetadataDocument=identity_providers.metadata(), Tags=TAGS)
    for name in ("ann", "bob"):  # ann has two access keys already
        used = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        if used:
            iam.delete_access_key(UserName=name, AccessKeyId=used[0]["AccessKeyId"])
        made = iam.create_access_key(UserName=name)["AccessKey"]
        TestUser(account, name, "", made["AccessKeyId"], made["SecretAccessKey"]).client().list_keys()
    job = iam.generate_service_last_accessed_details(Arn=policies[0])["JobId"]
    return World(
        iam,
        {
            **{"UserName": "ann", "GroupName": "anns", "RoleName": "ann-role", "InstanceProfileName": "ann"},
            **{"PolicyArn": policies[0], "ServerCertificateName": "c0", "SerialNumber": serial_number, "JobId": job},
            **{"OpenIDConnectProviderArn": oidc, "SAMLProviderArn": saml["SAMLProviderArn"]},
            **{"Arn": f"arn:aws:iam::{account.account_id}:user/ann", "ServiceNamespaces": ["kms", "s3", "ec2"]},
            "ServiceNamespace": "kms",
        },
    )


@pytest.mark.parametrize("operation", PAGED)
def test_pages_together_are_the_whole(world: World, operation: str) -> None:
    call = getattr(world.iam, xform_name(operation))
    shape = MODEL.operation_model(operation)
    asked = {name: world.given[name] for name in shape.input_shape.required_members}
    if operation in OF_A_USER:
        asked["UserName"] = world.given["UserName"]
    if operation == "ListPolicies":
        asked["Scope"] = "Local"
    lists = [name for name, each in shape.output_shape.members.items() if each.type_name == "list"]

    def items(answer: dict[str, Any]) -> list[Any]:
        return [(name, each) for name in lists for each in answer.get(name, ())]

    whole = call(**asked)
    assert (whole["IsTruncated"], "Marker" in whole, len(items(whole)) > 1) == (False, False, True), whole
    found, more = [], dict[str, Any]()
    for _ in range(len(items(whole))):
        page = call(**asked, **more, MaxItems=1)
        assert len(items(page)) == 1
        assert page["IsTruncated"] == ("Marker" in page)
        found += items(page)
        if not page["IsTruncated"]:
            break
        more = {"Marker": page["Marker"]}
    assert not page["IsTruncated"]
    assert found == items(whole)
    assert refused(call, **asked, Marker="nonsense")[0] == "ValidationError"
    assert refused(call, **asked, MaxItems=1001)[0] == "ValidationError"


def test_who_deletes_what_each_page_lists_deletes_all(account: TestAccount) -> None:
    iam = account.client("iam")
    for number in range(7):
        iam.create_group(GroupName=f"g{number}")
    for page in iam.get_paginator("list_groups").paginate(PaginationConfig={"PageSize": 2}):
        for group in page["Groups"]:
            iam.delete_group(GroupName=group["GroupName"])
    assert iam.list_groups()["Groups"] == []


def test_what_is_made_between_two_pages_repeats_nothing(account: TestAccount) -> None:
    iam = account.client("iam")
    for name in "bcd":
        iam.create_group(GroupName=name)
    first = iam.list_groups(MaxItems=2)
    iam.create_group(GroupName="a")
    assert [each["GroupName"] for each in iam.list_groups(Marker=first["Marker"])["Groups"]] == ["d"]
