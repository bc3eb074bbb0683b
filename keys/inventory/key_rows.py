"""One key as a row of the inventory: read by describe calls, written with its counts and tags in one transaction.

`read` asks the endpoint; `write` stores what was read unless a later reading is there already. Facet counts and tags move with the
row, so they are never wrong by more than the row is.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from engine.public.condition_keys import says_who
from keys import service
from keys.inventory import observed
from keys.inventory.models import InventoryCount, InventoryKey, InventoryTag
from keys.inventory.reads import ALIASES, ALL, DESCRIBE, FACET_NEEDS, LAST_USE, POLICY, ROTATION, TAGS, action, rotates

# The facets, of which each combination of values is counted; each is a column of the inventory.
FACET_COLUMNS = ("manager", "state", "kind", "spec", "usage", "origin", "regionality", "rotation", "public")
# What InventoryCount counts.
FACET_COMBINATION, TAG, UNREAD = "facet_combination", "tag", "unread"
_ORDERED = 96  # characters of a text that the list sorts by
_SEPARATOR = "\x1f"
_NOT_THERE = ("NotFoundException", "NotFound")
_NOT_OFFERED = ("UnsupportedOperationException", "KMSInvalidStateException")
# (endpoint, operation) that it was found not to know → when to ask again, and what it answered
_not_offered: dict[tuple[str, str], tuple[float, str]] = {}
_ASK_AGAIN = 600  # seconds
_MOST_NOT_OFFERED = 1_000

Columns = dict[str, Any]


def read(
    kms: Any,
    account_id: str,
    region: str,
    key_id: str,
    aliases: list[str] | ClientError | None = None,
    *,
    embedded: bool,
) -> Columns | None:
    """The columns of one key that the caller may read; None when it is gone.

    What is not told is not among the columns: another principal may know it, and earlier readings did. It is in `unread`, and why in
    `refusals`: but whom the embedded engine refuses is nobody else's business. An embedded key (`embedded`) that could not be read whole
    is stale at once, for whoever may read it next; its last use comes from the trail instead of a call for each key. Raises ClientError
    for what is neither a refusal nor a missing key.
    """
    read_at = timezone.now()
    details = _KeyDetails(kms, key_id, embedded=embedded)
    try:
        metadata = kms.describe_key(KeyId=key_id)["KeyMetadata"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NOT_THERE:
            return None
        if service.denied(error):
            details.refuse(DESCRIBE, service.sentence(error), denied=True)
            details.unread = ALL if aliases is not None else ALL | ALIASES
            found: Columns = {"stale_at": timezone.now() if embedded else None}
            if aliases is not None:
                details.aliases(found, aliases)
            return found | details.untold()
        raise
    configuration = metadata.get("MultiRegionConfiguration") or {}
    spec = metadata.get("KeySpec", metadata.get("CustomerMasterKeySpec", ""))
    row: Columns = {
        "arn": metadata["Arn"],
        "description": metadata.get("Description", ""),
        "state": metadata["KeyState"],
        "kind": kind(spec),
        "spec": spec,
        "usage": metadata.get("KeyUsage", "ENCRYPT_DECRYPT"),  # the default, which some endpoints leave out
        "origin": metadata.get("Origin", ""),
        "custom_key_store": metadata.get("CustomKeyStoreId"),
        "manager": metadata.get("KeyManager", "CUSTOMER"),
        "regionality": configuration.get("MultiRegionKeyType", "SINGLE"),
        "created": metadata["CreationDate"],
        "deletion_date": metadata.get("DeletionDate"),
        "valid_to": metadata.get("ValidTo"),
        "readable": True,
        "read_at": read_at,
    }
    details.aliases(row, aliases)
    details.tags(row)
    details.policy(row)
    details.rotation(row, rotates=rotates(spec, row["origin"]))
    if not embedded:
        details.last_use(row)
    moments = [metadata.get("DeletionDate"), metadata.get("ValidTo"), row.get("next_rotation")]
    if metadata["KeyState"] in ("Creating", "Updating"):
        moments.append(timezone.now() + timedelta(seconds=5))
    if embedded and details.refused:
        moments.append(timezone.now())
    row["stale_at"] = min((moment for moment in moments if moment is not None), default=None)
    return row | details.untold()


class _KeyDetails:
    """What hangs on a key besides its metadata, each part with a permission of its own. `unread`: bits of what was not told; `refused` says
    whether any of it was denied."""

    def __init__(self, kms: Any, key_id: str, *, embedded: bool) -> None:
        self.kms, self.key_id, self.embedded = kms, key_id, embedded
        self.unread, self.refused = 0, False
        self.refusals: dict[str, str] = {}

    def untold(self) -> Columns:
        return {"unread": self.unread, "refusals": self.refusals or None}

    def refuse(self, bit: int, sentence: str, *, denied: bool) -> None:
        self.unread |= bit
        self.refused = self.refused or denied
        if not (self.embedded and denied):
            self.refusals[action(bit)] = sentence

    def _ask(self, bit: int, **parameters: Any) -> Any:
        """The answer; None where it is not told."""
        operation = xform_name(action(bit))
        asked = (self.kms.meta.endpoint_url, operation)
        until, sentence = _not_offered.get(asked, (0.0, ""))
        denied = False
        if until <= time.monotonic():
            try:
                return getattr(self.kms, operation)(KeyId=self.key_id, **parameters)
            except ClientError as error:
                sentence, denied = service.sentence(error), service.denied(error)
                if service.unknown_operation(error):
                    if len(_not_offered) >= _MOST_NOT_OFFERED:
                        _not_offered.clear()
                    # Not for every key, nor never again.
                    _not_offered[asked] = time.monotonic() + _ASK_AGAIN, sentence
                elif not denied and error.response["Error"]["Code"] not in (*_NOT_OFFERED, *_NOT_THERE):
                    raise
        self.refuse(bit, sentence, denied=denied)
        return None

    def aliases(self, row: Columns, known: list[str] | ClientError | None) -> None:
        """`known`: what a list of all told, or the refusal of that; None: this key's are asked for."""
        if isinstance(known, ClientError):
            self.refuse(ALIASES, service.sentence(known), denied=True)
            return
        if known is None:
            listed = self._ask(ALIASES, Limit=100)
            if listed is None:
                return
            known = [alias["AliasName"] for alias in listed["Aliases"]]
        names = [name.removeprefix("alias/") for name in sorted(known)]
        row.update(alias=names[0] if names else "", aliases=names, has_alias=bool(names))

    def tags(self, row: Columns) -> None:
        listed = self._ask(TAGS)
        if listed is not None:
            row["tags"] = {tag.get("TagKey", ""): tag.get("TagValue", "") for tag in listed["Tags"]}

    def policy(self, row: Columns) -> None:
        found = self._ask(POLICY, PolicyName="default")
        if found is not None and not found["Policy"]:
            self.unread |= POLICY
        elif found is not None:
            row["public"] = "yes" if allows_anyone(found["Policy"]) else "no"

    def rotation(self, row: Columns, *, rotates: bool) -> None:
        if not rotates:
            row.update(rotation="", next_rotation=None)
            return
        found = self._ask(ROTATION)
        if found is not None and "KeyRotationEnabled" not in found:
            self.unread |= ROTATION
        elif found is not None:
            on = found["KeyRotationEnabled"]
            row["rotation"] = f"{found.get('RotationPeriodInDays', 365)} days" if on else "off"
            row["next_rotation"] = found.get("NextRotationDate")

    def last_use(self, row: Columns) -> None:
        found = self._ask(LAST_USE)
        if found is not None:
            row["last_used"] = found.get("KeyLastUsage", {}).get("Timestamp")


def kind(spec: str) -> str:
    """What AWS's console calls the key type."""
    if spec in ("SYMMETRIC_DEFAULT", ""):
        return "Symmetric" if spec else ""
    if spec.startswith("HMAC"):
        return "HMAC"
    return "KEM" if spec.startswith("ML_KEM") else "Asymmetric"


def allows_anyone(policy: str) -> bool:
    """Whether a key policy lets anyone use the key: an Allow for every principal that no condition narrows."""
    try:
        statements = json.loads(policy).get("Statement", [])
    except ValueError:
        return False
    listed = statements if isinstance(statements, list) else [statements]
    return any(_for_anyone(each) for each in listed if isinstance(each, dict))


def _for_anyone(statement: dict[str, Any]) -> bool:
    if statement.get("Effect") != "Allow":
        return False
    principal = statement.get("Principal")
    named = principal.get("AWS") if isinstance(principal, dict) else principal
    everyone = "*" in (named if isinstance(named, list) else [named]) or "NotPrincipal" in statement
    return everyone and not _narrowed(statement.get("Condition"))


def _narrowed(condition: Any) -> bool:
    if not isinstance(condition, dict):
        return False
    return any(
        says_who(name)
        for operator, names in condition.items()
        if "Not" not in operator and not operator.startswith("Null") and isinstance(names, dict)
        for name, values in names.items()
        if "*" not in (values if isinstance(values, list) else [values])
    )


def write(
    account_id: str, region: str, rows: dict[str, Columns | None], *, change: int = 0, round: int | None = None
) -> None:
    """Store what was read of these keys, None for those that are gone, with their tags and counts. One transaction.

    `change` is the engine's last change known before the reading: a row that knows a later one stays.
    """
    place = {"account_id": account_id, "region": region}
    with transaction.atomic():
        present = {
            row.key_id: row for row in InventoryKey.objects.select_for_update().filter(**place, key_id__in=list(rows))
        }
        counts: Counter[tuple[str, str]] = Counter()
        compared = observed.follows(account_id)
        gone = False
        for key_id, row in rows.items():
            known = present.get(key_id)
            if known is not None and known.change > change:
                continue
            if row is None:
                if known is not None:
                    if compared:
                        observed.keep_gone(place, known)
                        gone = True
                    counts.subtract(_counted(known))
                    known.delete()
                continue
            if known is not None and compared:
                observed.compare(place, known, row)
            stamps = {"change": change, **({} if round is None else {"round": round})}
            counts.update(_store(place, key_id, known, {**row, **stamps}))
        if gone:
            observed.forget_oldest_gone(place)
        _count(account_id, region, counts)


def _store(place: dict[str, str], key_id: str, known: InventoryKey | None, values: Columns) -> Counter[tuple[str, str]]:
    counts: Counter[tuple[str, str]] = Counter()
    if known is None:
        arn = f"arn:aws:kms:{place['region']}:{place['account_id']}:key/{key_id}"
        known = InventoryKey(**place, key_id=key_id, arn=arn, manager="CUSTOMER", readable=False)
    else:
        counts.subtract(_counted(known))
    tags_before = dict(known.tags) if known.pk else {}
    known.first_read = known.first_read or known.read_at or values.get("read_at")
    for name, value in values.items():
        setattr(known, name, value)
    aliases = [] if _untold(known) & ALIASES else known.aliases
    known.search, known.described, known.named = searched(key_id, known.description, aliases, known.tags)
    known.description_order, known.tags_order = order_of(known.description, known.tags)
    known.save()
    counts.update(_counted(known))
    if known.tags != tags_before:
        known.tag_rows.all().delete()
        InventoryTag.objects.bulk_create([InventoryTag(key=known, name=n, value=v) for n, v in known.tags.items()])
    return counts


def searched(key_id: str, description: str, aliases: list[str], tags: dict[str, str]) -> tuple[str, int, int]:
    """The text that a search looks in, the length of its part that describing the key tells, and that of this and the aliases together: who
    may not read the tags, or aliases, is told nothing by what stands behind."""
    described = f"{key_id} {description}".lower()
    named = " ".join([described, *aliases]).lower()
    return " ".join([named, *tags, *tags.values()]).lower(), len(described), len(named)


def order_of(description: str, tags: dict[str, str]) -> tuple[str | None, str | None]:
    """What a description and tags sort by: the beginning of what the list shows of them, whatever its letters' case."""
    shown = ", ".join(f"{name}={value}" for name, value in sorted(tags.items()))
    return description.strip().lower()[:_ORDERED] or None, shown.lower()[:_ORDERED] or None


def _untold(row: InventoryKey) -> int:
    """What the one set of credentials of another endpoint was not told of a key. At the embedded engine each principal has rights of its own."""
    return (row.unread or 0) if observed.follows(row.account_id) else 0


def _counted(row: InventoryKey) -> list[tuple[str, str]]:
    """What a row counts for: (facet, value)."""
    untold = _untold(row)

    def counted(name: str) -> str:
        if name == "manager":
            return row.manager
        return "" if untold & (DESCRIBE | FACET_NEEDS.get(name, 0)) else str(getattr(row, name))

    combination = _SEPARATOR.join(map(counted, FACET_COLUMNS))
    tags = {} if untold & TAGS else row.tags
    counts = [(FACET_COMBINATION, combination)]
    counts += [(TAG, counted_tag(row.manager, name, value)[:420]) for name, value in tags.items()]
    return counts + ([(UNREAD, str(untold))] if untold else [])


def combination_values(value: str) -> dict[str, str]:
    return dict(zip(FACET_COLUMNS, value.split(_SEPARATOR), strict=True))


def counted_tag(manager: str, name: str, value: str) -> str:
    return _SEPARATOR.join((manager, name, value))


def tag_value(value: str) -> tuple[str, str, str]:
    """(manager, tag key, tag value) of a counted tag."""
    manager, name, tag = value.split(_SEPARATOR, 2)
    return manager, name, tag


def _count(account_id: str, region: str, counts: Counter[tuple[str, str]]) -> None:
    place = {"account_id": account_id, "region": region}
    for (facet, value), number in sorted(counts.items()):
        if number:
            rows = InventoryCount.objects.filter(**place, facet=facet, value=value)
            if not rows.update(number=F("number") + number):
                InventoryCount.objects.create(**place, facet=facet, value=value, number=number)
    if any(number < 0 for number in counts.values()):
        InventoryCount.objects.filter(**place, number__lte=0).delete()


def recount(account_id: str, region: str) -> None:
    """The counts from the rows themselves: for rows that were not written by `write`."""
    place = {"account_id": account_id, "region": region}
    counts: Counter[tuple[str, str]] = Counter()
    for row in InventoryKey.objects.filter(**place).iterator(chunk_size=2_000):
        counts.update(_counted(row))
    with transaction.atomic():
        InventoryCount.objects.filter(**place).delete()
        InventoryCount.objects.bulk_create(
            [InventoryCount(**place, facet=facet, value=value, number=n) for (facet, value), n in counts.items()],
            batch_size=1_000,
        )


def not_seen_in_round(account_id: str, region: str, round: int) -> list[str]:
    """Some of the keys that a whole reading has not seen, as many as are written at once."""
    rows = InventoryKey.objects.filter(account_id=account_id, region=region, round__lt=round)
    return list(rows.values_list("key_id", flat=True)[:200])
