"""The playground: every cryptographic operation runs from its form, answers can be passed on, and nothing typed is kept."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from console import error_help
from engine.public.vocabulary import CRYPTOGRAPHIC
from playground import recipe
from playground.table import CHAINS, GROUPS, LABELS, OPERATIONS
from tests.conftest import TestAccount, sign_in_browser
from tests.playground.running import MODEL, b64, blobs, run
from tests.support import aws_cli
from tests.support.answers import text
from tests.support.server import Server

SECRET = "the launch code is 1234"


def test_every_cryptographic_operation_of_the_model_has_a_page() -> None:
    here = {play.operation for play in OPERATIONS.values()}
    administration = ("Create", "Delete", "Update", "Describe", "List", "Put", "Enable", "Disable", "Schedule", "Cancel",
                      "Tag", "Untag", "Connect", "Disconnect", "Replicate", "Rotate", "Retire", "Revoke", "Import",
                      "GetKey", "GetParameters")  # fmt: skip
    assert here == {name for name in MODEL.operation_names if not name.startswith(administration)}
    assert sorted(slug for _words, slugs in GROUPS for slug in slugs) == sorted(OPERATIONS)


def test_each_operation_of_a_key_counts_as_a_use_of_it() -> None:
    assert {play.operation for play in OPERATIONS.values()} - {"GenerateRandom"} == CRYPTOGRAPHIC


def test_every_member_but_the_enclaves_is_in_the_form_and_has_words() -> None:
    for play in OPERATIONS.values():
        model = MODEL.operation_model(play.operation)
        left_out = set(model.input_shape.members) - set(play.members)
        assert left_out <= {"Recipient", "CustomKeyStoreId", "DryRunModifiers"}, play.operation
        assert set(play.members) <= set(LABELS)
        for member, shape in model.output_shape.members.items():
            assert shape.type_name != "blob" or member in LABELS or member == "CiphertextForRecipient"


@pytest.mark.parametrize("slug", OPERATIONS)
def test_every_page_opens(signed_in: Client, slug: str) -> None:
    answer = signed_in.get(f"/play/{slug}/")
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize("slug", ["decrypt", "re-encrypt"])
def test_what_has_to_be_typed_is_not_called_optional(signed_in: Client, slug: str) -> None:
    page = signed_in.get(f"/play/{slug}/").content.decode()
    assert "optional" not in page.partition('for="id_CiphertextBlob"')[2].partition("</label>")[0]


def next_fields(answer: Any, member: str, slug: str) -> dict[str, Any]:
    """The fields that the “Use in …” button of a result sends."""
    (blob,) = [blob for blob in answer.context["blobs"] if blob["name"] == member]
    (step,) = [step for step in blob["next"] if step["slug"] == slug]
    fields: dict[str, Any] = {"prefill": "1"}
    for name, value in step["fields"]:
        fields.setdefault(name, []).append(value)
    return fields


def filled(browser: Client, slug: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The form of the next page as a browser would send it."""
    form = browser.post(f"/play/{slug}/", fields).context["form"]
    sent: dict[str, Any] = {}
    for each in form.layout():
        if each["kind"] == "context":
            sent[f"{each['member']}_name"] = [name for name, _value in each["rows"]]
            sent[f"{each['member']}_value"] = [value for _name, value in each["rows"]]
            continue
        sent[each["member"]] = each["field"].value() or ""
        if each["kind"] == "bytes":
            sent[f"{each['member']}_as"] = each["as"].value()
    return sent


def test_a_ciphertext_goes_on_to_decrypt_with_its_context(account: TestAccount, signed_in: Client) -> None:
    encrypted = run(signed_in, "encrypt", KeyId=account.create_key(), Plaintext=SECRET, Plaintext_as="text",
                    EncryptionContext_name=["team", ""], EncryptionContext_value=["blue", ""])  # fmt: skip
    fields = next_fields(encrypted, "CiphertextBlob", "decrypt")
    opened = run(signed_in, "decrypt", **filled(signed_in, "decrypt", fields))
    assert blobs(opened)["Plaintext"] == b64(SECRET.encode())


def test_a_ciphertext_goes_on_through_re_encrypt(account: TestAccount, signed_in: Client) -> None:
    encrypted = run(signed_in, "encrypt", KeyId=account.create_key(), Plaintext=SECRET, Plaintext_as="text",
                    EncryptionContext_name="team", EncryptionContext_value="blue")  # fmt: skip
    form = filled(signed_in, "re-encrypt", next_fields(encrypted, "CiphertextBlob", "re-encrypt"))
    other = account.create_key()
    moved = run(signed_in, "re-encrypt", **{**form, "DestinationKeyId": other, "DestinationEncryptionContext_name": "team",
                                            "DestinationEncryptionContext_value": "red"})  # fmt: skip
    opened = run(signed_in, "decrypt", **filled(signed_in, "decrypt", next_fields(moved, "CiphertextBlob", "decrypt")))
    assert blobs(opened)["Plaintext"] == b64(SECRET.encode())
    assert dict(opened.context["facts"])["KeyId"].endswith(other)


@pytest.mark.parametrize(
    ("typed", "encoding", "words"),
    [
        ("AAA", "base64", "This is not base64"),
        ("AAAA\u201d", "base64", "This is not base64"),  # as copied from a text processor
        ("0", "hex", "This is not hexadecimal"),
        ("00\u201d", "hex", "This is not hexadecimal"),
    ],
)
def test_what_is_not_in_its_encoding_is_said_beside_the_field_and_kept(
    signed_in: Client, typed: str, encoding: str, words: str
) -> None:
    answer = signed_in.post("/play/decrypt/", {"CiphertextBlob": typed, "CiphertextBlob_as": encoding})
    assert answer.status_code == 422
    assert words in str(answer.context["form"].errors["CiphertextBlob"])
    assert answer.context["form"]["CiphertextBlob"].value() == typed


@pytest.mark.parametrize("digest", [False, True])
def test_a_signature_goes_on_to_verify(account: TestAccount, signed_in: Client, digest: bool) -> None:
    key_id = account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    message = {"Message": "00" * 32, "Message_as": "hex", "MessageType": "DIGEST"} if digest else {"Message": "hello"}
    signed = run(signed_in, "sign", KeyId=key_id, SigningAlgorithm="ECDSA_SHA_256", **message)
    form = filled(signed_in, "verify", next_fields(signed, "Signature", "verify"))
    assert "It is genuine." in text(run(signed_in, "verify", **form))
    form["Message"] = b64(b"1" * 32)
    refused = signed_in.post("/play/verify/", form)
    assert "KMSInvalidSignatureException" in text(refused)


def test_a_mac_goes_on_to_verify(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    made = run(signed_in, "generate-mac", KeyId=key_id, Message="hello", MacAlgorithm="HMAC_SHA_256")
    form = filled(signed_in, "verify-mac", next_fields(made, "Mac", "verify-mac"))
    assert "It is genuine." in text(run(signed_in, "verify-mac", **form))


@pytest.mark.parametrize(
    ("slug", "spec", "usage", "given"),
    [
        ("derive-shared-secret", "ECC_NIST_P256", "KEY_AGREEMENT", {"PublicKey": "aGVsbG8=", "PublicKey_as": "base64"}),
        ("decapsulate", "ML_KEM_768", "ENCAPSULATE_DECAPSULATE", {"SharedSecretCiphertextBlob": "aGVsbG8="}),
    ],
)
def test_an_error_without_words_is_explained_by_what_the_operation_takes(
    account: TestAccount, signed_in: Client, slug: str, spec: str, usage: str, given: dict[str, str]
) -> None:
    algorithm = {"KeyAgreementAlgorithm": "ECDH", "EncapsulationAlgorithm": "ML_KEM"}
    key_id = account.create_key(KeySpec=spec, KeyUsage=usage)
    problem = signed_in.post(f"/play/{slug}/", {"KeyId": key_id, **algorithm, **given}).context["problem"]
    assert not problem["Message"]
    assert problem["remedy"]
    assert "encryption context" not in problem["remedy"]


def test_two_sides_derive_the_same_secret(account: TestAccount, signed_in: Client) -> None:
    ours, theirs = (account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT") for _ in range(2))
    secrets = []
    for mine, other in ((ours, theirs), (theirs, ours)):
        public = run(signed_in, "get-public-key", KeyId=other)
        assert "BEGIN PUBLIC KEY" in text(public)
        form = filled(signed_in, "derive-shared-secret", next_fields(public, "PublicKey", "derive-shared-secret"))
        secrets.append(blobs(run(signed_in, "derive-shared-secret", **{**form, "KeyId": mine}))["SharedSecret"])
    assert secrets[0] == secrets[1]


def test_an_encapsulated_secret_is_opened(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(KeySpec="ML_KEM_768", KeyUsage="ENCAPSULATE_DECAPSULATE")
    made = run(signed_in, "encapsulate", KeyId=key_id, EncapsulationAlgorithm="ML_KEM")
    fields = next_fields(made, "SharedSecretCiphertextBlob", "decapsulate")
    opened = run(signed_in, "decapsulate", **filled(signed_in, "decapsulate", fields))
    assert blobs(opened)["SharedSecret"] == blobs(made)["SharedSecret"]


@pytest.mark.parametrize("slug", ["generate-data-key", "generate-data-key-without-plaintext"])
def test_a_data_key_comes_by_kind_or_by_length(account: TestAccount, signed_in: Client, slug: str) -> None:
    key_id = account.create_key()
    by_kind = run(signed_in, slug, KeyId=key_id, KeySpec="AES_128")
    by_length = run(signed_in, slug, KeyId=key_id, KeySpec="", NumberOfBytes="64")
    sizes = [len(base64.b64decode(blobs(each).get("Plaintext", ""))) for each in (by_kind, by_length)]
    assert sizes == ([16, 64] if slug == "generate-data-key" else [0, 0])


def test_the_private_key_of_a_pair_opens_from_its_encrypted_form(account: TestAccount, signed_in: Client) -> None:
    pair = run(signed_in, "generate-data-key-pair", KeyId=account.create_key(), KeyPairSpec="ECC_NIST_P256")
    fields = next_fields(pair, "PrivateKeyCiphertextBlob", "decrypt")
    opened = run(signed_in, "decrypt", **filled(signed_in, "decrypt", fields))
    assert blobs(opened)["Plaintext"] == blobs(pair)["PrivateKeyPlaintext"]
    alone = run(
        signed_in, "generate-data-key-pair-without-plaintext", KeyId=account.create_key(), KeyPairSpec="RSA_2048"
    )
    assert set(blobs(alone)) == {"PublicKey", "PrivateKeyCiphertextBlob"}


def test_random_bytes_come_in_the_number_asked_for(signed_in: Client) -> None:
    assert len(base64.b64decode(blobs(run(signed_in, "generate-random", NumberOfBytes="24"))["Plaintext"])) == 24


def test_a_dry_run_says_that_it_would_have_worked_and_that_it_would_not(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key()
    passed = signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "x", "DryRun": "on"})
    assert "The dry run passed." in text(passed)
    assert "--dry-run" in passed.context["call"].cli
    account.client().disable_key(KeyId=key_id)
    refused = signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "x", "DryRun": "on"})
    assert "DisabledException" in text(refused)


def test_a_key_can_be_named_by_hand(account: TestAccount, signed_in: Client) -> None:
    account.client().create_alias(AliasName="alias/by-hand", TargetKeyId=account.create_key())
    done = run(signed_in, "encrypt", KeyId_other="alias/by-hand", Plaintext="x")
    assert "alias/by-hand" in done.context["call"].cli
    nothing = signed_in.post("/play/encrypt/", {"Plaintext": "x"})
    assert nothing.status_code == 422
    assert "Choose a key, or name one." in text(nothing)


def test_a_file_is_read_and_a_large_one_is_led_to_the_envelope_lab(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    done = run(signed_in, "encrypt", KeyId=key_id, Plaintext_file=SimpleUploadedFile("s", bytes(range(256))))
    blob = base64.b64decode(blobs(done)["CiphertextBlob"])
    assert account.client().decrypt(CiphertextBlob=blob)["Plaintext"] == bytes(range(256))
    large = signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext_file": SimpleUploadedFile("l", b"x" * 4097)})
    assert large.status_code == 422
    assert "/lab/envelope/" in text(large)


def test_another_row_is_offered_without_a_call_and_keeps_what_was_typed(
    account: TestAccount, signed_in: Client
) -> None:
    key_id = account.create_key()
    before = len(account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "Encrypt"}])["Events"])  # fmt: skip
    answer = signed_in.post(
        "/play/encrypt/",
        {
            "more": "EncryptionContext",
            "KeyId": key_id,
            "Plaintext": SECRET,
            "EncryptionContext_name": "a",
            "EncryptionContext_value": "b",
        },
    )
    assert answer.status_code == 200
    assert text(answer).count('name="EncryptionContext_name"') == 3
    assert SECRET in text(answer)
    assert before == 0 == len(account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "Encrypt"}])["Events"])  # fmt: skip


def test_a_result_can_be_downloaded_from_the_page_itself(account: TestAccount, signed_in: Client) -> None:
    done = run(signed_in, "encrypt", KeyId=account.create_key(), Plaintext=SECRET)
    link = re.search(r'href="data:application/octet-stream;base64,([^"]+)"\s+download="CiphertextBlob.bin"', text(done))
    assert link is not None
    assert link[1] == blobs(done)["CiphertextBlob"]


def test_every_error_a_form_can_meet_is_explained() -> None:
    for play in OPERATIONS.values():
        for shape in MODEL.operation_model(play.operation).error_shapes:
            code = shape.metadata.get("error", {}).get("code", shape.name)
            assert error_help.remedy(play.operation, code, ""), (play.operation, code)


def test_every_chain_leads_to_a_field_that_is_there() -> None:
    for (operation, member), targets in CHAINS.items():
        assert member in MODEL.operation_model(operation).output_shape.members
        for slug, target in targets:
            assert target in OPERATIONS[slug].members


def stored(browser: Client) -> str:
    return str(Session.objects.get(session_key=browser.session.session_key).get_decoded())


def test_no_plaintext_is_kept_on_the_server(account: TestAccount, signed_in: Client) -> None:
    done = run(signed_in, "encrypt", KeyId=account.create_key(), Plaintext=SECRET)
    fields = next_fields(done, "CiphertextBlob", "decrypt")
    run(signed_in, "decrypt", **filled(signed_in, "decrypt", fields))
    kept = stored(signed_in)
    assert "Encrypt" in kept
    for secret in (SECRET, SECRET.encode().hex(), b64(SECRET.encode())):
        assert secret not in kept


def test_the_recipe_can_be_forgotten(account: TestAccount, signed_in: Client) -> None:
    run(signed_in, "generate-random", NumberOfBytes="8")
    assert "generate_random" in text(signed_in.get("/play/recipe/"))
    signed_in.post("/play/recipe/")
    assert "No call yet." in text(signed_in.get("/play/recipe/"))


def play_a_while(account: TestAccount) -> list[dict[str, Any]]:
    """The entries after: encrypt, decrypt what came, a key pair, its private key opened, a signature verified."""
    browser, kms = sign_in_browser(account.administrator), account.client()
    symmetric = account.create_key()
    signing = account.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    kms.create_alias(AliasName="alias/recipe", TargetKeyId=symmetric)
    done = run(
        browser,
        "encrypt",
        KeyId=symmetric,
        Plaintext=SECRET,
        EncryptionContext_name="it's",
        EncryptionContext_value="$x",
    )
    run(browser, "decrypt", **filled(browser, "decrypt", next_fields(done, "CiphertextBlob", "decrypt")))
    pair = run(browser, "generate-data-key-pair", KeyId=symmetric, KeyPairSpec="ECC_NIST_P256")
    run(browser, "decrypt", **filled(browser, "decrypt", next_fields(pair, "PrivateKeyCiphertextBlob", "decrypt")))
    signed = run(browser, "sign", KeyId=signing, SigningAlgorithm="ECDSA_SHA_256", Message="hello")
    run(browser, "verify", **filled(browser, "verify", next_fields(signed, "Signature", "verify")))
    return list(browser.session["recipe"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["boto3", "cli"])
def test_the_recipe_runs_as_printed(account: TestAccount, server: Server, tmp_path: Path, kind: str) -> None:
    entries = play_a_while(account)
    kms = server.client()
    keys = {"SYMMETRIC": kms.create_key(), "SIGNING": kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")}
    for entry in entries:  # the same recipe on another account's keys
        if "KeyId" in entry["parameters"]:
            signing = entry["operation"] in ("Sign", "Verify")
            entry["parameters"]["KeyId"]["value"] = keys["SIGNING" if signing else "SYMMETRIC"]["KeyMetadata"]["KeyId"]
    files = recipe.secret_files(entries)
    assert files == ["plaintext-1.bin", "message-5.bin", "message-6.bin"]
    for file in files:
        (tmp_path / file).write_bytes(b"some secret bytes")
    environment = {**server.cli_environment(), "PATH": f"{aws_cli.folder()}:/usr/bin:/bin"}
    if kind == "boto3":
        script = recipe.boto3_script(entries, "us-east-1", server.url)
        script += '\nassert answer_2["Plaintext"] == b"some secret bytes"\nassert answer_4["Plaintext"] == answer_3["PrivateKeyPlaintext"]'
        command = [sys.executable, "-c", script]
    else:
        command = ["bash", "-c", recipe.cli_script(entries, "us-east-1", server.url)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout
    if kind == "cli":
        assert b64(b"some secret bytes") in done.stdout
        assert '"SignatureValid": true' in done.stdout


def test_the_playground_explains_what_went_wrong(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    blob = account.client().encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    answer = signed_in.post("/play/decrypt/", {"CiphertextBlob": blob.hex(), "CiphertextBlob_as": "hex"})
    assert "InvalidCiphertextException" in text(answer)
    assert "encryption context" in text(answer)
    assert "no-store" in answer["Cache-Control"]
    wrong = signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "xyz", "Plaintext_as": "hex"})
    assert wrong.status_code == 422
    assert "This is not hexadecimal" in text(wrong)


def test_a_file_too_large_to_encrypt_directly_is_refused(account: TestAccount, signed_in: Client) -> None:
    upload = SimpleUploadedFile("large.bin", b"x" * 4097)
    answer = signed_in.post(
        "/play/encrypt/", {"KeyId": account.create_key(), "Plaintext_as": "text", "Plaintext_file": upload}
    )
    assert "4,097 bytes; this operation takes 4,096 at most" in text(answer)


def test_the_playground_begins_with_every_operation(signed_in: Client) -> None:
    page = text(signed_in.get("/play/"))
    for slug in OPERATIONS:
        assert f'href="/play/{slug}/"' in page
