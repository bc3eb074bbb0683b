"""What a reader may not do is shown as unavailable, in AWS's words, on every page; and looking around records no denial."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from engine.trail import recorder
from tests.conftest import TestAccount, new_account, sign_in_browser
from tests.support import samples
from tests.support.policies import allow, document, person

READS = allow(["kms:List*", "kms:Describe*", "kms:Get*", "iam:List*", "iam:Get*", "cloudtrail:LookupEvents", "kmsconsole:List*", "kmsconsole:ReadRecord"])


@dataclass(frozen=True)
class World:
    account: TestAccount
    made: samples.Samples
    addresses: list[str]

    def denials(self) -> int:
        found = self.account.client("cloudtrail").get_paginator("lookup_events").paginate()
        events = [json.loads(event["CloudTrailEvent"]) for page in found for event in page["Events"]]
        return sum(event.get("errorCode", "").startswith("AccessDenied") for event in events)


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    account = new_account()
    made = samples.make(account.client)
    person(account, "nobody", document(allow("kms:NoSuchAction")))
    addresses = [address for each in samples.addresses(made).values() for address in each]
    return World(account, made, [each for each in addresses if not each.startswith("/principals/sign-out")])


def test_looking_at_every_page_records_no_denial(world: World) -> None:
    for name, policy in (("walker-none", document(allow("kms:NoSuchAction"))), ("walker-reads", document(READS))):
        browser = sign_in_browser(person(world.account, name, policy))
        before = world.denials()
        for address in world.addresses:
            answer: Any = browser.get(address)
            assert answer.status_code < 500, address
            now = world.denials()
            if now != before: print("DENIED", name, address, now-before); before=now
    assert False
