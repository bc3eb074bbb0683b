"""What a rule can look for: one row each. A row's function gets one event of the record and what the rule remembers. Pure, but for the
policy that a key had before, which it asks for.

An event is a record in CloudTrail's form.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.alerts.widening import widened
from engine.public.vocabulary import USE, kind_of_call
from keys.record.events import DENIED

Event = dict[str, Any]
State = dict[str, Any]
_QUIET_SECONDS = 3600  # a key that is refused over and over is told of once an hour
_MOST_KEYS = 1_000  # that a rule remembers
_MOST_ADDRESSES = 5_000
_NOT_USABLE = ("DisabledException", "Disabled", "KMSInvalidStateException", "KMSInvalidState")


@dataclass(frozen=True, slots=True)
class Found:
    """What an alert says beside its rule and event."""

    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Kind:
    """`sentence` is what an alert says, with `Found.details` in it. `learns`: what came before the rule is gone through first, in silence.
    `numbers`: the settings that the form asks for, with what they begin at. `undated`: the sentence where the date is not known yet."""

    name: str
    title: str | Promise
    help: str | Promise
    sentence: str | Promise
    find: Callable[[Event, dict[str, Any], State, Callable[[], str | None]], Found | None]
    numbers: dict[str, int] = field(default_factory=dict)
    learns: bool = False
    undated: str | Promise = ""


def _succeeded(event: Event, name: str) -> bool:
    return event["eventName"] == name and not event.get("errorCode")


def _deletion(event: Event, _settings: Any, _state: State, _before: Any) -> Found | None:
    if not _succeeded(event, "ScheduleKeyDeletion"):
        return None
    date = (event.get("responseElements") or {}).get("deletionDate", "")
    return Found({"date": str(date)})


def _policy(event: Event, _settings: Any, _state: State, before: Callable[[], str | None]) -> Found | None:
    if not _succeeded(event, "PutKeyPolicy"):
        return None
    older = before()
    if older is None:
        return Found({"statements": "?"})
    statements = widened(older, (event.get("requestParameters") or {}).get("policy") or "")
    return Found({"statements": ", ".join(statements[:10])}) if statements else None


def _denials(event: Event, settings: dict[str, Any], state: State, _before: Any) -> Found | None:
    if not str(event.get("errorCode", "")).startswith(DENIED):
        return None
    now = seconds(event)
    times = [each for each in state.get("times", []) if each > now - 60 * settings["minutes"]]
    times.append(now)
    state["times"] = times
    if len(times) < settings["denials"]:
        return None
    state["times"] = []
    return Found({"denials": len(times), "minutes": settings["minutes"]})


def _root(event: Event, _settings: Any, _state: State, _before: Any) -> Found | None:
    if event["eventName"] != "ConsoleLogin" or (event.get("userIdentity") or {}).get("type") != "Root":
        return None
    return Found({"address": event.get("sourceIPAddress", ""), "result": event["responseElements"]["ConsoleLogin"]})


def _not_usable(event: Event, _settings: Any, state: State, _before: Any) -> Found | None:
    if event.get("errorCode") not in _NOT_USABLE or not is_use(event):
        return None
    arn, now = key_arn(event), seconds(event)
    told = state.setdefault("told", {})
    if now < told.get(arn, 0) + _QUIET_SECONDS:
        return None
    told.pop(arn, None)
    told[arn] = now
    while len(told) > _MOST_KEYS:
        del told[next(iter(told))]
    return Found({"error": event["errorCode"], "operation": event["eventName"]})


def _address(event: Event, _settings: Any, state: State, _before: Any) -> Found | None:
    address = event.get("sourceIPAddress", "")
    if event.get("errorCode") or not is_use(event) or not _is_address(address):
        return None
    known = state.setdefault("addresses", {})
    new = address not in known
    known.pop(address, None)
    known[address] = 1  # the latest last
    while len(known) > _MOST_ADDRESSES:
        del known[next(iter(known))]
    return Found({"address": address}) if new else None


def _never(_event: Event, _settings: Any, _state: State, _before: Any) -> Found | None:
    return None  # audit.alerts.watch verifies by the hour


VERIFICATION = "verification"
ROOT_USER = "root"
KINDS: dict[str, Kind] = {
    each.name: each
    for each in (
        Kind(
            "deletion",
            _("Deletion of a key is scheduled"),
            _("Each ScheduleKeyDeletion that succeeds."),
            _("The deletion of the key is scheduled for %(date)s."),
            _deletion,
            undated=_(
                "The deletion of the key is scheduled: its waiting period begins when its last replica key is deleted."
            ),
        ),
        Kind(
            "policy",
            _("A key policy allows more"),
            _("A PutKeyPolicy after which statements may allow more than before, by what they say."),
            _("The key's policy may allow more than before: %(statements)s."),
            _policy,
        ),
        Kind(
            "denials",
            _("Many denied calls"),
            _("Calls of the account that policies do not allow, within some minutes."),
            _("%(denials)s calls were denied within %(minutes)s minutes."),
            _denials,
            {"denials": 20, "minutes": 5},
        ),
        Kind(
            "unusable",
            _("A key that cannot be used is asked for"),
            _("A use of a key that is disabled, waits for deletion or has no material; once an hour for each key."),
            _("%(operation)s was refused: %(error)s."),
            _not_usable,
        ),
        Kind(
            "address",
            _("A key is used from a new address"),
            _("A use of a key from an address from which no key of the account was used before."),
            _("A key was used from %(address)s for the first time."),
            _address,
            learns=True,
        ),
        Kind(
            ROOT_USER,
            _("The root user signs in"),
            _("Each sign-in to the console as the account's root user, whether it succeeds or fails."),
            _("Somebody signed in as the root user from %(address)s: %(result)s."),
            _root,
        ),
        Kind(
            VERIFICATION,
            _("The record does not verify"),
            _("The record is verified each hour."),
            _("The record does not verify: %(reason)s"),
            _never,
        ),
    )
}


def seconds(event: Event) -> float:
    return datetime.fromisoformat(event["eventTime"]).timestamp()


def is_use(event: Event) -> bool:
    return event.get("eventSource") == "kms.amazonaws.com" and kind_of_call(event["eventName"], read_only=True) == USE


def key_arn(event: Event) -> str:
    """The first key that the event names, "" for none."""
    return next((each["ARN"] for each in event.get("resources") or () if ":key/" in each.get("ARN", "")), "")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:  # a service's name
        return False
    return True
