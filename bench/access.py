"""`python -m bench.access`: the access pages with 1,000 principals and 10,000 keys: what the server needs for each page.

Principals and keys are put into the database of a temporary data folder, with what the console has read of them; the pages are then asked for as a browser does, through the
whole of Django and the engine, signed and recorded. `--keys` and `--principals` change the numbers. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from typing import Any
from urllib.parse import urlencode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--principals", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=10_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kmsconsole-bench-access-") as folder:
        os.environ["KMSCONSOLE_DATA"] = folder
        os.environ["DJANGO_SETTINGS_MODULE"] = "kmsconsole.settings"
        import django

        django.setup()
        _measure(options.principals, options.keys)


ACCOUNT = "222233334444"


def _measure(principals: int, keys: int) -> None:
    from django.conf import settings
    from django.test import Client
    from django.test.utils import setup_test_environment

    from engine.iam import accounts
    from engine.store.transaction import changed, iam_entity, write
    from kmsconsole.installation import bootstrap

    setup_test_environment()  # answers keep what they were rendered from
    settings.ALLOWED_HOSTS = [*settings.ALLOWED_HOSTS, "testserver"]
    bootstrap.prepare()
    password = "correct horse battery"
    accounts.create_account_with_administrator(ACCOUNT, "bench", password=password)
    browser = Client()
    browser.post("/principals/sign-in/", {"account": ACCOUNT, "user_name": "bench", "password": password})
    people = _people(ACCOUNT, principals)
    key_id = _make_keys(ACCOUNT, keys, people)
    user = f"arn:aws:iam::{ACCOUNT}:user/u0001"
    print(f"{principals} principals, {keys} keys, Python {sys.version.split()[0]}, {os.cpu_count()} cores")
    browser.get(f"/keys/{key_id}/")  # a server that has answered some page before
    print("| page | first | after a change of IAM | then (median of 5) |")
    print("|---|---:|---:|---:|")
    for words, address in (
        ("Access tab of one key", f"/keys/{key_id}/tab/access/"),
        ("who can decrypt with this key", f"/access/?{urlencode({'action': 'kms:Decrypt', 'key': key_id})}"),
        ("decision and trace", f"/access/?{urlencode({'principal': user, 'action': 'kms:Decrypt', 'key': key_id})}"),
        ("which keys can this principal use", f"/access/?{urlencode({'principal': user})}"),
    ):
        first = _time(browser, address)
        with write():
            changed(iam_entity(ACCOUNT))
        times = [first, _time(browser, address), statistics.median(_time(browser, address) for _ in range(5))]
        print(f"| {words} | {' | '.join(f'{taken * 1000:,.0f} ms' for taken in times)} |", flush=True)


def _time(browser: Any, address: str) -> float:
    begun = time.perf_counter()
    answer = browser.get(address)
    taken = time.perf_counter() - begun
    assert answer.status_code == 200, answer.content.decode()
    return taken


def _people(account: str, number: int) -> list[str]:
    """Nine users to a role; 20 groups; each with a policy of its own."""
    from django.utils import timezone

    from engine.iam.credentials import new_unique_id
    from engine.iam.models import Group, InlinePolicy, Role, User
    from engine.store.transaction import changed, iam_entity, write

    now = timezone.now()
    use = ["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"]
    roles = [
        Role(
            account_id=account,
            name=f"r{n:04}",
            unique_id=new_unique_id("AROA"),
            created=now,
            trust_policy=_document({"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}),
        )
        for n in range(number // 10)
    ]
    Role.objects.bulk_create(roles)
    users = [
        User(account_id=account, name=f"u{n:04}", unique_id=new_unique_id("AIDA"), created=now)
        for n in range(number - len(roles))
    ]
    User.objects.bulk_create(users)
    groups = [
        Group(account_id=account, name=f"g{n:02}", unique_id=new_unique_id("AGPA"), created=now) for n in range(20)
    ]
    Group.objects.bulk_create(groups)
    InlinePolicy.objects.bulk_create(
        [
            InlinePolicy(group=group, name="shared", document=_allow(["kms:List*", "kms:Describe*"], "*"))
            for group in groups
        ]
        + [
            InlinePolicy(user=user, name="own", document=_allow(use, f"arn:aws:kms:*:{account}:key/{n % 16:x}*"))
            for n, user in enumerate(users)
        ]
        + [InlinePolicy(role=role, name="own", document=_allow(use, "*")) for role in roles]
    )
    member: Any = User.groups.through
    member.objects.bulk_create([member(user_id=user.pk, group_id=groups[n % 20].pk) for n, user in enumerate(users)])
    with write():
        changed(iam_entity(account))
    return [user.arn for user in users]


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _allow(actions: list[str], resource: str) -> str:
    return _document({"Effect": "Allow", "Action": actions, "Resource": resource})


def _make_keys(account: str, number: int, people: list[str]) -> str:
    """Keys without material, with one of 500 key policies each, every tenth with a grant. The ID of the last."""
    from uuid import uuid4

    from django.utils import timezone

    from engine.kms.models import Grant, Key
    from keys.policy import policies

    now = timezone.now()
    written = [
        policies.wizard_policy(
            account,
            spec="SYMMETRIC_DEFAULT",
            usage="ENCRYPT_DECRYPT",
            origin="EXTERNAL",
            multi_region=False,
            administrators=[people[n % len(people)]],
            users=[people[(n + k) % len(people)] for k in range(1, 6)],
            other_accounts=[],
            administrators_delete=True,
        )
        for n in range(500)
    ]
    keys = [
        Key(
            account_id=account,
            region="us-east-1",
            key_id=str(uuid4()),
            spec="SYMMETRIC_DEFAULT",
            usage="ENCRYPT_DECRYPT",
            origin="EXTERNAL",
            policy=written[n % 500],
            created=now,
        )
        for n in range(number)
    ]
    Key.objects.bulk_create(keys)
    grants = [
        Grant(key=key, grant_id=uuid4().hex, grantee=people[n % len(people)], operations=["Decrypt"], created=now)
        for n, key in enumerate(keys)
        if n % 10 == 0
    ]
    Grant.objects.bulk_create(grants)
    _read_by_the_console(account, keys, grants)
    return keys[-1].key_id


def _read_by_the_console(account: str, keys: list[Any], grants: list[Any]) -> None:
    """The console's own rows of these keys, as it would have read them through the API a few hundred at a time."""
    from engine import visibility
    from keys.evaluator.models import CachedKeyPolicy
    from keys.inventory import key_rows
    from keys.inventory.models import InventoryKey, SyncState

    granted = {
        grant.key_id: [{"GrantId": grant.grant_id, "GranteePrincipal": grant.grantee, "Operations": grant.operations}]
        for grant in grants
    }
    change = visibility.latest_change()
    place = {"account_id": account, "region": "us-east-1"}
    InventoryKey.objects.bulk_create(
        [
            InventoryKey(
                **place,
                key_id=key.key_id,
                arn=key.arn,
                spec=key.spec,
                usage=key.usage,
                created=key.created,
                state="PendingImport",
                kind=key_rows.kind(key.spec),
                origin=key.origin,
                manager="CUSTOMER",
                regionality="SINGLE",
                public="no",
                search=key.key_id,
                change=change,
            )
            for key in keys
        ]
    )
    key_rows.recount(**place)
    SyncState.objects.create(**place, change=change, synchronised=keys[0].created, round=1)
    CachedKeyPolicy.objects.bulk_create(
        [
            CachedKeyPolicy(
                **place,
                key_id=key.key_id,
                policy=key.policy,
                grants=granted.get(key.pk, []),
                change=change,
                read=key.created,
            )
            for key in keys
        ]
    )


if __name__ == "__main__":
    main()
