"""What a form of the playground offers for a key works at the first press; what no key can do is not offered."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount
from tests.playground.running import run
from tests.support.answers import text


def test_the_first_key_of_a_picker_is_one_that_can_be_used(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    kms.describe_key(KeyId="alias/aws/s3")  # makes the AWS managed key, which only S3 may use
    off = account.create_key()
    kms.create_alias(AliasName="alias/a-disabled-one", TargetKeyId=off)
    kms.disable_key(KeyId=off)
    plain, named = account.create_key(), account.create_key()
    kms.create_alias(AliasName="alias/zebra", TargetKeyId=named)
    offered = [value for value, _words in signed_in.get("/play/encrypt/").context["form"].fields["KeyId"].choices]
    assert offered[:3] == [named, plain, off]
    assert len(offered) == 4


# Each spec with the operations of its usage: what a first press needs beside the key.
FIRST_PRESS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "encrypt"),
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "generate-data-key"),
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "generate-data-key-pair"),
    *(("RSA_2048", "ENCRYPT_DECRYPT", slug) for slug in ("encrypt", "get-public-key")),
    *(
        (spec, "SIGN_VERIFY", "sign")
        for spec in (
            *("RSA_2048", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1"),
            *("ECC_NIST_EDWARDS25519", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87"),
        )
    ),
    *((f"HMAC_{bits}", "GENERATE_VERIFY_MAC", "generate-mac") for bits in (224, 256, 384, 512)),
    ("ML_KEM_768", "ENCAPSULATE_DECAPSULATE", "encapsulate"),
    ("ML_KEM_1024", "ENCAPSULATE_DECAPSULATE", "encapsulate"),
]


def as_sent(browser: Client, slug: str, key_id: str = "") -> dict[str, Any]:
    """The form of a page as a browser sends it, untouched but for a text."""
    form = browser.get(f"/play/{slug}/", {"key": key_id} if key_id else {}).context["form"]
    sent: dict[str, Any] = {f"offered_{member}": each.key_id for member, each in form.can.items()}
    for each in form.layout():
        if each["kind"] != "context":
            sent[each["member"]] = each["field"].value() or ""
    sent.update({member: "hello" for member in ("Plaintext", "Message") if member in sent})
    return sent


@pytest.mark.parametrize(("spec", "usage", "slug"), FIRST_PRESS)
def test_the_first_press_works(account: TestAccount, signed_in: Client, spec: str, usage: str, slug: str) -> None:
    key_id = account.create_key(KeySpec=spec, KeyUsage=usage)
    run(signed_in, slug, **as_sent(signed_in, slug, key_id))


# A key of the same usage that the form may have been made for; keys of other usages have one algorithm each.
OFFERED_FOR = {"ENCRYPT_DECRYPT": "SYMMETRIC_DEFAULT", "SIGN_VERIFY": "RSA_3072"}


@pytest.mark.parametrize(("spec", "usage", "slug"), [each for each in FIRST_PRESS if each[1] in OFFERED_FOR])
def test_another_key_than_the_offered_one_works_without_scripts(
    account: TestAccount, signed_in: Client, spec: str, usage: str, slug: str
) -> None:
    first = account.create_key(KeySpec=OFFERED_FOR[usage], KeyUsage=usage)
    key_id = account.create_key(KeySpec=spec, KeyUsage=usage)
    run(signed_in, slug, **{**as_sent(signed_in, slug, first), "KeyId": key_id})


def test_a_form_offers_what_the_key_can_and_nothing_else(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY")
    fields = signed_in.get("/play/sign/", {"key": key_id}).context["form"].fields
    assert [value for value, _words in fields["SigningAlgorithm"].choices] == ["ML_DSA_SHAKE_256"]
    assert [value for value, _words in fields["MessageType"].choices if value] == ["RAW", "EXTERNAL_MU"]


def test_choosing_a_key_narrows_the_form_and_runs_nothing(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY")
    page = signed_in.post("/play/sign/", {"KeyId": key_id, "Message": "hello", "narrow": "1"})
    assert [value for value, _words in page.context["form"].fields["SigningAlgorithm"].choices] == ["ECDSA_SHA_384"]
    assert "ran" not in page.context
    assert "hello" in text(page)


def test_an_asymmetric_key_is_asked_for_no_encryption_context(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    assert "EncryptionContext_name" not in text(signed_in.get("/play/encrypt/", {"key": key_id}))


def test_where_no_key_can_do_it_the_page_says_so_and_leads_on(account: TestAccount, signed_in: Client) -> None:
    words, address = "No key that you may list in this Region can do this.", "/play/sign/"
    account.create_key()
    assert words in text(signed_in.get(address))
    assert words not in text(signed_in.get("/play/encrypt/"))
    assert words not in text(signed_in.get("/play/generate-random/"))
    account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    assert words not in text(signed_in.get(address))
    assert words not in text(signed_in.get(address, {"find": "nothing-has-this"}))


def test_what_is_rarely_used_stays_folded_while_nothing_of_it_is_chosen(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    sent = as_sent(signed_in, "encrypt", key_id)
    assert sent["EncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
    assert not run(signed_in, "encrypt", **sent).context["form"].rare_is_used()
    assert (
        run(signed_in, "encrypt", **{**sent, "EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}).context["form"].rare_is_used()
    )


def test_data_keys_are_made_under_symmetric_keys_alone(account: TestAccount, signed_in: Client) -> None:
    symmetric = account.create_key()
    account.create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    offered = signed_in.get("/play/generate-data-key/").context["form"].fields["KeyId"].choices
    assert [value for value, _words in offered] == [symmetric]
