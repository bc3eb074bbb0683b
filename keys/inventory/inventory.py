"""The one door to the inventory: the keys of this request's endpoint, account and Region, as its principal may see them.

It is filled through the key-management API as the signed-in principal (keys.inventory.sync). A principal who may not list keys gets AWS's
error: the inventory is a shortcut, never a way round a policy; and of what a principal may not read it tells nothing (keys.inventory.visibility).
Every function takes the request and applies that; no other module reads the tables (import-linter holds it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError
from django.db import OperationalError
from django.db.models import Case, Sum, When
from django.db.models.functions import Substr

from console.request import ConsoleRequest, kept
from engine.public import database
from keys import leases, service
from keys.inventory import key_rows, query, reads, sync, visibility
from keys.inventory.models import InventoryCount, InventoryKey, ObservedChange, SyncState
from keys.inventory.observed import ObservedRow as ObservedRow  # the past is told by it
from keys.inventory.observed import is_gone as is_gone
from keys.inventory.observed import last_state as last_state
from keys.inventory.observed import listed_again, row_at
from keys.inventory.query import VisibleKeys as VisibleKeys  # lists are typed by it
from keys.inventory.query import needs_of as needs_of
from keys.inventory.visibility import ForgottenError as ForgottenError  # an export may be cut by it

if TYPE_CHECKING:
    Row = InventoryKey  # for the types of who is given rows; the model itself stays behind this door


def sync_in_request(request: ConsoleRequest) -> None:
    """Bring the inventory up to date, once a request, GET requests included. Raises ClientError if the principal may not list keys.

    This is the one place where showing a page changes something: it calls the endpoint as the signed-in principal (ListKeys, and for each
    new or changed key the describe calls, all of them recorded), writes the inventory's tables, and where a short time is not enough it
    starts a thread that goes on with it. None of that is visible but as newer rows: the tables are a cache, which the next request would
    fill just as well. So where so many others change something that it has no turn, the rows are shown as they are.
    """
    if kept(request).get("inventory_synced"):
        return
    kms = service.client(request)
    kms.list_keys(Limit=1)
    seen_with = visibility.of_request(request)
    try:
        sync.InventorySync(kms, **place(request), embedded=service.backend(request).embedded).run(seen_with)
    except OperationalError as error:
        if not database.busy(error):
            raise
    kept(request)["inventory_synced"] = True
    reading = _reading(request)  # as of now, before anything is counted
    visibility.after_reading(request, place(request), complete=reading is None or reading.started is None)
    kept(request)["inventory_progress"] = reading or _deciding(request)


def synced_keys(request: ConsoleRequest) -> VisibleKeys:
    """The keys that this principal may describe, as of now, or as far as they are read yet (`progress`): `sync_in_request`, then a query.
    Raises ClientError if it may not list keys."""
    sync_in_request(request)
    return _keys(request).readable(reads.DESCRIBE)


def aliases(request: ConsoleRequest, key_ids: Iterable[str]) -> dict[str, str]:
    """Key ID → its first alias, of those of these keys that have one that the reader may know. The engine tells them as they are now, nothing
    is called and recorded; another endpoint's are as they were last read, and none while that goes on: an alias may be another key's by now."""
    asked = set(key_ids)
    if not asked:
        return {}
    if service.backend(request).embedded:
        try:
            return service.visibility.first_aliases(service.viewer(request), request.signed_in.region, asked)
        except ClientError:  # whoever is nobody any more
            return {}
    if progress(request) is not None:
        return {}
    rows = InventoryKey.objects.filter(**place(request), key_id__in=asked).exclude(alias="")
    return dict(rows.values_list("key_id", "alias"))


def undescribable_keys(request: ConsoleRequest) -> VisibleKeys:
    """The keys it may list and not describe, of which nothing but the ID may be shown: `sync_in_request`, then a query."""
    sync_in_request(request)
    return visibility.of_request(request).undescribable_rows(_keys(request))


def _keys(request: ConsoleRequest) -> VisibleKeys:
    return query.visible_keys(**place(request), seen_with=visibility.of_request(request))


def place(request: ConsoleRequest) -> dict[str, str]:
    signed_in = request.signed_in
    scope = service.backend(request).scope
    return {"account_id": scope or signed_in.account_id, "region": signed_in.region}


def endpoint_account(request: ConsoleRequest) -> str:
    """The account that the keys of the endpoint belong to, as the ARN of a key that was read tells it; "" while none was."""
    arn = InventoryKey.objects.filter(**place(request)).values_list("arn", flat=True).first()
    return arn.split(":")[4] if arn else ""


@dataclass(frozen=True, slots=True)
class Deciding:
    """What this principal may read is decided of `done` of all keys yet, and only these are shown: its list is as one that is read for the
    first time."""

    done: int
    total: int
    problem: str = ""
    started: datetime | None = None
    synchronised: datetime | None = None


def progress(request: ConsoleRequest) -> SyncState | Deciding | None:
    """How far the first reading, the catching up, or deciding what may be read was when this request had done its part, while that was not
    all; or what stopped it. What is counted later may have more, never less: a thread that ends in the meantime makes no number true that
    stands on the page already."""
    asked = kept(request)
    if "inventory_progress" not in asked:
        asked["inventory_progress"] = _reading(request) or _deciding(request)
    found: SyncState | Deciding | None = asked["inventory_progress"]
    return found


def _deciding(request: ConsoleRequest) -> Deciding | None:
    seen_with = visibility.of_request(request)
    if seen_with.decided:
        return None
    keys = InventoryKey.objects.filter(**place(request))
    return Deciding(seen_with.seen(keys).count(), keys.count())


def decide_all(request: ConsoleRequest) -> None:
    """Before something that has to be whole, a file or a job over all keys: wait until it is decided of each what may be read."""
    visibility.whole(request)


def _reading(request: ConsoleRequest) -> SyncState | None:
    state = SyncState.objects.filter(**place(request)).first()
    if state is None:
        return None
    behind = service.backend(request).embedded and leases.is_held(sync.lease_name(place(request)))
    return state if state.started is not None or state.problem or behind else None


def combination_counts(request: ConsoleRequest) -> list[tuple[dict[str, str], int]] | None:
    """The kept counts of keys by their facet values; None for who may not describe all keys, and so has to count those it may. What a reader
    may not read of every key is "" in them, as is what another endpoint does not tell; keys that it may only list are left out."""
    seen_with = visibility.of_request(request)
    if seen_with.hides(reads.DESCRIBE):
        return None
    hidden = [name for name, needs in reads.FACET_NEEDS.items() if seen_with.hides(needs)]
    rows = InventoryCount.objects.filter(**place(request), facet=key_rows.FACET_COMBINATION)
    found = [(key_rows.combination_values(value), number) for value, number in rows.values_list("value", "number")]
    for values, _number in found:
        values.update(dict.fromkeys(hidden, ""))
    return [(values, number) for values, number in found if values["state"] or service.backend(request).embedded]


def tag_counts(request: ConsoleRequest, manager: str, most: int) -> list[tuple[str, str, int]] | None:
    """(name, value, number) of the most frequent tags; None for who may not read those of all keys."""
    if visibility.of_request(request).hides(reads.DESCRIBE | reads.TAGS):
        return None
    counts = InventoryCount.objects.filter(**place(request), facet=key_rows.TAG, value__startswith=f"{manager}\x1f")
    rows = counts.order_by("-number", "value").values_list("value", "number")[:most]
    return [(*key_rows.tag_value(text)[1:], number) for text, number in rows]


def all_have_tag(request: ConsoleRequest, manager: str, name: str, number: int) -> bool:
    """Whether each of the manager's keys, `number` in all, has a tag of this name, by the kept counts; for who may read everything."""
    beginning = key_rows.counted_tag(manager, name, "")
    counts = InventoryCount.objects.filter(**place(request), facet=key_rows.TAG, value__startswith=beginning)
    counts = counts.alias(begins=Substr("value", 1, len(beginning))).filter(begins=beginning)  # its letters' case too
    return number > 0 and counts.aggregate(number=Sum("number"))["number"] == number


def tags_holding(
    request: ConsoleRequest, manager: str, text: str, first: int, most: int
) -> list[tuple[str, str, int]] | None:
    """(name, value, number) of the tags whose key or value holds the text, in their order; None as for `tag_counts`."""
    if visibility.of_request(request).hides(reads.DESCRIBE | reads.TAGS):
        return None
    counts = InventoryCount.objects.filter(**place(request), facet=key_rows.TAG, value__startswith=f"{manager}\x1f")
    if text:
        tag = Substr("value", len(manager) + 2)  # without the manager
        counts = counts.alias(tag=tag).filter(tag__icontains=text.replace("=", "\x1f", 1))
    rows = counts.order_by("value").values_list("value", "number")[first : first + most]
    return [(*key_rows.tag_value(found)[1:], number) for found, number in rows]


def state_of_endpoint(request: ConsoleRequest, scope: str | None) -> tuple[SyncState | None, int]:
    """How far the list of an endpoint is read in this request's Region, and for another endpoint the number of its keys."""
    signed_in = request.signed_in
    where = {"account_id": scope or signed_in.account_id, "region": signed_in.region}
    number = InventoryKey.objects.filter(**where).count() if scope else 0
    return SyncState.objects.filter(**where).first(), number


def observed_changes(request: ConsoleRequest, key_id: str) -> list[ObservedChange]:
    """What readings of another endpoint's key found to be another than before, the oldest first: for who was told the key by DescribeKey, which
    there is asked with the endpoint's one set of credentials."""
    return list(ObservedChange.objects.filter(**place(request), key_id=key_id).order_by("before", "pk"))


def observed_again(request: ConsoleRequest, key_id: str, changes: list[ObservedChange]) -> list[datetime]:
    """When readings found a key in the list again; `changes` as of `observed_changes`, and for whom they are."""
    return listed_again(InventoryKey.objects.filter(**place(request), key_id=key_id).first(), changes)


def observed_keys(request: ConsoleRequest, moment: datetime, key_id: str = "") -> list[ObservedRow]:
    """What readings of another endpoint's customer managed keys, or of one, tell of a moment, also of those that are no longer listed: for who
    may list keys, which is asked of the endpoint and nothing else. Raises ClientError."""
    service.client(request).list_keys(Limit=1)
    one = {"key_id": key_id} if key_id else {}
    differences: defaultdict[str, list[ObservedChange]] = defaultdict(list)
    for each in ObservedChange.objects.filter(**place(request), **one).order_by("before", "pk"):
        differences[each.key_id].append(each)
    listed = {row.key_id: row for row in InventoryKey.objects.filter(**place(request), **one)}
    found = []
    for each_id in sorted({*listed, *differences}):
        row = listed.get(each_id)
        if row is not None and row.manager != "CUSTOMER":
            continue
        at = row_at(row if row is not None and row.readable else None, differences[each_id], moment)
        if at is not None:
            found.append(at)
    return found


def drop(scope: str) -> None:
    """Forget the keys of a connection that is forgotten."""
    for model in (InventoryKey, InventoryCount, ObservedChange, SyncState):
        model.objects.filter(account_id=scope).delete()


def read_again(request: ConsoleRequest) -> None:
    """Have the current endpoint's whole list read anew."""
    SyncState.objects.filter(**place(request), started=None).update(synchronised=None, problem="", problem_at=None)


def mark_outdated(request: ConsoleRequest) -> None:
    """After a change through another endpoint: every worker reads its list again the next time."""
    if not service.backend(request).embedded:
        SyncState.objects.filter(**place(request), started=None).update(synchronised=None, problem_at=None)
    kept(request)["inventory_synced"] = False


def describe_rows(request: ConsoleRequest, rows: list[InventoryKey]) -> list[InventoryKey]:
    """The rows of one page, each described again; one that may not be described shows its ID only.

    The description is a call of the principal's own, so the record says who looked at which key.
    """
    kms = service.client(request)
    seen_with = visibility.of_request(request)
    described = []
    for row in rows:
        try:
            row.state = kms.describe_key(KeyId=row.key_id)["KeyMetadata"]["KeyState"]
        except ClientError as error:
            if not service.denied(error):
                if error.response["Error"]["Code"] in ("NotFoundException", "NotFound"):
                    continue
                raise
            row = visibility.masked(row, reads.ALL, seen_with)
            row.refusals = {**(row.refusals or {}), reads.action(reads.DESCRIBE): service.sentence(error)}
        described.append(row)
    return described


PICKED = 25  # keys that a picker offers; the others are found by its search
_MOST_CHOSEN = 40
_ASYMMETRIC = ("ENCRYPT_DECRYPT", "SIGN_VERIFY", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE")


def keys_for_picker(
    request: ConsoleRequest, usage: str, *, symmetric_only: bool = False, text: str = "", chosen: Collection[str] = ()
) -> list[tuple[str, str]]:
    """(key ID, label) of the first keys of a usage that `text` finds (keys.inventory.search_terms), and of those that are `chosen` already.
    The usage "asymmetric" is any of a key with a public key, "" any at all. Asks the inventory, so it is quick with many keys.

    The first is what a form begins with: customer managed keys before AWS's, which only their services may use; those that are
    enabled before others; those with an alias before others.
    """
    enabled_first = Case(When(state="Enabled", then=0), default=1)
    found = synced_keys(request).by_name()
    if usage == "asymmetric":
        found = found.filter(usage__in=_ASYMMETRIC).exclude(spec="SYMMETRIC_DEFAULT")
    elif usage:
        found = found.filter(usage=usage)
    if symmetric_only:
        found = found.filter(spec="SYMMETRIC_DEFAULT")
    found = found.order_by("-manager", enabled_first, *found.query.order_by)
    rows = list(found.matching(text)[:PICKED])
    others = set(list(chosen)[:_MOST_CHOSEN]) - {row.key_id for row in rows} - {""}
    rows += found.filter(key_id__in=others) if others else []
    return [(row.key_id, f"{row.alias or row.key_id} — {row.spec}, {row.state}") for row in rows]
