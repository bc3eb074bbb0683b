"""A public verifier of transparency logs (sigstore-js) takes our checkpoints and proofs of inclusion, and refuses changed ones."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount

FOLDER = Path(__file__).parent / "js"

pytestmark = [
    pytest.mark.client,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("node") or not (FOLDER / "node_modules" / "@sigstore").exists(),
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
