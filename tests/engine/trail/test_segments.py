"""Sealed segments: what is sealed, moved or removed is read as before, and a process that is killed at any step of it loses nothing."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from engine.trail import (
    checkpoints,
    log,
    log_export,
    log_proofs,
    lost_records,
    merkle,
    removal,
    segment_keeper,
    segment_work,
    segments,
    signed_note,
    verification,
    verify,
)
from engine.trail.journal import Journal
from engine.trail.journal_reader import last_record, position_after, read, record_before
from engine.trail.models import LogCheckpoint, Verification
from engine.trail.segment_archive import SegmentUnreachable
from kmsconsole.installation.environment import Environment
from tests.support import killed
from tests.support.bare_verifier import verifier_runs
from tests.support.own_trail import OwnTrail

pytestmark = pytest.mark.skipif(connection.vendor == "postgresql", reason="the trail is in the database")
RECORDS = 12
RULES = Environment(data=Path("/"), trail_segment_megabytes=2)


@pytest.fixture
def trail(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> OwnTrail:
    LogCheckpoint.objects.filter(account="s").delete()
    Verification.objects.all().delete()
    (prepared / "trail" / "tree-s").unlink(missing_ok=True)
    made = OwnTrail(tmp_path / "trail", "s")
    monkeypatch.setattr("engine.trail.log_records.of_account", lambda account: made)
    monkeypatch.setattr(verification, "_journal_path", lambda: made.path)
    monkeypatch.setattr(checkpoints, "stored", lambda: None)  # it is of the installation's own trail
    monkeypatch.setattr(segment_work, "BLOCK_BYTES", 300)  # some records each
    made.record(RECORDS)
    return made


def seal(trail: OwnTrail, most_bytes: int = 700) -> None:
    with segment_work.lock(trail.folder):
        segment_work.seal(trail.journal, trail, most_bytes)


def remove(trail: OwnTrail, number: int = 1) -> None:
    if segments.load(trail.folder).request is None and segments.load(trail.folder).pending is None:
        removal.ask(
            trail.folder,
            segments.load(trail.folder).kept[number - 1],
            "operator of the machine",
            "older than asked for",
        )
    removal.carry_out(trail.folder, trail, [], [])


def all_there(trail: OwnTrail, first: int = 1) -> None:
    """Every record from `first` on is read, by every way of reading, and nothing behind it."""
    entries = list(read(trail.path))
    assert [each.sequence for each in entries] == list(range(first, RECORDS + 1))
    for each in entries:
        assert position_after(trail.path, each.sequence - 1) == each.start
        found = record_before(trail.path, each.end)
        assert found is not None
        assert (found.sequence, found.record) == (each.sequence, each.record)
        assert next(read(trail.path, each.start)).record == each.record
    last = last_record(trail.path)
    assert last is not None
    assert last.sequence == RECORDS
    assert verify.verify(trail.path).whole


def test_sealed_records_are_read_as_before_and_leave_the_journals_file(trail: OwnTrail) -> None:
    before = trail.texts
    seal(trail)
    found = segments.load(trail.folder)
    assert len(found.all) > 1
    assert found.base.sequence == RECORDS - 1
    all_there(trail)
    assert trail.texts == before
    assert not trail.path.read_bytes()[: found.base.offset].strip(b"\0")
    trail.record(1)
    assert [each.sequence for each in read(trail.path)][-1] == RECORDS + 1


def test_a_segment_is_gzip_with_the_lines_and_a_signed_checkpoint(trail: OwnTrail) -> None:
    whole = trail.path.read_bytes()
    seal(trail)
    for segment in segments.load(trail.folder).all:
        text = gzip.decompress(segments.local_file(trail.folder, segment).read_bytes())
        assert text == whole[segment.start : segment.end]
        head = log.open_checkpoint(segment.checkpoint)
        assert (head.size, head.chain.hex()) == (segment.last, segment.digest)


def test_who_reads_while_records_are_sealed_reads_on_in_the_segments(trail: OwnTrail) -> None:
    reading = read(trail.path)
    found = [next(reading).sequence]
    seal(trail)
    found += [each.sequence for each in reading]
    assert found == list(range(1, RECORDS + 1))


def test_a_journal_that_is_opened_anew_goes_on_behind_its_segments(trail: OwnTrail) -> None:
    seal(trail)
    trail.journal.close()
    (trail.folder / "lock").unlink()
    trail.journal = Journal(trail.folder)
    assert trail.journal.recover() == RECORDS
    trail.record(1)
    assert verify.verify(trail.path).records == RECORDS + 1


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.write_bytes(b"")])
def test_a_journal_whose_file_is_lost_has_its_segments_and_goes_on_behind_them(
    trail: OwnTrail, lose: Callable[[Path], None]
) -> None:
    seal(trail)
    trail.journal.close()
    lose(trail.path)
    gap = verify.gap_in_journal(trail.path, checkpoints.Checkpoint(RECORDS, bytes(32), segment_work.clock.real_now()))
    assert gap is not None
    assert (gap.first, gap.missing) == (RECORDS, 1)
    assert verify.verify(trail.path).records == RECORDS - 1
    lost_records._keep_what_is_whole(trail.folder)
    trail.journal = Journal(trail.folder)
    assert trail.journal.recover() == RECORDS - 1
    trail.record(1)
    all_there(trail)
    assert trail.path.stat().st_blocks * 512 <= 2 << 20


def test_where_blocks_begin_is_found_in_the_segment_if_its_file_is_gone(trail: OwnTrail) -> None:
    seal(trail)
    for path in segments.folder(trail.folder).glob("*.blocks"):
        path.unlink()
    segments.blocks.cache_clear()
    all_there(trail)


def test_what_is_due_is_told_by_size_and_age(trail: OwnTrail) -> None:
    log.sign(trail)
    assert segment_work.is_big(trail.folder, 1 << 20)  # zeros are written ahead: nothing is sealed for them
    assert segment_keeper.seal(trail.journal, trail, RULES) == []
    LogCheckpoint.objects.filter(account="s").update(time="2020-01-01T00:00:00Z")
    (sealed,) = segment_keeper.seal(trail.journal, trail, RULES)
    assert (sealed.last, sealed.ends) == (RECORDS - 1, "2020-01-01T00:00:00Z")


def test_a_moved_segment_is_read_where_it_is(trail: OwnTrail, tmp_path: Path) -> None:
    seal(trail)
    with segment_work.lock(trail.folder):
        moved = segment_work.move(trail.folder, str(tmp_path / "archive"))
    assert len(moved) == len(segments.load(trail.folder).all)
    assert not list(segments.folder(trail.folder).glob("*.gz"))
    all_there(trail)


def test_one_record_is_read_and_proved_wherever_it_lies(trail: OwnTrail) -> None:
    texts = trail.texts
    checkpoint = log.sign(trail)
    assert checkpoint is not None
    seal(trail)
    for number, text in enumerate(texts, 1):
        found = trail.one(number)
        assert found is not None
        assert (found.sequence, found.text) == (number, text)
        assert log_proofs.inclusion(trail, number, checkpoint).record == text
    assert trail.one(RECORDS + 1) is None
    gone = segments.load(trail.folder).all[0].last
    remove(trail)
    assert trail.one(gone) is None
    with pytest.raises(log_proofs.NoProof, match=f"record {gone} was removed by the retention rule"):
        log_proofs.inclusion(trail, gone, checkpoint)
    assert log_proofs.inclusion(trail, gone + 1, checkpoint).record == texts[gone]


def test_a_bucket_that_does_not_answer_is_not_taken_for_one_that_lost_its_segment(
    trail: OwnTrail, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    settings.KMSCONSOLE = replace(RULES, trail_archive_endpoint="http://127.0.0.1:9")
    seal(trail)
    found = segments.load(trail.folder)
    segments.store(trail.folder, found.moved(found.all[0], f"s3://trail/{found.all[0].name}.gz"))
    with pytest.raises(SegmentUnreachable, match="cannot be reached"):
        verification.run(read_all=True)


def test_what_is_due_is_done_without_being_asked(trail: OwnTrail, tmp_path: Path) -> None:
    log.sign(trail)
    LogCheckpoint.objects.filter(account="s").update(time="2020-01-01T00:00:00Z")
    rules = replace(RULES, trail_archive=str(tmp_path / "archive"))
    segment_keeper.step(trail.journal, trail, rules, [])
    (segment,) = segments.load(trail.folder).kept
    assert segment.place == str(tmp_path / "archive" / f"{segment.name}.gz")
    # A removal that somebody had begun is finished.
    removal._begin(trail.folder, trail, removal.ask(trail.folder, segment, "operator", "old"), [])
    segment_keeper.step(trail.journal, trail, rules, [])
    assert segments.load(trail.folder).removed.sequence == segment.last
    assert not Path(segment.place).exists()
    all_there(trail, segment.last + 1)


def test_a_segment_that_is_gone_or_changed_is_found_by_the_verification(trail: OwnTrail, tmp_path: Path) -> None:
    seal(trail)
    with segment_work.lock(trail.folder):
        segment_work.move(trail.folder, str(tmp_path / "archive"))
    segment = segments.load(trail.folder).all[1]
    path = Path(segment.place)
    content = path.read_bytes()
    segments.content.cache_clear()
    path.write_bytes(content[:-9] + bytes(9))
    verdict, _ = verification.run(read_all=True)
    assert (verdict.whole, segment.first <= verdict.broken_at <= segment.last) == (False, True)
    path.unlink()
    verdict, _ = verification.run(read_all=True)
    assert verdict.broken_at == segment.first
    assert "is gone" in verdict.reason
    path.parent.rename(tmp_path / "not mounted")
    with pytest.raises(SegmentUnreachable, match="is not there"):
        verification.run(read_all=True)


def test_what_was_removed_is_known_to_be_gone_and_what_stays_is_proved(trail: OwnTrail) -> None:
    texts = trail.texts
    log.sign(trail)
    seal(trail)
    first = segments.load(trail.folder).all[0]
    remove(trail)
    all_there(trail, first.last + 1)
    assert not segments.local_file(trail.folder, first).exists()
    verdict, _ = verification.run(read_all=True)
    assert verdict.whole, verdict.reason
    assert verdict.records == RECORDS
    (said,) = verdict.removed
    assert said.startswith(f"records 1 to {first.last} were removed by the retention rule on ")
    assert "by operator of the machine, approved by – (older than asked for); checkpoint " in said
    # The tree can be made anew of what stays, and is the same.
    log.make_anew(trail)
    with log.tree(trail) as file:
        frontier = merkle.Frontier()
        for text in texts:
            frontier.add(merkle.leaf_hash(text))
        assert file.root(RECORDS) == frontier.root()
        assert file.root(3) == log_root(texts[:3])


def log_root(texts: list[bytes]) -> bytes:
    frontier = merkle.Frontier()
    for text in texts:
        frontier.add(merkle.leaf_hash(text))
    return frontier.root()


def test_an_export_of_the_whole_log_tells_what_was_removed_and_proves_the_rest(trail: OwnTrail, tmp_path: Path) -> None:
    """By the stand-alone verifier: it takes nothing in place of the signed statements, and continues checkpoints from before the removal."""
    newest = log.sign(trail)
    assert newest is not None
    head = log.TreeHead(newest.origin, 3, log_root(trail.texts[:3]))
    note = signed_note.sign(head.text(), head.origin, checkpoints.signer().key)
    seal(trail, 300)
    remove(trail)
    remove(trail)
    last = segments.load(trail.folder).removed.sequence
    lines = list(log_export.whole(trail))
    first, records, end = lines[0], lines[1:-1], lines[-1]
    assert len(records) == RECORDS - last
    documents = {
        "sound": lines,
        "unsaid": [json.dumps({name: each for name, each in json.loads(first).items() if name != "removed"}) + "\n", *lines[1:]],
        "half-said": [changed(first, statements=json.loads(first)["removed"]["statements"][:1]), *lines[1:]],
        "first-unsaid": [changed(first, statements=json.loads(first)["removed"]["statements"][1:]), *lines[1:]],
        "other-tree": [changed(first, subtrees=[signed_note.encoded(bytes(32))] * last.bit_count()), *lines[1:]],
        "other-size": [changed(first, subtrees=[]), *lines[1:]],
        "more-removed": [first, *records[1:], end],
        "changed": [first, records[0].replace("2026", "2025"), *records[1:], end],
        "truncated": [first, *records[:-1], end],
    }  # fmt: skip
    for name, each in documents.items():
        (tmp_path / name).write_text("".join(each))
    of_old = tmp_path / "old-checkpoint"
    of_old.write_text(note)
    steps = tmp_path / "steps"
    proof = [signed_note.encoded(each) for each in log_proofs.consistency(trail, head, newest)]
    named = {"format": log_proofs.CONSISTENCY_FORMAT, "publicKey": log.public_key(newest.origin)}
    steps.write_text(json.dumps({**named, "from": note, "to": newest.note, "proof": proof}))
    key = log.public_key(newest.origin)
    runs = [[tmp_path / name, "--key", key] for name in documents]
    earlier = [[tmp_path / "sound", *more, "--key", key, "--earlier", of_old] for more in ([], [steps])]
    sound, *tampered, unproved, proved = verifier_runs([*runs, *earlier])
    assert sound.returncode == 0, sound.stderr
    assert re.search(
        rf"records 1–\d+ were removed by the retention rule \(older than asked for\) on 20.*; records \d+–{last} were removed by .*"
        rf"; the rest whole: records {last + 1} to {RECORDS}$",
        sound.stdout.strip(),
    )
    said = [
        f"record {last + 1} stands where 1 should",
        "are not those that were sealed and removed",
        "no signed statement says that they were removed",
        "are not those that were sealed and removed",
        f"a tree of {last} records has not these subtrees",
        f"record {last + 2} stands where {last + 1} should",
        f"at least one of the records {last + 1} to {RECORDS} is not the one that was signed",
        f"records {RECORDS} to {RECORDS} are missing: the export was truncated",
    ]
    for name, words, done in zip(list(documents)[1:], said, tampered, strict=True):
        assert done.returncode == 1, name
        assert words in done.stderr, name
    assert (
        f"nothing here proves that the log of {RECORDS} records continues your checkpoint of 3 records"
        in unproved.stderr
    )
    assert proved.returncode == 0, proved.stderr


def changed(head: str, **members: Any) -> str:
    """The first line of an export, with other members of what it says of removed records."""
    document = json.loads(head)
    return json.dumps({**document, "removed": {**document["removed"], **members}}) + "\n"


def forge_removal(trail: OwnTrail) -> None:
    """Without the installation's key: a removal of one segment more than was approved."""
    found = segments.load(trail.folder)
    (made,) = found.removals
    wider = segments.Removal(made.first, found.all[1].last, made.note)
    segments.store(trail.folder, replace(found, removals=(wider,)))


def drop_statement(trail: OwnTrail) -> None:
    found = segments.load(trail.folder)
    segments.store(trail.folder, replace(found, removals=()))


def change_hashes(trail: OwnTrail) -> None:
    path = next(segments.folder(trail.folder).glob("*.leaves"))
    path.write_bytes(bytes(32) + path.read_bytes()[32:])


@pytest.mark.parametrize("tamper", [forge_removal, drop_statement, change_hashes])
def test_what_is_gone_without_a_genuine_statement_is_missing(
    trail: OwnTrail, tamper: Callable[[OwnTrail], None]
) -> None:
    seal(trail)
    remove(trail)
    tamper(trail)
    verdict, _ = verification.run(read_all=True)
    assert verdict.broken_at == 1
    assert not verdict.whole


def test_only_whole_segments_that_are_old_enough_are_due(trail: OwnTrail) -> None:
    log.sign(trail)
    seal(trail)
    now = segment_work.clock.real_now()
    assert removal.due(trail.folder, now - segment_work.timedelta(days=1)) == []
    found = segments.load(trail.folder).all
    old = replace(found[0], ends="2020-01-01T00:00:00Z")
    segments.store(trail.folder, segments.Segments((old, *found[1:])))
    assert removal.due(trail.folder, now - segment_work.timedelta(days=1)) == [old]


def at_each_step(trail: OwnTrail, work: Callable[[], None], check: Callable[[], None]) -> int:
    """Kill `work` before its first step, then before its second …; after each `check`, and the next goes on with what is left."""
    step = 0
    while killed.at_step(step, trail.folder.parent, work):
        trail.records = RECORDS
        check()
        step += 1
        assert step < 200
    return step


def test_killed_at_any_step_of_sealing_nothing_is_lost(trail: OwnTrail) -> None:
    steps = at_each_step(trail, lambda: seal(trail, 1 << 20), lambda: all_there(trail))
    assert steps > 10
    seal(trail)
    all_there(trail)
    assert segments.load(trail.folder).base.sequence == RECORDS - 1
    names = {each.name for each in segments.load(trail.folder).all}
    assert {path.stem for path in segments.folder(trail.folder).iterdir()} == names


def test_killed_at_any_step_of_moving_nothing_is_lost(trail: OwnTrail, tmp_path: Path) -> None:
    def move() -> None:
        with segment_work.lock(trail.folder):
            segment_work.move(trail.folder, str(tmp_path / "archive"))

    seal(trail)
    assert at_each_step(trail, move, lambda: all_there(trail)) > 10
    move()
    all_there(trail)
    assert not list(segments.folder(trail.folder).glob("*.gz"))


def test_killed_at_any_step_of_removing_it_is_done_or_not_and_never_looks_like_tampering(trail: OwnTrail) -> None:
    seal(trail)
    first = segments.load(trail.folder).all[0]

    def check() -> None:
        gone = segments.load(trail.folder).removed.sequence
        assert gone in (0, first.last)
        all_there(trail, gone + 1)
        verdict, _ = verification.run(read_all=True)
        assert verdict.whole, verdict.reason
        assert bool(verdict.removed) == bool(gone)

    def work() -> None:
        if segments.load(trail.folder).removals:
            with segment_work.lock(trail.folder):
                removal.go_on(trail.folder, [])
        else:
            remove(trail)

    assert at_each_step(trail, work, check) > 5
    check()
    assert segments.load(trail.folder).removed.sequence == first.last
    assert not segments.local_file(trail.folder, first).exists()
    assert os.listdir(segments.folder(trail.folder))
