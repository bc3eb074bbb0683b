"""SAML providers and AssumeRoleWithSAML through boto3: which signed responses are taken and who they become."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from tests.conftest import TestAccount, make_client
from tests.engine.iam.test_web_identity import refused, unsigned_sts
from tests.support import identity_providers as idp


def create(account: TestAccount) -> str:
    made = account.client("iam").create_saml_provider(Name="company", SAMLMetadataDocument=idp.metadata())
    return str(made["SAMLProviderArn"])


def trusting(
    account: TestAccount, condition: Any = None, *actions: str, policy: Any = None, name: str = "people"
) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{account.account_id}:saml-provider/company"},
        "Action": ["sts:AssumeRoleWithSAML", *actions],
        **({"Condition": condition} if condition else {}),
    }
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam = account.client("iam")
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    if policy:
        text = json.dumps({"Version": "2012-10-17", "Statement": [policy]})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=text)
    return str(arn)


def assume(role: str, provider: str, assertion: str = "", **more: Any) -> Any:
    given = assertion or idp.response(role, provider, **more)
    return unsigned_sts().assume_role_with_saml(RoleArn=role, PrincipalArn=provider, SAMLAssertion=given)


def test_a_provider_is_created_shown_changed_and_deleted(account: TestAccount) -> None:
    iam = account.client("iam")
    assert iam.list_saml_providers()["SAMLProviderList"] == []
    arn = create(account)
    assert arn == f"arn:aws:iam::{account.account_id}:saml-provider/company"
    (listed,) = iam.list_saml_providers()["SAMLProviderList"]
    assert (listed["Arn"], listed["ValidUntil"] > listed["CreateDate"]) == (arn, True)
    iam.tag_saml_provider(SAMLProviderArn=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.untag_saml_provider(SAMLProviderArn=arn, TagKeys=["a"])
    shown = iam.get_saml_provider(SAMLProviderArn=arn)
    assert shown["SAMLMetadataDocument"] == idp.metadata()
    assert (shown["AssertionEncryptionMode"], shown["PrivateKeyList"]) == ("Allowed", [])
    assert shown["Tags"] == iam.list_saml_provider_tags(SAMLProviderArn=arn)["Tags"] == [{"Key": "b", "Value": "2"}]
    changed = iam.update_saml_provider(SAMLProviderArn=arn, SAMLMetadataDocument=idp.metadata() + " ")
    assert changed["SAMLProviderArn"] == arn
    assert refused(iam.create_saml_provider, Name="company", SAMLMetadataDocument=idp.metadata())[:2] == (
        409,
        "EntityAlreadyExists",
    )
    start, end = "<ds:X509Certificate>", "</ds:X509Certificate>"
    certificate = start + idp.metadata().partition(start)[2].partition(end)[0] + end
    wrong = (
        *("x" * 1000, "<a/>" + " " * 1000),
        idp.metadata().replace("IDPSSODescriptor", "SPSSODescriptor"),
        idp.metadata().replace(certificate, certificate * 21),
    )
    for document in wrong:
        assert refused(iam.create_saml_provider, Name="other", SAMLMetadataDocument=document)[1:] == (
            "InvalidInput",
            "Could not parse metadata",
        )
    iam.delete_saml_provider(SAMLProviderArn=arn)
    for call in (iam.delete_saml_provider, iam.get_saml_provider):
        assert refused(call, SAMLProviderArn=arn) == (404, "NoSuchEntity", f"Manifest not found for arn {arn}")


@pytest.mark.parametrize("sign", ["assertion", "response"])
def test_a_signed_response_becomes_the_role_that_trusts_it(account: TestAccount, sign: str) -> None:
    provider = create(account)
    condition = {"StringEquals": {"SAML:aud": "https://signin.aws.amazon.com/saml", "saml:iss": idp.ENTITY}}
    allow = {"Effect": "Allow", "Action": "kms:ListKeys", "Resource": "*"}
    of_ann = {"StringEquals": {"saml:sub": "ann@example.com", "saml:sub_type": "persistent"}}
    role = trusting(account, condition, policy={**allow, "Condition": of_ann})
    made = assume(role, provider, sign=sign)
    assert made["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account.account_id}:assumed-role/people/ann"
    shown = (made["Subject"], made["SubjectType"], made["Issuer"], made["Audience"])
    assert shown == ("ann@example.com", "persistent", idp.ENTITY, "https://signin.aws.amazon.com/saml")
    assert len(base64.b64decode(made["NameQualifier"])) == 20
    given = made["Credentials"]
    keys = (given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert make_client("kms", "us-east-1", *keys).list_keys()["Keys"] == []
    named = [{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithSAML"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    identity = json.loads(event["CloudTrailEvent"])["userIdentity"]
    assert (identity["type"], identity["identityProvider"]) == ("SAMLUser", provider)


def test_attributes_tag_the_session(account: TestAccount) -> None:
    provider = create(account)
    base = "https://aws.amazon.com/SAML/Attributes/"
    attributes = {
        f"{base}PrincipalTag:team": ["one"],
        f"{base}TransitiveTagKeys": ["team"],
        f"{base}SourceIdentity": ["ann"],
    }
    role = trusting(account, None, "sts:TagSession", "sts:SetSourceIdentity")
    made = assume(role, provider, attributes=attributes)
    assert made["SourceIdentity"] == "ann"
    assert made["PackedPolicySize"] > 0


def wrapped(role: str, provider: str) -> str:
    """A signed assertion moved aside, with a forged one in its place."""
    signed = base64.b64decode(idp.response(role, provider)).decode()
    start, end = signed.index("<saml:Assertion"), signed.index("</saml:Assertion>") + len("</saml:Assertion>")
    forged = signed[start:end].replace('ID="a1"', 'ID="a2"').replace("ann@example.com", "root@example.com")
    forged = (
        forged[: forged.index("<ds:Signature")] + forged[forged.index("</ds:Signature>") + len("</ds:Signature>") :]
    )
    return base64.b64encode((signed[:start] + forged + signed[start:]).encode()).decode()


def test_what_is_wrapped_around_a_signed_assertion_does_not_count(account: TestAccount) -> None:
    provider = create(account)
    role = trusting(account)
    assert assume(role, provider, wrapped(role, provider))["Subject"] == "ann@example.com"


PAST = datetime.now(UTC) - timedelta(minutes=20)
BASE = "https://aws.amazon.com/SAML/Attributes/"


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"sign": ""}, "InvalidIdentityToken", "Response signature invalid"),
        ({"key": "forged"}, "InvalidIdentityToken", "Response signature invalid"),
        ({"issuer": "https://other.example.com"}, "InvalidIdentityToken", "Issuer not present in specified provider"),
        ({"issued": PAST}, "ExpiredTokenException", "Token must be redeemed within 5 minutes of issuance"),
        ({"ends": PAST}, "ExpiredTokenException", "SAML Assertion is expired"),
        (
            {"audience": "https://other.example.com"},
            "InvalidIdentityToken",
            "Response does not contain the required audience",
        ),
        ({"attributes": {f"{BASE}RoleSessionName": []}}, "InvalidIdentityToken", "RoleSessionName is required"),
        (
            {"attributes": {f"{BASE}RoleSessionName": ["a b"]}},
            "InvalidIdentityToken",
            "RoleSessionName in AuthnResponse",
        ),
        ({"attributes": {f"{BASE}Role": ["a,b"]}}, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML"),
    ],
)
def test_a_response_that_is_not_sound_is_refused(
    account: TestAccount, more: dict[str, Any], code: str, words: str
) -> None:
    provider = create(account)
    role = trusting(account)
    status, found, message = refused(assume, role=role, provider=provider, **more)
    assert (status, found) == (403 if code == "AccessDenied" else 400, code)
    assert words in message


def test_a_response_that_was_changed_or_is_none_is_refused(account: TestAccount) -> None:
    provider = create(account)
    role = trusting(account, {"StringEquals": {"saml:sub": "somebody"}})
    assert refused(assume, role=role, provider=provider)[1] == "AccessDenied"
    sound = base64.b64decode(idp.response(role, provider))
    changed = base64.b64encode(sound.replace(b"ann@", b"bob@")).decode()
    assert refused(assume, role=role, provider=provider, assertion=changed)[2] == "Response signature invalid"
    assert refused(assume, role=role, provider=provider, assertion="????")[2] == "Invalid base64 SAMLResponse"
    dtd = base64.b64encode(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>').decode()
    assert refused(assume, role=role, provider=provider, assertion=dtd)[2] == "Invalid SAMLResponse"
    gone = provider.replace("company", "nobody")
    assert refused(assume, role=role, provider=gone, assertion="abcd")[2] == "Specified provider doesn't exist"


@pytest.mark.parametrize(
    ("of_signature", "instead"), [("ds:SignedInfo", "ds:Other"), ("ds:DigestValue", "ds:Other"), ("rsa-sha256", "none")]
)
def test_a_signature_that_is_none_is_refused(account: TestAccount, of_signature: str, instead: str) -> None:
    provider, role = create(account), trusting(account)
    whole = base64.b64decode(idp.response(role, provider)).decode()
    assert of_signature in whole
    forged = base64.b64encode(whole.replace(of_signature, instead).encode()).decode()
    assert refused(assume, role=role, provider=provider, assertion=forged)[1:] == (
        "InvalidIdentityToken",
        "Response signature invalid",
    )


def test_a_certificate_of_a_kind_that_nobody_knows_signs_nothing(account: TestAccount) -> None:
    provider, role = create(account), trusting(account)
    known, unknown = bytes.fromhex("06092a864886f70d010101"), bytes.fromhex("06092a864886f70d01017f")  # rsaEncryption
    der = idp.certificate().public_bytes(serialization.Encoding.DER)
    assert known in der
    written = [base64.b64encode(each).decode() for each in (der, der.replace(known, unknown))]
    metadata = idp.metadata().replace(*written)
    account.client("iam").update_saml_provider(SAMLProviderArn=provider, SAMLMetadataDocument=metadata)
    assert refused(assume, role=role, provider=provider)[1] == "InvalidIdentityToken"
