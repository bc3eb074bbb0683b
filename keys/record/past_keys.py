"""The keys of this request's Region as they were at a moment: the record read as the signed-in principal, and replayed.

The past does not change, so what was replayed of the embedded record is kept: for the next page, filter or order of the same list, and as
what the replay of a later moment goes on from. Whether the principal may read the record is decided and recorded each time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
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
    region = request.signed_in.region
    found = history.of_key(request, arn_of(request, key_id), moment)
    keys = snapshots.replay(found.records, region, moment)
    key = next((each for each in keys if each.key_id == key_id), None)
    if key is not None and key.replicas:  # its deletion waits for theirs, which other records tell
        more = [history.of_key(request, arn, moment).records for arn in sorted(key.replicas)]
        theirs = [each for part in more for each in part if each["eventName"] in _DELETION]
        merged = {each["eventID"]: each for each in (*found.records, *theirs)}
        records = sorted(merged.values(), key=lambda each: (each["eventTime"], snapshots.number_of(each)))
        (key,) = (each for each in snapshots.replay(records, region, moment) if each.key_id == key_id)
    return PastKey(key, found.whole, found.begins)


def arn_of(request: ConsoleRequest, key_id: str) -> str:
    signed_in: Any = request.signed_in
    embedded = service.backend(request).embedded
    account_id = signed_in.account_id if embedded else inventory.endpoint_account(request)
    partition = signed_in.arn.split(":")[1]
    return f"arn:{partition}:kms:{signed_in.region}:{account_id}:key/{key_id}"
