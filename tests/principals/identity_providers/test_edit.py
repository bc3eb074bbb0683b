"""The page that changes an identity provider, and the removal of a private key."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.conftest import TestAccount
from tests.principals.identity_providers.test_identity_providers import at, shown
from tests.support import identity_providers as idp


def oidc(account: TestAccount) -> str:
    made = account.client("iam").create_open_id_connect_provider(Url=idp.ISSUER, ClientIDList=[idp.CLIENT])
    return str(made["OpenIDConnectProviderArn"])


def test_audiences_and_thumbprints_are_changed(signed_in: Client, account: TestAccount) -> None:
    provider = oidc(account)
    assert f">{idp.CLIENT}</textarea>" in shown(signed_in.get(at("edit/", provider))).replace("\n", "")
    form = {"clients": "first\nsecond", "thumbprints": "A" * 40}
    looked = shown(signed_in.post(at("edit/", provider), {**form, "preview": "1"}))
    assert "remove-client-id-from-open-id-connect-provider" in looked
    assert signed_in.post(at("edit/", provider), form).status_code == 302
    found = account.client("iam").get_open_id_connect_provider(OpenIDConnectProviderArn=provider)
    assert (found["ClientIDList"], found["ThumbprintList"]) == (["first", "second"], ["a" * 40])
    assert "hex-encoded" in shown(signed_in.post(at("edit/", provider), {**form, "thumbprints": "z" * 40}), 422)


def test_a_saml_provider_gets_keys_requires_encryption_and_loses_a_key(signed_in: Client, account: TestAccount) -> None:
    iam = account.client("iam")
    arn = iam.create_saml_provider(Name="company", SAMLMetadataDocument=idp.metadata())["SAMLProviderArn"]
    assert "Encrypted assertions are refused" in shown(signed_in.get(at("", arn)))
    assert "no private key is provided" in shown(signed_in.post(at("edit/", arn), {"required": "on"}), 422)

    def pem(text: str = idp.private_key()) -> SimpleUploadedFile:
        return SimpleUploadedFile("key.pem", text.encode())

    looked = shown(signed_in.post(at("edit/", arn), {"key": pem(), "required": "on", "preview": "1"}))
    assert ("PRIVATE KEY-----" in looked, "$ADD_PRIVATE_KEY" in looked) == (False, True)
    assert "Invalid private key." in shown(signed_in.post(at("edit/", arn), {"key": pem("nonsense")}), 422)
    for _each in range(2):
        signed_in.post(at("edit/", arn), {"key": pem(), "required": "on"})
    page = shown(signed_in.get(at("", arn)))
    assert "Encryption is required" in page
    first, second = (each["KeyId"] for each in iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"])
    assert first in page
    removal = f"{at('private-key/', arn)}&key={first}"
    assert first in shown(signed_in.get(removal))
    signed_in.post(removal)
    assert [each["KeyId"] for each in iam.get_saml_provider(SAMLProviderArn=arn)["PrivateKeyList"]] == [second]
    signed_in.post(at("edit/", arn), {"metadata": idp.metadata() + "  "})
    found = iam.get_saml_provider(SAMLProviderArn=arn)
    assert (found["AssertionEncryptionMode"], found["SAMLMetadataDocument"].startswith("<md:")) == ("Allowed", True)
