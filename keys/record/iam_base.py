"""Users, groups, roles and managed policies as they were before the record: today's, with every recorded change undone. Pure.

Comes in: today's GetAccountAuthorizationDetails, and all CloudTrail records of the operations in keys.record.iam_events, oldest first. What
exists today and was created by no record is older than the record. What an undone call replaced or deleted (the text of a policy, a
boundary, a tag) no record holds: it is left out, and the entity's `notes` say so, where the moment asked about is before that call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from keys.record.iam_events import (
    GROUP,
    OWNERS,
    POLICY,
    ROLE,
    USER,
    Call,
    Entities,
    Key,
    PastEntity,
    Record,
    key_of,
    leave,
    moved,
    new_name,
    text_of,
)

_MEMBERS = {USER: "UserDetailList", GROUP: "GroupDetailList", ROLE: "RoleDetailList", POLICY: "Policies"}
_AWS = ":iam::aws:"  # in the ARN of a policy of AWS's own


def before_the_record(
    account_id: str, details: Mapping[str, Any], records: Sequence[Record], moment: datetime
) -> Entities:
    """`details`: the lists of the answer by member; {} where they may not be read. `moment`: what the notes are for."""
    created = {each for record in records if (each := _created(record)) is not None}
    today = _today(details)
    entities = {key: each for key, each in today.items() if (key, each.unique_id) not in created}
    for record in reversed(records):
        call = Call.of(record)
        undo = _UNDO.get(call.name)
        if undo is not None:
            undo(_Undone(account_id, entities, call, call.time > moment))
    return entities


def _created(record: Record) -> tuple[Key, str] | None:
    for kind in (*OWNERS, POLICY):
        if record["eventName"] == f"Create{kind.title()}":
            told = (record.get("responseElements") or {}).get(kind) or {}
            return key_of(kind, told.get("arn" if kind == POLICY else f"{kind}Name", "")), told.get(f"{kind}Id", "")
    return None


def _today(details: Mapping[str, Any]) -> Entities:
    found: Entities = {}
    for kind, member in _MEMBERS.items():
        for entry in details.get(member, ()):
            if _AWS not in entry["Arn"]:
                made = _entity(kind, entry)
                found[key_of(kind, made.arn if kind == POLICY else made.name)] = made
    return found


def _entity(kind: str, entry: Mapping[str, Any]) -> PastEntity:
    word = kind.title()
    versions = {each["VersionId"]: text_of(each["Document"]) for each in entry.get("PolicyVersionList", ())}
    return PastEntity(
        kind,
        entry[f"{word}Name"],
        entry["Arn"],
        entry[f"{word}Id"],
        entry.get("CreateDate"),
        description=entry.get("Description", ""),
        inline={each["PolicyName"]: text_of(each["PolicyDocument"]) for each in entry.get(f"{word}PolicyList", ())},
        attached={each["PolicyArn"] for each in entry.get("AttachedManagedPolicies", ())},
        groups=set(entry.get("GroupList", ())),
        boundary=entry.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn", ""),
        tags={tag["Key"]: tag["Value"] for tag in entry.get("Tags", ())},
        trust=text_of(entry.get("AssumeRolePolicyDocument")),
        versions=versions,
        default=entry.get("DefaultVersionId", ""),
    )


class _Undone:
    """A call that is undone; `later` is whether it came after the moment asked about."""

    def __init__(self, account_id: str, entities: Entities, call: Call, later: bool) -> None:
        self.account_id, self.entities, self.call, self.later = account_id, entities, call, later

    def note(self, entity: PastEntity, words: str) -> None:
        if self.later:
            entity.notes.append(words % {"what": self.call.given.get("policyName", ""), "owner": entity.name})


_Undo = Callable[[_Undone], None]


def _on_entity(undo: Callable[[_Undone, PastEntity], None]) -> _Undo:
    def apply(undone: _Undone) -> None:
        key = undone.call.key()
        entity = undone.entities.get(key) if key is not None else None
        if entity is not None:
            undo(undone, entity)

    return apply


def _create(undone: _Undone) -> None:
    created = undone.call
    kind = created.name.removeprefix("Create").lower()
    told = created.answer.get(kind) or {}
    name = told.get("arn" if kind == POLICY else f"{kind}Name") or created.given.get(f"{kind}Name", "")
    undone.entities.pop(key_of(kind, name), None)


def _delete(undone: _Undone) -> None:
    """Who is gone and was created by no record: known by name, and by what was taken away before it was deleted."""
    key = undone.call.key()
    if key is None:
        return
    kind = key[0]
    name = undone.call.given.get(f"{kind}Name") or key[1].rpartition("/")[2]
    arn = key[1] if kind == POLICY else f"arn:aws:iam::{undone.account_id}:{kind}/{name}"
    gone = PastEntity(kind, name, arn)
    words = _(
        "%(owner)s is older than the record and was deleted since: what else is known of it is only what was removed."
    )
    undone.note(gone, words)
    undone.entities[key] = gone


def _put_inline(undone: _Undone, entity: PastEntity) -> None:
    entity.inline.pop(undone.call.given["policyName"], None)
    undone.note(
        entity, _("What the inline policy %(what)s of %(owner)s said then, if it was there, is not in the record.")
    )


def _delete_inline(undone: _Undone, entity: PastEntity) -> None:
    entity.inline[undone.call.given["policyName"]] = ""
    undone.note(entity, _("What the inline policy %(what)s of %(owner)s said then is not in the record."))


def _boundary(undone: _Undone, entity: PastEntity) -> None:
    entity.boundary = ""
    undone.note(entity, _("Which permissions boundary %(owner)s had then, if any, is not in the record."))


def _tags(undone: _Undone, entity: PastEntity) -> None:
    given = undone.call.given
    for name in given.get("tagKeys") or [tag["key"] for tag in given.get("tags") or ()]:
        entity.tags.pop(name, None)
    undone.note(entity, _("Some tags that %(owner)s had then are not in the record."))


def _trust(undone: _Undone, entity: PastEntity) -> None:
    entity.trust = ""
    undone.note(entity, _("The trust policy that %(owner)s had then is not in the record."))


def _create_version(undone: _Undone, entity: PastEntity) -> None:
    version = (undone.call.answer.get("policyVersion") or {}).get("versionId", "")
    entity.versions.pop(version, None)
    if entity.default == version:
        _earlier_default(undone, entity, version)


def _set_default(undone: _Undone, entity: PastEntity) -> None:
    if entity.default == undone.call.given.get("versionId"):
        _earlier_default(undone, entity, entity.default)


def _earlier_default(undone: _Undone, entity: PastEntity, version: str) -> None:
    """Which version was in force before: certain where there is one other."""
    others = sorted((each for each in entity.versions if each != version), key=lambda each: int(each.lstrip("v") or 0))
    entity.default = others[-1] if others else ""
    if len(others) != 1:
        undone.note(
            entity,
            _("Which version of the policy %(owner)s was in force then is not in the record; the newest is taken."),
        )


def _delete_version(undone: _Undone, entity: PastEntity) -> None:
    entity.versions[undone.call.given["versionId"]] = ""
    undone.note(entity, _("A version that the policy %(owner)s had then is not in the record."))


def _status(undone: _Undone, entity: PastEntity) -> None:
    if (key := undone.call.given.get("accessKeyId")) in entity.access_keys:
        entity.access_keys[key] = "Inactive" if undone.call.given.get("status") == "Active" else "Active"


def _rename(kind: str) -> _Undo:
    def apply(undone: _Undone) -> None:
        call = undone.call
        old, new = call.given.get(f"{kind}Name", ""), new_name(kind, call)
        moved(undone.entities, kind, new, old, None)

    return apply


def _new_access_key(undone: _Undone, entity: PastEntity) -> None:
    entity.access_keys.pop((undone.call.answer.get("accessKey") or {}).get("accessKeyId", ""), None)


def _deleted_access_key(undone: _Undone, entity: PastEntity) -> None:
    entity.access_keys[undone.call.given["accessKeyId"]] = "Active"


def _each(form: str, undo: Callable[[_Undone, PastEntity], None], *kinds: str) -> dict[str, _Undo]:
    return {form.format(kind.title()): _on_entity(undo) for kind in kinds}


_UNDO: dict[str, _Undo] = {
    **{f"Create{kind.title()}": _create for kind in (*OWNERS, POLICY)},
    **{f"Delete{kind.title()}": _delete for kind in (*OWNERS, POLICY)},
    **_each("Put{}Policy", _put_inline, *OWNERS),
    **_each("Delete{}Policy", _delete_inline, *OWNERS),
    **_each("Attach{}Policy", lambda undone, entity: entity.attached.discard(undone.call.given["policyArn"]), *OWNERS),
    **_each("Detach{}Policy", lambda undone, entity: entity.attached.add(undone.call.given["policyArn"]), *OWNERS),
    **_each("Put{}PermissionsBoundary", _boundary, USER, ROLE),
    **_each("Delete{}PermissionsBoundary", _boundary, USER, ROLE),
    **_each("Tag{}", _tags, USER, ROLE, POLICY),
    **_each("Untag{}", _tags, USER, ROLE, POLICY),
    "AddUserToGroup": _on_entity(lambda undone, entity: leave(entity, undone.call.given["groupName"])),
    "RemoveUserFromGroup": _on_entity(lambda undone, entity: entity.groups.add(undone.call.given["groupName"])),
    "CreateAccessKey": _on_entity(_new_access_key),
    "DeleteAccessKey": _on_entity(_deleted_access_key),
    "UpdateAccessKey": _on_entity(_status),
    "UpdateUser": _rename(USER),
    "UpdateGroup": _rename(GROUP),
    "UpdateAssumeRolePolicy": _on_entity(_trust),
    "CreatePolicyVersion": _on_entity(_create_version),
    "DeletePolicyVersion": _on_entity(_delete_version),
    "SetDefaultPolicyVersion": _on_entity(_set_default),
}
