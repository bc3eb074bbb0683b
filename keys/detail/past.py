"""A key's page as it was at a moment, from the record alone: the head, and the tabs that the record can tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from console.request import ConsoleRequest
from engine.public.key_policies import default_key_policy
from keys.common import only_present, problem_page
from keys.grants import grants
from keys.record import past_keys
from keys.record.as_of import AsOf
from keys.record.past_keys import PastKey
from keys.record.snapshots import KeySnapshot


def _policy(past: PastKey, key: KeySnapshot) -> dict[str, Any]:
    _arn, partition, _kms, _region, account_id, _key = key.arn.split(":", 5)
    return {"policy": key.policy or default_key_policy(account_id, partition)}


def _grants(past: PastKey, key: KeySnapshot) -> dict[str, Any]:
    return {"grants": [(each, grants.sentence(each.grant)) for each in key.grants]}


# Tab → (its words, what it shows beside the key).
TABS: dict[str, tuple[Any, Callable[[PastKey, KeySnapshot], dict[str, Any]]]] = {
    "policy": (_("Key policy"), _policy),
    "crypto": (_("Cryptographic configuration"), lambda past, key: {}),
    "aliases": (_("Aliases"), lambda past, key: {}),
    "tags": (_("Tags"), lambda past, key: {}),
    "grants": (_("Grants"), _grants),
}


def page(request: ConsoleRequest, key_id: str, tab: str, as_of: AsOf) -> HttpResponse:
    if tab not in TABS:
        return only_present(request)
    context = {"key_id": key_id, "title": key_id, "tab": tab, "as_of": as_of}
    if as_of.moment is None:
        return render(request, "keys/detail/past.html", context, status=as_of.status)
    try:
        past = past_keys.one_key(request, key_id, as_of.moment)
    except ClientError as error:
        return problem_page(request, key_id, error)
    context |= {"as_of": as_of.of_record(past.begins), "whole": past.whole}
    key = past.key
    if key is None:
        return render(request, "keys/detail/past.html", {**context, "unknown": True}, status=404)
    title = key.aliases[0] if key.aliases else key_id
    context |= {
        "past": key,
        "state": key.state(as_of.moment),
        "rotates": key.spec == "SYMMETRIC_DEFAULT" and key.origin == "AWS_KMS",
        "title": title,
        "key_name": title,
        "tabs": [(slug, words) for slug, (words, _load) in TABS.items()],
        "template": f"keys/detail/past_tabs/{tab}.html",
        **TABS[tab][1](past, key),
    }
    return render(request, "keys/detail/past.html", context)
