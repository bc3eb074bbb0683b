"""Encrypted assertions: the private keys of a SAML provider, and which encrypted responses are taken. The test's own provider encrypts."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from lxml import etree

from engine.iam.models import SAMLPrivateKey
from tests.conftest import TestAccount
from tests.engine.iam.test_saml import assume, create, trusting
from tests.engine.iam.test_web_identity import refused
from tests.support import identity_providers as idp
from tests.support.identity_providers import DSIG, XENC, XENC11, encryption

CBC, GCM = f"{XENC}aes128-cbc", f"{XENC11}aes128-gcm"
UNDECRYPTED = "Unable to decrypt the assertion"


@pytest.fixture
def company(account: TestAccount) -> tuple[str, str]:
    """A role and the SAML provider that it trusts, which can open what is encrypted."""
    provider = create(account)
    account.client("iam").update_saml_provider(SAMLProviderArn=provider, AddPrivateKey=idp.private_key())
    return trusting(account), provider


def refusal(company: tuple[str, str], assertion: str = "", **more: Any) -> str:
    status, code, message = refused(assume, role=company[0], provider=company[1], assertion=assertion, **more)
    assert (status, code) == (400, "InvalidIdentityToken")
    return str(message)


def test_keys_are_added_listed_without_their_content_and_removed(account: TestAccount) -> None:
    iam = account.client("iam")
    key = idp.private_key()
    arn = iam.create_saml_provider(
        Name="company",
        SAMLMetadataDocument=idp.metadata(),
        AssertionEncryptionMode="Required",
        AddPrivateKey=key,
    )["SAMLProviderArn"]
    shown = iam.get_saml_provider(SAMLProviderArn=arn)
    (first,) = shown["PrivateKeyList"]
    assert (shown["AssertionEncryptionMode"], set(first)) == ("Required", {"KeyId", "Timestamp"})
    iam.update_saml_provider(SAMLProviderArn=arn, AddPrivateKey=idp.private_key("next"))
    assert len(iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"]) == 2
    iam.update_saml_provider(SAMLProviderArn=arn, RemovePrivateKey=first["KeyId"])
    (last,) = iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"]
    assert last["KeyId"] != first["KeyId"]
    iam.update_saml_provider(SAMLProviderArn=arn, AssertionEncryptionMode="Allowed")
    iam.update_saml_provider(SAMLProviderArn=arn, RemovePrivateKey=last["KeyId"])
    shown = iam.get_saml_provider(SAMLProviderArn=arn)
    assert (shown["AssertionEncryptionMode"], shown["PrivateKeyList"]) == ("Allowed", [])


def test_keys_are_neither_in_the_record_nor_plain_in_the_database(
    account: TestAccount, company: tuple[str, str]
) -> None:
    named = [{"AttributeKey": "EventName", "AttributeValue": "UpdateSAMLProvider"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    assert "PRIVATE KEY" not in event["CloudTrailEvent"]
    kept = SAMLPrivateKey.objects.get(provider__account_id=account.account_id)
    assert idp.rsa_key("decrypts").private_numbers().p.to_bytes(128, "big") not in bytes(kept.wrapped)


def test_what_may_not_be_asked_for_is_refused_in_awss_words(account: TestAccount) -> None:
    iam, arn = account.client("iam"), create(account)

    def refusal(**asked: str) -> tuple[str, str]:
        return refused(iam.update_saml_provider, SAMLProviderArn=arn, **asked)[1:]

    key = idp.private_key()
    nothing = "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
    assert refusal() == ("InvalidInput", nothing)
    required = "Unable to set assertion encryption mode to Required because no private key is provided."
    assert refusal(AssertionEncryptionMode="Required") == ("InvalidInput", required)
    given = {"Name": "other", "SAMLMetadataDocument": idp.metadata(), "AssertionEncryptionMode": "Required"}
    assert refused(iam.create_saml_provider, **given)[1:] == ("InvalidInput", required)
    both = "Unable to add and remove private keys in the same request. Set a value for only one of the two parameters."
    assert refusal(AddPrivateKey=key, RemovePrivateKey="A" * 22) == ("InvalidInput", both)
    none = "Failed to remove private key because the Key ID does not match a private key."
    assert refusal(RemovePrivateKey="A" * 22) == ("InvalidInput", none)
    for wrong in ("nonsense", key.replace("MII", "MIA")):
        assert refusal(AddPrivateKey=wrong) == ("InvalidInput", "Invalid private key.")
    iam.update_saml_provider(SAMLProviderArn=arn, AddPrivateKey=key, AssertionEncryptionMode="Required")
    (kept,) = iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"]
    assert refusal(RemovePrivateKey=kept["KeyId"]) == ("InvalidInput", "Failed to remove private key.")
    iam.update_saml_provider(SAMLProviderArn=arn, AddPrivateKey=idp.private_key("next"))
    assert refusal(AddPrivateKey=key) == ("LimitExceeded", "Private key limit of 2 is reached.")


@pytest.mark.parametrize(
    ("sign", "encrypt"),
    [
        ("assertion", encryption()),
        ("response", encryption()),
        ("assertion and response", encryption(GCM, beside=True)),
        ("response", encryption(CBC)),
        ("assertion and response", encryption(f"{XENC}aes256-cbc", beside=True)),
        ("assertion", encryption(to=("somebody else", "decrypts"))),
        ("assertion", encryption(GCM, digest=f"{XENC}sha256")),
        (
            "assertion",
            encryption(GCM, f"{XENC11}rsa-oaep", digest=f"{XENC}sha256", mask=f"{XENC11}mgf1sha256"),
        ),
        ("assertion", encryption(GCM, f"{XENC11}rsa-oaep")),
    ],
)
def test_an_encrypted_assertion_becomes_the_role_that_trusts_it(
    company: tuple[str, str], sign: str, encrypt: Any
) -> None:
    assert assume(*company, sign=sign, encrypt=encrypt)["Subject"] == "ann@example.com"


def test_each_of_two_keys_opens_what_was_encrypted_for_it(account: TestAccount, company: tuple[str, str]) -> None:
    account.client("iam").update_saml_provider(SAMLProviderArn=company[1], AddPrivateKey=idp.private_key("next"))
    for name in ("decrypts", "next"):
        assert assume(*company, encrypt=encryption(to=(name,)))["Subject"] == "ann@example.com"


def test_where_encryption_is_required_an_open_assertion_is_refused(
    account: TestAccount, company: tuple[str, str]
) -> None:
    assert assume(*company)["Subject"] == "ann@example.com"
    account.client("iam").update_saml_provider(SAMLProviderArn=company[1], AssertionEncryptionMode="Required")
    assert refusal(company) == "The SAML provider takes encrypted assertions only"
    assert assume(*company, encrypt=encryption())["Subject"] == "ann@example.com"


def test_a_provider_without_a_key_opens_nothing(account: TestAccount) -> None:
    company = trusting(account), create(account)
    assert "no private key" in refusal(company, encrypt=encryption())


@pytest.mark.parametrize(
    ("sign", "encrypt", "words"),
    [
        ("assertion", encryption(to=("somebody else",)), UNDECRYPTED),
        ("assertion", encryption(change=lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1])), UNDECRYPTED),
        ("assertion", encryption(change=lambda sealed: sealed[:20]), UNDECRYPTED),
        ("", encryption(), "Response signature invalid"),
        ("assertion", encryption(CBC), f"Encryption of the assertion is not supported: {CBC} in a response that"),
        (
            "response",
            encryption(transport=f"{XENC}rsa-1_5"),
            f"Encryption of the assertion is not supported: {XENC}rsa-1_5",
        ),
        (
            "response",
            encryption(GCM, f"{XENC11}rsa-oaep", mask=f"{XENC11}mgf1sha256", digest=f"{DSIG}sha384"),
            f"not supported: {DSIG}sha384",
        ),
    ],
)
def test_what_cannot_be_opened_or_is_not_signed_is_refused(
    company: tuple[str, str], sign: str, encrypt: Any, words: str
) -> None:
    assert words in refusal(company, sign=sign, encrypt=encrypt)


def changed(response: str, change: Any) -> str:
    """The response with its encrypted data changed after it was signed."""
    root = etree.fromstring(base64.b64decode(response))
    change(root.find(f".//{{{XENC}}}EncryptedData"))
    return base64.b64encode(etree.tostring(root)).decode()


def test_changed_ciphertext_is_not_decrypted_so_nothing_tells_padding_from_content(company: tuple[str, str]) -> None:
    """Of every byte of the last two blocks of AES-CBC, the same answer: the signature over them is checked before they are opened."""
    sound = idp.response(*company, sign="response", encrypt=encryption(CBC))

    def flip(place: int) -> Any:
        def change(data: Any) -> None:
            value = data.find(f"{{{XENC}}}CipherData/{{{XENC}}}CipherValue")
            sealed = bytearray(base64.b64decode(value.text))
            sealed[place] ^= 0x80
            value.text = base64.b64encode(sealed).decode()

        return change

    for place in (-1, -16, -17, -32, 0):
        assert refusal(company, changed(sound, flip(place))) == "Response signature invalid"


def test_renaming_gcm_to_cbc_opens_nothing(company: tuple[str, str]) -> None:
    """The attack that reads AES-GCM through a reader that also takes AES-CBC."""
    sound = idp.response(*company, encrypt=encryption(GCM))

    def rename(data: Any) -> None:
        data.find(f"{{{XENC}}}EncryptionMethod").set("Algorithm", CBC)

    assert "not supported" in refusal(company, changed(sound, rename))


def test_of_signed_aes_cbc_each_failure_is_the_same(company: tuple[str, str]) -> None:
    """Even where the identity provider itself has signed a wrong padding, a wrong length or another's key."""
    for encrypt in (
        encryption(CBC, change=lambda sealed: sealed[:-16] + bytes(16)),
        encryption(CBC, change=lambda sealed: sealed[:-1]),
        encryption(CBC, change=lambda sealed: sealed[:16]),
        encryption(CBC, change=lambda sealed: bytes(16) + sealed[16:]),
        encryption(CBC, to=("somebody else",)),
    ):
        assert refusal(company, sign="response", encrypt=encrypt) == UNDECRYPTED


def test_a_document_that_is_not_one_assertion_is_refused(company: tuple[str, str]) -> None:
    def no_xml(assertion: Any) -> Any:
        return encryption()(etree.fromstring("<nothing/>"))

    def twice(assertion: Any) -> Any:
        sealed = encryption()(assertion)
        sealed.append(etree.fromstring(etree.tostring(sealed[0])))
        return sealed

    assert refusal(company, sign="response", encrypt=no_xml) == "Invalid SAMLResponse"
    assert refusal(company, sign="response", encrypt=twice) == UNDECRYPTED


def test_the_trail_says_who_came_and_not_what_was_encrypted(account: TestAccount, company: tuple[str, str]) -> None:
    assume(*company, encrypt=encryption())
    named = [{"AttributeKey": "EventName", "AttributeValue": "AssumeRoleWithSAML"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=named)["Events"]
    assert json.loads(event["CloudTrailEvent"])["userIdentity"]["userName"] == "ann@example.com"
    assert "CipherValue" not in event["CloudTrailEvent"]
