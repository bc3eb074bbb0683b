"""An evidence bundle: the events of a filter with their proofs, the checkpoints at both ends and that one continues the other, the states of
all keys at both ends, the policies that were put meanwhile, and how it was asked; signed, and verified by the stand-alone verifier.

It is made as it is sent, however many events there are. What may be refused is asked before the first byte; what cannot be proved behind it
ends the archive, which no program opens then.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import chain
from typing import IO, Any

from audit import signed_archive, state_report
from audit.event_policies import given_policies
from audit.exports import Asked
from audit.signed_archive import SignedArchive
from console.request import ConsoleRequest
from keys import service
from keys.record import events, past_keys, proofs
from keys.record.snapshots import KeySnapshot

_IN_MEMORY = 1 << 20  # bytes of policies from which on they wait in a temporary file
_PIECE = 1 << 16  # bytes that are sent at once


def bundle(
    request: ConsoleRequest, rows: Iterator[dict[str, Any]], asked: Asked, start: datetime | None, end: datetime
) -> Iterator[bytes]:
    """The ZIP archive. `rows`: the events, as the list shows them, the oldest first. Raises ClientError, proofs.FAILURES, HistoryBeingRead."""
    events.check_signing(request)
    oldest = next(rows, None)
    # What is recorded while the bundle is made is none of it.
    until = (row for row in chain([oldest] if oldest else [], rows) if _moment(row["record"]) <= end)
    begin = start or (min(_moment(oldest["record"]), end) if oldest else end)
    keys = {
        f"keys-at-{name}.csv": (_states(request, moment), moment) for name, moment in (("start", begin), ("end", end))
    }
    lines = proofs.export(request, (each["id"] for each in until))
    return _pieces(request, asked, begin, end, keys, lines)


def _moment(record: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(record["eventTime"])


def _states(request: ConsoleRequest, moment: datetime) -> list[tuple[KeySnapshot, str]]:
    return [(key.by_time(moment), key.state(moment)) for key in past_keys.all_keys(request, moment).keys]


def _pieces(
    request: ConsoleRequest,
    asked: Asked,
    begin: datetime,
    end: datetime,
    keys: dict[str, tuple[list[tuple[KeySnapshot, str]], datetime]],
    lines: Iterator[str],
) -> Iterator[bytes]:
    pipe = signed_archive.Pipe()
    archive = SignedArchive(pipe, end)
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as policies:
        told = _Told(lines, policies)

        def made() -> Iterator[None]:
            for name, (listed, moment) in keys.items():
                yield from archive.write(name, (each.encode() for each in state_report.as_csv(listed, moment)))
            yield from archive.write("events.jsonl", told.lines())
            if policies.tell():
                policies.seek(0)
                yield from archive.write("policies.jsonl", policies)
            first = min(begin, told.first or begin)
            consistency = _consistency(request, first, told.size)
            if consistency is not None:
                archive.add("consistency.json", _json(consistency))
            damage = events.damage(request)
            question = {
                "format": "kmsconsole-evidence/2",
                "accountId": asked.account_id,
                "awsRegion": asked.region,
                "filter": asked.filter,
                "from": first.isoformat(),
                "until": end.isoformat(),
                "events": told.number,
                "askedBy": request.signed_in.arn,
                "checkpointBefore": consistency is not None,
                "unreadableRecords": damage.unreadable + damage.missing if damage is not None else 0,
            }
            archive.add("question.json", _json(question))
            span = f"from {first.isoformat()} until {end.isoformat()}"
            archive.sign(request, [f"account {asked.account_id} region {asked.region}", span])
            yield

        waiting = b""
        for _turn in made():
            waiting += pipe.take()
            if len(waiting) >= _PIECE:
                yield waiting
                waiting = b""
        yield waiting + pipe.take()


class _Told:
    """What the lines of a proved export tell as they go by: how many events, since when, of which size the log is; their policies are kept."""

    def __init__(self, lines: Iterator[str], policies: IO[bytes]) -> None:
        self._lines, self._policies = lines, policies
        self.number, self.size = 0, 0
        self.first: datetime | None = None

    def lines(self) -> Iterator[bytes]:
        head = next(self._lines)
        self.size = int(json.loads(head)["checkpoint"].split("\n")[1])
        yield head.encode()
        for line in self._lines:
            document = json.loads(line)
            if "record" in document:  # the last line is the end of the export
                self._take(json.loads(document["record"]))
            yield line.encode()

    def _take(self, record: dict[str, Any]) -> None:
        moment = _moment(record)
        self.number, self.first = self.number + 1, min(self.first or moment, moment)
        for parameter, text in given_policies(record):
            told = {name: record[name] for name in ("eventID", "eventTime", "eventName")}
            line = json.dumps({**told, "parameter": parameter, "policy": text}, ensure_ascii=False)
            self._policies.write(line.encode(errors="surrogatepass") + b"\n")


def _consistency(request: ConsoleRequest, begin: datetime, size: int) -> dict[str, Any] | None:
    """That the log of `size` records, which the events are proved of, continues the last checkpoint before `begin`; None if none was signed
    by then."""
    # Checkpoints go by the machine's clock, in whole seconds: where the account's is ahead, an older one may be taken.
    try:
        old = proofs.checkpoint(request, begin - timedelta(seconds=service.clock_ahead(request) + 1))
    except proofs.NoProof:
        return None
    return proofs.consistency(request, old.size, size)


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
