"""Keys as they were at a moment, told by the record of calls alone. Pure.

Comes in: CloudTrail records of the operations in `KEY_EVENTS` (or, where grants are not asked for, `LIST_EVENTS`), oldest first. What each
changes of a state is in keys/record/key_states.py. A key that no record creates (older than the record, an AWS managed key, or another
account's) is not there, rather than guessed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from keys.record import key_states

LIST_EVENTS = (
    "CreateKey",
    "ReplicateKey",
    *key_states.CHANGES,
    "UpdateKeyDescription",
    "PutKeyPolicy",
    "CreateAlias",
    "DeleteAlias",
    "UpdateAlias",
    "EnableKeyRotation",
    "DisableKeyRotation",
    "UpdatePrimaryRegion",
    "TagResource",
    "UntagResource",
)
KEY_EVENTS = (*LIST_EVENTS, "CreateGrant", "RetireGrant", "RevokeGrant", "RotateKeyOnDemand")
_DEFAULT_WINDOW = 30  # days, where ScheduleKeyDeletion names none
_DEFAULT_PERIOD = 365  # days, where EnableKeyRotation names none


@dataclass(frozen=True, slots=True)
class AliasSnapshot:
    """`since`: when it came to point to the key."""

    name: str
    since: datetime


@dataclass(frozen=True, slots=True)
class GrantSnapshot:
    """`grant` is as ListGrants has it; `since`: when it was created. `tokens`: what may retire it, never shown. `number`: the place of its
    creation among all changes."""

    grant: Mapping[str, Any]
    since: datetime
    tokens: frozenset[str] = field(repr=False)
    number: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySnapshot(key_states.StateFacts):
    """A key at the moment asked about. `since`, `by` and `event_id` are of the last change of its state; `rotation_days` is None while it
    is not rotated; `policy` is "" for the default policy, `policy_number` the place among all changes of the call that put it;
    `grants_known` is False after a grant was retired by a token that no record explains."""

    key_id: str
    arn: str
    spec: str
    usage: str
    origin: str
    created: datetime
    since: datetime
    by: str
    event_id: str
    description: str = ""
    regionality: str = "SINGLE"
    algorithms: Mapping[str, list[str]] = field(default_factory=dict)
    aliased: tuple[AliasSnapshot, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    rotation_days: int | None = None
    policy_since: datetime | None = None
    policy_event_id: str = ""
    policy: str = field(default="", repr=False)
    policy_number: float = 0.0
    window_days: int = 0  # of a deletion that waits for replicas
    replicas: frozenset[str] = frozenset()  # ARNs that such a deletion waits for
    grants: tuple[GrantSnapshot, ...] = ()
    grants_known: bool = True

    @property
    def aliases(self) -> list[str]:
        return sorted(alias.name for alias in self.aliased)

    def by_time(self, moment: datetime) -> KeySnapshot:
        """With the state's beginning where time alone brought it: the date of a deletion that came, or of material that expired. Who is
        named then scheduled it, or gave the material its end."""
        dates = (self.deletion_date, None if self.deletion_date else self.valid_to)
        came = [date for date in dates if date is not None and self.since < date <= moment and not self.observed]
        return _with(self, {"since": came[0]}) if came else self

    @property
    def rotated_every(self) -> int | None:
        """As GetKeyRotationStatus tells it: what is pending deletion is not rotated."""
        return None if self.deletion_date is not None or self.waits_for_replicas else self.rotation_days

    @property
    def observed(self) -> bool:
        """Whether readings tell of it (keys.record.observed_keys), and no record does."""
        return False

    @property
    def gone(self) -> datetime | None:
        """When a reading first did not list it any more, where readings alone tell of it. Whether it was deleted is not known."""
        return None

    @property
    def unknown(self) -> Collection[str]:
        """What of it is not known, as keys.record.observed_keys names it."""
        return ()


_NAMES = tuple(each.name for each in fields(KeySnapshot))
_all_of = attrgetter(*_NAMES)
_SET = {name: getattr(KeySnapshot, name).__set__ for name in _NAMES}


def _with(key: KeySnapshot, facts: Mapping[str, Any]) -> KeySnapshot:
    """As dataclasses.replace, which looks up each member by itself: most of what the replay of thousands of changes took."""
    made = object.__new__(KeySnapshot)
    for set_member, value in zip(_SET.values(), _all_of(key), strict=True):
        set_member(made, value)
    for name, value in facts.items():
        _SET[name](made, value)
    return made


@dataclass(frozen=True, slots=True)
class _Call:
    """A call that was carried out. `made` are the facts of who changed a state by it; `number` its place among all changes."""

    name: str
    given: Mapping[str, Any]
    answer: Mapping[str, Any]
    time: datetime
    made: dict[str, Any]
    number: float


@dataclass(frozen=True, slots=True)
class _Regions:
    """What a multi-Region key has in common with its like in other Regions: `rotations` by key ID (also for replicas that come later),
    the ARNs of all, and when each is deleted."""

    rotations: dict[str, int | None] = field(default_factory=dict)
    arns: dict[str, set[str]] = field(default_factory=dict)
    deletions: dict[str, datetime | None] = field(default_factory=dict)

    def add(self, key_id: str, arn: str) -> None:
        if key_id.startswith("mrk-"):
            self.arns.setdefault(key_id, set()).add(arn)

    def waited_for(self, key: KeySnapshot, moment: datetime) -> KeySnapshot:
        """A primary key whose deletion waits: once the last replica is deleted, its own waiting period begins."""
        replicas = frozenset(self.arns.get(key.key_id, set()) - {key.arn})
        dates = [self.deletions.get(arn) for arn in replicas]
        known = [date for date in dates if date is not None and date <= moment]
        if not replicas or len(known) < len(dates):
            return replace(key, replicas=replicas)
        return replace(key, replicas=replicas, deletion_date=max(known) + timedelta(days=key.window_days))


@dataclass(slots=True)
class KeyReplay:
    """The keys of a Region as a replay goes on: calls are taken in their order, and `at` tells of any moment from the last one on."""

    region: str
    keys: dict[str, KeySnapshot] = field(default_factory=dict)
    regions: _Regions = field(default_factory=_Regions)

    def copy(self) -> KeyReplay:
        arns = {key_id: set(each) for key_id, each in self.regions.arns.items()}
        regions = _Regions(dict(self.regions.rotations), arns, dict(self.regions.deletions))
        return KeyReplay(self.region, dict(self.keys), regions)

    def take(self, record: dict[str, Any]) -> None:
        """Refused calls change nothing, nor do voided ones."""
        if not record.get("errorCode") and not record.get("voided"):
            _apply(self.keys, self.regions, record, self.region, datetime.fromisoformat(record["eventTime"]))

    def key_at(self, key_id: str, moment: datetime) -> KeySnapshot | None:
        key = self.keys.get(key_id)
        return self.regions.waited_for(key, moment) if key is not None and key.waits_for_replicas else key

    def at(self, moment: datetime) -> list[KeySnapshot]:
        """By their IDs, deleted ones too."""
        told = (self.regions.waited_for(key, moment) if key.waits_for_replicas else key for key in self.keys.values())
        return sorted(told, key=lambda key: key.key_id)


def replay(records: Iterable[dict[str, Any]], region: str, moment: datetime) -> list[KeySnapshot]:
    """The keys of a Region at `moment`, by their IDs, deleted ones too."""
    replayed = KeyReplay(region)
    for record in records:
        if datetime.fromisoformat(record["eventTime"]) <= moment:
            replayed.take(record)
    return replayed.at(moment)


def number_of(record: Mapping[str, Any]) -> float:
    """The place of a change among all: its number in the embedded record, elsewhere its time."""
    return float(record.get("sequence") or datetime.fromisoformat(record["eventTime"]).timestamp())


def _apply(
    keys: dict[str, KeySnapshot], regions: _Regions, record: dict[str, Any], region: str, time: datetime
) -> None:
    identity = record.get("userIdentity", {})
    call = _Call(
        record["eventName"],
        record.get("requestParameters") or {},
        record.get("responseElements") or {},
        time,
        {
            "since": time,
            "by": identity.get("arn") or identity.get("invokedBy", ""),
            "event_id": record["eventID"],
        },
        number_of(record),
    )
    if call.name in ("CreateKey", "ReplicateKey"):
        metadata = call.answer.get("keyMetadata") or call.answer.get("replicaKeyMetadata") or {}
        regions.add(metadata.get("keyId", ""), metadata.get("arn", ""))
        if f":{region}:" in metadata.get("arn", ""):
            keys[metadata["keyId"]] = _created(metadata, call, regions.rotations.get(metadata["keyId"]))
        return
    for arn in dict.fromkeys(resource["ARN"] for resource in record.get("resources") or ()):
        key_id = arn.rpartition("/")[2]
        key = keys.get(key_id)
        if call.name in (key_states.SCHEDULED, key_states.CANCELLED):
            regions.deletions[arn] = key_states.changed(call.name, call.given, call.answer)["deletion_date"]
        if call.name in ("EnableKeyRotation", "DisableKeyRotation"):
            enabled = call.name == "EnableKeyRotation"
            regions.rotations[key_id] = (
                int(call.given.get("rotationPeriodInDays") or _DEFAULT_PERIOD) if enabled else None
            )
            if key is not None:
                keys[key_id] = _with(key, {"rotation_days": regions.rotations[key_id]})
        elif call.name == "UpdatePrimaryRegion":
            if key is not None:
                primary = call.given.get("primaryRegion") == region
                keys[key_id] = _with(key, {"regionality": "PRIMARY" if primary else "REPLICA"})
        elif key is not None and key.arn == arn:
            keys[key_id] = _with(key, _changed(key, call))


def _created(metadata: Mapping[str, Any], call: _Call, rotation_days: int | None) -> KeySnapshot:
    tags = call.given.get("tags") or call.answer.get("replicaTags") or ()
    return KeySnapshot(
        key_id=metadata["keyId"],
        arn=metadata["arn"],
        spec=metadata.get("keySpec", metadata.get("customerMasterKeySpec", "")),
        usage=metadata.get("keyUsage", ""),
        origin=metadata.get("origin", "AWS_KMS"),
        created=call.time,
        **key_states.created(metadata),
        description=metadata.get("description", ""),
        regionality=(metadata.get("multiRegionConfiguration") or {}).get("multiRegionKeyType", "SINGLE"),
        algorithms={
            name[0].upper() + name[1:]: list(values) for name, values in metadata.items() if name.endswith("Algorithms")
        },
        tags={tag["tagKey"]: tag.get("tagValue", "") for tag in tags},
        rotation_days=rotation_days,
        policy_since=call.time,
        policy_event_id=call.made["event_id"],
        policy=str(call.given.get("policy") or call.answer.get("replicaPolicy") or ""),
        policy_number=call.number,
        **call.made,
    )


def _changed(key: KeySnapshot, call: _Call) -> dict[str, Any]:
    """What a call changed of a key."""
    facts = key_states.changed(call.name, call.given, call.answer)
    if call.name == key_states.SCHEDULED:
        facts["window_days"] = int(call.given.get("pendingWindowInDays") or _DEFAULT_WINDOW)
    if facts:
        return {**facts, **call.made}
    match call.name:
        case "UpdateKeyDescription":
            return {"description": call.given.get("description", "")}
        case "PutKeyPolicy":
            return {
                "policy_since": call.time,
                "policy_event_id": call.made["event_id"],
                "policy": str(call.given.get("policy", "")),
                "policy_number": call.number,
            }
        case "TagResource":
            added = {tag["tagKey"]: tag.get("tagValue", "") for tag in call.given.get("tags") or ()}
            return {"tags": {**key.tags, **added}}
        case "UntagResource":
            gone = set(call.given.get("tagKeys") or ())
            return {"tags": {name: value for name, value in key.tags.items() if name not in gone}}
        case "CreateAlias" | "UpdateAlias" | "DeleteAlias":
            return {"aliased": _aliased(key, call)}
        case "CreateGrant" | "RetireGrant" | "RevokeGrant":
            return _granted(key, call)
    return {}


def _aliased(key: KeySnapshot, call: _Call) -> tuple[AliasSnapshot, ...]:
    name = str(call.given.get("aliasName", "")).removeprefix("alias/")
    others = tuple(alias for alias in key.aliased if alias.name != name)
    points_here = call.name != "DeleteAlias" and key.key_id in str(call.given.get("targetKeyId", ""))
    return (*others, AliasSnapshot(name, call.time)) if points_here else others


def _granted(key: KeySnapshot, call: _Call) -> dict[str, Any]:
    if call.name == "CreateGrant":
        made = _grant(call)
        if not made.grant["Name"]:  # of a key with thousands, none is looked for that cannot be there
            return {"grants": (*key.grants, made)}
        same = next((each for each in key.grants if each.grant["GrantId"] == made.grant["GrantId"]), None)
        if same is not None:  # asked for again by the same name: one grant, another token
            made = replace(same, tokens=same.tokens | made.tokens)
        return {"grants": (*(each for each in key.grants if each is not same), made)}
    grant_id, token = call.given.get("grantId"), call.given.get("grantToken")
    ended = [each for each in key.grants if each.grant["GrantId"] == grant_id or token in each.tokens]
    if not ended:
        return {"grants_known": False}
    return {"grants": tuple(each for each in key.grants if each not in ended)}


def _grant(call: _Call) -> GrantSnapshot:
    given = call.given
    constraints = {name[0].upper() + name[1:]: pairs for name, pairs in (given.get("constraints") or {}).items()}
    grant = {
        "GrantId": call.answer.get("grantId", ""),
        "Name": given.get("name", ""),
        "Operations": list(given.get("operations") or ()),
        "Constraints": constraints,
        **{
            name[0].upper() + name[1:]: given[name]
            for name in ("granteePrincipal", "granteeServicePrincipal", "retiringPrincipal", "retiringServicePrincipal")
            if given.get(name)
        },
    }
    token = call.answer.get("grantToken")
    return GrantSnapshot(grant, call.time, frozenset([token] if token else []), call.number)
