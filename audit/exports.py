"""The events of a filter as a file, made as it is read: a row of FORMATS each. None holds more than a part of the events at a time.

What the file is of (account, Region, filter) stands in it where its format has a place; else the file's name has to do.
"""

from __future__ import annotations

import csv
import gzip
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from audit import ocsf
from audit.signed_archive import Pipe
from console.spreadsheet import Echo, cell

Shown = dict[str, Any]  # audit.search.shown
_COLUMNS = ("eventTime", "eventID", "eventName", "eventSource", "user", "principal", "sourceIPAddress", "awsRegion", "keys", "errorCode", "errorMessage", "requestID")  # fmt: skip
LOG_FILE_RECORDS = 5_000


@dataclass(frozen=True, slots=True)
class Asked:
    """What is exported: whose events, and the filter as its address has it."""

    account_id: str
    region: str
    filter: dict[str, str]


def _record(row: Shown) -> dict[str, Any]:
    """The CloudTrail record; that it was voided is told by an event of its own."""
    return {name: value for name, value in row["record"].items() if name != "voided"}


def _csv(rows: Iterable[Shown], _asked: Asked) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(_COLUMNS)
    for row in rows:
        record = row["record"]
        own = {"user": row["user"], "principal": record["userIdentity"].get("arn", ""), "keys": row["keys"]}
        yield writer.writerow([cell(own.get(name, record.get(name))) for name in _COLUMNS])


def _json_lines(rows: Iterable[Shown], _asked: Asked) -> Iterator[str]:
    return (json.dumps(_record(row)) + "\n" for row in rows)


def _ocsf(rows: Iterable[Shown], asked: Asked) -> Iterator[str]:
    return (json.dumps(ocsf.api_activity(_record(row), asked.filter)) + "\n" for row in rows)


def _log_files(rows: Iterable[Shown], asked: Asked) -> Iterator[bytes]:
    """A ZIP archive of CloudTrail's log files, as a trail puts them into a bucket; `filter.json` says what they are of."""
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:  # type: ignore[call-overload]
        about = {"accountId": asked.account_id, "awsRegion": asked.region, "filter": asked.filter}
        archive.writestr("filter.json", json.dumps(about, indent=2))
        for name, records in _by_log_file(rows, asked):
            archive.writestr(name, gzip.compress(json.dumps({"Records": records}).encode(), mtime=0))
            yield pipe.take()
    yield pipe.take()


def _by_log_file(rows: Iterable[Shown], asked: Asked) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """(path, records) of each log file: the events of one day, at most so many."""
    waiting: list[dict[str, Any]] = []
    for row in rows:
        record = _record(row)
        if waiting and (record["eventTime"][:10] != waiting[0]["eventTime"][:10] or len(waiting) == LOG_FILE_RECORDS):
            yield _log_file(waiting, asked), waiting
            waiting = []
        waiting.append(record)
    if waiting:
        yield _log_file(waiting, asked), waiting


def _log_file(records: list[dict[str, Any]], asked: Asked) -> str:
    """AWS CloudTrail User Guide, "CloudTrail log file name format"; the unique part is of the first event, so that an export is the same
    again."""
    last = datetime.fromisoformat(records[-1]["eventTime"]).astimezone(UTC)
    unique = sha256(records[0]["eventID"].encode()).hexdigest()[:16]
    account, region = asked.account_id, asked.region
    folder = f"AWSLogs/{account}/CloudTrail/{region}/{last:%Y/%m/%d}"
    return f"{folder}/{account}_CloudTrail_{region}_{last:%Y%m%dT%H%MZ}_{unique}.json.gz"


@dataclass(frozen=True, slots=True)
class Format:
    words: str
    content_type: str
    ending: str
    write: Callable[[Iterable[Shown], Asked], Iterator[str] | Iterator[bytes]]
    oldest_first: bool = False


FORMATS = {
    "csv": Format("CSV", "text/csv; charset=utf-8", "csv", _csv),
    "json": Format("JSON Lines", "application/x-ndjson", "jsonl", _json_lines),
    "cloudtrail": Format("CloudTrail (ZIP)", "application/zip", "cloudtrail.zip", _log_files, oldest_first=True),
    "ocsf": Format("OCSF", "application/x-ndjson", "ocsf.jsonl", _ocsf, oldest_first=True),
}
