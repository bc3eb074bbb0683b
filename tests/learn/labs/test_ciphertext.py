"""The ciphertext lab: what is read from a blob agrees with its documented layout, and every change is answered by KMS itself."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from learn.labs import ciphertext
from tests.conftest import TestAccount
from tests.support.server import ROOT

PAGE = "/lab/ciphertext/"
CONTEXT = {"context_name": ["tenant"], "context_value": ["blue"]}
PARTS = ["version", "kind", "account", "key", "material", "nonce", "ciphertext", "tag"]


def vectors() -> list[list[str]]:
    """The test vectors of docs/ciphertext.md: account, key ID, material ID's byte, plaintext, context, ciphertext."""
    rows = [line.strip("|").split("|") for line in (ROOT / "docs" / "ciphertext.md").read_text().splitlines()]
    return [[cell.strip().strip("`") for cell in row] for row in rows if re.fullmatch(r" \d{12} ", row[0])]


def made(account: TestAccount, signed_in: Client, key_id: str = "") -> tuple[str, Any]:
    """(key ID, the page) after a ciphertext was made."""
    key_id = key_id or account.create_key()
    answer = signed_in.post(PAGE, {"step": "make", "key": key_id, "plaintext": "launch code", **CONTEXT})
    assert answer.status_code == 200, answer.content.decode()
    return key_id, answer


def asked(signed_in: Client, page: Any, **fields: Any) -> Any:
    return signed_in.post(PAGE, {"blob": page.context["blob"].base64, "as": "base64", **CONTEXT, **fields})


@pytest.mark.parametrize("vector", vectors(), ids=lambda vector: vector[1])
def test_a_blob_is_read_as_its_layout_is_documented(vector: list[str]) -> None:
    account_id, key_id, material, plaintext, _context, blob = vector
    reading = ciphertext.read(bytes.fromhex(blob))
    assert reading is not None
    assert (reading.account_id, reading.key_id) == (account_id, key_id)
    assert reading.material_id == material[:2] * 32
    assert reading.plaintext_size == len(plaintext) // 2
    assert reading.parts[-1].end == len(blob) // 2


def test_the_page_names_the_key_and_the_length_of_what_was_encrypted(account: TestAccount, signed_in: Client) -> None:
    key_id, answer = made(account, signed_in)
    assert answer.context["named"]["key"]["KeyId"] == key_id
    assert answer.context["reading"].plaintext_size == len("launch code")
    assert "no-store" in answer["Cache-Control"]


def test_an_unchanged_blob_opens(account: TestAccount, signed_in: Client) -> None:
    key_id, page = made(account, signed_in)
    answer = asked(signed_in, page, step="open")
    assert answer.context["answer"]["plaintext"].text == "launch code"
    assert answer.context["answer"]["key"].endswith(key_id)
    assert page.context["made_by"].operation == "Encrypt"
    assert page.context["blob"].base64 in answer.context["answer"]["call"].cli


def test_whether_it_opens_is_told_without_its_plaintext(account: TestAccount, signed_in: Client) -> None:
    _key_id, page = made(account, signed_in)
    answer = asked(signed_in, page, step="dry")
    assert "DryRun option is set" in answer.context["answer"]["would_open"]
    assert "launch code" not in answer.content.decode()
    elsewhere = asked(signed_in, page, step="dry", context_value=["red"])
    assert elsewhere.context["answer"]["error"]["Code"] == "InvalidCiphertextException"


def test_one_bit_of_any_part_makes_it_no_ciphertext(account: TestAccount, signed_in: Client) -> None:
    _key_id, page = made(account, signed_in)
    parts = page.context["reading"].parts
    assert [part.name for part in parts] == PARTS
    for part in parts:
        answer = asked(signed_in, page, at=str(part.last), bit="3")
        due = "AccessDeniedException" if part.name == "account" else "InvalidCiphertextException"
        assert answer.context["answer"]["error"]["Code"] == due, part
        assert answer.context["answer"]["place"] == part.last
        assert answer.context["answer"]["why"]


def test_the_changed_byte_is_marked_and_the_blob_stays_as_it_was(account: TestAccount, signed_in: Client) -> None:
    _key_id, page = made(account, signed_in)
    answer = asked(signed_in, page, step="flip", byte="100", bit="0")
    assert 'class="part-tag part-changed"' in answer.content.decode()
    assert answer.context["blob"] == page.context["blob"]


@pytest.mark.parametrize(
    ("step", "code"), [("context", "InvalidCiphertextException"), ("key", "IncorrectKeyException")]
)
def test_another_context_and_another_key_are_refused(
    account: TestAccount, signed_in: Client, step: str, code: str
) -> None:
    account.create_key()
    _key_id, page = made(account, signed_in)
    answer = asked(signed_in, page, step=step)
    assert answer.context["answer"]["error"]["Code"] == code
    assert "launch code" not in answer.content.decode()


def test_the_answer_is_kmss_and_in_the_record(account: TestAccount, signed_in: Client) -> None:
    _key_id, page = made(account, signed_in)
    asked(signed_in, page, step="flip", byte="100", bit="0")
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "Decrypt"}]
    (event,) = account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]
    assert json.loads(event["CloudTrailEvent"])["errorCode"] == "InvalidCiphertextException"


@pytest.mark.parametrize("data", [b"\x01\x02\x02\x00x" + bytes(150), bytes(256), b"hello"])
def test_of_what_is_laid_out_otherwise_nothing_is_claimed(signed_in: Client, data: bytes) -> None:
    answer = signed_in.post(PAGE, {"step": "read", "file": SimpleUploadedFile("blob", data)})
    assert answer.context["reading"] is None
    assert answer.context["blob"].size == len(data)
    refused = asked(signed_in, answer, step="open")
    assert refused.context["answer"]["error"]["Code"] in ("InvalidCiphertextException", "ValidationException")


def test_a_key_that_may_not_be_described_is_not_shown(account: TestAccount, signed_in: Client) -> None:
    _key_id, page = made(account, signed_in)
    blob = bytearray.fromhex(page.context["blob"].hex)
    blob[20] ^= 1
    answer = signed_in.post(PAGE, {"step": "read", "blob": blob.hex(), "as": "hex"})
    assert "NotFoundException" in answer.context["named"]["problem"]


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"step": "make", "key": "", "plaintext": "x"}, "key"),
        ({"step": "make", "key": "some", "plaintext": ""}, "plaintext"),
        ({"step": "read", "blob": "###", "as": "base64"}, "blob"),
        ({"step": "read", "blob": "", "as": "hex"}, "blob"),
        ({"step": "read", "blob": "00" * 7000, "as": "hex"}, "blob"),
        ({"step": "flip", "blob": "00ff", "as": "hex", "byte": "2", "bit": "0"}, "byte"),
        ({"step": "flip", "blob": "00ff", "as": "hex", "byte": "", "bit": "0"}, "byte"),
        ({"step": "flip", "blob": "00ff", "as": "hex", "byte": "9" * 5000, "bit": "0"}, "byte"),
        ({"step": "flip", "blob": "00ff", "as": "hex", "byte": "1", "bit": "8"}, "byte"),
        ({"step": "key", "blob": "00ff", "as": "hex"}, "other_key"),
    ],
)
def test_what_cannot_be_sent_is_said_beside_its_field(signed_in: Client, fields: dict[str, str], wrong: str) -> None:
    answer = signed_in.post(PAGE, fields)
    assert answer.status_code == 422
    assert list(answer.context["wrong"]) == [wrong]


def test_a_refused_encrypt_shows_awss_error(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().disable_key(KeyId=key_id)
    answer = signed_in.post(PAGE, {"step": "make", "key": key_id, "plaintext": "x"})
    assert answer.context["problem"]["Code"] == "DisabledException"
