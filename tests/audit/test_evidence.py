"""The evidence bundle: what a filter found, with proofs and both ends, in one signed archive that is checked without our code."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client

from keys.record import proofs
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.answers import body
from tests.support.bare_verifier import verifier
from tests.support.policies import trusting

Files = dict[str, bytes]


@dataclass(frozen=True)
class Given:
    account: TestAccount
    key_id: str
    content: bytes
    public_key: str
    earlier: str

    @property
    def files(self) -> Files:
        with zipfile.ZipFile(io.BytesIO(self.content)) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def given(prepared: object, django_db_blocker: object) -> Given:
    account = new_account()
    browser: Client = sign_in_browser(account.administrator)
    checkpoint = browser.get("/audit/checkpoint/").json()
    time.sleep(1.1)  # events have whole seconds
    key_id = account.create_key()
    kms = account.client()
    kms.put_key_policy(KeyId=key_id, Policy=trusting(account))
    kms.disable_key(KeyId=key_id)
    answer = browser.get("/audit/export/", {"format": "evidence", "key": key_id})
    assert answer.status_code == 200, answer.content
    return Given(account, key_id, answer.content, checkpoint["publicKey"], checkpoint["checkpoint"])


def test_a_bundle_says_what_was_asked_and_has_events_policies_and_states(given: Given) -> None:
    files = given.files
    question = json.loads(files["question.json"])
    assert question["accountId"] == given.account.account_id
    assert question["askedBy"] == given.account.administrator.arn
    assert question["filter"]["key"].endswith(given.key_id)
    assert b"PutKeyPolicy" in files["events.jsonl"]
    policies = [content for name, content in files.items() if name.startswith("policies/")]
    assert [json.loads(each) for each in policies] == [json.loads(trusting(given.account))]
    assert f"{given.key_id},Disabled".encode() in files["keys-at-end.csv"]
    assert given.key_id.encode() in files["keys-at-start.csv"]


def test_a_bundle_is_verified_without_our_code(given: Given, tmp_path: Path) -> None:
    (tmp_path / "evidence.zip").write_bytes(given.content)
    (tmp_path / "earlier").write_text(given.earlier)
    done = verifier(tmp_path / "evidence.zip", "--key", given.public_key)
    assert done.returncode == 0, done.stderr
    assert "files as they were signed" in done.stdout
    done = verifier(tmp_path / "evidence.zip", "--key", given.public_key, "--earlier", tmp_path / "earlier")
    assert done.returncode == 0, done.stderr


def change(files: Files) -> None:
    files["keys-at-end.csv"] = files["keys-at-end.csv"].replace(b"Disabled", b"Enabled")


def change_an_event(files: Files) -> None:
    files["events.jsonl"] = files["events.jsonl"].replace(b"PutKeyPolicy", b"GetKeyPolicy")


def remove(files: Files) -> None:
    del files["keys-at-start.csv"]


def add(files: Files) -> None:
    files["keys-at-noon.csv"] = files["keys-at-end.csv"]


def take_the_signature_away(files: Files) -> None:
    del files["signed.note"]


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (change, "keys-at-end.csv is not the one that was signed"),
        (change_an_event, "events.jsonl is not the one that was signed"),
        (remove, "keys-at-start.csv is missing"),
        (add, "keys-at-noon.csv was put into the archive"),
        (take_the_signature_away, "signed.note is missing"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_bundle_that_was_tampered_with_is_found(
    given: Given, tmp_path: Path, tamper: Callable[[Files], None], said: str
) -> None:
    files = given.files
    tamper(files)
    with zipfile.ZipFile(tmp_path / "evidence.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    done = verifier(tmp_path / "evidence.zip", "--key", given.public_key)
    assert done.returncode == 1
    assert said in done.stderr


def test_too_many_events_are_told_and_not_cut(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.create_key()
    monkeypatch.setattr(proofs, "MOST_PROVED", 0)
    answer = signed_in.get("/audit/export/", {"format": "evidence"})
    assert answer.status_code == 422
    assert "narrow the filter" in body(answer)
    answer = signed_in.get("/audit/export/", {"format": "proved", "operation": "CreateKey"})  # which has no such limit
    assert body(answer).count("auditPath") == 1
