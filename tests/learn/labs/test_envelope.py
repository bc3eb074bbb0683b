"""The envelope lab: a file goes through all steps and back, every change is seen, and nothing but the page holds the data key."""

from __future__ import annotations

import base64
import os
import re
import tempfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from hypothesis import given
from hypothesis import strategies as some

from learn.labs import envelope
from learn.labs.views import envelope as view
from tests.conftest import TestAccount
from tests.support.answers import text

CONTEXT = {"context_name": ["tenant"], "context_value": ["blue"]}


def generate(account: TestAccount, signed_in: Client) -> dict[str, Any]:
    """What the page carries on after step 1."""
    answer = signed_in.post("/lab/envelope/", {"step": "generate", "key": account.create_key(), **CONTEXT})
    assert answer.status_code == 200
    carried: dict[str, Any] = {}
    for name, value in answer.context["carried"]:
        carried.setdefault(name, []).append(value)
    return carried


def sealed_file(account: TestAccount, signed_in: Client, content: bytes) -> bytes:
    carried = generate(account, signed_in)
    upload = SimpleUploadedFile("exposé.pdf", content)
    answer = signed_in.post("/lab/envelope/", {"step": "encrypt", "file": upload, **carried})
    assert answer["Content-Disposition"].startswith("attachment;")
    return b"".join(answer.streaming_content)


def test_a_large_file_is_sealed_and_opened_again(account: TestAccount, signed_in: Client) -> None:
    content = os.urandom(3 * 2**20 + 17)
    sealed = sealed_file(account, signed_in, content)
    assert content[:64] not in sealed
    answer = signed_in.post("/lab/envelope/", {"step": "open", "envelope": SimpleUploadedFile("x.envelope", sealed)})
    assert b"".join(answer.streaming_content) == content
    assert "expos%C3%A9.pdf" in answer["Content-Disposition"]
    assert "no-store" in answer["Cache-Control"]


def test_one_call_made_the_data_key_and_the_trail_has_it_without_the_key(
    account: TestAccount, signed_in: Client
) -> None:
    carried = generate(account, signed_in)
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "GenerateDataKey"}]
    )["Events"]
    assert len(events) == 1
    assert carried["data_key"][0] not in events[0]["CloudTrailEvent"]


@pytest.mark.parametrize("place", [30, -1, -40])
def test_a_changed_bit_releases_nothing(account: TestAccount, signed_in: Client, place: int) -> None:
    sealed = bytearray(sealed_file(account, signed_in, b"secret " * 1000))
    sealed[place] ^= 1
    answer = signed_in.post("/lab/envelope/", {"step": "open", "envelope": SimpleUploadedFile("x", bytes(sealed))})
    assert answer.status_code == 422
    assert b"secret secret" not in answer.content


_HALF = (
    rb'{"key": "k", "encryptedDataKey": "", "encryptionContext": {}, "nonce": "MDAwMDAwMDAwMDAw", "fileName": "\ud800"}'
)


@pytest.mark.parametrize(
    "content", [b"%PDF-1.7 something", envelope.MAGIC + len(_HALF).to_bytes(4, "big") + _HALF + bytes(64)]
)
def test_a_cut_or_foreign_file_is_no_envelope(account: TestAccount, signed_in: Client, content: bytes) -> None:
    answer = signed_in.post("/lab/envelope/", {"step": "open", "envelope": SimpleUploadedFile("x", content)})
    assert "This is no envelope of this lab" in text(answer)


def test_the_page_forgets_the_data_key_and_kms_brings_it_back(account: TestAccount, signed_in: Client) -> None:
    carried = generate(account, signed_in)
    forgotten = signed_in.post("/lab/envelope/", {"step": "forget", **carried})
    assert carried["data_key"][0] not in text(forgotten)
    kept = {name: value for name, value in carried.items() if name != "data_key"}
    refused = signed_in.post("/lab/envelope/", {"step": "encrypt", "file": SimpleUploadedFile("x", b"x"), **kept})
    assert refused.status_code == 422
    again = signed_in.post("/lab/envelope/", {"step": "reveal", **kept})
    assert dict(again.context["carried"])["data_key"] == carried["data_key"][0]


def test_each_step_says_of_the_data_key_what_is_so_now(account: TestAccount, signed_in: Client) -> None:
    """Nothing of one before it is asked for, and not that it is in the page when it is forgotten."""
    account.create_key()
    here, gone = "It is in this page and nowhere else.", "It is on no page any more."
    begun = text(signed_in.get("/lab/envelope/"))
    assert here not in begun
    assert gone not in begun
    carried = generate(account, signed_in)
    shown = text(
        signed_in.post(
            "/lab/envelope/",
            {"step": "reveal", **{name: given for name, given in carried.items() if name != "data_key"}},
        )
    )
    assert here in shown
    assert gone not in shown
    forgotten = text(signed_in.post("/lab/envelope/", {"step": "forget", **carried}))
    assert gone in forgotten
    assert here not in forgotten


def test_a_file_over_the_limit_is_refused_and_what_was_there_is_kept(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "LIMIT", 1000)
    carried = generate(account, signed_in)
    answer = signed_in.post(
        "/lab/envelope/", {**carried, "step": "encrypt", "file": SimpleUploadedFile("x", b"x" * 1001)}
    )
    assert "larger than 100 MB" in text(answer)


def test_no_uploaded_plaintext_touches_the_disk(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "NamedTemporaryFile", refuse)
    assert sealed_file(account, signed_in, b"x" * (5 * 2**20))


def test_the_bytes_on_the_wire_are_the_calls_own(account: TestAccount, signed_in: Client) -> None:
    answer = signed_in.post("/lab/envelope/", {"step": "generate", "key": account.create_key()})
    assert '"KeySpec": "AES_256"' in answer.context["sent"]
    assert int(answer.context["received_size"]) > len(base64.b64decode(answer.context["encrypted_key"].base64))
    assert answer.context["encrypted_key"].base64 in answer.context["received"]


def test_direct_encryption_is_counted(signed_in: Client) -> None:
    page = text(signed_in.get("/lab/envelope/?size=4097"))
    row = re.search(r"4,097</th>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", page)
    assert row is not None
    assert row.groups() == ("2", "5,464")


def test_a_refused_data_key_shows_awss_error(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().disable_key(KeyId=key_id)
    answer = signed_in.post("/lab/envelope/", {"step": "generate", "key": key_id})
    assert "DisabledException" in text(answer)


def test_a_post_without_a_token_is_refused(account: TestAccount, signed_in: Client) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = signed_in.cookies
    assert strict.post("/lab/envelope/", {"step": "generate", "key": account.create_key()}).status_code == 403


@given(some.lists(some.binary(max_size=300), max_size=6), some.binary(min_size=32, max_size=32), some.data())
def test_whatever_the_pieces_an_envelope_opens_to_the_file_and_cut_pieces_do_not_matter(
    pieces: list[bytes], data_key: bytes, data: Any
) -> None:
    header = envelope.new_header("arn:aws:kms:us-east-1:111122223333:key/x", b"wrapped", {"a": "ü"}, "name")
    sealed = b"".join(envelope.seal(pieces, data_key, header))
    found, begin = envelope.read_header(sealed)
    assert found == header
    cuts = sorted(data.draw(some.lists(some.integers(0, len(sealed)), max_size=4)))
    chunks = [sealed[a:b] for a, b in zip([0, *cuts], [*cuts, len(sealed)], strict=True)]
    assert b"".join(envelope.open_([c for c in chunks if c], data_key, found, begin)) == b"".join(pieces)
