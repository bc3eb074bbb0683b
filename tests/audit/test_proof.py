"""Proof of the record: verification with progress, an earlier checkpoint compared, documents, and the verifier that knows none of our code."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client

from audit import proof
from engine import clock
from engine.trail import log, log_export, log_records, signed_note
from engine.trail.log_records import Records
from engine.trail.models import Cosignature, LogCheckpoint, Verification
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import body, text, verified
from tests.support.bare_verifier import verifier, verifier_runs
from tests.support.log_records import GivenRecords
from tests.support.policies import allow, document, person


def log_of(account: TestAccount) -> Records:
    return log_records.of_account(account.account_id)


def note(account: TestAccount) -> str:
    checkpoint = log.sign(log_of(account))
    assert checkpoint is not None
    return checkpoint.note


def compared(browser: Client, checkpoint: str) -> str:
    return text(browser.post("/audit/verify/checkpoint/", {"checkpoint": checkpoint}))


# --- the pages


@pytest.mark.skipif(connection.vendor == "postgresql", reason="there all is read always")
def test_a_verification_goes_on_where_the_last_one_ended_unless_all_is_asked_for(
    account: TestAccount, signed_in: Client
) -> None:
    note(account)
    assert "The chain is whole." in verified(signed_in, all="on")
    account.create_key()
    page = verified(signed_in)
    assert "The chain is whole." in page
    assert "were read by an earlier verification and not again." in page
    assert "not again." not in verified(signed_in, all="on")


def test_a_verification_that_is_at_it_shows_how_far_it_is_and_one_without_news_was_interrupted(
    signed_in: Client,
) -> None:
    now = clock.real_now()
    job = Verification.objects.create(started=now, updated=now, first=1, read=300, last=1000)
    page = signed_in.get("/audit/verify/").content.decode()
    assert 'value="30"' in page
    assert 'hx-trigger="every 1s"' in page
    part = signed_in.get("/audit/verify/", headers={"HX-Request": "true", "HX-Target": "verification"})
    assert part.content.decode().startswith('<div id="verification"')
    Verification.objects.filter(id=job.id).update(updated=now - timedelta(minutes=2))
    assert "The last verification was interrupted" in text(signed_in.get("/audit/verify/"))
    job.delete()


def test_an_earlier_checkpoint_is_pasted_or_uploaded(account: TestAccount, signed_in: Client) -> None:
    earlier = note(account)
    account.create_key()
    assert "Extended: the record goes on from this checkpoint." in compared(signed_in, earlier)
    upload = SimpleUploadedFile("checkpoint.txt", earlier.encode())
    assert "Consistency proof" in text(signed_in.post("/audit/verify/checkpoint/", {"file": upload}))
    for given, said in (
        (earlier.replace("kmsconsole/log/", "example.com/"), "The checkpoint is another installation's."),
        (earlier.replace("time 2", "time 1"), "The checkpoint is not genuine."),
        ("hello", "This is not a checkpoint."),
        ("", "This is not a checkpoint."),
    ):
        assert said in compared(signed_in, given)


def test_a_checkpoint_of_another_trail_by_the_same_key_is_rewritten_or_newer(
    account: TestAccount, signed_in: Client
) -> None:
    """As after a rewriting by who has the key, or where an older backup was put back."""
    head, key = log.head_of(log.sign(log_of(account)) or LogCheckpoint()), log.checkpoints.signer().key
    for size, said in ((head.size - 1, "Rewritten:"), (head.size + 10**6, "The checkpoint is newer than this record.")):
        other = log.TreeHead(head.origin, size, bytes(32), head.time)
        assert said in compared(signed_in, signed_note.sign(other.text(), head.origin, key))


def test_who_may_not_read_the_record_gets_no_proof(account: TestAccount) -> None:
    ann = sign_in_browser(person(account, "ann", document(allow("kms:*"))))
    event_id = an_event(account)["EventId"]
    for address in ("/audit/checkpoint/", "/audit/consistency/?from=1&to=2", f"/audit/proof/{event_id}/"):
        answer = ann.get(address)
        assert answer.status_code == 403, address
        assert "kmsconsole:ReadRecord" in answer.json()["message"]
    assert ann.post("/audit/verify/checkpoint/", {"checkpoint": "x"}).status_code == 403
    assert "Download the proof" not in ann.get("/audit/verify/").content.decode()


# --- documents


def an_event(account: TestAccount) -> dict[str, Any]:
    account.create_key()
    attributes = [{"AttributeKey": "EventName", "AttributeValue": "CreateKey"}]
    found: dict[str, Any] = account.client("cloudtrail").lookup_events(LookupAttributes=attributes)["Events"][0]
    return found


def test_checkpoints_are_answered_as_of_now_and_of_a_time(account: TestAccount, signed_in: Client) -> None:
    answer = signed_in.get("/audit/checkpoint/").json()
    assert log.open_checkpoint(answer["checkpoint"]).size == answer["size"]
    assert signed_in.get("/audit/checkpoint/?format=note").content.decode().startswith("kmsconsole/log/")
    assert signed_in.get("/audit/checkpoint/", {"before": "2020-01-01T00:00:00Z"}).status_code == 409
    later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    assert signed_in.get("/audit/checkpoint/", {"before": later}).json()["size"] >= answer["size"]
    assert signed_in.get("/audit/checkpoint/?before=yesterday").status_code == 400
    assert signed_in.get("/audit/consistency/?from=1&to=x").status_code == 400
    assert signed_in.get("/audit/consistency/?from=1&to=999999999").status_code == 404


def test_an_event_of_another_account_is_not_proved(
    account: TestAccount, other_account: TestAccount, signed_in: Client
) -> None:
    assert signed_in.get(f"/audit/proof/{an_event(other_account)['EventId']}/").status_code == 404


# --- the stand-alone verifier, in an interpreter that has cryptography and nothing of ours


def size_of(document: str) -> int:
    """Of how many records a checkpoint is, or that of a document."""
    note = json.loads(document)["checkpoint"] if document.startswith("{") else document
    return int(note.split("\n")[1])


def test_what_the_pages_hand_out_is_verified_without_our_code(
    account: TestAccount, signed_in: Client, tmp_path: Path
) -> None:
    assert "kmsconsole" not in "".join(
        line for line in proof.VERIFIER.read_text().splitlines() if line.startswith(("import", "from"))
    )
    assert body(signed_in.get("/audit/verify/verify_kmsconsole_trail.py")) == proof.VERIFIER.read_text()
    old = signed_in.get("/audit/checkpoint/").json()
    (tmp_path / "earlier").write_text(old["checkpoint"])
    event = an_event(account)
    new = signed_in.get("/audit/checkpoint/").json()
    link = f"/audit/proof/{event['EventId']}/"
    assert link in signed_in.get(f"/audit/{event['EventId']}/").content.decode()
    (tmp_path / "event").write_text(signed_in.get(link).content.decode())
    (tmp_path / "export").write_text(body(signed_in.get("/audit/export/?operation=CreateKey&format=proved")))
    of_export = json.loads((tmp_path / "export").read_text().partition("\n")[0])["checkpoint"]
    sizes = [old["size"], size_of((tmp_path / "event").read_text()), size_of(of_export)]
    files = [tmp_path / "event", tmp_path / "export"]
    for number, (of, to) in enumerate(pairwise(sizes)):
        files.append(tmp_path / f"steps-{number}")
        files[-1].write_text(signed_in.get("/audit/consistency/", {"from": of, "to": to}).content.decode())
    done = verifier(*files, "--key", new["publicKey"], "--earlier", tmp_path / "earlier")
    assert done.returncode == 0, done.stderr
    assert "records, of the" in done.stdout
    assert json.loads((tmp_path / "event").read_text())["record"] in (tmp_path / "export").read_text().replace(
        '\\"', '"'
    )
    proved = json.loads((tmp_path / "event").read_text())
    proved["record"] = proved["record"].replace("CreateKey", "DeleteKey")
    (tmp_path / "event").write_text(json.dumps(proved))
    done = verifier(tmp_path / "event", "--key", new["publicKey"])
    assert (done.returncode, "is not the one that was signed: it was changed" in done.stderr) == (1, True)


@pytest.fixture
def given(account: TestAccount) -> GivenRecords:
    """A log of its own: eleven records, signed at 4 and 11."""
    records = GivenRecords([b'{"n":%d}' % number for number in range(4)], account.account_id)
    log.sign(records)
    records.texts += [b'{"n":%d}' % number for number in range(4, 11)]
    log.sign(records)
    return records


Lines = list[str]


def change(lines: Lines) -> Lines:
    return [line.replace('{\\"n\\":5}', '{\\"n\\":7}') for line in lines]


def remove(lines: Lines) -> Lines:
    return [*lines[:3], *lines[4:]]


def reorder(lines: Lines) -> Lines:
    return [*lines[:3], lines[4], lines[3], *lines[5:]]


def truncate(lines: Lines) -> Lines:
    return [*lines[:-3], lines[-1]]


def cut_off(lines: Lines) -> Lines:
    return lines[:-2]


def put_in_twice(lines: Lines) -> Lines:
    return [*lines[:3], lines[2], *lines[3:]]


WHOLE: list[tuple[Callable[[Lines], Lines], str]] = [
    (change, "at least one of the records 5 to 11 is not the one that was signed"),
    (remove, "record 4 stands where 3 should"),
    (reorder, "record 4 stands where 3 should"),
    (truncate, "records 10 to 11 are missing: the export was truncated"),
    (cut_off, "its last line is missing"),
    (put_in_twice, "record 2 stands where 3 should"),
]
SELECTED: list[tuple[Callable[[Lines], Lines], str]] = [
    (change, "record 6 is not the one that was signed: it was changed"),
    (remove, "the export has 9 records and not 10: some were removed"),
    (reorder, "record 3 stands behind record 4: the export was reordered"),
    (truncate, "the export has 8 records and not 10: some were removed"),
    (cut_off, "its last line is missing"),
    (put_in_twice, "the export was reordered"),
]


def test_an_export_with_proofs_looks_up_what_is_read_of_it_and_no_more(given: GivenRecords, tmp_path: Path) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(1, 11):
            taken.append(number)
            yield number

    lines = log_export.selected(given, numbers())
    first = [next(lines) for _ in range(4)]  # its head and three records
    assert taken == [1, 2, 3]
    path = tmp_path / "export"
    path.write_text("".join([*first, *lines]))
    assert verifier(path, "--key", json.loads(first[0])["publicKey"]).returncode == 0


def test_an_export_that_was_tampered_with_is_found_and_located(given: GivenRecords, tmp_path: Path) -> None:
    key = log.public_key(log.history(given)[0].origin)
    (tmp_path / "earlier").write_text(log.history(given)[0].note)
    checked = ["--key", key]
    for kinds, lines, more in (
        (WHOLE, list(log_export.whole(given)), ["--earlier", tmp_path / "earlier"]),
        (SELECTED, list(log_export.selected(given, range(1, 11))), []),
    ):
        runs = []
        for kind in (list, *(kind for kind, _said in kinds)):
            path = tmp_path / kind.__name__
            path.write_text("".join(kind(lines)))
            runs.append([path, *checked, *more])
        sound, *tampered = verifier_runs(runs)
        assert sound.returncode == 0, sound.stderr
        for (kind, said), done in zip(kinds, tampered, strict=True):
            assert done.returncode == 1, kind.__name__
            assert said in done.stderr, kind.__name__


def test_a_log_that_was_forked_or_rolled_back_does_not_continue_the_checkpoint_that_was_kept(
    given: GivenRecords, tmp_path: Path, prepared: Path
) -> None:
    key = log.public_key(log.history(given)[0].origin)
    earlier, path = tmp_path / "earlier", tmp_path / "export"
    earlier.write_text(log.history(given)[1].note)
    for texts, said in (
        ([*given.texts[:6], *[b'{"n":"fork"}'] * 9], "of the records 1 to 11 is not the one that was signed: it was changed, or the log was forked"),
        (given.texts[:8], "your checkpoint of 11 records is newer than the log's 8: the log was rolled back"),
    ):  # fmt: skip
        LogCheckpoint.objects.filter(account=given.account).delete()  # the operator signs another log with the same key
        (prepared / "trail" / f"tree-{given.account}").unlink()
        given.texts = texts
        path.write_text("".join(log_export.whole(given)))
        assert verifier(path, "--key", key).returncode == 0
        done = verifier(path, "--key", key, "--earlier", earlier)
        assert done.returncode == 1
        assert said in done.stderr
    selected = tmp_path / "selected"
    selected.write_text("".join(log_export.selected(given, [1])))
    done = verifier(selected, "--key", key, "--earlier", earlier)
    assert "your checkpoint of 11 records is newer than the log's 8" in done.stderr


def test_another_installations_key_is_told(given: GivenRecords, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    path.write_text(log.history(given)[0].note)
    other = signed_note.verifier_key("example.com/log", Ed25519PrivateKey.generate().public_key())
    assert "it is from another installation" in verifier(path, "--key", other).stderr
    assert "the verifier key is" in verifier(path, "--key", "nonsense+00+" + base64.b64encode(b"x").decode()).stderr


# --- witnesses


def test_a_witnesss_cosignature_is_kept_once_and_shown(account: TestAccount, signed_in: Client, settings: Any) -> None:
    key = Ed25519PrivateKey.generate()
    settings.WITNESSES = (signed_note.verifier_key("witness.example/w1", key.public_key(), cosigns=True),)
    earlier = note(account)
    body_, _ = signed_note.split(earlier)
    moment = datetime.now(UTC)
    cosigned = earlier + signed_note.cosign(body_, "witness.example/w1", key, moment)
    assert "has cosigned nothing that was handed in" in text(signed_in.get("/audit/verify/"))
    assert "The cosignatures of witnesses in it are kept." in compared(signed_in, cosigned)
    assert "are kept." not in compared(signed_in, cosigned)
    stranger = earlier + signed_note.cosign(body_, "witness.example/w1", Ed25519PrivateKey.generate(), moment)
    assert "are kept." not in compared(signed_in, stranger)
    assert Cosignature.objects.filter(witness="witness.example/w1").count() == 1
    page = text(signed_in.get("/audit/verify/"))
    assert "witness.example/w1" in page
    assert f"saw {log.head_of(LogCheckpoint.objects.get(note=earlier)).size:,} records" in page


def test_the_command_compares_an_earlier_checkpoint(account: TestAccount, tmp_path: Path, capsys: Any) -> None:
    account.create_key()  # with PostgreSQL the log is the account's own
    (tmp_path / "earlier").write_text(note(account))
    account.create_key()
    call_command("verify_trail", checkpoint=tmp_path / "earlier")
    said = capsys.readouterr().out
    assert said.startswith("whole: ")
    assert "extended: the trail has the same first" in said
