"""`python -m bench.search [--events 1000000] [--folder somewhere] [--keep somewhere]`: what searching the trail costs at size.

Writes a trail of so many events over 90 days (tests/support/trail_events.py) into the engine's journal, of an account of 100,000 keys (of
each tenth event a key, where there are fewer), indexes it, and asks for the first page of each filter, worst cases too: no hit, one hit at
the far end, all hits, two filters that both hit much and together nothing; then for each other page that reads the record. Prints medians
of the whole page, and the memory it took. `--write results` puts the table into bench/results.md.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from bench import inprocess, results

ROOT = Path(__file__).resolve().parents[1]
REPEATS = 2
DAYS = 90
KEYS = 100_000
TITLE = "Searching the trail"
INTRODUCTION = (
    "`make bench-events`: whole pages, medians. The budgets of time of the event list (it stops looking after 0.2 s and counting after 0.25 s,",
    "and says so) were lifted, but for the text that only looking at each record finds.",
    "",
)
BATCH = 5_000
LIMIT = 300  # milliseconds that a first page may take
# Filter → what the address has for it. {key}, {old…} are of the trail; "old" are members of the oldest event alone.
PAGES = {
    "no filter": "",
    "with the console's reads": "reads=on",
    "all hits": "text=boto3&reads=on",
    "key: many hits": "key={key}",
    "key: none": "key=00000000-0000-4000-8000-000000000000",
    "alias: none": "alias=alias/nothing",
    "principal: one in three": "principal=batch",
    "principal: oldest event alone": "principal=first-user",
    "role session": "session=session-7",
    "operation: more than half": "operation=Decrypt",
    "operation: none": "operation=DeleteAlias",
    "kind: write": "kind=write",
    "error code": "error=AccessDenied",
    "error code: oldest event alone": "error=DisabledException",
    "source address": "source=192.0.2.7",
    "source address: oldest event alone": "source=198.51.100.77",
    "encryption context: a pair": "context=purpose%3Dpayroll",
    "encryption context: a field": "context=document",
    "encryption context: oldest event alone": "context=purpose%3Donce",
    "request ID: oldest event": "request={request}",
    "request ID: none": "request=00000000-0000-4000-8000-000000000000",
    "event ID: oldest event": "event={event}",
    "text: oldest event alone": "text=haystack",
    "text: none": "text=nowhere",
    "text: part of an ID, at the far end": "text={part}",
    "time: a day in the middle": "start={middle}&end={next}",
    "time and context": "start={middle}&end={next}&context=purpose%3Dpayroll",
    "both hit much, together nothing": "principal=batch&operation=ReEncrypt",
    "grant": "grant={grant}",
    "key material": "material={material}",
    "four filters": "operation=Decrypt&source=192.0.2.7&context=purpose%3Dpayroll&session=session-7",
}
LOOKING = {"text: part of an ID, at the far end"}  # stops when its time is over, and says how far it looked
# The other pages that read the record.
OTHERS = {
    "overview: denied calls": "/",
    "key: use": "/keys/{key}/tab/use/",
    "key: timeline": "/keys/{key}/tab/timeline/",
    "key: impact of a deletion": "/keys/{key}/tab/impact/",
    "key: policy history": "/keys/{key}/policy/history/",
    "user": "/principals/users/batch/",
    "user: last accessed": "/principals/users/batch/last-accessed/",
    "key at a date": "/keys/{key}/?as_of={middle}",
    "compare access on two dates": "/audit/keys/compare/{key}/?before={middle}&after={next}",
    "compliance": "/audit/compliance/",
    "compliance: a check": "/audit/compliance/key-owner-tag/",
    "compliance report": "/audit/compliance/report/",
    "one event and its related": "/audit/{event}/",
    "newer events": "/audit/newer/?since={newest}",
    "proof of an event": "/audit/proof/{event}/",
    "evidence bundle of a key's day": "/audit/export/?format=evidence&key={key}&operation=PutKeyPolicy&start={middle}&end={next}",
    "alerts": "/audit/alerts/",
    "verify integrity": "/audit/verify/",
    "key list at a date": "/keys/?as_of={middle}",
    "key states at a date": "/audit/keys/?as_of={middle}",
    "compare two dates": "/audit/keys/compare/?before={middle}&after={next}",
}


# Pages of a moment that nobody has asked for: (address, how many days before the middle). A thread replays the keys of then.
NEW_MOMENTS = {"key list": ("/keys/?as_of={moment}", 1), "key states": ("/audit/keys/?as_of={moment}", 2)}


def write(account_id: str, events: int) -> dict[str, str]:
    """Record so many events, thousands with one sync; what the addresses of PAGES name of them."""
    from engine.trail import recorder
    from tests.support.trail_events import Chance

    chance = Chance(account_id, keys=min(KEYS, events // 10))
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    step = DAYS * 86_400 / events
    oldest = _oldest(chance.record(int(begin.timestamp())), account_id)
    batch = [orjson.dumps(oldest)]
    for number in range(1, events):
        moment = int(begin.timestamp() + number * step)
        made = number <= len(chance.keys)
        batch.append(orjson.dumps(chance.creation(number - 1, moment) if made else chance.record(moment)))
        if len(batch) == BATCH or number == events - 1:
            recorder.record(batch)
            batch = []
    names = {"request": oldest["requestID"], "event": oldest["eventID"], "part": oldest["requestID"][:13]}
    middle = begin + timedelta(days=DAYS / 2)
    return {
        **names,
        "key": chance.keys[0],
        "material": chance.materials[0],
        "middle": f"{middle:%Y-%m-%dT%H:%M:%SZ}",
        "next": f"{middle + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}",
    }


def _oldest(record: dict[str, Any], account_id: str) -> dict[str, Any]:
    identity = {"type": "IAMUser", "arn": f"arn:aws:iam::{account_id}:user/first-user", "userName": "first-user"}
    given = {"keyId": "1", "description": "haystack", "encryptionContext": {"purpose": "once"}}
    return {
        **record,
        "userIdentity": identity,
        "requestParameters": given,
        "sourceIPAddress": "198.51.100.77",
        "errorCode": "DisabledException",
    }


def memory() -> float:
    """The most megabytes this process had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def trail(events: int) -> tuple[Any, dict[str, str]]:
    """(an administrator whose account has so many events, what the addresses of PAGES name of them), made unless the data folder has them."""
    from django.conf import settings

    from tests.conftest import TestAccount, TestUser, new_account

    made = Path(settings.DATA) / "bench.json"
    if made.exists():
        kept = json.loads(made.read_text())
        account = TestAccount(kept["account"])
        return TestUser(account, *kept["administrator"]), kept["names"]
    account = new_account()
    began = time.perf_counter()
    names = write(account.account_id, events)
    print(f"{events:,} events written in {time.perf_counter() - began:.0f} s", flush=True)
    user = account.administrator
    administrator = [user.name, user.arn, user.access_key_id, user.secret_access_key, user.password]
    made.write_text(json.dumps({"account": account.account_id, "administrator": administrator, "names": names}))
    return user, names


def add_owners(account: Any, events: int) -> None:
    """The keys and the user that events are of, since pages of what is not there show nothing."""
    from bench import lists
    from engine.kms import models
    from tests.support.trail_events import Chance

    keys = Chance(account.account_id, keys=min(KEYS, events // 10)).keys
    if not models.Key.objects.filter(key_id=keys[0]).exists():
        lists.fill(account, len(keys), keys)
        account.create_user("batch")


def more_names(account_id: str, names: dict[str, str]) -> dict[str, str]:
    """What the addresses name besides, of what the record has."""
    from engine.trail import query

    (granted,) = query.lookup(account_id, query.Lookup(name="CreateGrant", limit=1)).events
    return {**names, "grant": granted["responseElements"]["grantId"], "newest": str(query.latest_sequence(account_id))}


def first_view(get: Callable[[str], Any], address: str) -> tuple[float, float]:
    """(seconds until the page is there, the most milliseconds of the processor that one of its requests took) as a browser comes back."""
    begin, most, status = time.perf_counter(), 0.0, 503
    while status == 503:
        used = time.thread_time()
        status = get(address).status_code
        most = max(most, (time.thread_time() - used) * 1000)
        time.sleep(1.0 if status == 503 else 0.0)
    assert status == 200, (address, status)
    return time.perf_counter() - begin, most


def run(events: int, pages: dict[str, str], keep: Callable[[list[str]], None]) -> None:
    """`keep` gets the lines so far after each page."""
    from django.conf import settings

    from engine.trail import search
    from tests.conftest import sign_in_browser

    folder = Path(settings.DATA) / "trail"
    administrator, names = trail(events)
    account = administrator.account
    account.administrator = administrator
    add_owners(account, events)
    names = more_names(account.account_id, names)
    browser = sign_in_browser(administrator)
    before, began = memory(), time.perf_counter()
    while search.bring_up_to_date(account.account_id):
        time.sleep(0.1)
    taken, sizes = time.perf_counter() - began, {path.name: path.stat().st_size for path in folder.iterdir()}
    made = f", indexed in {taken:.0f} s, with {memory() - before:.0f} MB more memory" if taken > 1 else ""
    lines = [
        f"{events:,} events of {min(KEYS, events // 10):,} keys over {DAYS} days{made}. "
        f"Journal {sizes['journal'] / 1e9:.2f} GB, index {sizes['index.sqlite3'] / 1e9:.2f} GB, "
        f"search index {sizes['search.sqlite3'] / 1e9:.2f} GB. {os.cpu_count()} cores, load {os.getloadavg()[1]:.0f}.",
        "",
        "| page | ms | of the processor | events | counted |",
        "|---|---:|---:|---:|---|",
    ]
    print(lines[0], flush=True)
    budgets = search.PAGE_SECONDS, search.SURVEY_SECONDS
    before, slow, get = memory(), [], inprocess.pages(browser)
    for name, query in pages.items():
        # Whole answers are measured, but of what looks at each record: on a busy machine a page's time would be over before all is counted.
        search.PAGE_SECONDS, search.SURVEY_SECONDS = budgets if name in LOOKING else (60.0, 60.0)
        address = f"/audit/?{query.format(**names)}"
        clock, processor = inprocess.measure(get, address, REPEATS)
        found = browser.get(address).context["found"]
        said = "all" if found.whole else "at least"
        said += "" if found.charted or not found.whole else "; no time for all of the chart"
        said += "; searched back to a time" if found.looked_until else ""
        lines.append(f"| {name} | {clock:.0f} | {processor:.0f} | {found.total:,} | {said} |")
        print(lines[-1], flush=True)
        keep(lines)
        slow += [name] if processor > LIMIT else []
    for name, path in OTHERS.items():
        clock, processor = inprocess.measure(get, path.format(**names), REPEATS)
        lines.append(f"| {name} | {clock:.0f} | {processor:.0f} | | |")
        print(lines[-1], flush=True)
        keep(lines)
        slow += [name] if processor > LIMIT else []
    for name, (path, days) in NEW_MOMENTS.items():
        moment = datetime.fromisoformat(names["middle"]) - timedelta(days=days)
        taken, processor = first_view(get, path.format(moment=f"{moment:%Y-%m-%dT%H:%M:%SZ}"))
        lines.append(
            f"| {name} at a new date: there after {taken:.0f} s, each request at most | | {processor:.0f} | | |"
        )
        print(lines[-1], flush=True)
        slow += [name] if processor > LIMIT else []
    lines += ["", f"All pages together took {memory() - before:.0f} MB more memory."]
    lines[-1] += f" More than {LIMIT} ms of the processor: {', '.join(slow) or 'none'}."
    print(lines[-1])
    keep(lines)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--folder", help="where the trail is made (and removed again)")
    parser.add_argument("--keep", help="a data folder that is kept: what it has of an earlier run is not made again")
    parser.add_argument(
        "--others", action="store_true", help="not the event list, only the other pages that read the record"
    )
    parser.add_argument("--write", action="store_true", help="put the figures into bench/results.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmsconsole-search-", dir=asked.folder) as folder:
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = folder
        inprocess.prepare(asked.keep)
        writes = asked.write and not asked.others
        run(
            asked.events,
            {} if asked.others else PAGES,
            lambda lines: results.keep([(TITLE, [*INTRODUCTION, *lines])]) if writes else None,
        )


if __name__ == "__main__":
    main()
