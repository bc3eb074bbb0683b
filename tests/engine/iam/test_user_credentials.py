"""Certificates, SSH public keys and service-specific credentials: parsed, listed and refused as AWS does."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from engine.iam.models import ServerCertificate
from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import refused
from tests.support.credential_calls import certificate, new_key, pem, ssh_key

KEY, CA_KEY = new_key(), new_key()
CA = certificate("ca", CA_KEY)
BODY = certificate("web", KEY, "ca", CA_KEY)
SSH = ssh_key()


@pytest.fixture
def iam(account: TestAccount) -> Any:
    client = account.client("iam")
    client.create_user(UserName="ann")
    return client


def test_a_server_certificate_is_uploaded_shown_renamed_and_deleted(iam: Any, account: TestAccount) -> None:
    given = {"CertificateBody": BODY, "PrivateKey": pem(KEY), "CertificateChain": CA}
    made = iam.upload_server_certificate(ServerCertificateName="web", Path="/tls/", **given)[
        "ServerCertificateMetadata"
    ]
    assert made["Arn"] == f"arn:aws:iam::{account.account_id}:server-certificate/tls/web"
    assert made["ServerCertificateId"].startswith("ASCA")
    assert made["Expiration"] == x509.load_pem_x509_certificate(BODY.encode()).not_valid_after_utc
    got = iam.get_server_certificate(ServerCertificateName="web")["ServerCertificate"]
    # without the line break at the end: Terraform uploads the certificate anew where one comes back
    assert (got["CertificateBody"], got["CertificateChain"], got["Tags"]) == (BODY.strip(), CA.strip(), [])
    assert iam.list_server_certificates(PathPrefix="/tls/")["ServerCertificateMetadataList"] == [made]
    assert iam.get_account_summary()["SummaryMap"]["ServerCertificates"] == 1
    exists = ("EntityAlreadyExists", "The Server Certificate with name web already exists.")
    assert refused(iam.upload_server_certificate, ServerCertificateName="web", **given) == exists
    iam.update_server_certificate(ServerCertificateName="web", NewServerCertificateName="www", NewPath="/")
    iam.tag_server_certificate(ServerCertificateName="www", Tags=[{"Key": "a", "Value": "1"}])
    assert iam.list_server_certificate_tags(ServerCertificateName="www")["Tags"] == [{"Key": "a", "Value": "1"}]
    iam.untag_server_certificate(ServerCertificateName="www", TagKeys=["a"])
    assert b"PRIVATE KEY" not in bytes(ServerCertificate.objects.get(account_id=account.account_id).wrapped_private_key)
    iam.delete_server_certificate(ServerCertificateName="www")
    assert refused(iam.get_server_certificate, ServerCertificateName="www") == (
        "NoSuchEntity",
        "The Server Certificate with name www cannot be found.",
    )


def test_what_does_not_belong_together_is_no_server_certificate(iam: Any) -> None:
    def upload(body: str = BODY, key: str = pem(KEY), **more: str) -> tuple[str, str]:
        given = {"ServerCertificateName": "x", "CertificateBody": body, "PrivateKey": key}
        return refused(iam.upload_server_certificate, **given, **more)

    unreadable = "Unable to parse certificate. Please ensure the certificate is in PEM format."
    assert upload(body="nonsense") == ("MalformedCertificate", unreadable)
    assert upload(key="nonsense")[0] == "MalformedCertificate"
    assert upload(key=pem(CA_KEY))[0] == "KeyPairMismatch"
    code, message = upload(CertificateChain=BODY)
    assert (code, message[-2:]) == ("MalformedCertificate", "-1")
    assert iam.list_server_certificates()["ServerCertificateMetadataList"] == []


def test_a_signing_certificate_is_uploaded_changed_and_deleted(iam: Any) -> None:
    made = iam.upload_signing_certificate(UserName="ann", CertificateBody=BODY)["Certificate"]
    assert (made["UserName"], made["Status"], made["CertificateBody"]) == ("ann", "Active", BODY)
    iam.update_signing_certificate(UserName="ann", CertificateId=made["CertificateId"], Status="Inactive")
    (listed,) = iam.list_signing_certificates(UserName="ann")["Certificates"]
    assert (listed["CertificateId"], listed["Status"]) == (made["CertificateId"], "Inactive")
    iam.create_user(UserName="bob")
    for name in ("ann", "bob"):  # of any user of the account
        twice = refused(iam.upload_signing_certificate, UserName=name, CertificateBody=BODY)
        assert twice == ("DuplicateCertificate", "The certificate is already associated with user ann.")
    assert refused(iam.delete_user, UserName="ann")[1] == "Cannot delete entity, must delete certificates first."
    iam.upload_signing_certificate(UserName="ann", CertificateBody=CA)
    assert refused(iam.upload_signing_certificate, UserName="ann", CertificateBody=certificate("c", KEY)) == (
        "LimitExceeded",
        "Cannot exceed quota for CertificatesPerUser: 2",
    )
    iam.delete_signing_certificate(UserName="ann", CertificateId=made["CertificateId"])
    assert refused(iam.delete_signing_certificate, UserName="ann", CertificateId=made["CertificateId"]) == (
        "NoSuchEntity",
        f"The Certificate with id {made['CertificateId']} cannot be found.",
    )
    assert refused(iam.upload_signing_certificate, UserName="ann", CertificateBody="nonsense") == (
        "MalformedCertificate",
        "Certificate nonsense is malformed.",
    )
    expired = certificate("old", KEY, days=-1)
    assert refused(iam.upload_signing_certificate, UserName="ann", CertificateBody=expired)[0] == "InvalidCertificate"


def test_an_ssh_public_key_is_uploaded_shown_in_both_formats_and_deleted(iam: Any) -> None:
    assert iam.list_ssh_public_keys(UserName="ann")["SSHPublicKeys"] == []
    made = iam.upload_ssh_public_key(UserName="ann", SSHPublicKeyBody=SSH)["SSHPublicKey"]
    assert (made["SSHPublicKeyBody"], made["Status"], len(made["Fingerprint"])) == (SSH, "Active", 47)
    which = {"UserName": "ann", "SSHPublicKeyId": made["SSHPublicKeyId"]}
    assert iam.get_ssh_public_key(**which, Encoding="SSH")["SSHPublicKey"] == made
    shown = iam.get_ssh_public_key(**which, Encoding="PEM")["SSHPublicKey"]["SSHPublicKeyBody"]
    assert shown.startswith("-----BEGIN PUBLIC KEY-----")
    assert refused(iam.upload_ssh_public_key, UserName="ann", SSHPublicKeyBody=shown)[0] == "DuplicateSSHPublicKey"
    iam.update_ssh_public_key(**which, Status="Inactive")
    (listed,) = iam.list_ssh_public_keys(UserName="ann")["SSHPublicKeys"]
    assert set(listed) == {"SSHPublicKeyId", "Status", "UploadDate", "UserName"}
    assert listed["Status"] == "Inactive"
    assert refused(iam.delete_user, UserName="ann")[1] == "Cannot delete entity, must remove referenced objects first."
    iam.delete_ssh_public_key(**which)
    assert refused(iam.delete_ssh_public_key, **which) == (
        "NoSuchEntity",
        f"The Public Key with id {made['SSHPublicKeyId']} cannot be found.",
    )


@pytest.mark.parametrize(
    "body", ["nonsense", "ssh-rsa AAAA", KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()]
)
def test_what_is_no_rsa_key_is_no_ssh_public_key(iam: Any, body: str) -> None:
    assert refused(iam.upload_ssh_public_key, UserName="ann", SSHPublicKeyBody=body)[0] == "InvalidPublicKey"


def test_a_service_specific_credential_is_made_reset_and_deleted(iam: Any, account: TestAccount) -> None:
    git = {"UserName": "ann", "ServiceName": "codecommit.amazonaws.com"}
    first = iam.create_service_specific_credential(**git)["ServiceSpecificCredential"]
    second = iam.create_service_specific_credential(**git)["ServiceSpecificCredential"]
    assert (first["ServiceUserName"], second["ServiceUserName"]) == (
        f"ann-at-{account.account_id}",
        f"ann+1-at-{account.account_id}",
    )
    assert refused(iam.create_service_specific_credential, **git)[0] == "LimitExceeded"
    which = {"UserName": "ann", "ServiceSpecificCredentialId": first["ServiceSpecificCredentialId"]}
    again = iam.reset_service_specific_credential(**which)["ServiceSpecificCredential"]
    assert again["ServicePassword"] != first["ServicePassword"]
    iam.update_service_specific_credential(**which, Status="Inactive")
    listed = iam.list_service_specific_credentials(UserName="ann")["ServiceSpecificCredentials"]
    assert [each["Status"] for each in listed] == ["Inactive", "Active"]
    assert not any("ServicePassword" in each for each in listed)
    iam.delete_service_specific_credential(**which)
    assert refused(iam.delete_service_specific_credential, **which)[0] == "NoSuchEntity"
    assert refused(iam.create_service_specific_credential, UserName="ann", ServiceName="s3.amazonaws.com")[0] == (
        "NoSuchEntity"
    )
    bedrock = iam.create_service_specific_credential(
        UserName="ann", ServiceName="bedrock.amazonaws.com", CredentialAgeDays=1
    )["ServiceSpecificCredential"]
    assert bedrock["ServiceCredentialSecret"].startswith("ABSK")
    account.move_clock(days=2)
    listed = iam.list_service_specific_credentials(AllUsers=True, ServiceName="bedrock.amazonaws.com")
    assert [each["Status"] for each in listed["ServiceSpecificCredentials"]] == ["Expired"]
