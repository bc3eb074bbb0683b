"""What differs between a key and the same key at another moment: its facts, with how they are shown, and its policy by meaning. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from console import moments
from engine.public.key_policies import default_key_policy
from keys.policy import policy_changes
from keys.policy.policy_changes import PolicyDifference
from keys.record.snapshots import KeySnapshot

Value = Callable[[KeySnapshot, datetime], str]


@dataclass(frozen=True, slots=True)
class FactChange:
    """Of several values each stands in a line of its own."""

    name: str | Promise
    before: str
    after: str

    @property
    def removed(self) -> list[str]:
        return _without(self.before, self.after)

    @property
    def added(self) -> list[str]:
        return _without(self.after, self.before)


def _without(one: str, other: str) -> list[str]:
    left = Counter(one.splitlines()) - Counter(other.splitlines())
    return list(left.elements())


def _grants(key: KeySnapshot, other: KeySnapshot) -> str:
    """Those that the other has not, as far as both are of one replay: of thousands few differ."""
    common = min(len(key.grants), len(other.grants))
    if key.grants[:common] == other.grants[:common]:  # mostly one came or none: the same objects are equal at once
        own = [each.grant for each in key.grants[common:]]
    else:
        theirs = {id(each) for each in other.grants}
        own = [each.grant for each in key.grants if id(each) not in theirs]
    return "\n".join(sorted(f"{_grantee(grant)}: {', '.join(grant['Operations'])}" for grant in own))


def _grantee(grant: Mapping[str, Any]) -> str:
    return str(grant.get("GranteePrincipal") or grant.get("GranteeServicePrincipal") or "?")


_GRANTS = gettext_lazy("Grants")
# Each fact of a key that is compared, as snapshots call what is not known, with how it is shown. The policy is compared by its statements,
# grants by which of them differ.
FACTS: tuple[tuple[str, str | Promise, Value], ...] = (
    ("state", gettext_lazy("Status"), lambda key, moment: key.state(moment)),
    (
        "deletion_date",
        gettext_lazy("Deletion date"),
        lambda key, moment: moments.to_second(key.deletion_date) if key.deletion_date else "",
    ),
    (
        "valid_to",
        gettext_lazy("Imported key material expires"),
        lambda key, moment: moments.to_second(key.valid_to) if key.valid_to else "",
    ),
    ("description", gettext_lazy("Description"), lambda key, moment: key.description),
    ("aliases", gettext_lazy("Aliases"), lambda key, moment: "\n".join(key.aliases)),
    (
        "tags",
        gettext_lazy("Tags"),
        lambda key, moment: "\n".join(f"{name}={key.tags[name]}" for name in sorted(key.tags)),
    ),
    (
        "rotation",
        gettext_lazy("Automatic rotation (days)"),
        lambda key, moment: str(key.rotation_days) if key.rotation_days is not None else "",
    ),
    ("regionality", gettext_lazy("Regionality"), lambda key, moment: key.regionality),
)


def facts(old: KeySnapshot, new: KeySnapshot, before: datetime, after: datetime) -> Iterator[FactChange]:
    """The facts in which a key at `after` differs from what it was at `before`, of those that are known of both."""
    unknown = {*old.unknown, *new.unknown}
    for column, name, value in FACTS:
        if column in unknown:
            continue
        was, now = value(old, before), value(new, after)
        if was != now:
            yield FactChange(name, was, now)
    if "grants" in unknown:
        return
    was, now = _grants(old, new), _grants(new, old)
    if was != now:
        yield FactChange(_GRANTS, was, now)


def policy(old: KeySnapshot, new: KeySnapshot, account_id: str) -> PolicyDifference | None:
    """None where both policies say the same. Without a word of one it is AWS's default."""
    if old.policy == new.policy:
        return None
    default = default_key_policy(account_id, new.arn.split(":")[1])
    found = policy_changes.difference(old.policy or default, new.policy or default)
    return None if found.is_empty else found
