"""Keys of another endpoint as they were at a moment, told by what this console read of them: for keys that no record there tells of.

Between two readings that differ, and before the first, what a key was is not known, and said to be so. Who changed it is never known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from console.request import ConsoleRequest
from keys.inventory import inventory
from keys.record.snapshots import AliasSnapshot, KeySnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedKey(KeySnapshot):
    """`told`: the state, "" where it is not known; `columns_unknown`: the columns (keys.inventory.observed) that are not. `read`: the last reading
    up to the moment, None where there was none: then only what never changes of a key is known.
    `not_listed`: when a reading first did not list it any more."""

    told: str
    columns_unknown: Collection[str]
    read: datetime | None = None
    not_listed: datetime | None = None

    @property
    def observed(self) -> bool:
        return True

    @property
    def gone(self) -> datetime | None:
        return self.not_listed

    @property
    def unknown(self) -> Collection[str]:
        return self.columns_unknown

    def state(self, moment: datetime) -> str:
        del moment  # it is of one moment
        return self.told


def at(
    request: ConsoleRequest, moment: datetime, told: Collection[str] = frozenset(), key_id: str = ""
) -> list[ObservedKey]:
    """The keys that were there at a moment, or one, without those that a record tells of. Raises ClientError if the principal may not list
    keys."""
    rows = inventory.observed_keys(request, moment, key_id)
    return [_key(row, moment) for row in rows if row.key.key_id not in told and _was_there(row, moment)]


def _was_there(row: inventory.ObservedRow, moment: datetime) -> bool:
    return row.key.created is not None and row.key.created <= moment


def _key(row: inventory.ObservedRow, moment: datetime) -> ObservedKey:
    key, (texts, unknown) = row.key, row.at(moment)
    known = {name: "" if name in unknown else text for name, text in texts.items()}
    assert key.created is not None
    return ObservedKey(
        key_id=key.key_id,
        arn=key.arn,
        spec=key.spec,
        usage=key.usage,
        origin=key.origin,
        created=key.created,
        since=key.created,
        by="",
        event_id="",
        told=known["state"],
        columns_unknown=unknown,
        read=row.read_by(moment),
        not_listed=row.gone_by(moment),
        deletion_date=_moment(known["deletion_date"]),
        valid_to=_moment(known["valid_to"]),
        description=known["description"],
        aliased=tuple(AliasSnapshot(name, key.created) for name in known["aliases"].splitlines()),
        tags=dict(line.split("=", 1) for line in known["tags"].splitlines()),
        rotation_days=_days(known["rotation"]),
        regionality=known["regionality"],
        grants_known=False,
    )


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _days(text: str) -> int | None:
    """Of a row's rotation: "365 days", "off", or nothing where a key is not rotated."""
    number = text.partition(" ")[0]
    return int(number) if number.isdecimal() else None
