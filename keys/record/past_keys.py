"""The keys of this request's Region as they were at a moment: the record read as the signed-in principal, and replayed.

The past does not change, so what was replayed of the embedded record is kept for the next page, filter or order of the same list; whether the
principal may read the record is decided and recorded each time.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from keys.record import events, key_states, snapshots
from keys.record.snapshots import KeySnapshot

_KEPT = 100_000  # keys of all replayed lists together, each list counted as _LIST keys more
_LIST = 200
_SETTLED = timedelta(minutes=1)  # what is younger may still get records
_lock = threading.Lock()
_replayed: dict[tuple[str, str, datetime], PastKeys] = {}


@dataclass(frozen=True, slots=True)
class PastKeys:
    """`begins`: when the record of the account begins, where that is known."""

    keys: Sequence[KeySnapshot]
    begins: datetime | None


def all_keys(request: ConsoleRequest, moment: datetime) -> PastKeys:
    """Deleted ones too, without their grants. Raises ClientError if the principal may not read the record, or the endpoint has none."""
    region = request.signed_in.region
    where = (request.signed_in.account_id, region, moment)
    embedded = service.backend(request).embedded
    kept = _replayed.get(where) if embedded else None
    if kept is not None:
        events.may_read(request, snapshots.LIST_EVENTS, moment)
        return kept
    found = events.by_names(request, snapshots.LIST_EVENTS, moment)
    past = PastKeys(snapshots.replay(found.records, region, moment), found.begins)
    if embedded and moment < service.record_now(request) - _SETTLED:
        _keep(where, past)
    return past


def _keep(where: tuple[str, str, datetime], past: PastKeys) -> None:
    with _lock:
        _replayed[where] = past
        while _replayed and sum(len(each.keys) + _LIST for each in _replayed.values()) > _KEPT:
            _replayed.pop(next(iter(_replayed)))


@dataclass(frozen=True, slots=True)
class PastKey:
    """`key` is None where the record tells of no such key up to then. `policy`: its text, "" for the default policy. `whole` is False where
    the key has more events than were read."""

    key: KeySnapshot | None
    policy: str
    whole: bool
    begins: datetime | None


def one_key(request: ConsoleRequest, key_id: str, moment: datetime) -> PastKey:
    """Raises ClientError as `all_keys`."""
    region = request.signed_in.region
    found = events.of_key(request, _arn(request, key_id), snapshots.KEY_EVENTS, moment)
    keys = snapshots.replay(found.records, region, moment)
    key = next((each for each in keys if each.key_id == key_id), None)
    if key is not None and key.replicas:  # its deletion waits for theirs, which other records tell
        more = [
            events.of_key(request, arn, (key_states.SCHEDULED, key_states.CANCELLED), moment).records
            for arn in sorted(key.replicas)
        ]
        records = sorted((each for part in (found.records, *more) for each in part), key=lambda each: each["eventTime"])
        (key,) = (each for each in snapshots.replay(records, region, moment) if each.key_id == key_id)
    policy = snapshots.policy_text(found.records, key) if key is not None else ""
    return PastKey(key, policy, found.whole, found.begins)


def _arn(request: ConsoleRequest, key_id: str) -> str:
    signed_in: Any = request.signed_in
    embedded = service.backend(request).embedded
    account_id = signed_in.account_id if embedded else inventory.endpoint_account(request)
    partition = signed_in.arn.split(":")[1]
    return f"arn:{partition}:kms:{signed_in.region}:{account_id}:key/{key_id}"
