"""The words a policy may use: actions, condition keys, operators; and the nearest one to a word that is none.

Actions and condition keys are those that AWS publishes for all services (engine.iam.aws_data), and for the services that are here
botocore's operations and the rows of engine.iam.condition_keys besides.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from functools import cache
from heapq import nsmallest

from engine import console_actions, kms_operations
from engine.iam import aws_data, condition_keys, patterns
from engine.iam.conditions import OPERATORS
from engine.remembered import Remembered
from engine.service_models import LOADER, service_model

SERVICES = ("kms", "iam", "sts", "cloudtrail")
CONSOLE = console_actions.SERVICE  # what this console asks policies for besides: no calls of AWS's
_PERMISSION_ONLY = {
    "kms": ("SynchronizeMultiRegionKey",),
    "iam": ("PassRole",),
    "sts": ("TagSession", "SetSourceIdentity", "SetContext"),
}


def actions(service: str) -> tuple[str, ...]:
    """Every action of a service as service:Name, sorted; none for a prefix that is no service's."""
    return _actions[service]


def _list_actions(service: str) -> tuple[str, ...]:
    if service == CONSOLE:
        return tuple(sorted(console_actions.BY_ACTION))
    names = set(_published[service][0])
    if service in SERVICES:
        operations = service_model(service).operation_names
        # ReEncrypt is two actions
        names |= {
            each for name in operations for each in (kms_operations.actions_of(name) if service == "kms" else (name,))
        }
        names |= set(_PERMISSION_ONLY.get(service, ()))
    return tuple(sorted(f"{service}:{name}" for name in names))


_actions = Remembered(_list_actions, entries=64, longest=64)

_OPEN = re.compile(r"\$\{|<")  # a name that the policy completes: aws:ResourceTag/${TagKey}, s3:ExistingObjectTag/<key>


def _read_published(service: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """(actions, condition keys in lower case) that AWS publishes for a service; of a tag's key the part before its name."""
    with aws_data.opened() as connection:
        row = connection.execute("SELECT actions, condition_keys FROM services WHERE prefix = ?", (service,)).fetchone()
    if row is None:
        return frozenset(), ()
    return frozenset(row[0].split()), tuple(_OPEN.split(key)[0].lower() for key in row[1].split())


_published = Remembered(_read_published, entries=64, longest=64)


@cache
def _published_services() -> frozenset[str]:
    with aws_data.opened() as connection:
        return frozenset(prefix for (prefix,) in connection.execute("SELECT prefix FROM services"))


@cache
def known_services() -> frozenset[str]:
    """Prefixes that are some AWS service's: those that AWS publishes, and whatever botocore has a model for."""
    return _published_services().union((*SERVICES, CONSOLE, *LOADER.list_available_services("service-2")))


def matching(pattern: str) -> tuple[str, ...]:
    """The actions that an Action element takes in: of the service that it names, of those that are here if that is a pattern too."""
    return _matching[pattern]


def _find_matching(pattern: str) -> tuple[str, ...]:
    service = pattern.partition(":")[0].lower()
    wanted = patterns.glob(pattern.lower())
    ours = (*SERVICES, CONSOLE)
    within = ours if "*" in service or "?" in service else (service,)
    return tuple(action for each in within for lower, action in _by_lower[each] if wanted.match(lower))


def _list_by_lower(service: str) -> tuple[tuple[str, str], ...]:
    return tuple((action.lower(), action) for action in actions(service))


_by_lower = Remembered(_list_by_lower, entries=64, longest=64)
_matching = Remembered(_find_matching, entries=2048, longest=128)


def has_actions(service: str) -> bool:
    """Whether the actions of a service are known, so that one can be told to be none."""
    return bool(actions(service))


def is_condition_key(name: str) -> bool:
    """Names are compared without regard to case. Keys of identity providers, and of services that publish none, are taken on trust."""
    lower = name.lower()
    service, colon, rest = lower.partition(":")
    if condition_keys.find(lower) is not None:
        return True
    if service == "aws" or not colon or not rest:
        return False
    if "." in service:  # an identity provider's claim: token.actions.githubusercontent.com:sub
        return True
    published = [key for key in _published["sts" if service == "saml" else service][1] if key.startswith(f"{service}:")]
    if not published:
        return service in known_services()
    return any(
        lower == key or (key.endswith(("/", ":")) and lower.startswith(key) and lower != key) for key in published
    )


@cache
def operators() -> tuple[str, ...]:
    return (*(operator.name for operator in OPERATORS.values()), "Null")


_MOST_COMPARED = 200  # words, of an account's users say: those of about the same length
_LONGEST_WORD = 128  # characters; the time that difflib takes grows with their square


def nearest(word: str, among: Iterable[str]) -> str:
    """The most similar of `among`, without regard to case; empty if none is at all similar."""
    if len(word) > _LONGEST_WORD:
        return ""
    by_lower = {each.lower(): each for each in among}
    if len(by_lower) > _MOST_COMPARED:
        by_lower = {
            each: by_lower[each] for each in nsmallest(_MOST_COMPARED, by_lower, key=lambda e: abs(len(e) - len(word)))
        }
    found = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else ""


def nearest_action(action: str) -> str:
    """The nearest existing action, the service's spelling included; a wildcard at the end stays."""
    service, _colon, name = action.partition(":")
    ours = (*SERVICES, CONSOLE)
    near_service = service.lower() if has_actions(service.lower()) else nearest(service, ours)
    if not near_service:
        return ""
    if name.endswith("*"):
        found = nearest(f"{near_service}:{name.rstrip('*')}", _beginnings(near_service))
        return f"{found}*" if found else ""
    return nearest(f"{near_service}:{name}", actions(near_service))


@cache
def _beginnings(service: str) -> frozenset[str]:
    """What actions begin with, word by word: kms:Describe, kms:DescribeKey…"""
    return frozenset(
        action[: word.end()] for action in actions(service) for word in re.finditer(r"[A-Z][a-z0-9]*", action)
    )


def nearest_condition_key(name: str) -> str:
    for prefix in condition_keys.names(prefixes=True):
        start = name[: len(prefix)]
        if len(name) > len(prefix) and nearest(start, (prefix,)) and start[-1] == prefix[-1]:
            return prefix + name[len(prefix) :]
    return nearest(name, condition_keys.names(prefixes=False))
