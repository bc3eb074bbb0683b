"""The history of all that changes a key or who may use it, read as the signed-in principal: one decision and one entry of the record for
each question (kmsconsole:ReadRecord), however much answers it.

The embedded record is read from the projection that follows it (keys.record.projection). Where that has to catch up with more than a page
may wait for, HistoryBeingRead is raised, and its page says how far it is. At another endpoint LookupEvents is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from console.request import ConsoleRequest
from keys import service
from keys.record import events, iam_events, projection, snapshots
from keys.record.events import FoundEvents as FoundEvents
from keys.record.projection import Progress as Progress

SECONDS = 5.0  # that a page waits for the projection
_AWS_MOST = 5_000  # events of IAM that are asked for at real AWS
_IAM_REGION = "us-east-1"  # where CloudTrail keeps them
T = TypeVar("T")


class HistoryBeingRead(Exception):
    """A page of the past has to wait: `progress` says how much of the record was looked through."""

    def __init__(self, progress: projection.Progress) -> None:
        super().__init__(f"{progress.done} of {progress.total}")
        self.progress = progress


@dataclass(frozen=True, slots=True)
class ManyChanges:
    """In place of changes that are more than a page replays while somebody waits. `begins` as of FoundEvents."""

    number: int
    begins: datetime | None


def _ask(
    request: ConsoleRequest, names: Iterable[str], until: datetime, read: Callable[[], T], **more: Any
) -> tuple[T, datetime | None]:
    """(what `read` answers once the projection is up to date, when the record begins). Raises ClientError, HistoryBeingRead."""
    account_id = request.signed_in.account_id

    def answer() -> tuple[T, datetime | None] | projection.Progress:
        progress = projection.catch_up(account_id, SECONDS)
        return (read(), projection.begins(account_id)) if progress.whole else progress

    asked = {"eventNames": sorted(names), "endTime": until.isoformat(), **more}
    found = service.console_action(request, events.READ_RECORD, answer, parameters=asked)
    if isinstance(found, projection.Progress):
        raise HistoryBeingRead(found)
    return found


def _read(
    request: ConsoleRequest,
    names: Iterable[str],
    until: datetime,
    read: Callable[[], list[dict[str, Any]]],
    **more: Any,
) -> FoundEvents:
    """Raises ClientError, HistoryBeingRead."""
    records, begins = _ask(request, names, until, read, **more)
    return FoundEvents(records, True, begins)


def of_keys_or_many(
    request: ConsoleRequest, until: datetime, after: datetime | None, settled: datetime, most: int
) -> FoundEvents | ManyChanges:
    """Of the embedded record: as `of_keys`, or how many there are up to `settled`, if more than `most`: then `stream_of_keys` has them, since
    who asked may read them. Raises ClientError, HistoryBeingRead."""
    account_id = request.signed_in.account_id

    def read() -> list[dict[str, Any]] | int:
        number = projection.number(account_id, projection.KEY, settled, after)
        return number if number > most else projection.of_kind(account_id, projection.KEY, until, after)

    found, begins = _ask(request, snapshots.KEY_EVENTS, until, read)
    return ManyChanges(found, begins) if isinstance(found, int) else FoundEvents(found, True, begins)


def stream_of_keys(account_id: str, until: datetime, after: datetime | None) -> Iterator[dict[str, Any]]:
    return projection.stream(account_id, projection.KEY, until, after)


def of_keys(request: ConsoleRequest, until: datetime, after: datetime | None = None) -> FoundEvents:
    """What changed keys up to `until`, in every Region of the account; with `after` only what came later than that. Raises ClientError,
    HistoryBeingRead."""
    if not service.backend(request).embedded:
        return events.by_names(request, snapshots.KEY_EVENTS, until)
    account_id = request.signed_in.account_id
    return _read(
        request,
        snapshots.KEY_EVENTS,
        until,
        lambda: projection.of_kind(account_id, projection.KEY, until, after),
    )


def take_in(account_id: str) -> None:
    """Whatever the embedded record tells of changes is kept, before a part of it is removed. It takes as long as it takes."""
    while not projection.catch_up(account_id, SECONDS).whole:
        pass


def continues(request: ConsoleRequest, moment: datetime) -> bool:
    """Whether a replay may go on from what was at `moment`: no change before it stands in the record after a later one."""
    return projection.is_in_order(request.signed_in.account_id, projection.KEY, moment)


def of_key(request: ConsoleRequest, arn: str, until: datetime) -> FoundEvents:
    """What changed a key up to `until`. Raises ClientError, HistoryBeingRead."""
    if not service.backend(request).embedded:
        return events.of_key(request, arn, snapshots.KEY_EVENTS, until)
    account_id = request.signed_in.account_id
    return _read(request, snapshots.KEY_EVENTS, until, lambda: projection.of_key(account_id, arn, until), keyId=arn)


def of_principals(request: ConsoleRequest, until: datetime) -> FoundEvents:
    """Every recorded change of users, groups, roles and policies, later ones than `until` too: they are undone. Raises ClientError,
    HistoryBeingRead."""
    if not service.backend(request).embedded:
        return events.of_source(request, "iam.amazonaws.com", iam_events.NAMES, _IAM_REGION, _AWS_MOST)
    account_id = request.signed_in.account_id
    return _read(request, iam_events.NAMES, until, lambda: projection.of_kind(account_id, projection.IAM))
