"""A key's page as it was at a moment, from the record alone: the head, and the tabs that the record can tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from console import paging
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys.common import only_present, problem_page
from keys.detail import access_tab, timeline
from keys.evaluator import past_access
from keys.evaluator.question import Question
from keys.grants import grants
from keys.inventory import inventory, reads
from keys.record import past_keys
from keys.record.as_of import AsOf
from keys.record.snapshots import KeySnapshot

Shown = Callable[[ConsoleRequest, KeySnapshot, AsOf], dict[str, Any]]


_ALGORITHMS = {
    "EncryptionAlgorithms": _("Encryption algorithms"),
    "SigningAlgorithms": _("Signing algorithms"),
    "MacAlgorithms": _("MAC algorithms"),
    "KeyAgreementAlgorithms": _("Key agreement algorithms"),
    "EncapsulationAlgorithms": _("Encapsulation algorithms"),
}


def algorithms(key: Mapping[str, Any]) -> list[tuple[Any, list[str]]]:
    """Each kind of algorithms that KMS says of a key, in words."""
    return [(words, key[name]) for name, words in _ALGORITHMS.items() if name in key]


def _crypto(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    return {"algorithms": algorithms(key.algorithms)}


def _policy(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    return {"policy": past_access.policy_text(key)}


def _grants(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    return {"grants": [(each, grants.sentence(each.grant, past=True)) for each in key.grants]}


def _access(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    assert as_of.moment is not None
    then = past_access.read(request, as_of.moment)
    side = past_access.view(key, then.principals.account)
    question = Question("", "", key.key_id, {}, {}, as_of.moment, as_of.typed)
    return {**access_tab.shown(request, then.people, side, question), "principals": then.principals}


def _timeline(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    """What readings found up to then; the newest first."""
    assert as_of.moment is not None
    seen = inventory.observed_changes(request, key.key_id)
    again = [each for each in inventory.observed_again(request, key.key_id, seen) if each <= as_of.moment]
    up_to = [each for each in seen if each.before <= as_of.moment]
    found = timeline.with_observed([], up_to, key.state(as_of.moment), again)
    return {"changes": paging.page_of(list(reversed(found)), timeline.PAGE, request.GET)}


def _nothing(request: ConsoleRequest, key: KeySnapshot, as_of: AsOf) -> dict[str, Any]:
    return {}


# Tab → (its words, what it shows beside the key).
TABS: dict[str, tuple[Any, Shown]] = {
    "policy": (_("Key policy"), _policy),
    "crypto": (_("Cryptographic configuration"), _crypto),
    "aliases": (_("Aliases"), _nothing),
    "tags": (_("Tags"), _nothing),
    "grants": (_("Grants"), _grants),
    "access": (_("Access"), _access),
}
# Of keys that readings alone tell of. The timeline of others is one for all times.
_OBSERVED_TABS: dict[str, tuple[Any, Shown]] = {**TABS, "timeline": (_("Timeline"), _timeline)}
_OBSERVED = ("crypto", "aliases", "tags")  # what readings tell of a key that no record tells of


def page(request: ConsoleRequest, key_id: str, tab: str, as_of: AsOf) -> HttpResponse:
    if tab not in _OBSERVED_TABS:
        return only_present(request)
    context = {"key_id": key_id, "title": key_id, "tab": tab, "as_of": as_of}
    if as_of.moment is None:
        return render(request, "keys/detail/past.html", context, status=as_of.status)
    try:
        past = past_keys.one_known(request, key_id, as_of.moment)
    except ClientError as error:
        return problem_page(request, key_id, error)
    context |= {"as_of": as_of.of_record(past.begins), "whole": past.whole, "untold": past.untold}
    key = past.key
    if key is None:
        return render(request, "keys/detail/past.html", {**context, "unknown": True}, status=404)
    tabs = _OBSERVED_TABS if key.observed else TABS
    if tab not in tabs:
        return only_present(request)
    title = key.aliases[0] if key.aliases else key_id
    told = not key.observed or tab == "timeline" or (tab in _OBSERVED and tab not in key.unknown and not key.gone)
    try:
        shown = tabs[tab][1](request, key, as_of) if told else {}
    except ClientError as error:
        return problem_page(request, title, error)
    except MalformedPolicy as reason:
        shown = {"unreadable": reason.reason}
    context |= {
        "past": key.by_time(as_of.moment),
        "state": key.state(as_of.moment),
        "rotates": reads.rotates(key.spec, key.origin),
        "title": title,
        "key_name": title,
        "tabs": [(slug, words) for slug, (words, _load) in tabs.items()],
        "template": f"keys/detail/past_tabs/{tab if told else 'not_told'}.html",
        "tab_words": tabs[tab][0],
        **shown,
    }
    return render(request, "keys/detail/past.html", context)
