"""In which order IAM answers: tags as they were given, empty lists, and of two errors the one that AWS tells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import ALLOW, TRUST, refused
from tests.support import credential_calls, identity_providers


@pytest.fixture
def iam(account: TestAccount) -> Any:
    return account.client("iam")


# How each kind that has tags is made, what names it then, and the word in the names of its operations.
TAGGED: list[tuple[str, str, Callable[[Any, str, list[dict[str, str]]], Any]]] = [
    ("user", "UserName", lambda iam, name, tags: iam.create_user(UserName=name, Tags=tags)["User"]["UserName"]),
    ("role", "RoleName", lambda iam, name, tags: iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, Tags=tags)["Role"]["RoleName"]),
    ("policy", "PolicyArn", lambda iam, name, tags: iam.create_policy(PolicyName=name, PolicyDocument=ALLOW, Tags=tags)["Policy"]["Arn"]),
    ("instance_profile", "InstanceProfileName", lambda iam, name, tags: iam.create_instance_profile(InstanceProfileName=name, Tags=tags)["InstanceProfile"]["InstanceProfileName"]),
    ("mfa_device", "SerialNumber", lambda iam, name, tags: iam.create_virtual_mfa_device(VirtualMFADeviceName=name, Tags=tags)["VirtualMFADevice"]["SerialNumber"]),
    ("open_id_connect_provider", "OpenIDConnectProviderArn", lambda iam, name, tags: iam.create_open_id_connect_provider(Url=f"https://{name}.example.com", Tags=tags)["OpenIDConnectProviderArn"]),
    ("saml_provider", "SAMLProviderArn", lambda iam, name, tags: iam.create_saml_provider(Name=name, SAMLMetadataDocument=identity_providers.metadata(), Tags=tags)["SAMLProviderArn"]),
    ("server_certificate", "ServerCertificateName", lambda iam, name, tags: server_certificate(iam, name, tags)),
]  # fmt: skip


def server_certificate(iam: Any, name: str, tags: list[dict[str, str]]) -> str:
    key = credential_calls.new_key()
    given = {"CertificateBody": credential_calls.certificate(name, key), "PrivateKey": credential_calls.pem(key)}
    iam.upload_server_certificate(ServerCertificateName=name, Tags=tags, **given)
    return name


@pytest.mark.parametrize(("kind", "parameter", "make"), TAGGED, ids=[row[0] for row in TAGGED])
def test_tags_of_every_kind_keep_their_order_and_end_as_an_empty_list(
    iam: Any, kind: str, parameter: str, make: Any
) -> None:
    given = [{"Key": "zone", "Value": "1"}, {"Key": "App", "Value": ""}, {"Key": "mode", "Value": "3"}]
    which = {parameter: make(iam, "tagged", given)}
    listing = getattr(iam, f"list_{kind}_tags")
    answer = listing(**which)
    assert (answer["Tags"], answer["IsTruncated"]) == (given, False)
    getattr(iam, f"tag_{kind}")(**which, Tags=[{"Key": "a", "Value": "b"}])
    assert [each["Key"] for each in listing(**which)["Tags"]] == ["zone", "App", "mode", "a"]
    getattr(iam, f"untag_{kind}")(**which, TagKeys=["zone", "App", "mode", "a", "none"])
    answer = listing(**which)
    assert (answer["Tags"], answer["IsTruncated"]) == ([], False)


# Each of these is wrong twice: AWS tells first that there is no such user.
TWICE_WRONG = [
    ("upload_ssh_public_key", {"SSHPublicKeyBody": "nonsense"}),
    ("upload_signing_certificate", {"CertificateBody": "nonsense"}),
    ("update_signing_certificate", {"CertificateId": "NONEXISTENTCERTID12345678901", "Status": "Active"}),
    ("delete_ssh_public_key", {"SSHPublicKeyId": "APKAXXXXXXXXXXXXXXXXX"}),
    ("create_service_specific_credential", {"ServiceName": "nonexistentservice.amazonaws.com"}),
    ("reset_service_specific_credential", {"ServiceSpecificCredentialId": "ACCAXXXXXXXXXXXXXXXXX"}),
    ("attach_user_policy", {"PolicyArn": "arn:aws:iam::aws:policy/NoSuchPolicy"}),
    ("put_user_policy", {"PolicyName": "p", "PolicyDocument": "nonsense"}),
]


@pytest.mark.parametrize(("operation", "more"), TWICE_WRONG, ids=[row[0] for row in TWICE_WRONG])
def test_that_there_is_no_such_user_is_told_first(iam: Any, operation: str, more: dict[str, Any]) -> None:
    assert refused(getattr(iam, operation), UserName="nonexistent-user", **more) == (
        "NoSuchEntity",
        "The user with name nonexistent-user cannot be found.",
    )
