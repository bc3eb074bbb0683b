"""Proofs from the log: of any record, and that a checkpoint continues an earlier one."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from engine.trail import log, log_proofs, merkle, signed_note
from engine.trail.log_proofs import NoProof
from engine.trail.models import LogCheckpoint
from tests.conftest import TestAccount
from tests.support.log_records import GivenRecords


@pytest.fixture
def given(account: TestAccount) -> GivenRecords:
    return GivenRecords([b'{"n":%d}' % number for number in range(11)], account.account_id)


def signed(given: GivenRecords) -> LogCheckpoint:
    checkpoint = log.sign(given)
    assert checkpoint is not None
    return checkpoint


def test_each_record_is_proved_by_a_document_of_its_own(given: GivenRecords) -> None:
    signed(given)
    for number, text in enumerate(given.texts):
        document = log_proofs.event_document(given, number + 1)
        key = signed_note.parse_verifier_key(document["publicKey"])
        head = log.parse(signed_note.open_(document["checkpoint"], key.name, key.key))
        path = [base64.b64decode(each) for each in document["auditPath"]]
        assert document["record"] == text.decode()
        assert merkle.verify_inclusion(merkle.leaf_hash(text), number, head.size, path, head.root)


def test_a_record_is_proved_by_the_oldest_checkpoint_that_covers_it(given: GivenRecords) -> None:
    signed(given)
    given.texts += [b"{}"] * 4
    assert log_proofs.checkpoint_for(given, 12).size == 15, "signed when it was asked for"
    given.texts.append(b"{}")
    signed(given)
    assert log_proofs.checkpoint_for(given, 3).size == 11
    assert log_proofs.checkpoint_for(given, 13).size == 15


def test_a_changed_record_has_no_proof(given: GivenRecords) -> None:
    checkpoint = signed(given)
    given.texts[4] = b"changed"
    with pytest.raises(NoProof, match="record 5 is not the one that was signed"):
        log_proofs.inclusion(given, 5, checkpoint)
    assert log_proofs.inclusion(given, 4, checkpoint).record == given.texts[3]
    with pytest.raises(NoProof, match="there is no record 12"):
        log_proofs.inclusion(given, 12, checkpoint)


def test_any_two_checkpoints_are_proved_to_continue_each_other(given: GivenRecords) -> None:
    kept = []
    for _ in range(6):
        kept.append(signed(given))
        given.texts.append(b"{}")
    for place, old in enumerate(kept):
        for new in kept[place:]:
            document = log_proofs.consistency_document(given, old, new)
            proof = [base64.b64decode(each) for each in document["proof"]]
            assert merkle.verify_consistency(old.size, bytes(old.root), new.size, bytes(new.root), proof)
    other = log.TreeHead(kept[0].origin, kept[0].size, bytes(32))
    with pytest.raises(NoProof, match="does not continue the one of 11"):
        log_proofs.consistency(given, other, kept[-1])
    with pytest.raises(NoProof, match="does not continue one of 16"):
        log_proofs.consistency(given, kept[-1], kept[0])


@pytest.mark.parametrize("damaged", range(6))
def test_a_tree_whose_file_is_damaged_anywhere_is_made_anew_before_it_proves(
    given: GivenRecords, prepared: Path, damaged: int
) -> None:
    checkpoint = signed(given)
    path = prepared / "trail" / f"tree-{given.account}"
    whole = path.read_bytes()
    path.write_bytes(whole[: damaged * 32] + bytes(32) + whole[(damaged + 1) * 32 :])
    for number in range(1, 12):
        assert log_proofs.inclusion(given, number, checkpoint).record == given.texts[number - 1]
    assert path.read_bytes() == whole
