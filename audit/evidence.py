"""An evidence bundle: the events of a filter with their proofs, the checkpoints at both ends and that one continues the other, the states of
all keys at both ends, the policies that were put meanwhile, and how it was asked; signed, and verified by the stand-alone verifier.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from audit import signed_archive, state_report
from audit.event_policies import policies_of
from audit.exports import Asked
from console.request import ConsoleRequest
from keys import service
from keys.record import past_keys, proofs


class TooMany(Exception):
    """The filter finds more events than a bundle holds."""


def bundle(
    request: ConsoleRequest, rows: Iterable[dict[str, Any]], asked: Asked, start: datetime | None, end: datetime
) -> bytes:
    """The ZIP archive. `rows`: the events, as the list shows them. Raises TooMany, ClientError, proofs.FAILURES."""
    found = list(islice(rows, proofs.MOST_PROVED + 1))
    if len(found) > proofs.MOST_PROVED:
        raise TooMany
    ids = [each["id"] for each in found]
    times = sorted(each["record"]["eventTime"] for each in found)
    begin = start or (datetime.fromisoformat(times[0]) if times else end)
    files = {"events.jsonl": "".join(proofs.export(request, ids)).encode()}
    consistency = _consistency(request, begin, _size(files["events.jsonl"]))
    if consistency is not None:
        files["consistency.json"] = _json(consistency)
    for name, moment in (("start", begin), ("end", end)):
        keys = past_keys.all_keys(request, moment).keys
        files[f"keys-at-{name}.csv"] = "".join(
            state_report.as_csv([(key, key.state(moment)) for key in keys], moment)
        ).encode()
    for each in found:
        for parameter, text in policies_of(each["record"]):
            files[f"policies/{each['id']}-{parameter}.json"] = text.encode()
    question = {
        "format": "kmsconsole-evidence/1",
        "accountId": asked.account_id,
        "awsRegion": asked.region,
        "filter": asked.filter,
        "from": begin.isoformat(),
        "until": end.isoformat(),
        "events": len(ids),
        "askedBy": request.signed_in.arn,
        "checkpointBefore": consistency is not None,
    }
    files = {"question.json": _json(question), **files}
    lines = [f"account {asked.account_id} region {asked.region}", f"from {begin.isoformat()} until {end.isoformat()}"]
    return signed_archive.signed(request, lines, files, end)


def _size(export: bytes) -> int:
    """Of how many records the checkpoint of an export is."""
    head = json.loads(export.partition(b"\n")[0])
    return int(head["checkpoint"].split("\n")[1])


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
