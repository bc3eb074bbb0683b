"""What key lists show, for tests."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from tests.conftest import TestAccount, sign_in_browser
from tests.support.policies import allow, document, person


def rows(browser: Client, address: str) -> list[Any]:
    return list(browser.get(address).context["rows"])


def facet(browser: Client, address: str, name: str) -> dict[str, int | None]:
    for each in browser.get(address).context["facets"]:
        if each.name == name:
            return {value.value: value.number for value in each.values}
    return {}


def described(account: TestAccount) -> list[str]:
    """The key of every DescribeKey that the trail holds."""
    trail = account.client("cloudtrail")
    pages = trail.get_paginator("lookup_events").paginate(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "DescribeKey"}]
    )
    return [
        json.loads(event["CloudTrailEvent"])["requestParameters"]["keyId"]
        for event in pages.search("Events[]")
        if event
    ]


def reader(account: TestAccount, name: str, *actions: str, resource: str = "*") -> Client:
    """Who may list keys and aliases, and these actions, signed in."""
    more = [allow(list(actions), resource)] if actions else []
    return sign_in_browser(person(account, name, document(allow(["kms:ListKeys", "kms:ListAliases"]), *more)))
