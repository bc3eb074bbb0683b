"""The keys of this request's Region as they were at a moment: the record read as the signed-in principal, and replayed.

The past does not change, so what was replayed of the embedded record is kept: for the next page, filter or order of the same list, and as
what the replay of a later moment goes on from. Whether the principal may read the record is decided and recorded each time. A page that says
how to `prepare` what it shows waits for no long replay: a thread of this worker makes it, and the page says how far that is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from botocore.exceptions import ClientError
from django.db import connections

from console.request import ConsoleRequest
from engine.public import data_stack
from keys import service
from keys.inventory import inventory
from keys.record import events, history, key_states, observed_keys, snapshots
from keys.record.snapshots import KeyReplay, KeySnapshot

logger = logging.getLogger(__name__)

_KEPT = 250_000  # keys of all replayed lists together, each list counted as _LIST keys more: two lists of 100,000, which share most keys
_LIST = 500
_AT_ONCE = 2_000  # changes that are replayed while a page waits
_WAITS = 0.3  # seconds that a page waits for a replay that others make; a longer one is come back to
_DELETION = (key_states.SCHEDULED, key_states.CANCELLED)
_SETTLED = timedelta(minutes=1)  # what is younger may still get records
_NEVER = datetime.max.replace(tzinfo=UTC)
T = TypeVar("T")
Place = tuple[str, str, datetime]  # account, Region, moment
_lock = threading.Lock()
_replayed: dict[Place, PastKeys] = {}
_being_replayed: dict[tuple[str, str], Replaying] = {}


@dataclass(frozen=True, slots=True)
class PastKeys:
    """`begins`: when the record of the account begins, where that is known. `replay`: what later moments go on from. `untold`: why no record
    tells of them, where readings of the keys alone do. `derived`: what pages have worked out of all these keys, by a name of theirs; kept as
    long as the keys are."""

    keys: Sequence[KeySnapshot]
    begins: datetime | None
    replay: KeyReplay | None = field(default=None, repr=False, compare=False)
    untold: str = ""
    derived: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def once(self, name: str, work_out: Callable[[], T]) -> T:
        """What is worked out of all these keys, the first time it is asked for."""
        if name not in self.derived:
            self.derived[name] = work_out()
        found: T = self.derived[name]
        return found


Earlier = tuple[datetime, PastKeys]
Prepare = Callable[[PastKeys, datetime], object]  # works out by `once` what a page shows of all keys


def as_it_is(past: PastKeys, moment: datetime) -> None:
    """For a page that works nothing out of all keys beforehand."""


@dataclass(slots=True)
class Replaying:
    """A replay that a thread makes: `done` of `total` changes are taken."""

    total: int
    done: int = 0
    over: threading.Event = field(default_factory=threading.Event)


def all_keys(request: ConsoleRequest, moment: datetime, prepare: Prepare | None = None) -> PastKeys:
    """Deleted ones too. With `prepare` HistoryBeingRead is raised while a long replay is made. Raises ClientError if the principal may not
    read the record, or the endpoint has none; HistoryBeingRead."""
    where = (request.signed_in.account_id, request.signed_in.region, moment)
    if not service.backend(request).embedded:
        return _replay(KeyReplay(where[1]), history.of_keys(request, moment), moment)
    kept = _replayed.get(where)
    if kept is not None:
        events.may_read(request, snapshots.KEY_EVENTS, moment)
        return kept
    settled = min(moment, service.record_now(request) - _SETTLED)
    earlier = _earlier(request, where)
    after = earlier[0] if earlier is not None else None
    if prepare is None:
        found = history.of_keys(request, moment, after)
    else:
        asked = history.of_keys_or_many(request, moment, after, settled, _AT_ONCE)
        if isinstance(asked, history.ManyChanges):
            return _wait_for((*where[:2], settled), earlier, asked, prepare)
        found = asked
    if earlier is not None and not found.records and moment < _next_by_time(*earlier):
        return earlier[1]
    past = _replay(_goes_on(where[1], earlier), found, moment)
    if moment <= settled:
        _keep(where, past)
    return past


def _replay(replay: KeyReplay, found: history.FoundEvents, moment: datetime) -> PastKeys:
    for record in found.records:
        if datetime.fromisoformat(record["eventTime"]) <= moment:
            replay.take(record)
    return PastKeys(replay.at(moment), found.begins, replay)


def _next_by_time(moment: datetime, past: PastKeys) -> datetime:
    """Until when time alone changes none of these keys: their deletion, the expiry of imported material."""

    def find() -> datetime:
        if any(key.waits_for_replicas for key in past.keys):  # other Regions' keys tell when
            return moment
        dates = (date for key in past.keys for date in (key.deletion_date, key.valid_to))
        return min((date for date in dates if date is not None and date > moment), default=_NEVER)

    return past.once("next by time", find)


def _wait_for(where: Place, earlier: Earlier | None, many: history.ManyChanges, prepare: Prepare) -> PastKeys:
    """What a thread replays, if it takes no longer than a page waits. Raises HistoryBeingRead."""
    place = where[:2]
    with _lock:
        being = _being_replayed.get(place)
        if being is None:
            being = _being_replayed[place] = Replaying(many.number)
            given = (_replay_in_thread, where, earlier, many.begins, prepare, being)
            threading.Thread(target=data_stack.run, args=given, daemon=True, name="past keys").start()
    being.over.wait(_WAITS)
    kept = _replayed.get(where)
    if kept is None:
        raise history.HistoryBeingRead(history.Progress(min(being.done, being.total - 1), being.total))
    return kept


def _replay_in_thread(
    where: Place, earlier: Earlier | None, begins: datetime | None, prepare: Prepare, being: Replaying
) -> None:
    account_id, region, moment = where
    try:
        replay = _goes_on(region, earlier)
        changes = history.stream_of_keys(account_id, moment, earlier[0] if earlier is not None else None)
        for being.done, record in enumerate(changes):
            replay.take(record)
            if being.done % 200 == 0:
                time.sleep(0.001)  # pages and calls come first
        past = PastKeys(replay.at(moment), begins, replay)
        prepare(past, moment)
        _keep(where, past)
    except Exception:
        logger.exception("replaying the keys of %s in %s stopped", account_id, region)  # the next page begins anew
    finally:
        with _lock:
            _being_replayed.pop((account_id, region))
        being.over.set()
        connections.close_all()


def all_known(request: ConsoleRequest, moment: datetime, prepare: Prepare) -> PastKeys:
    """All keys, at another endpoint also those that only readings tell of (keys.record.observed_keys). Raises as `all_keys`, where nothing
    was read either."""
    if service.backend(request).embedded:
        return all_keys(request, moment, prepare)
    try:
        past = all_keys(request, moment)
    except ClientError as error:
        seen = observed_keys.at(request, moment)
        if not seen:
            raise
        return PastKeys(seen, None, untold=service.sentence(error))
    seen = observed_keys.at(request, moment, {key.key_id for key in past.keys})
    return replace(past, keys=sorted([*past.keys, *seen], key=lambda key: key.key_id), derived={})


def _earlier(request: ConsoleRequest, where: Place) -> Earlier | None:
    """What of the same list is kept of the latest moment before, to go on from; None: from the beginning."""
    with _lock:
        before = [each for each in _replayed if each[:2] == where[:2] and each[2] < where[2]]
        latest = max(before, key=lambda each: each[2], default=None)
        kept = _replayed[latest] if latest is not None else None
    if latest is None or kept is None or not history.continues(request, latest[2]):
        return None
    return latest[2], kept


def _goes_on(region: str, earlier: Earlier | None) -> KeyReplay:
    replay = earlier[1].replay if earlier is not None else None
    return replay.copy() if replay is not None else KeyReplay(region)


def _keep(where: Place, past: PastKeys) -> None:
    """The newest two lists however long they are: a comparison needs both."""
    with _lock:
        _replayed[where] = past
        while len(_replayed) > 2 and sum(len(each.keys) + _LIST for each in _replayed.values()) > _KEPT:
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
