"""The keys of this request's Region as they were at a moment: the record read as the signed-in principal, and replayed.

The past does not change, so what was replayed of the embedded record is kept: for the next page, filter or order of the same list, and as
what the replay of a later moment goes on from. Whether the principal may read the record is decided and recorded each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError

from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from keys.record import events, history, key_states, observed_keys, snapshots
from keys.record.snapshots import KeyReplay, KeySnapshot

_KEPT = 250_000  # keys of all replayed lists together, each list counted as _LIST keys more: two lists of 100,000, which share most keys
_LIST = 500
_DELETION = (key_states.SCHEDULED, key_states.CANCELLED)
_SETTLED = timedelta(minutes=1)  # what is younger may still get records
T = TypeVar("T")
_lock = threading.Lock()
_replayed: dict[tuple[str, str, datetime], PastKeys] = {}


@dataclass(frozen=True, slots=True)
class PastKeys:
    """`begins`: when the record of the account begins, where that is known. `replay`: what later moments go on from. `untold`: why no record
    tells of them, where readings of the keys alone do. `derived`: what pages have worked out of all these keys, by a name of theirs; kept as
    long as the keys are."""

    keys: Sequence[KeySnapshot]
    begins: datetime | None
    replay: KeyReplay | None = None
    untold: str = ""
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, work_out: Callable[[], T]) -> T:
        """What is worked out of all these keys, the first time it is asked for."""
        if name not in self.derived:
            self.derived[name] = work_out()
        found: T = self.derived[name]
        return found


def all_keys(request: ConsoleRequest, moment: datetime) -> PastKeys:
    """Deleted ones too. Raises ClientError if the principal may not read the record, or the endpoint has none; HistoryBeingRead."""
    region = request.signed_in.region
    where = (request.signed_in.account_id, region, moment)
    embedded = service.backend(request).embedded
    kept = _replayed.get(where) if embedded else None
    if kept is not None:
        events.may_read(request, snapshots.KEY_EVENTS, moment)
        return kept
    earlier, replay = _earlier(request, where) if embedded else (None, KeyReplay(region))
    found = history.of_keys(request, moment, earlier)
    for record in found.records:
        if datetime.fromisoformat(record["eventTime"]) <= moment:
            replay.take(record)
    past = PastKeys(replay.at(moment), found.begins, replay)
    if embedded and moment < service.record_now(request) - _SETTLED:
        _keep(where, past)
    return past


def all_known(request: ConsoleRequest, moment: datetime) -> PastKeys:
    """All keys, at another endpoint also those that only readings tell of (keys.record.observed_keys). Raises as `all_keys`, where nothing
    was read either."""
    if service.backend(request).embedded:
        return all_keys(request, moment)
    try:
        past = all_keys(request, moment)
    except ClientError as error:
        seen = observed_keys.at(request, moment)
        if not seen:
            raise
        return PastKeys(seen, None, untold=service.sentence(error))
    seen = observed_keys.at(request, moment, {key.key_id for key in past.keys})
    return replace(past, keys=sorted([*past.keys, *seen], key=lambda key: key.key_id), derived={})


def _earlier(request: ConsoleRequest, where: tuple[str, str, datetime]) -> tuple[datetime | None, KeyReplay]:
    """The latest moment before that is kept of the same list, and a replay to go on with; else from the beginning."""
    with _lock:
        before = [each for each in _replayed if each[:2] == where[:2] and each[2] < where[2]]
        kept = _replayed[max(before, key=lambda each: each[2])] if before else None
    if kept is None or kept.replay is None:
        return None, KeyReplay(where[1])
    moment = max(each[2] for each in before)
    if not history.continues(request, moment):
        return None, KeyReplay(where[1])
    return moment, kept.replay.copy()


def _keep(where: tuple[str, str, datetime], past: PastKeys) -> None:
    with _lock:
        _replayed[where] = past
        while _replayed and sum(len(each.keys) + _LIST for each in _replayed.values()) > _KEPT:
            _replayed.pop(next(iter(_replayed)))


@dataclass(frozen=True, slots=True)
class PastKey:
    """`key` is None where the record tells of no such key up to then. `whole` is False where the key has more events than were read. `untold`
    as of PastKeys."""

    key: KeySnapshot | None
    whole: bool
    begins: datetime | None
    untold: str = ""


def one_known(request: ConsoleRequest, key_id: str, moment: datetime) -> PastKey:
    """One key, at another endpoint also one that only readings tell of. Raises as `all_known`."""
    if service.backend(request).embedded:
        return one_key(request, key_id, moment)
    try:
        past = one_key(request, key_id, moment)
    except ClientError as error:
        seen = observed_keys.at(request, moment, key_id=key_id)
        if not seen:
            raise
        return PastKey(seen[0], True, None, service.sentence(error))
    if past.key is not None:
        return past
    seen = observed_keys.at(request, moment, key_id=key_id)
    return replace(past, key=seen[0]) if seen else past


def one_key(request: ConsoleRequest, key_id: str, moment: datetime) -> PastKey:
    """Raises ClientError as `all_keys`."""
    return key_at_both(request, key_id, moment, moment)[1]


def key_at_both(request: ConsoleRequest, key_id: str, before: datetime, after: datetime) -> tuple[PastKey, PastKey]:
    """One key at two moments, in their order: read and replayed once. Raises ClientError as `all_keys`."""
    region = request.signed_in.region
    found = history.of_key(request, arn_of(request, key_id), after)
    older, newer = _both(found.records, region, key_id, before, after)
    if replicas := {arn for key in (older, newer) if key is not None for arn in key.replicas}:
        # Its deletion waits for theirs, which other records tell.
        more = [history.of_key(request, arn, after).records for arn in sorted(replicas)]
        theirs = [each for part in more for each in part if each["eventName"] in _DELETION]
        merged = {each["eventID"]: each for each in (*found.records, *theirs)}
        records = sorted(merged.values(), key=lambda each: (each["eventTime"], snapshots.number_of(each)))
        older, newer = _both(records, region, key_id, before, after)
    return PastKey(older, found.whole, found.begins), PastKey(newer, found.whole, found.begins)


def _both(
    records: Iterable[dict[str, Any]], region: str, key_id: str, before: datetime, after: datetime
) -> tuple[KeySnapshot | None, KeySnapshot | None]:
    """`after` is later or the same. A change of before it may stand in the record behind one of after it (its times are whole seconds)."""
    timed = [(datetime.fromisoformat(record["eventTime"]), record) for record in records]
    in_time = [(time, record) for time, record in timed if time <= after]
    later = next((number for number, (time, _record) in enumerate(in_time) if time > before), len(in_time))
    replayed = KeyReplay(region)
    for _time, record in in_time[:later]:
        replayed.take(record)
    if all(time > before for time, _record in in_time[later:]):
        older = replayed.key_at(key_id, before)
    else:
        told = snapshots.replay((record for _time, record in in_time), region, before)
        older = next((each for each in told if each.key_id == key_id), None)
    for _time, record in in_time[later:]:
        replayed.take(record)
    return older, replayed.key_at(key_id, after)


def arn_of(request: ConsoleRequest, key_id: str) -> str:
    signed_in: Any = request.signed_in
    embedded = service.backend(request).embedded
    account_id = signed_in.account_id if embedded else inventory.endpoint_account(request)
    partition = signed_in.arn.split(":")[1]
    return f"arn:{partition}:kms:{signed_in.region}:{account_id}:key/{key_id}"
