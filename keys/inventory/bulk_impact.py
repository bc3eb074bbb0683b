"""What the deletion of many keys would hit: of each its aliases, when it was last used and by whom, as the deletion of one key shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.detail import usage, use_tabs
from keys.inventory import inventory, reads, untold
from keys.inventory.untold import Untold
from keys.record import key_events

# Keys of one deletion whose users are read from the record, one LookupEvents each. Of the others the list's own last use is taken.
READ = 25
_EVENTS = 500  # of one key: who uses it shows in its newest
MOST_RECENT = 20  # recently used keys that one deletion takes: each is typed by name


@dataclass(frozen=True, slots=True)
class Impact:
    """`known` is False where the last use cannot be told; such a key is asked for as one that was used. `users` is None if not read."""

    key_id: str
    name: str
    aliases: tuple[str, ...]
    last_used: datetime | None
    known: bool
    recent: bool
    users: tuple[str, ...] | None
    whole: bool = True
    use_problem: str = ""
    users_problem: str = ""
    aliases_untold: Untold | None = None


def of_keys(request: ConsoleRequest, key_ids: list[str]) -> dict[str, Impact]:
    """By key ID. Raises ClientError if the caller may not list keys."""
    rows = {row.key_id: row for row in inventory.synced_keys(request).filter(key_id__in=key_ids)}
    kms = service.client(request)
    now = service.record_now(request)
    embedded = service.backend(request).embedded
    return {
        key_id: _of_key(request, kms, key_id, rows.get(key_id), now, read=number < READ, listed=embedded)
        for number, key_id in enumerate(key_ids)
    }


def _of_key(
    request: ConsoleRequest, kms: Any, key_id: str, row: Any, now: datetime, *, read: bool, listed: bool
) -> Impact:
    """`listed`: whether the list knows the last use of every key (at the embedded engine)."""
    last_used: datetime | None = row.last_used if row is not None else None
    known, use_problem, users_problem = listed and row is not None, "", ""
    if row is not None and (untold_use := untold.of_row(request, row, reads.LAST_USE)):
        known, use_problem = False, untold_use.why
    users: tuple[str, ...] | None = None
    whole = True
    if read:
        used, use_problem = optional(lambda: use_tabs.last_use(request, kms, {"KeyId": key_id}))
        known = not use_problem
        last_used = used.when if used is not None else last_used
    if read and row is not None:
        since = now - timedelta(days=use_tabs.IMPACT_DAYS)
        events, users_problem = optional(lambda: key_events.of_key(request, row.arn, since=since, most=_EVENTS))
        if events is not None:
            users = tuple(
                share.name for share in usage.shares(events.found, lambda event: event.principal) if share.done
            )
            whole = events.whole
    recent = not known or (last_used is not None and now - last_used < timedelta(days=use_tabs.RECENT_DAYS))
    aliases = tuple(row.aliases) if row is not None else ()
    name = row.alias if row is not None and row.alias else key_id
    aliases_untold = untold.of_row(request, row, reads.ALIASES) if row is not None else None
    return Impact(
        key_id, name, aliases, last_used, known, recent, users, whole, use_problem, users_problem, aliases_untold
    )
