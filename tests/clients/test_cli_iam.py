"""The operations of IAM and STS beyond users, groups, roles and policies, as the AWS CLI sends and prints them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support import aws_cli, credential_calls, identity_providers, totp
from tests.support.server import ACCOUNT, Server

pytestmark = pytest.mark.client
IAM = f"arn:aws:iam::{ACCOUNT}"


def trust(principal: dict[str, str], action: str = "sts:AssumeRole") -> str:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def aws(environment: dict[str, str], *arguments: str, fails: bool = False) -> Any:
    """The CLI's JSON answer, or with `fails` what it wrote to standard error."""
    code, output, errors = aws_cli.run(environment, *arguments, "--output", "json")
    assert (code != 0) == fails, output + errors
    return errors if fails else json.loads(output) if output.strip() else None


@pytest.fixture
def iam(server: Server) -> Any:
    return lambda *arguments, fails=False: aws(server.cli_environment(), "iam", *arguments, fails=fails)


@pytest.fixture
def sts(server: Server) -> Any:
    return lambda *arguments: aws(server.cli_environment(), "sts", *arguments)


@pytest.fixture
def file(tmp_path: Path) -> Any:
    def write(name: str, text: str) -> str:
        (tmp_path / name).write_text(text)
        return f"file://{tmp_path / name}"

    return write


def test_instance_profiles_and_service_linked_roles(iam: Any) -> None:
    iam(
        "create-role",
        "--role-name",
        "cli-ec2",
        "--assume-role-policy-document",
        trust({"Service": "ec2.amazonaws.com"}),
    )
    named = ("--instance-profile-name", "cli-profile")
    made = iam("create-instance-profile", *named, "--tags", "Key=b,Value=1", "Key=a,Value=2")["InstanceProfile"]
    assert [each["Key"] for each in made["Tags"]] == ["b", "a"]
    iam("add-role-to-instance-profile", *named, "--role-name", "cli-ec2")
    (listed,) = iam("list-instance-profiles-for-role", "--role-name", "cli-ec2")["InstanceProfiles"]
    assert listed["Arn"] == f"{IAM}:instance-profile/cli-profile"
    assert "must remove roles from instance profile" in iam("delete-role", "--role-name", "cli-ec2", fails=True)
    iam("remove-role-from-instance-profile", *named, "--role-name", "cli-ec2")
    iam("delete-instance-profile", *named)
    service = ("--aws-service-name", "autoscaling.amazonaws.com", "--custom-suffix", "cli")
    role = iam("create-service-linked-role", *service)["Role"]
    assert role["Path"] == "/aws-service-role/autoscaling.amazonaws.com/"
    task = iam("delete-service-linked-role", "--role-name", role["RoleName"])["DeletionTaskId"]
    assert iam("get-service-linked-role-deletion-status", "--deletion-task-id", task) == {"Status": "SUCCEEDED"}


def test_identity_providers_and_their_sessions(server: Server, iam: Any, sts: Any, file: Any) -> None:
    url = "https://cli.example.com"
    oidc = iam("create-open-id-connect-provider", "--url", url, "--client-id-list", "a")["OpenIDConnectProviderArn"]
    iam("add-client-id-to-open-id-connect-provider", "--open-id-connect-provider-arn", oidc, "--client-id", "b")
    got = iam("get-open-id-connect-provider", "--open-id-connect-provider-arn", oidc)
    assert (got["ClientIDList"], got["Url"], got["Tags"]) == (["a", "b"], "cli.example.com", [])
    iam("delete-open-id-connect-provider", "--open-id-connect-provider-arn", oidc)

    metadata, key = (
        file("metadata.xml", identity_providers.metadata()),
        file("key.pem", identity_providers.private_key()),
    )
    before = iam("list-saml-providers")["SAMLProviderList"]  # what other modules made on the shared server
    given = ("--name", "cli", "--saml-metadata-document", metadata, "--add-private-key", key)
    saml = iam("create-saml-provider", *given, "--assertion-encryption-mode", "Required")["SAMLProviderArn"]
    (kept,) = iam("get-saml-provider", "--saml-provider-arn", saml)["PrivateKeyList"]
    assert set(kept) == {"KeyId", "Timestamp"}
    document = trust({"Federated": saml}, "sts:AssumeRoleWithSAML")
    made = iam("create-role", "--role-name", "cli-saml", "--assume-role-policy-document", document)["Role"]["Arn"]
    response = identity_providers.response(made, saml, encrypt=identity_providers.encryption())
    arguments = ("--role-arn", made, "--principal-arn", saml, "--saml-assertion", file("response", response))
    assert sts("assume-role-with-saml", *arguments)["Subject"] == "ann@example.com"
    assert [each["Arn"] for each in iam("list-saml-providers")["SAMLProviderList"] if each not in before] == [saml]
    iam("delete-saml-provider", "--saml-provider-arn", saml)

    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
    federated = sts("get-federation-token", "--name", "guest", "--policy", policy)
    assert federated["FederatedUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:federated-user/guest"


def test_certificates_keys_and_credentials_of_services(iam: Any, file: Any) -> None:
    key = credential_calls.new_key()
    body = file("certificate.pem", credential_calls.certificate("web", key))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    given = ("--certificate-body", body, "--private-key", file("private.pem", private))
    iam("upload-server-certificate", "--server-certificate-name", "cli", *given)
    assert "EntityAlreadyExists" in iam(
        "upload-server-certificate", "--server-certificate-name", "cli", *given, fails=True
    )
    found = iam("get-server-certificate", "--server-certificate-name", "cli")["ServerCertificate"]
    assert found["ServerCertificateMetadata"]["Arn"] == f"{IAM}:server-certificate/cli"
    iam("delete-server-certificate", "--server-certificate-name", "cli")

    iam("create-user", "--user-name", "cli-ann")
    user = ("--user-name", "cli-ann")
    signing = iam("upload-signing-certificate", *user, "--certificate-body", body)["Certificate"]
    iam("update-signing-certificate", *user, "--certificate-id", signing["CertificateId"], "--status", "Inactive")
    assert [each["Status"] for each in iam("list-signing-certificates", *user)["Certificates"]] == ["Inactive"]
    iam("delete-signing-certificate", *user, "--certificate-id", signing["CertificateId"])

    public = file("key.pub", credential_calls.ssh_key())
    ssh = iam("upload-ssh-public-key", *user, "--ssh-public-key-body", public)["SSHPublicKey"]
    which = (*user, "--ssh-public-key-id", ssh["SSHPublicKeyId"])
    shown = iam("get-ssh-public-key", *which, "--encoding", "PEM")["SSHPublicKey"]["SSHPublicKeyBody"]
    assert shown.startswith("-----BEGIN PUBLIC KEY-----")
    iam("delete-ssh-public-key", *which)

    service = ("--service-name", "codecommit.amazonaws.com")
    made = iam("create-service-specific-credential", *user, *service)["ServiceSpecificCredential"]
    which = (*user, "--service-specific-credential-id", made["ServiceSpecificCredentialId"])
    again = iam("reset-service-specific-credential", *which)["ServiceSpecificCredential"]
    assert again["ServicePassword"] != made["ServicePassword"]
    iam("delete-service-specific-credential", *which)


def test_mfa_devices_and_a_session_with_a_code(server: Server, iam: Any, tmp_path: Path) -> None:
    seed = tmp_path / "seed"
    how = ("--outfile", str(seed), "--bootstrap-method", "Base32StringSeed")
    device = iam("create-virtual-mfa-device", "--virtual-mfa-device-name", "cli", *how)["VirtualMFADevice"]
    iam("create-user", "--user-name", "cli-bob")
    which = ("--user-name", "cli-bob", "--serial-number", device["SerialNumber"])
    codes = (
        "--authentication-code1",
        totp.code(seed.read_bytes(), -1),
        "--authentication-code2",
        totp.code(seed.read_bytes()),
    )
    iam("enable-mfa-device", *which, *codes)
    assert iam("get-mfa-device", *which)["SerialNumber"] == device["SerialNumber"]
    made = iam("create-access-key", "--user-name", "cli-bob")["AccessKey"]
    bob = server.cli_environment(made["AccessKeyId"], made["SecretAccessKey"])
    session = ("sts", "get-session-token", "--serial-number", device["SerialNumber"], "--token-code")
    assert aws(bob, *session, totp.code(seed.read_bytes(), 1))["Credentials"]["SessionToken"]
    assert "MultiFactorAuthentication failed" in aws(bob, *session, "000000", fails=True)
    iam("deactivate-mfa-device", *which)
    iam("delete-virtual-mfa-device", "--serial-number", device["SerialNumber"])


def test_password_policy_access_reports_and_denied_words(server: Server, iam: Any, sts: Any) -> None:
    iam("update-account-password-policy", "--minimum-password-length", "14", "--require-symbols")
    assert iam("get-account-password-policy")["PasswordPolicy"]["MinimumPasswordLength"] == 14
    iam("delete-account-password-policy")
    assert "NoSuchEntity" in iam("get-account-password-policy", fails=True)
    arn = f"{IAM}:user/admin"
    job = iam("generate-service-last-accessed-details", "--arn", arn)["JobId"]
    assert iam("get-service-last-accessed-details", "--job-id", job)["JobStatus"] == "COMPLETED"
    asked = ("--policy-source-arn", arn, "--action-names", "kms:Decrypt")
    (result,) = iam("simulate-principal-policy", *asked)["EvaluationResults"]
    assert result["EvalDecision"] == "allowed"
    users = iam("list-entities-for-policy", "--policy-arn", "arn:aws:iam::aws:policy/AdministratorAccess")
    assert [each["UserName"] for each in users["PolicyUsers"]] == ["admin"]
    iam("create-user", "--user-name", "cli-eve")
    made = iam("create-access-key", "--user-name", "cli-eve")["AccessKey"]
    eve = server.cli_environment(made["AccessKeyId"], made["SecretAccessKey"])
    denied = aws(eve, "ec2", "describe-regions", fails=True)
    encoded = denied.partition("Encoded authorization failure message: ")[2].split()[0]
    decoded = sts("decode-authorization-message", "--encoded-message", encoded)["DecodedMessage"]
    assert json.loads(decoded)["context"]["action"] == "ec2:DescribeRegions"
    assert sts("get-access-key-info", "--access-key-id", made["AccessKeyId"]) == {"Account": ACCOUNT}
