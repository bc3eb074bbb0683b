"""Removing whole segments of the oldest records, so that what is gone is known to be gone.

The operator of the machine asks for it, and every account that has records there has to approve by the console's own action
`kmsconsole:ApproveTrailRemoval` (of those that another account manages that one alone decides): two persons, and the approval is an event of the trail. What stays of a removed segment: its signed
checkpoint, and the tree's hashes of its records (engine.trail.leaves). A statement signed by the installation's key says which records were
removed, when, by whom and why; an event RemoveTrailSegments in every account says the same. Without such a statement missing records are
missing (engine.trail.verification).

Steps, each of which whoever comes next goes on from: hashes kept, statement kept as pending, events recorded, statement kept as
done (from here on the records are gone), indexes cleaned, files deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.utils.translation import gettext as _

from engine import clock
from engine.trail import (
    index,
    leaves,
    log,
    merkle,
    query,
    recorder,
    removals,
    search_index,
    segment_archive,
    segment_work,
    segments,
    signed_note,
)
from engine.trail.log_records import Records
from engine.trail.record import ServiceEvent, service_event
from engine.trail.segment_archive import SegmentLost
from engine.trail.segments import Removal, Request, Segment
from engine.trail.tree_file import TreeDamaged

_REGION = "us-east-1"
_SOURCE = "kmsconsole"
EVENT, APPROVED, REJECTED = "RemoveTrailSegments", "ApproveTrailRemoval", "RejectTrailRemoval"


class RemovalRefused(Exception):
    """It may not be now. The message is one sentence."""


def due(trail: Path, before: datetime) -> list[Segment]:
    """The segments of which every record is older, from the oldest on."""
    found = []
    for segment in segments.load(trail).kept:
        if datetime.fromisoformat(segment.ends) >= before:
            break
        found.append(segment)
    return found


# --- asked and approved


def ask(trail: Path, segment: Segment, by: str, reason: str) -> Request:
    """Ask for the removal of everything up to a segment. Raises RemovalRefused."""
    with segment_work.lock(trail):
        found = segments.load(trail)
        if found.request is not None or found.pending is not None:
            raise RemovalRefused("a removal was asked for already")
        now = clock.real_now().astimezone(UTC).isoformat(timespec="seconds")
        made = Request(str(uuid4()), segment.last, _line(by), now, _line(reason))
        segments.store(trail, replace(found, request=made))
        return made


def withdraw(trail: Path) -> None:
    with segment_work.lock(trail):
        segments.store(trail, replace(segments.load(trail), request=None))


def _line(text: str) -> str:
    return " ".join(text.split())


@dataclass(frozen=True, slots=True)
class Decision:
    """What an account's principal said of a request; `by` is empty where none has yet."""

    account: str
    by: str = ""
    approved: bool = False


def decisions(request: Request, accounts: Iterable[str]) -> list[Decision]:
    """Of each account that has records among those that are to be removed. The latest decision counts."""
    return [_decision(request, account) for account in accounts if _has_records(account, request.last)]


def _has_records(account: str, last: int) -> bool:
    store = query.event_store()
    sql = f"SELECT 1 FROM {store.events} WHERE event.account = ? AND event.sequence <= ? LIMIT 1"  # noqa: S608
    return bool(store.rows(sql, (account, last)))


def parameters(request: Request) -> dict[str, Any]:
    """What the event of a decision names: one on another removal, or on fewer records, is none on this."""
    return {"removalId": request.id, "lastRecord": request.last, "reason": request.reason}


def _decision(request: Request, account: str) -> Decision:
    wanted = query.Lookup(names=(APPROVED, REJECTED), source=_SOURCE, after=request.last)
    while True:
        page = query.lookup(account, wanted)
        for event in page.events:
            if event.get("errorCode") or event.get("voided"):
                continue
            if event.get("requestParameters") == parameters(request):
                by = event["userIdentity"].get("arn", "")
                return Decision(account, by, event["eventName"] == APPROVED)
        if page.next is None:
            return Decision(account)
        wanted = replace(wanted, before=page.next)


def require_open(trail: Path, request_id: str) -> Request:
    """What is asked for now, if it is this. Raises RemovalRefused."""
    request = segments.load(trail).request
    if request is None or request.id != request_id:
        raise RemovalRefused(_("This removal is not asked for any more."))
    return request


# --- carried out


def carry_out(trail: Path, records: Records, accounts: Sequence[str], deciding: Sequence[str]) -> Removal:
    """Remove what was asked for and approved by those of the accounts that are `deciding`. Raises RemovalRefused, LogRewritten,
    TrailUnavailable."""
    with segment_work.lock(trail):
        found = segments.load(trail)
        if found.pending is None:
            if found.request is None:
                raise RemovalRefused("no removal was asked for")
            said = decisions(found.request, deciding)
            if rejected := next((each for each in said if each.by and not each.approved), None):
                segments.store(trail, replace(found, request=None))
                raise RemovalRefused(f"it was rejected by {rejected.by}, and is withdrawn")
            if waits := [each.account for each in said if not each.approved]:
                raise RemovalRefused(f"it waits for the approval of account {', '.join(waits)}")
            _begin(trail, records, found.request, [each.by for each in said])
        return _finish(trail, accounts)


def is_unfinished(trail: Path) -> bool:
    """Whether somebody who died had begun to remove records."""
    found = segments.load(trail)
    left = any(each.place or segments.local_file(trail, each).exists() for each in found.gone)
    return found.pending is not None or left


def go_on(trail: Path, accounts: Sequence[str]) -> None:
    """Finish what somebody who died had begun. With the lock."""
    found = segments.load(trail)
    if found.pending is not None:
        _finish(trail, accounts)
    else:
        _clean(trail)


def _begin(trail: Path, records: Records, request: Request, approved: list[str]) -> None:
    found = segments.load(trail)
    last = next((each for each in found.kept if each.last == request.last), None)
    if last is None:
        raise RemovalRefused(f"no segment ends with record {request.last}")
    log.sign(records)  # the records are those that were signed, or nothing is removed
    for segment in found.kept:
        if segment.last <= last.last:
            _keep_leaves(trail, records, segment)
    removal = removals.signed(found.removed.sequence + 1, last, request, approved)
    segments.store(trail, replace(found, request=None, pending=removal))


def _keep_leaves(trail: Path, records: Records, segment: Segment) -> None:
    """Of the tree, which what the segment's checkpoint signed proves right. Raises SegmentLost."""
    head = log.parse(signed_note.split(segment.checkpoint)[0])
    for _attempt in range(2):
        try:
            with log.tree(records) as file:
                if file.root(segment.last) == head.root:
                    found = [file.read(0, number - 1) for number in range(segment.first, segment.last + 1)]
                    frontier = merkle.frontier(segment.first - 1, file.read)
                    for each in found:
                        frontier.add(each)
                    if frontier.root() == head.root:
                        leaves.keep(trail, segment, found)
                        return
        except TreeDamaged:
            pass
        log.make_anew(records)
    raise SegmentLost(f"the records of segment {segment.name} are not those that its checkpoint was signed of")


def _finish(trail: Path, accounts: Sequence[str]) -> Removal:
    found = segments.load(trail)
    pending = found.pending
    if pending is None:
        raise RemovalRefused("no removal was begun")
    said = removals.statement(pending)
    recorder.record([_event(account, said, pending.note) for account in accounts])
    segments.store(trail, replace(found, removals=(*found.removals, pending), pending=None))
    _clean(trail)
    return pending


def _event(account: str, said: removals.Statement, note: str) -> bytes:
    details = {
        "removalId": said.id,
        "firstRecord": said.first,
        "lastRecord": said.last,
        "requestedBy": said.by,
        "approvedBy": list(said.approved),
        "reason": said.reason,
        "statement": note,
    }
    return service_event(
        ServiceEvent(
            account_id=account, region=_REGION, source=_SOURCE, name=EVENT, now=clock.now(account), details=details
        )
    )


def _clean(trail: Path) -> None:
    """Delete what the indexes have of removed records, and then what they lie in."""
    if segments.load(trail).removals:
        index.forget_removed(trail)
        search_index.forget_removed(trail, segments.load(trail).removed.sequence)
    for segment in segments.load(trail).gone:
        if segment.place:
            segment_archive.delete(segment.place)
            segments.store(trail, segments.load(trail).moved(segment, ""))
    segment_work.tidy(trail)
