"""Tampering of every kind with a trail, by somebody who has the disk and can compute the chain anew: each is found and located, by the
verification of the trail and against a checkpoint that was kept elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.trail import checkpoints, log, log_comparison, log_records, verification
from engine.trail.models import LogCheckpoint, Verification
from engine.trail.verify import Verdict
from tests.support.own_trail import OwnTrail


@pytest.fixture
def trail(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> OwnTrail:
    """Twelve records, signed at 4, 8 and 12; what the trail must reach is left aside."""
    LogCheckpoint.objects.filter(account="t").delete()
    Verification.objects.all().delete()
    (prepared / "trail" / "tree-t").unlink(missing_ok=True)
    made = OwnTrail(tmp_path, "t")
    monkeypatch.setattr(log_records, "of_account", lambda account: made)
    monkeypatch.setattr(verification, "_journal_path", lambda: made.path)
    monkeypatch.setattr(verification.connection, "vendor", "sqlite")
    monkeypatch.setattr(checkpoints, "stored", lambda: None)
    for _ in range(3):
        made.record(4)
        log.sign(made)
    return made


def changed(texts: list[bytes]) -> list[bytes]:
    return [*texts[:5], b'{"n":"changed"}', *texts[6:]]


def removed(texts: list[bytes]) -> list[bytes]:
    return [*texts[:5], *texts[6:]]


def reordered(texts: list[bytes]) -> list[bytes]:
    return [*texts[:5], texts[6], texts[5], *texts[7:]]


def truncated(texts: list[bytes]) -> list[bytes]:
    return texts[:10]


def forked(texts: list[bytes]) -> list[bytes]:
    return [*texts[:6], *(b'{"n":"fork %d"}' % number for number in range(9))]


def rolled_back(texts: list[bytes]) -> list[bytes]:
    return texts[:8]


# kind: (first record that is another, what the checkpoint of 12 says of it)
KINDS: list[tuple[Callable[[list[bytes]], list[bytes]], int, str]] = [
    (changed, 6, log_comparison.REWRITTEN),
    (removed, 6, log_comparison.NEWER),
    (reordered, 6, log_comparison.REWRITTEN),
    (truncated, 11, log_comparison.NEWER),
    (forked, 7, log_comparison.REWRITTEN),
    (rolled_back, 9, log_comparison.NEWER),
]


def run(*, read_all: bool = True) -> Verdict:
    verdict, _statement = verification.run(read_all=read_all)
    return verdict


def test_a_trail_that_nobody_touched_is_whole_and_continues_every_checkpoint(trail: OwnTrail) -> None:
    kept = [each.note for each in log.history(trail)]
    trail.record(3)
    verdict = run()
    assert (verdict.whole, verdict.records, verdict.covered) == (True, 15, 12)
    kinds = [log_comparison.compare([trail], note).kind for note in [*kept, log.history(trail)[-1].note]]
    assert kinds == [log_comparison.EXTENDED] * 4
    assert log_comparison.compare([trail], log.history(trail)[-1].note).kind == log_comparison.SAME


@pytest.mark.parametrize(("kind", "first", "said"), KINDS, ids=lambda each: getattr(each, "__name__", None))
def test_what_was_tampered_with_is_located_by_the_tree(
    trail: OwnTrail, kind: Callable[[list[bytes]], list[bytes]], first: int, said: str
) -> None:
    kept = log.history(trail)[-1].note
    trail.write(kind(trail.texts))
    verdict = run()
    assert (verdict.whole, verdict.broken_at) == (False, first)
    found = log_comparison.compare([trail], kept)
    assert found.kind == said
    assert found.first <= max(first, len(trail.texts) + 1)


@pytest.mark.parametrize(("kind", "first", "said"), KINDS, ids=lambda each: getattr(each, "__name__", None))
def test_with_the_tree_gone_too_it_is_located_between_signed_checkpoints(
    trail: OwnTrail, prepared: Path, kind: Callable[[list[bytes]], list[bytes]], first: int, said: str
) -> None:
    kept = log.history(trail)[-1].note
    trail.write(kind(trail.texts))
    (prepared / "trail" / "tree-t").unlink()
    verdict = run()
    assert not verdict.whole
    assert first - 4 < verdict.broken_at <= first
    found = log_comparison.compare([trail], kept)
    assert (found.kind, found.continued) == (said, False)
    if said == log_comparison.REWRITTEN:
        assert (found.first, found.last) == (5, 12)


@pytest.mark.parametrize(("kind", "first", "said"), KINDS, ids=lambda each: getattr(each, "__name__", None))
def test_what_the_operator_himself_rewrote_and_signed_anew_is_found_by_a_checkpoint_kept_elsewhere(
    trail: OwnTrail, prepared: Path, kind: Callable[[list[bytes]], list[bytes]], first: int, said: str
) -> None:
    kept = log.history(trail)[-1].note
    trail.write(kind(trail.texts))
    (prepared / "trail" / "tree-t").unlink()
    LogCheckpoint.objects.filter(account="t", size__gte=first).delete()
    assert log.sign(trail) is not None
    assert run().whole, "inside the installation all fits again"
    found = log_comparison.compare([trail], kept)
    assert (found.kind, found.continued) == (said, False)
    if said == log_comparison.REWRITTEN:
        assert (found.first, found.last) == (5, 12)
    else:
        assert (found.first, found.last) == (len(trail.texts) + 1, 12)


def test_a_plain_change_breaks_the_chain_where_it_stands(trail: OwnTrail) -> None:
    trail.path.write_bytes(trail.path.read_bytes().replace(b'"n":7', b'"n":0'))
    verdict = run()
    assert (verdict.broken_at, verdict.reason) == (7, "its hash is not that of its content")


def test_a_stored_checkpoint_that_is_not_genuine_is_told(trail: OwnTrail) -> None:
    row = log.history(trail)[1]
    LogCheckpoint.objects.filter(id=row.id).update(note=row.note.replace("time 2", "time 1"))
    verdict = run()
    assert (verdict.broken_at, verdict.reason) == (8, "the stored checkpoint of 8 records is not genuine")


def test_a_verification_goes_on_behind_the_last_checkpoint_that_was_found_whole(trail: OwnTrail) -> None:
    told: list[tuple[int, int, int]] = []
    verdict, statement = verification.run(progress=lambda *each: told.append(each))
    assert (verdict.first, verdict.covered) == (1, 12)
    row = Verification.objects.create(account="t", started=log.history(trail)[-1].time, updated=log.history(trail)[-1].time, verified=statement)  # fmt: skip
    trail.record(5)
    log.sign(trail)
    verdict, _ = verification.run(progress=lambda *each: told.append(each))
    assert (verdict.whole, verdict.first, verdict.records, verdict.covered) == (True, 13, 17, 17)
    assert told == [(1, 12, 12), (13, 17, 17)]
    assert run(read_all=True).first == 1
    for forged in (statement.replace("\n12\n", "\n16\n"), "nothing"):
        Verification.objects.filter(id=row.id).update(verified=forged)
        assert verification.run()[0].first == 1, "what nobody signed is not believed"


def test_a_trail_that_was_rewritten_below_is_read_from_the_beginning_again(trail: OwnTrail) -> None:
    _, statement = verification.run()
    moment = log.history(trail)[-1].time
    Verification.objects.create(account="t", started=moment, updated=moment, verified=statement)
    trail.write(changed(trail.texts))
    verdict = run(read_all=False)
    assert (verdict.first, verdict.broken_at) == (1, 6)


def test_other_notes_are_told_from_this_trails(trail: OwnTrail) -> None:
    kept = log.history(trail)[-1].note
    origin = kept.partition("\n")[0]
    elsewhere = kept.replace(origin, "example.com/log")
    assert log_comparison.compare([trail], elsewhere).kind == log_comparison.FOREIGN
    assert log_comparison.compare([trail], kept.replace("\n12\n", "\n13\n")).kind == log_comparison.FORGED
    for text in ("", "hello", "{}", '{"checkpoint": 3}', "\n\n", kept.partition("\n\n")[0]):
        assert log_comparison.compare([trail], text).kind == log_comparison.UNREADABLE
    assert log_comparison.compare([trail], kept.replace("\n", "\r\n")).kind == log_comparison.SAME


def test_a_checkpoint_from_before_there_were_trees_is_compared_with_the_chain(trail: OwnTrail) -> None:
    old = checkpoints.sign(checkpoints.at(7, trail.entries[6].digest))
    assert log_comparison.compare([trail], old).kind == log_comparison.EXTENDED
    trail.write(changed(trail.texts))
    found = log_comparison.compare([trail], old)
    assert (found.kind, found.last) == (log_comparison.REWRITTEN, 7)
    trail.write(trail.texts[:5])
    assert log_comparison.compare([trail], old).kind == log_comparison.NEWER
