"""The report of a date: what it tells, that the same report is the same bytes, and that its signature is verified by openssl alone."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from django.test import Client

from audit.compliance import pdf
from engine import clock
from engine.trail import checkpoints, signed_note
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.answers import body
from tests.support.bare_verifier import verifier_runs
from tests.support.policies import allow, document, person

REPORT = "/audit/compliance/report/"


@dataclass
class World:
    account: TestAccount
    browser: Client
    then: datetime
    key: str

    def get(self, **query: str) -> Any:
        return self.browser.get(REPORT, {"as_of": self.then.isoformat(), **query})


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    """A run with a failing key and an exception, and what changed a day after it."""
    account = new_account()
    kms, browser = account.client(), sign_in_browser(account.administrator)
    key = account.create_key(Description="plain")
    kms.create_alias(AliasName="alias/ledger", TargetKeyId=key)
    arn = f"arn:aws:kms:us-east-1:{account.account_id}:key/{key}"
    expires = f"{clock.now(account.account_id) + timedelta(days=9):%Y-%m-%d}"
    given = {"resource": arn, "reason": "moved in May — 五月", "owner": "Jürgen", "expires": expires}
    assert browser.post("/audit/compliance/key-owner-tag/except/", given).status_code == 302
    browser.post("/audit/compliance/run/")
    then = clock.now(account.account_id) + timedelta(hours=1)
    account.move_clock(days=1)
    kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    kms.enable_key_rotation(KeyId=account.create_key())
    browser.post("/audit/compliance/run/")
    return World(account, browser, then, key)


def test_a_report_tells_what_was_then(world: World) -> None:
    page = world.get()
    found = page.context["report"]
    assert dict(found.states) == {"Enabled": 1}
    assert {each.check_id: each.status for each in found.results}["key-owner-tag"] == "excepted"
    assert [each.owner for each in found.exceptions] == ["Jürgen"]
    words = body(page)
    for each in ("Automatic rotation is off.", "moved in May — 五月", "ledger", "CIS AWS Foundations 7.0.0 4.6"):
        assert each in words
    now = world.browser.get(REPORT).context["report"]
    assert dict(now.states) == {"Enabled": 1, "PendingDeletion": 1}
    assert {each.check_id: each.status for each in now.results}["key-deletion-pending"] == "failed"


def test_before_the_first_run_there_is_no_report(world: World) -> None:
    early = (world.then - timedelta(days=3)).isoformat()
    for query in ({}, {"format": "pdf"}, {"format": "zip"}):
        page = world.browser.get(REPORT, {"as_of": early, **query})
        assert (page.status_code, page.context["report"]) == (404, None)
    assert world.browser.get(REPORT, {"as_of": "no day"}).status_code == 400


def test_the_same_report_is_the_same_pdf(world: World) -> None:
    first, second = world.get(format="pdf"), world.get(format="pdf")
    assert first["Content-Type"] == "application/pdf"
    assert f'filename="compliance-{world.account.account_id}-us-east-1-' in first["Content-Disposition"]
    assert first.content.startswith(b"%PDF-")
    assert first.content == second.content
    assert first.content != world.browser.get(REPORT, {"format": "pdf"}).content


def test_what_the_fonts_of_the_pdf_do_not_have_is_written_as_a_number() -> None:
    assert pdf.written("Jürgen — “x”\n五\r") == "Jürgen — “x”\n\\u4e94"


@pytest.fixture(scope="module")
def signed(world: World) -> bytes:
    return bytes(world.get(format="zip").content)


@pytest.fixture(scope="module")
def files(signed: bytes) -> dict[str, bytes]:
    archive = zipfile.ZipFile(io.BytesIO(signed))
    return {name: archive.read(name) for name in archive.namelist()}


def test_openssl_and_sha256sum_verify_the_signed_report(files: dict[str, bytes], tmp_path: Path) -> None:
    if not shutil.which("openssl"):
        pytest.fail("openssl is needed")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    commands = [line.strip() for line in files["VERIFY.txt"].decode().splitlines() if line.startswith("  ")]
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
    (tmp_path / "report.pdf").write_bytes(files["report.pdf"] + b" ")
    assert subprocess.run(["sh", "-c", commands[1]], cwd=tmp_path, capture_output=True).returncode != 0
    (tmp_path / "signed.txt").write_bytes(files["signed.txt"].replace(b"as of", b"As of"))
    assert subprocess.run(["sh", "-c", commands[0]], cwd=tmp_path, capture_output=True).returncode != 0


def test_the_stand_alone_verifier_takes_the_signed_report(world: World, signed: bytes, tmp_path: Path) -> None:
    (tmp_path / "report.zip").write_bytes(signed)
    key = world.browser.get("/audit/checkpoint/").json()["publicKey"]
    unknown, known = verifier_runs([[tmp_path / "report.zip"], [tmp_path / "report.zip", "--key", key]])
    assert (unknown.returncode, "a report needs --key" in unknown.stderr) == (1, True)
    assert known.returncode == 0, known.stderr
    assert "4 files as they were signed" in known.stdout


def test_the_signature_is_the_installations_and_no_checkpoint(files: dict[str, bytes]) -> None:
    public: Any = load_pem_public_key(files["public-key.pem"])
    note, text = files["signed.note"].decode(), files["signed.txt"].decode()
    assert public.public_bytes_raw() == checkpoints.signer().key.public_key().public_bytes_raw()
    assert signed_note.open_(note, text.splitlines()[0], public) == text
    with pytest.raises(checkpoints.CheckpointError):
        checkpoints.open_note(note)


def test_the_files_say_the_same_and_the_record_has_their_digests(world: World, files: dict[str, bytes]) -> None:
    told = json.loads(files["report.json"])
    assert told["keyStates"] == {"Enabled": 1}
    assert told["exceptions"][0]["reason"] == "moved in May — 五月"
    assert "Automatic rotation is off." in files["report.html"].decode()
    assert files["report.pdf"] == world.get(format="pdf").content
    attribute = {"AttributeKey": "EventName", "AttributeValue": "SignComplianceReport"}
    (event,) = world.account.client("cloudtrail").lookup_events(LookupAttributes=[attribute])["Events"]
    digests = json.loads(event["CloudTrailEvent"])["requestParameters"]["sha256"]
    names = ("report.pdf", "report.html", "report.json", "VERIFY.txt")
    assert digests == {name: sha256(files[name]).hexdigest() for name in names}


def test_signing_takes_its_permission(world: World) -> None:
    reads = allow(["kmsconsole:List*", "kmsconsole:ReadRecord", "cloudtrail:LookupEvents"])
    browser = sign_in_browser(person(world.account, "reader", document(reads)))
    assert browser.get(REPORT).status_code == 200
    refused = browser.get(REPORT, {"format": "zip"})
    assert refused.status_code == 403
    assert "kmsconsole:SignComplianceReport" in body(refused)
