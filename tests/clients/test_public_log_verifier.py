"""Public verifiers of transparency logs take our checkpoints and proofs, and refuse changed ones: sigstore-js's checkpoints and inclusion,
@transmute/rfc9162's inclusion and consistency."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from engine import clock
from engine.trail import checkpoints, log, log_proofs, merkle, signed_note
from engine.trail.models import LogCheckpoint
from tests.conftest import TestAccount
from tests.support.log_records import GivenRecords

FOLDER = Path(__file__).parent / "js"

pytestmark = [
    pytest.mark.client,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("node") or not (FOLDER / "node_modules" / "@transmute").exists(),
        reason="Node.js or its packages are not here",
    ),
]


def verified(proofs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        ["node", "log.mjs"], cwd=FOLDER, input=json.dumps(proofs), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_sigstores_verifier_takes_our_checkpoints_and_proofs_and_refuses_what_was_changed(
    account: TestAccount, signed_in: Client
) -> None:
    kms, key_id = account.client(), account.create_key()
    for _ in range(20):
        kms.describe_key(KeyId=key_id)
    events = account.client("cloudtrail").lookup_events(MaxResults=20)["Events"]
    proofs = [signed_in.get(f"/audit/proof/{each['EventId']}/").json() for each in events]
    answers = verified(proofs)
    for proof, answer in zip(proofs, answers, strict=True):
        origin, size, _root, *extension = proof["checkpoint"].split("\n\n")[0].split("\n")
        assert answer == {"origin": origin, "size": int(size), "extension": len(extension)}
    sound, other = proofs[0], proofs[1]
    note = sound["checkpoint"]
    changed = {
        "record": {**sound, "record": sound["record"].replace("DescribeKey", "DescribeKex")},
        "place": {**sound, "index": other["index"]},
        "path": {**sound, "auditPath": other["auditPath"]},
        "size": {**sound, "checkpoint": note.replace(note.split("\n")[1], str(int(note.split("\n")[1]) + 1), 1)},
        "signature": {**sound, "checkpoint": note[:-8] + ("AAAA" if note[-8:-4] != "AAAA" else "BBBB") + note[-4:]},
    }
    assert changed["record"]["record"] != sound["record"]
    refused = dict(zip(changed, verified(list(changed.values())), strict=True))
    assert {name for name, answer in refused.items() if "refused" in answer} == set(changed), refused


SIZES = (1, 2, 3, 4, 5, 7, 8, 11, 16, 17)


def test_a_public_verifier_takes_each_continuation_and_refuses_another_log(account: TestAccount) -> None:
    records = GivenRecords([], account.account_id)
    signed = []
    for size in SIZES:
        records.texts += [b'{"n":%d}' % number for number in range(len(records.texts), size)]
        checkpoint = log.sign(records)
        assert checkpoint is not None
        signed.append(checkpoint)
    pairs = [(old, new) for old in signed for new in signed if old.size < new.size]
    proofs = [log_proofs.consistency_document(records, old, new) for old, new in pairs]
    assert verified(proofs) == [{"from": old.size, "to": new.size} for old, new in pairs]
    # The same, of a log that was forked at its last record, and of one whose proof was changed.
    forked = [{**proof, "from": other_log(old)} for proof, (old, _new) in zip(proofs, pairs, strict=True)]
    changed = [{**proof, "proof": [signed_note.encoded(bytes(32)), *proof["proof"][1:]]} for proof in proofs]
    assert all("refused" in answer for answer in verified([*forked, *changed]))


def other_log(checkpoint: LogCheckpoint) -> str:
    """A checkpoint of as many records, of which the last is another, by the same key."""
    frontier = merkle.Frontier()
    for number in range(checkpoint.size):
        frontier.add(merkle.leaf_hash(b'{"n":%d}' % (number if number < checkpoint.size - 1 else -1)))
    head = log.TreeHead(checkpoint.origin, checkpoint.size, frontier.root(), clock.real_now())
    return signed_note.sign(head.text(), checkpoint.origin, checkpoints.signer().key)
