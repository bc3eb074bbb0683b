"""The trail as a log: its tree follows the journal, its checkpoints are signed and never contradict each other."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from django.db import connection

from engine.trail import checkpoints, log, log_records, merkle, signed_note
from engine.trail.checkpoint_timer import WAITING, LogTimer
from engine.trail.groupcommit import TrailUnavailable
from engine.trail.models import LogCheckpoint
from tests.conftest import TestAccount
from tests.support.log_records import GivenRecords


@pytest.fixture
def given(account: TestAccount) -> GivenRecords:
    return GivenRecords([b'{"n":%d}' % number for number in range(5)], account.account_id)


def root_of(texts: list[bytes]) -> bytes:
    frontier = merkle.Frontier()
    for text in texts:
        frontier.add(merkle.leaf_hash(text))
    return frontier.root()


def test_the_log_of_an_installation_is_over_its_records_as_they_lie_in_the_trail(account: TestAccount) -> None:
    account.create_key()
    records = log_records.of_account(account.account_id)
    checkpoint = log.sign(records)
    assert checkpoint is not None
    texts = [record.text for record in records.after(0)][: checkpoint.size]
    assert bytes(checkpoint.root) == root_of(texts)
    assert checkpoint.size == len(texts) == records.end()


def test_a_checkpoint_is_a_signed_note_with_origin_size_and_root(given: GivenRecords) -> None:
    checkpoint = log.sign(given)
    assert checkpoint is not None
    key = signed_note.parse_verifier_key(log.public_key(checkpoint.origin))
    text = signed_note.open_(checkpoint.note, key.name, key.key)
    origin, size, root, *extensions = text.splitlines()
    assert (origin, size) == (key.name, "5")
    assert base64.b64decode(root) == root_of(given.texts)
    assert [line.partition(" ")[0] for line in extensions] == ["time", "chain"]
    assert log.parse(text).chain == list(given.after(0))[-1].digest


def test_checkpoints_are_kept_and_none_is_made_where_nothing_was_recorded(given: GivenRecords) -> None:
    first = log.sign(given)
    assert log.sign(given) == first
    given.texts.append(b"{}")
    log.sign(given)
    assert [each.size for each in log.history(given)] == [5, 6]


def test_a_rewritten_record_is_located_and_nothing_is_signed(given: GivenRecords) -> None:
    for number in range(5, 20):
        if number % 3 == 0:
            log.sign(given)
        given.texts.append(b'{"n":%d}' % number)
    log.sign(given)
    given.texts[8] = b"rewritten"  # and the chain behind it computed anew
    with pytest.raises(log.LogRewritten, match=r"^record 9 is not what it was") as found:
        log.sign(given)
    assert (found.value.first, found.value.last) == (9, 9)
    with log.tree(given) as file:
        file.cut(0)  # with the tree gone, the checkpoints before and behind it bound it
    with pytest.raises(log.LogRewritten, match=r"^of the records 7 to 9 at least one is not what it was"):
        log.sign(given)
    assert [each.size for each in log.history(given)] == [6, 9, 12, 15, 18, 20]


def test_records_that_a_checkpoint_names_and_that_are_gone_are_counted(given: GivenRecords) -> None:
    log.sign(given)
    del given.texts[3:]
    with pytest.raises(log.LogRewritten, match=r"2 records are missing .* numbers 4 to 5"):
        log.sign(given)


def test_a_record_outside_the_chain_is_not_taken_into_the_tree(
    given: GivenRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = list(given.after(0))
    whole[3] = whole[3]._replace(text=b"changed")
    monkeypatch.setattr(given, "after", lambda number: iter(whole[number:]))
    with pytest.raises(TrailUnavailable, match=r"record 4 does not follow"):
        log.sign(given)


def test_a_lost_or_damaged_tree_is_made_anew(given: GivenRecords, prepared: Path) -> None:
    log.sign(given)
    path = prepared / "trail" / f"tree-{given.account}"
    whole = path.read_bytes()
    for damaged in (b"", whole[:70], bytes(len(whole)), bytes(32 * 7) + whole[32 * 7 :], whole[:-32] + bytes(32)):
        path.write_bytes(damaged)
        assert log.sign(given) is not None
        assert path.read_bytes() == whole
        assert log.history(given)[-1].size == 5


def test_after_an_accepted_loss_the_log_begins_again_under_another_origin(
    given: GivenRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_records, "every", lambda: [given])
    first = log.sign(given)
    log.begin_anew_where_lost()
    assert len(LogCheckpoint.objects.filter(account=given.account)) == 1, "nothing was lost"
    given.texts[2] = b"another"
    log.begin_anew_where_lost()
    again = log.sign(given)
    assert first is not None
    assert again is not None
    assert again.origin == f"{first.origin}/2"
    assert log.parse(signed_note.split(again.note)[0]).origin == again.origin


def test_each_minute_of_use_is_signed_once(given: GivenRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_records, "ends", lambda: [(given, given.end())])
    now = [1000.0]
    monkeypatch.setattr("engine.trail.checkpoint_timer.time.monotonic", lambda: now[0])
    timer = LogTimer()
    for _second in range(130):
        given.texts.append(b"{}")
        timer.step()
        now[0] += 1
    assert [each.size for each in log.history(given)] == [6, 66, 126]
    now[0] += 1000
    timer.step()
    timer.step()
    assert [each.size for each in log.history(given)][3:] == [135]


def test_the_tree_follows_many_records_together_and_not_each_second(
    given: GivenRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_records, "ends", lambda: [(given, given.end())])
    timer, sizes = LogTimer(), []
    for more in (0, 10, WAITING - 11, 1):
        given.texts += [b"{}"] * more
        timer.step()
        with log.tree(given) as file:
            sizes.append(file.size)
    assert sizes == [5, 5, 5, 5 + WAITING]


def test_a_start_makes_again_what_of_the_tree_may_not_have_reached_the_disk(
    given: GivenRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_records, "every", lambda: [given])
    log.sign(given)
    given.texts.append(b"{}")
    assert log.follow(given)[0] == 6
    log.recover()
    with log.tree(given) as file:
        assert file.size == 5
    assert log.follow(given)[0] == 6


def test_the_checkpoint_of_what_the_trail_must_reach_is_none_of_the_log(account: TestAccount) -> None:
    """It names the chain's hash where a log's checkpoint has a root, so its origin is another one."""
    account.create_key()
    assert not checkpoints.stored_text().startswith("kmsconsole/log") or connection.vendor == "postgresql"
