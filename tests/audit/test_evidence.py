"""The evidence bundle: what a filter found, with proofs and both ends, in one signed archive that is checked without our code."""

from __future__ import annotations

import io
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from django.test import Client

from audit.signed_archive import Pipe, SignedArchive
from engine.trail import recorder
from keys.record import events, proofs
from kmsconsole.server.wsgi import application
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.answers import body
from tests.support.bare_verifier import verifier
from tests.support.door import door
from tests.support.policies import trusting
from tests.support.rawhttp import Client as RawClient
from tests.support.rawhttp import request
from tests.support.trail_events import Chance

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
    assert answer.status_code == 200
    return Given(account, key_id, answer.getvalue(), checkpoint["publicKey"], checkpoint["checkpoint"])


def test_a_bundle_says_what_was_asked_and_has_events_policies_and_states(given: Given) -> None:
    files = given.files
    question = json.loads(files["question.json"])
    assert question["accountId"] == given.account.account_id
    assert question["askedBy"] == given.account.administrator.arn
    assert question["filter"]["key"].endswith(given.key_id)
    assert question["unreadableRecords"] == 0
    assert b"PutKeyPolicy" in files["events.jsonl"]
    policies = [json.loads(each) for each in files["policies.jsonl"].splitlines()]
    assert [(each["eventName"], each["policy"]) for each in policies] == [("PutKeyPolicy", trusting(given.account))]
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


def test_a_bundle_says_that_a_record_could_not_be_read(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.trail, "unreadable", lambda: 2)
    browser = sign_in_browser(given.account.administrator)
    answer: Any = browser.get("/audit/export/", {"format": "evidence", "key": given.key_id})
    (tmp_path / "evidence.zip").write_bytes(answer.getvalue())
    done = verifier(tmp_path / "evidence.zip", "--key", given.public_key)
    assert "2 records of the trail could not be read" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["evidence", "proved"])
def test_what_cannot_be_proved_is_answered_with_the_reason(
    given: Given, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def unproved(*_given: Any) -> Any:
        raise proofs.NoProof("record 306 is not the one that was signed")
        yield

    monkeypatch.setattr(proofs, "export", unproved)
    browser = sign_in_browser(given.account.administrator)
    answer: Any = browser.get("/audit/export/", {"format": name, "key": given.key_id})
    assert answer.status_code == 409
    assert body(answer) == "record 306 is not the one that was signed"


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


def test_a_bundle_is_made_and_verified_as_it_is_sent_however_many_events_there_are(
    account: TestAccount, signed_in: Client, tmp_path: Path
) -> None:
    chance = Chance(account.account_id, keys=3)
    begin = int(time.time()) - 86_400
    number, padding = 1_500, "x" * 10_000
    recorder.record([orjson.dumps(chance.record(begin + at, userAgent=f"{padding}{at}")) for at in range(number)])
    key = signed_in.get("/audit/checkpoint/").json()["publicKey"]
    until = f"{datetime.fromtimestamp(begin + number, UTC):%Y-%m-%dT%H:%M:%SZ}"
    answer = signed_in.get("/audit/export/", {"format": "evidence", "end": until})
    assert answer.status_code == 200
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        with open(tmp_path / "evidence.zip", "wb") as file:
            for piece in answer:
                file.write(piece)
        used = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    with zipfile.ZipFile(tmp_path / "evidence.zip") as archive:
        assert json.loads(archive.read("question.json"))["events"] == number
        assert archive.getinfo("events.jsonl").file_size > number * len(padding)
    assert used < number * len(padding) / 3, "no more than a part of the events is in memory"
    done = verifier(tmp_path / "evidence.zip", "--key", key)
    assert done.returncode == 0, done.stderr
    assert f"{number} records, of the" in done.stdout


def test_a_bundle_that_fails_on_the_way_breaks_off_and_is_taken_for_none(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Over a socket: the last chunk does not come, the server says why in its log, and what came is no bundle."""

    def fail(*_args: object) -> None:
        raise proofs.NoProof("not to be proved")

    for name in ("audit.evidence._PIECE", "kmsconsole.server.asgi._PIECE"):  # so that a short bundle is sent in parts
        monkeypatch.setattr(name, 1)
    monkeypatch.setattr("audit.evidence._consistency", fail)
    cookies = sign_in_browser(given.account.administrator).cookies
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in cookies.items())
    asked = request(f"GET /audit/export/?format=evidence&key={given.key_id}", f"Cookie: {cookie}")
    with door(application) as opened, RawClient(opened.port, asked) as client:
        received = b""
        while piece := client.connection.recv(1 << 20):
            received += piece
    head, _blank, rest = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), received[:200]
    assert b"Transfer-Encoding: chunked" in head
    assert rest.partition(b"\r\n")[2].startswith(b"PK")
    assert not rest.endswith(b"0\r\n\r\n")
    assert b"not to be proved" not in received
    assert "not to be proved" in caplog.text
    assert not any(morsel.value in caplog.text for morsel in cookies.values())
    (tmp_path / "evidence.zip").write_bytes(rest)
    assert verifier(tmp_path / "evidence.zip", "--key", given.public_key).returncode != 0


@pytest.mark.parametrize("part", [0.5, 0.99])
def test_the_beginning_of_a_bundle_is_no_bundle(given: Given, tmp_path: Path, part: float) -> None:
    (tmp_path / "evidence.zip").write_bytes(given.content[: int(len(given.content) * part)])
    done = verifier(tmp_path / "evidence.zip", "--key", given.public_key)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


def test_a_long_member_has_lengths_for_more_than_4_gib() -> None:
    """By its local head alone, which is sent before anybody knows how long the member gets: ZIP64's lengths."""
    pipe = Pipe()
    archive = SignedArchive(pipe, datetime.now(UTC))
    for _turn in archive.write("events.jsonl", [b"{}"]):
        pass
    head = pipe.take()
    assert int.from_bytes(head[4:6], "little") >= 45, "the version that a reader needs for ZIP64"
    extra = head[30 + len("events.jsonl") :]
    assert int.from_bytes(extra[:2], "little") == 1, "the extra field of ZIP64"


def test_who_may_not_sign_gets_no_bundle(account: TestAccount) -> None:
    """It is told before the first byte is sent."""
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "kmsconsole:SignComplianceReport", "Resource": "*"}
    user = account.create_user("reader", policy=json.dumps({"Version": "2012-10-17", "Statement": [allow, deny]}))
    account.client("iam").create_login_profile(UserName="reader", Password="reader's own password")
    answer = sign_in_browser(replace(user, password="reader's own password")).get("/audit/export/?format=evidence")
    assert answer.status_code == 403
    assert "SignComplianceReport" in body(answer)


def test_a_policy_that_is_no_json_is_told_as_it_was_given(
    account: TestAccount, signed_in: Client, tmp_path: Path
) -> None:
    key_id = account.create_key()
    with pytest.raises(ClientError):
        account.client().put_key_policy(KeyId=key_id, Policy="{no policy")
    answer = signed_in.get("/audit/export/", {"format": "evidence", "key": key_id})
    (tmp_path / "evidence.zip").write_bytes(answer.getvalue())
    key = signed_in.get("/audit/checkpoint/").json()["publicKey"]
    done = verifier(tmp_path / "evidence.zip", "--key", key)
    assert done.returncode == 0, done.stderr
