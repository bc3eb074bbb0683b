"""The timeline of a key: every change of it by the record, with what was before and after, what time alone did, and what comes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from botocore.exceptions import ClientError
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import aws_calls, charts, moments, paging
from console.aws_calls import optional
from console.request import ConsoleRequest
from keys import service
from keys.inventory import inventory
from keys.policy.policy_changes import PolicyDifference
from keys.record import events, history, key_changes, key_events
from keys.record.key_changes import FactChange
from keys.record.key_events import Event
from keys.record.key_states import StateFacts, changed, created
from keys.record.snapshots import KeyReplay, KeySnapshot

PAGE = 50
_FEW = 200  # events of a key that LookupEvents is asked for, before its changes alone are read
_NO_CHANGE = frozenset({"GetParametersForImport"})
_EXPIRED = gettext_lazy("The imported key material expired")
_ROTATED = gettext_lazy("The key material was rotated, as its automatic rotation says")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of the key and the state it was in from then on. `event` is None for what time alone did, `words` says what that was.
    `then` is what states are computed from, after it. `before` and `after` are what the record tells of the key around it: None where it
    does not, and for changes on no page (`with_snapshots`)."""

    time: datetime
    state: str
    event: Event | None = None
    words: str | Promise = ""
    then: StateFacts | None = None
    before: KeySnapshot | None = None
    after: KeySnapshot | None = None
    observed: tuple[FactChange, ...] = ()
    gone: bool = False  # from then on not in the list of keys: its state is not known

    @property
    def as_of(self) -> str:
        """The moment after it, as an address has it."""
        return self.time.isoformat()

    @property
    def facts(self) -> list[FactChange]:
        if self.observed:
            return list(self.observed)
        if self.before is None or self.after is None:
            return []
        return list(key_changes.facts(self.before, self.after, self.time, self.time))

    @property
    def policy(self) -> PolicyDifference | None:
        if self.before is None or self.after is None or self.before.policy == self.after.policy:
            return None
        return key_changes.policy(self.before, self.after, self.after.arn.split(":")[4])

    @property
    def detail(self) -> str:
        """What a reader wants of the request, where before and after do not say it."""
        return _detail(self.event) if self.event is not None else ""


def load(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    now = service.record_now(request)
    seen = [] if service.backend(request).embedded else inventory.observed_changes(request, key["KeyId"])
    again = inventory.observed_again(request, key["KeyId"], seen) if seen else []
    untold = ""
    try:
        read, whole = _events(request, key["Arn"], now)
    except ClientError as error:
        if not seen:
            raise
        read, whole, untold = [], True, service.sentence(error)  # of what no record tells, readings tell
    rotations, rotations_problem = optional(
        lambda: service.pages(kms, "list_key_rotations", "Rotations", KeyId=key["KeyId"])
    )
    automatic = [each["RotationDate"] for each in rotations or () if each.get("RotationType") == "AUTOMATIC"]
    recorded = changes(read)
    found = with_observed(with_time_alone(recorded, automatic, now), seen, key["KeyState"], again)
    states = [(change.time, change.state) for change in found]
    if not states or states[0][0] > key["CreationDate"]:
        first = (_before(found[0]) or states[0][1]) if found else key["KeyState"]
        states.insert(0, (key["CreationDate"], first))
    rotation, rotation_problem = optional(lambda: kms.get_key_rotation_status(KeyId=key["KeyId"]))
    ahead = [
        (key.get("DeletionDate"), _("The key and its material are destroyed")),
        (key.get("ValidTo"), _("The imported key material expires")),
        ((rotation or {}).get("NextRotationDate"), _("The key material is rotated")),
    ]
    page = paging.page_of(list(reversed(found)), PAGE, request.GET)
    return {
        "changes": with_snapshots(list(page), recorded, key),
        "page": page,
        "strip": charts.state_intervals(states, now),
        "strip_width": charts.WIDTH,
        "since": states[0][0],
        "now": now,
        "ahead": sorted((moment, words) for moment, words in ahead if moment),
        "whole": whole,
        "untold": untold,
        "unread": [each for each in (rotations_problem, rotation_problem) if aws_calls.is_denial(each)],
    }


def _events(request: ConsoleRequest, arn: str, now: datetime) -> tuple[list[Event], bool]:
    """(oldest first, whether these are all). Of a key that is used much, LookupEvents tells the newest uses and no change: who may read
    the record gets its changes alone. Raises ClientError, HistoryBeingRead."""
    few = key_events.of_key(request, arn, most=_FEW)
    if not few.whole and events.may_search(request):
        told = history.of_key(request, arn, now)
        return [key_events.event_of(record) for record in told.records], told.whole
    found = few if few.whole else key_events.of_key(request, arn)
    return list(reversed(found.found)), found.whole


def changes(told: Iterable[Event]) -> list[Change]:
    """Changes that were carried out, in their order."""
    facts, found = StateFacts(), []
    for event in told:
        if event.error or event.read_only or event.is_use or event.name in _NO_CHANGE:
            continue
        if event.name == "CreateKey":
            facts = StateFacts(**created(event.response.get("keyMetadata", {})))
        if change := changed(event.name, event.request, event.response):
            facts = replace(facts, **change)
        found.append(Change(event.time, facts.state(event.time), event, then=facts))
    return found


def with_snapshots(shown: Sequence[Change], recorded: Iterable[Change], key: dict[str, Any]) -> list[Change]:
    """Those of a page with what was before and after. Only theirs are kept: each names all grants of its moment. `key` as DescribeKey has
    it."""
    wanted = {change.event.id for change in shown if change.event is not None}
    around: dict[str, tuple[KeySnapshot | None, KeySnapshot | None]] = {}
    replayed = KeyReplay(key["Arn"].split(":")[3])
    for change in recorded:
        if len(around) == len(wanted) or change.event is None:
            break
        event = change.event
        before = replayed.key_at(key["KeyId"], event.time)
        replayed.take(event.record)
        if event.id in wanted:
            around[event.id] = (before, replayed.key_at(key["KeyId"], event.time))
    nothing = (None, None)
    pairs = [around.get(change.event.id, nothing) if change.event is not None else nothing for change in shown]
    return [replace(change, before=before, after=after) for change, (before, after) in zip(shown, pairs, strict=True)]


def with_time_alone(found: Sequence[Change], rotated: Iterable[datetime], now: datetime) -> list[Change]:
    """The changes with what came between them by itself: imported material that expired, automatic rotations."""
    made: list[Change] = []
    for number, change in enumerate(found):
        made.append(change)
        expires = change.then.valid_to if change.then is not None else None
        until = found[number + 1].time if number + 1 < len(found) else now
        if change.then is not None and expires is not None and change.time < expires <= until:
            made.append(Change(expires, change.then.state(expires), words=_EXPIRED))
    for moment in rotated:
        earlier = [each for each in made if each.time <= moment]
        if earlier:
            made.insert(len(earlier), Change(moment, earlier[-1].state, words=_ROTATED))
    return made


# Each column that readings compare, as it is called.
_COLUMNS: dict[str, str | Promise] = {
    "state": gettext_lazy("Status"),
    "deletion_date": gettext_lazy("Deletion date"),
    "valid_to": gettext_lazy("Imported key material expires"),
    "description": gettext_lazy("Description"),
    "aliases": gettext_lazy("Aliases"),
    "tags": gettext_lazy("Tags"),
    "rotation": gettext_lazy("Automatic rotation"),
    "regionality": gettext_lazy("Regionality"),
    "public": gettext_lazy("Public access"),
}


def with_observed(
    found: Sequence[Change], seen: Iterable[Any], state_now: str, again: Iterable[datetime] = ()
) -> list[Change]:
    """The changes with what only readings of the key tell: a difference between two of them, where no event between them is a change; that it
    was no longer listed, and `again` from which moments on."""
    made = list(found)
    for moment in again:
        made.append(Change(moment, "", words=_("Observed by this console: in the list of keys again")))
    for each in seen:
        if inventory.is_gone(each):
            made.append(_disappearance(each))
            continue
        after = each.after and each.after.replace(microsecond=0)  # a record has whole seconds
        if any((after is None or after <= change.time) and change.time <= each.before for change in found):
            continue
        differs = json.loads(each.facts)
        facts = tuple(FactChange(_COLUMNS[name], before, after) for name, (before, after) in differs.items())
        words = _("Observed by this console: not as it was read before")
        if each.after is not None:
            words = _("Observed by this console: changed since %(time)s") % {"time": moments.to_second(each.after)}
        made.append(Change(each.before, differs.get("state", ("", ""))[1], words=words, observed=facts))
    made.sort(key=lambda change: change.time)
    state = ""
    for number, change in enumerate(made):
        if change.gone:
            state = ""
            continue
        state = (
            change.state or state or next((_before(later) for later in made[number + 1 :] if _before(later)), state_now)
        )
        if state != change.state:
            made[number] = replace(change, state=state)
    return made


def _disappearance(gone: Any) -> Change:
    words = _("Observed by this console: no longer in the list of keys")
    if gone.after is not None:
        read = {"time": moments.to_second(gone.after)}
        words = _("Observed by this console: no longer in the list of keys, last read %(time)s") % read
    state = FactChange(_COLUMNS["state"], inventory.last_state(gone), "")
    return Change(gone.before, "", words=words, observed=(state,), gone=True)


def _before(change: Change) -> str:
    """The state that a reading found before it, if it is about the state."""
    return next((each.before for each in change.observed if each.name == _COLUMNS["state"]), "")


def _detail(event: Event) -> str:
    given = event.request
    for name in (
        "description",
        "aliasName",
        "pendingWindowInDays",
        "rotationPeriodInDays",
        "replicaRegion",
        "primaryRegion",
    ):
        if given.get(name) not in (None, ""):
            return str(given[name])
    if given.get("operations"):
        return f"{', '.join(given['operations'])} → {given.get('granteePrincipal') or given.get('granteeServicePrincipal', '')}"
    if given.get("tags"):
        return ", ".join(f"{tag.get('tagKey')}={tag.get('tagValue', '')}" for tag in given["tags"])
    if given.get("tagKeys"):
        return ", ".join(given["tagKeys"])
    return ""
