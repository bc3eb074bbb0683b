"""`python -m bench.lists [number of keys]`: what the key list costs on the server with 100 and with 100,000 keys,
and with these for readers who may read less than an administrator (bench/readers.py).

Fills two accounts of a fresh data folder with engine keys and inventory rows, then asks for pages as a browser does, through the whole
console (sign-in, signed calls, decisions, audit records). Prints medians in milliseconds, of the clock and of the processor, and writes
bench/results.md. The processor's are what to compare on a machine that has other work.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from bench import inprocess, readers, results

ROOT = Path(__file__).resolve().parents[1]
FEW, MANY = 100, 100_000
REPEATS = 9
LIMIT = 300  # milliseconds that an interaction may take

PAGES = {
    "first page": "/keys/",
    "filter: status": "/keys/?state=Disabled",
    "filter: three facets": "/keys/?state=Enabled&kind=Symmetric&origin=AWS_KMS",
    "filter: tag": "/keys/?tag=team%3Dteam-7",
    "text: rare": "/keys/?q=key-00042",
    "text: in every key": "/keys/?q=description",
    "text and facet": "/keys/?q=team-7&state=Enabled",
    "search: a tag": "/keys/?q=team%3Dteam-7",
    "search: a tag key": "/keys/?q=tag:team",
    "search: a status": "/keys/?q=disabled",
    "search: a spec and a word": "/keys/?q=SYMMETRIC_DEFAULT+team-7",
    "facet: all values": "/keys/values/?facet=tag",
    "picker": "/keys/options/?target=id_KeyId&usage=ENCRYPT_DECRYPT&find=key-0004",
    "sort: alias": "/keys/?sort=alias",
    "sort: key ID": "/keys/?sort=-key_id",
    "sort: status": "/keys/?sort=state",
    "sort: last used": "/keys/?sort=-last_used",
    "sort: deletion date": "/keys/?sort=deletion_date",
    "sort: description": "/keys/?sort=-description",
    "sort: tags": "/keys/?sort=tags",
    "page in the middle": "/keys/?page={middle}",
    "last page": "/keys/?page=999999",
    "due: unused": "/keys/?due=unused",
    "all columns": "/keys/?"
    + "&".join(f"cols={name}" for name in ("alias", "state", "tags", "rotation", "description")),
    "all to print": "/keys/?print=all",
    "palette": "/search/?q=key-00042",
    "overview": "/",
}
# Those of which a reader's permissions may make something else than an administrator's page.
OF_READERS = (
    *("first page", "filter: status", "filter: tag", "text: rare", "text: in every key", "text and facet"),
    *(
        "search: a status",
        "search: a spec and a word",
        "facet: all values",
        "picker",
        "palette",
        "overview",
        "due: unused",
    ),
    *("sort: alias", "sort: last used", "sort: tags", "page in the middle", "last page", "all columns", "all to print"),
)


def fill(account: Any, number: int, ids: Sequence[str] = ()) -> None:
    """`number` keys as the engine stores them, and as the inventory would have read them; with the IDs that are given."""
    from django.utils import timezone

    from engine import visibility
    from engine.kms import models
    from keys.inventory import key_rows
    from keys.inventory.models import InventoryKey, InventoryTag, SyncState

    chance = random.Random(number)
    now = timezone.now()
    policy = policy_of(account)
    place = {"account_id": account.account_id, "region": "us-east-1"}
    for start in range(0, number, 5_000):
        keys, aliases, rows = [], [], []
        for at in range(start, min(start + 5_000, number)):
            key_id = ids[at] if ids else str(UUID(int=chance.getrandbits(128), version=4))
            spec, usage = chance.choice(
                [("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")] * 7
                + [("RSA_2048", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC")]
            )
            enabled, doomed = chance.random() > 0.1, chance.random() < 0.01
            created = now - timedelta(days=chance.random() * 1000)
            tags = {"team": f"team-{chance.randrange(20)}", "stage": chance.choice(["production", "test"])}
            deletion = now + timedelta(days=chance.randrange(7, 30)) if doomed else None
            facts = {**place, "key_id": key_id, "spec": spec, "usage": usage, "created": created, "tags": tags}
            description = f"description of key-{at:05d}"
            key = models.Key(
                **facts,
                policy=policy,
                enabled=enabled,
                description=description,
                deletion_date=deletion,
                pending_window_days=30 if doomed else None,
            )
            keys.append(key)
            alias = f"service-{at % 97}/key-{at:05d}" if at % 5 else ""
            if alias:
                aliases.append(
                    models.Alias(**place, name=f"alias/{alias}", target_key_id=key_id, created=created, updated=created)
                )
            names = [alias] if alias else []
            description_order, tags_order = key_rows.order_of(description, tags)
            search, described, named = key_rows.searched(key_id, description, names, tags)
            rows.append(
                InventoryKey(
                    **facts,
                    arn=key.arn,
                    alias=alias,
                    aliases=names,
                    has_alias=bool(names),
                    description=description,
                    description_order=description_order,
                    tags_order=tags_order,
                    state="PendingDeletion" if doomed else "Enabled" if enabled else "Disabled",
                    kind=key_rows.kind(spec),
                    origin="AWS_KMS",
                    manager="CUSTOMER",
                    regionality="SINGLE",
                    deletion_date=deletion,
                    rotation="off" if spec == "SYMMETRIC_DEFAULT" else "",
                    public="no",
                    last_used=now - timedelta(days=chance.random() * 400) if chance.random() < 0.7 else None,
                    search=search,
                    described=described,
                    named=named,
                    change=0,
                )
            )
        models.Key.objects.bulk_create(keys)
        materials = [
            models.Material(key=key, material_id=os.urandom(32).hex(), number=1, wrapped=b"", created=key.created)
            for key in keys
        ]
        for material in materials:
            material.wrapped = sealed(material)
        models.Material.objects.bulk_create(materials)
        models.Alias.objects.bulk_create(aliases)
        InventoryKey.objects.bulk_create(rows)
        InventoryTag.objects.bulk_create(
            [InventoryTag(key=row, name=name, value=value) for row in rows for name, value in row.tags.items()]
        )
    key_rows.recount(**place)
    SyncState.objects.create(**place, change=visibility.latest_change(), synchronised=now, round=1)


def sealed(material: Any) -> bytes:
    from engine.vault import domain_keys

    key = material.key
    return domain_keys.seal("material", key.account_id, key.region, key.key_id, material.material_id, os.urandom(32))


def policy_of(account: Any) -> str:
    key_id = account.create_key()
    text: str = account.client().get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    return text


Figures = dict[str, tuple[float, float]]


def run(number: int) -> tuple[Any, Figures]:
    """The filled account, and the figures of its administrator."""
    from tests.conftest import new_account, sign_in_browser

    account = new_account()
    began = time.perf_counter()
    fill(account, number)
    print(f"{number:,} keys made in {time.perf_counter() - began:.0f} s", flush=True)
    get = inprocess.pages(sign_in_browser(account.administrator))
    shown, whole = readers.first_look(get)
    print(f"first look of this administrator: {shown:.2f} s, whole after {whole:.2f} s", flush=True)
    return account, measured(get, number, PAGES, "administrator")


def measured(get: Any, number: int, pages: Iterable[str], who: str) -> Figures:
    figures = {}
    for name in pages:
        figures[name] = inprocess.measure(get, PAGES[name].format(middle=max(1, number // 50)), REPEATS)
        clock, processor = figures[name]
        print(f"{number:>8,} {who:<14} {name:<24} {clock:>7.0f} ms  {processor:>7.0f} ms processor", flush=True)
    return figures


def run_readers(account: Any, number: int) -> list[str]:
    """What the same pages cost for who may read less."""
    firsts, figures = {}, {}
    for name in readers.READERS:
        get = inprocess.pages(readers.signed_in(account, name))
        firsts[name] = readers.first_look(get)
        print(
            f"{number:>8,} {name:<14} first look {firsts[name][0]:.2f} s, whole after {firsts[name][1]:.2f} s",
            flush=True,
        )
        figures[name] = measured(get, number, OF_READERS, name)
    over = [f"{page} ({name})" for name, each in figures.items() for page in OF_READERS if each[page][1] > LIMIT]
    return [
        f"`python -m bench.lists` too: the same {number:,} keys for principals who may read less (bench/readers.py). Milliseconds of the processor.",
        "First look: seconds of the clock until the first page is there, and until it is decided of every key what may be read of it.",
        "",
        f"| page | {' | '.join(firsts)} |",
        f"|---|{'---:|' * len(firsts)}",
        f"| first look, s | {' | '.join(f'{shown:.1f}; {whole:.1f}' for shown, whole in firsts.values())} |",
        *(f"| {page} | {' | '.join(f'{each[page][1]:.0f}' for each in figures.values())} |" for page in OF_READERS),
        "",
        *(f"- {name}: {words}" for name, (words, _statements) in readers.READERS.items()),
        "",
        f"More than {LIMIT} ms of the processor: {', '.join(over) or 'none'}.",
    ]


def main() -> None:
    sys.path.insert(0, str(ROOT))
    many = int(sys.argv[1]) if len(sys.argv) > 1 else MANY
    with tempfile.TemporaryDirectory(prefix="kmsconsole-lists-") as folder:
        os.environ["TMPDIR"] = folder
        tempfile.tempdir = folder
        inprocess.prepare()
        few = run(FEW)[1]
        account, lots = run(many)
        less = run_readers(account, many)
    lines = [
        "`python -m bench.lists`; medians of whole requests on the server, in milliseconds (in brackets: of the processor).",
        f"{os.cpu_count()} cores, load {os.getloadavg()[1]:.0f}: with other work beside it, compare the processor's.",
        "",
        f"| page, ms (of the processor) | {FEW} keys | {many:,} keys | ratio |",
        "|---|---:|---:|---:|",
        *(
            f"| {name} | {few[name][0]:.0f} ({few[name][1]:.0f}) | {lots[name][0]:.0f} ({lots[name][1]:.0f}) "
            f"| {lots[name][1] / few[name][1]:.1f} |"
            for name in PAGES
        ),
        "",
    ]
    slow = [name for name in PAGES if lots[name][1] > LIMIT]
    lines.append(f"More than {LIMIT} ms of the processor: {', '.join(slow) or 'none'}.")
    print("\n".join([*lines, "", *less]))
    if many == MANY:
        results.keep([("The console's lists", lines), ("The console's lists, for who may read less", less)])


if __name__ == "__main__":
    main()
