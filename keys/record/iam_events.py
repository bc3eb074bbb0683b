"""Users, groups, roles and managed policies at a moment: what is older than the record, and the record replayed up to then. Pure.

Comes in: CloudTrail records of the operations in `NAMES`, oldest first. What there was before the first of them is keys.record.iam_base's
to tell.
Source: IAM API Reference; AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from keys.record.snapshots import number_of

USER, GROUP, ROLE, POLICY = "user", "group", "role", "policy"
OWNERS = (USER, GROUP, ROLE)
Record = Mapping[str, Any]


@dataclass(slots=True)
class PastEntity:
    """A user, group, role or managed policy. `versions` are a policy's, `default` the ID of the one in force; `trust` a role's; `by` and
    `event_id` are of the last recorded change, "" where there is none. `recorded` is whether a record created it."""

    kind: str
    name: str
    arn: str
    unique_id: str = ""
    created: datetime | None = None
    recorded: bool = False
    description: str = ""
    inline: dict[str, str] = field(default_factory=dict)
    attached: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    boundary: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    trust: str = ""
    access_keys: dict[str, str] = field(default_factory=dict)  # ID → status
    versions: dict[str, str] = field(default_factory=dict)
    default: str = ""
    notes: list[str] = field(default_factory=list)
    changed: datetime | None = None
    by: str = ""
    event_id: str = ""

    @property
    def document(self) -> str:
        return self.versions.get(self.default, "")


Key = tuple[
    str, str
]  # kind, and the name in lower case (IAM's names are unique without regard to it) or a policy's ARN


Entities = dict[Key, PastEntity]


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A user or role under one ARN: from the change `begin` on until before `end` (numbers of the record; None: still)."""

    arn: str
    unique_id: str
    begin: float
    end: float | None


@dataclass(slots=True)
class PastAccount:
    """What was at the moment; `lifetimes` tell which principal an ARN was when (a user made anew under an old name is another)."""

    entities: dict[Key, PastEntity]
    lifetimes: list[Lifetime] = field(default_factory=list)

    def of(self, kind: str) -> list[PastEntity]:
        return sorted((each for each in self.entities.values() if each.kind == kind), key=lambda each: each.name)

    def find(self, kind: str, name: str) -> PastEntity | None:
        return self.entities.get(key_of(kind, name))

    @property
    def notes(self) -> list[str]:
        return [note for each in self.entities.values() for note in each.notes]

    def id_at(self, arn: str, number: float) -> str:
        """The unique ID of who had this ARN when the change of that number was made; "" for nobody."""
        found = (each for each in self.lifetimes if each.arn == arn and each.begin <= number)
        return next((each.unique_id for each in found if each.end is None or number < each.end), "")


def key_of(kind: str, name: str) -> Key:
    return kind, name if kind == POLICY else name.lower()


def replay(entities: Entities, records: Iterable[Record], moment: datetime) -> PastAccount:
    """`entities`: what is older than the record (keys.record.iam_base); it is changed."""
    done = list(records)
    account = PastAccount(entities)
    lifetimes = {each.arn: (each.unique_id, 0.0) for each in entities.values() if each.kind in (USER, ROLE)}
    for record in done:
        if datetime.fromisoformat(record["eventTime"]) > moment:
            continue
        _CHANGES[record["eventName"]](entities, Call.of(record))
        if record["eventName"] in _RENAMES:
            _note_lifetimes(account, lifetimes, number_of(record))
    account.lifetimes += [Lifetime(arn, *who, None) for arn, who in lifetimes.items()]
    return account


def _note_lifetimes(account: PastAccount, lifetimes: dict[str, tuple[str, float]], number: float) -> None:
    now = {each.arn: each.unique_id for each in account.entities.values() if each.kind in (USER, ROLE)}
    for arn, (unique_id, begin) in list(lifetimes.items()):
        if now.get(arn) != unique_id:
            account.lifetimes.append(Lifetime(arn, unique_id, begin, number))
            del lifetimes[arn]
    for arn, unique_id in now.items():
        lifetimes.setdefault(arn, (unique_id, number))


# --- what a call changes


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    given: Record
    answer: Record
    time: datetime
    by: str
    event_id: str

    @classmethod
    def of(cls, record: Record) -> Call:
        identity = record.get("userIdentity") or {}
        return cls(
            record["eventName"],
            record.get("requestParameters") or {},
            record.get("responseElements") or {},
            datetime.fromisoformat(record["eventTime"]),
            identity.get("arn") or identity.get("invokedBy", ""),
            record["eventID"],
        )

    def key(self) -> Key | None:
        """The user, group, role or policy that it is about."""
        for kind in (USER, GROUP, ROLE):
            if self.name in _ABOUT[kind]:
                name = self.given.get(f"{kind}Name") or self._caller()
                return key_of(kind, name) if name else None
        return key_of(POLICY, str(self.given.get("policyArn", "")))

    def _caller(self) -> str:
        """Whose access key it is, where the call names nobody: its answer says, or it is the caller's."""
        named = (self.answer.get("accessKey") or {}).get("userName", "")
        return str(named or (self.by.rpartition("/")[2] if ":user/" in self.by else ""))


Change = Callable[[Entities, Call], None]


def _on_entity(change: Callable[[PastEntity, Call], None]) -> Change:
    def apply(entities: Entities, call: Call) -> None:
        key = call.key()
        entity = entities.get(key) if key is not None else None
        if entity is not None:
            change(entity, call)
            entity.changed, entity.by, entity.event_id = call.time, call.by, call.event_id

    return apply


def _create(kind: str) -> Change:
    def apply(entities: Entities, call: Call) -> None:
        told = call.answer.get(kind) or {}
        name = told.get(f"{kind}Name") or call.given.get(f"{kind}Name", "")
        made = PastEntity(
            kind,
            name,
            told.get("arn", ""),
            told.get(f"{kind}Id", ""),
            call.time,
            recorded=True,
            description=call.given.get("description", ""),
            boundary=call.given.get("permissionsBoundary", ""),
            tags=tags_of(call.given.get("tags")),
            trust=text_of(call.given.get("assumeRolePolicyDocument")),
            changed=call.time,
            by=call.by,
            event_id=call.event_id,
        )
        if kind == POLICY:
            made.default = told.get("defaultVersionId") or "v1"
            made.versions = {made.default: text_of(call.given.get("policyDocument"))}
        entities[key_of(kind, made.arn if kind == POLICY else name)] = made

    return apply


def _delete(entities: Entities, call: Call) -> None:
    key = call.key()
    if key is not None:
        entities.pop(key, None)


def _rename(kind: str) -> Change:
    def apply(entities: Entities, call: Call) -> None:
        entity = moved(
            entities, kind, call.given.get(f"{kind}Name", ""), new_name(kind, call), call.given.get("newPath")
        )
        if entity is not None:
            entity.changed, entity.by, entity.event_id = call.time, call.by, call.event_id

    return apply


def new_name(kind: str, call: Call) -> str:
    return str(call.given.get(f"new{kind.title()}Name") or call.given.get(f"{kind}Name", ""))


def moved(entities: Entities, kind: str, old: str, new: str, path: str | None) -> PastEntity | None:
    entity = entities.pop(key_of(kind, old), None)
    if entity is None:
        return None
    head, _word, rest = entity.arn.partition(f":{kind}/")
    before = "/" + rest.rpartition("/")[0] + "/" if "/" in rest else "/"
    if kind == GROUP:
        for each in entities.values():
            if entity.name in each.groups:
                each.groups = {new if group == entity.name else group for group in each.groups}
    entity.name, entity.arn = new, f"{head}:{kind}{path or before}{new}"
    entities[key_of(kind, new)] = entity
    return entity


def _put_inline(entity: PastEntity, call: Call) -> None:
    entity.inline[call.given["policyName"]] = text_of(call.given.get("policyDocument"))


def _status(entity: PastEntity, call: Call) -> None:
    if call.given.get("accessKeyId") in entity.access_keys:
        entity.access_keys[call.given["accessKeyId"]] = call.given.get("status", "")


def _new_access_key(entity: PastEntity, call: Call) -> None:
    made = call.answer.get("accessKey") or {}
    entity.access_keys[made.get("accessKeyId", "")] = made.get("status", "Active")


def _new_version(entity: PastEntity, call: Call) -> None:
    version = (call.answer.get("policyVersion") or {}).get("versionId", "")
    entity.versions[version] = text_of(call.given.get("policyDocument"))
    if call.given.get("setAsDefault") in (True, "true"):
        entity.default = version


def _set(member: str, parameter: str) -> Callable[[PastEntity, Call], None]:
    return lambda entity, call: setattr(entity, member, text_of(call.given.get(parameter)))


def _untag(entity: PastEntity, call: Call) -> None:
    for name in call.given.get("tagKeys") or ():
        entity.tags.pop(name, None)


def _described(entity: PastEntity, call: Call) -> None:
    if "description" in call.given:
        entity.description = call.given["description"]


def tags_of(given: Any) -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in given or ()}


def text_of(value: Any) -> str:
    """A policy's text: records have it as it was sent, answers in the URL's form, botocore as the document."""
    if isinstance(value, Mapping):
        return json.dumps(value)
    text = str(value or "")
    return unquote(text) if text.startswith("%7B") else text


def _for_owners(form: str, change: Callable[[PastEntity, Call], None], *kinds: str) -> dict[str, Change]:
    return {form.format(kind.title()): _on_entity(change) for kind in kinds}


_CHANGES: dict[str, Change] = {
    **{f"Create{kind.title()}": _create(kind) for kind in (*OWNERS, POLICY)},
    **{f"Delete{kind.title()}": _delete for kind in (*OWNERS, POLICY)},
    **_for_owners("Put{}Policy", _put_inline, *OWNERS),
    **_for_owners("Delete{}Policy", lambda entity, call: _drop(entity.inline, call.given["policyName"]), *OWNERS),
    **_for_owners("Attach{}Policy", lambda entity, call: entity.attached.add(call.given["policyArn"]), *OWNERS),
    **_for_owners("Detach{}Policy", lambda entity, call: entity.attached.discard(call.given["policyArn"]), *OWNERS),
    **_for_owners("Put{}PermissionsBoundary", _set("boundary", "permissionsBoundary"), USER, ROLE),
    **_for_owners("Delete{}PermissionsBoundary", _set("boundary", ""), USER, ROLE),
    **_for_owners(
        "Tag{}", lambda entity, call: entity.tags.update(tags_of(call.given.get("tags"))), USER, ROLE, POLICY
    ),
    **_for_owners("Untag{}", _untag, USER, ROLE, POLICY),
    "AddUserToGroup": _on_entity(lambda entity, call: entity.groups.add(call.given["groupName"])),
    "RemoveUserFromGroup": _on_entity(lambda entity, call: leave(entity, call.given["groupName"])),
    "CreateAccessKey": _on_entity(_new_access_key),
    "DeleteAccessKey": _on_entity(lambda entity, call: _drop(entity.access_keys, call.given["accessKeyId"])),
    "UpdateAccessKey": _on_entity(_status),
    "UpdateUser": _rename(USER),
    "UpdateGroup": _rename(GROUP),
    "UpdateRole": _on_entity(_described),
    "UpdateRoleDescription": _on_entity(_described),
    "UpdateAssumeRolePolicy": _on_entity(_set("trust", "policyDocument")),
    "CreatePolicyVersion": _on_entity(_new_version),
    "DeletePolicyVersion": _on_entity(lambda entity, call: _drop(entity.versions, call.given["versionId"])),
    "SetDefaultPolicyVersion": _on_entity(lambda entity, call: setattr(entity, "default", call.given["versionId"])),
}
NAMES = tuple(_CHANGES)
_RENAMES = frozenset({"CreateUser", "CreateRole", "DeleteUser", "DeleteRole", "UpdateUser"})
_ABOUT: dict[str, frozenset[str]] = {
    GROUP: frozenset(name for name in NAMES if "Group" in name and "User" not in name),
    ROLE: frozenset(name for name in NAMES if "Role" in name),
    USER: frozenset(name for name in NAMES if "User" in name or "AccessKey" in name),
}


def _drop(there: dict[str, str], name: str) -> None:
    there.pop(name, None)


def leave(entity: PastEntity, group: str) -> None:
    entity.groups = {each for each in entity.groups if each.lower() != group.lower()}
