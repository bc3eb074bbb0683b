"""What decides about every key of a Region beside IAM: policies and grants are read once through the API and kept (models.CachedKeyPolicy), those of
changed keys again. A page never waits for all of 10,000: it reads for a moment, answers from what it has and says what is missing.

What was read for one principal is shown to another only if the same decision that the engine makes lets it read that key's policy.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from django.db.models import Max, Min, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from engine.public.memory import Change
from keys import service
from keys.evaluator import decisions, key_view
from keys.evaluator.key_view import KeyView
from keys.evaluator.models import CachedKeyPolicy
from keys.evaluator.principal_directory import PrincipalDirectory
from keys.inventory import inventory, reads

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

BUDGET = 0.3  # seconds a page spends on reading keys, and on compiling their policies: its answer is to come within one
_FRESH_FOR = timedelta(minutes=5)  # for another endpoint, which tells nobody of its changes
_REFUSED_FOR = 60.0
_CHANGES_SCANNED = (
    10_000  # beyond so many change rows it is noted that the rest is unchanged, so that they are not looked at again
)

Place = tuple[str, str]

_FEW = 500  # keys that a query names
_AT_LEAST = 25  # keys that are asked about however late it is: a small account is never answered in pieces

_PLACES, _KEYS = 32, 150_000  # that are kept: accounts and Regions, the keys in all of them
_MOST_REFUSED = 20_000
# By what is known of the keys: who may not list aliases is told none. A view is kept with when it was read and what its reader lacks.
_key_views: dict[tuple[Place, bool], dict[str, tuple[tuple[str, int], KeyView]]] = {}
_refused: dict[
    tuple[str, str, str], float
] = {}  # (reader's access key ID, Region, key ID) → until when not to ask again


@dataclass(frozen=True, slots=True)
class ReadableKeys:
    """`unread`: keys that there was no time to read yet; `hidden`: keys whose policy the caller may not read; `lacking`: the actions that
    would tell more of what conditions ask about."""

    keys: list[KeyView]
    unread: int
    hidden: int
    lacking: Sequence[str] = ()


def readable_keys(request: ConsoleRequest, people: PrincipalDirectory, budget: float = BUDGET) -> ReadableKeys:
    """Raises ClientError if the caller may not list keys."""
    listed = inventory.synced_keys(request)
    key_ids = set(listed.values_list("key_id", flat=True))
    embedded = service.backend(request).embedded
    where = inventory.place(request)
    place: Place = (where["account_id"], where["region"])
    unread = _bring_up_to_date(request, place, key_ids, budget)
    views, waiting = _views_of(place, key_ids, listed, budget)
    unread += waiting
    keys = _permitted(request, people, views) if embedded else views
    lacking = listed.visibility.unread_actions(reads.TAGS | reads.ALIASES)
    return ReadableKeys(keys, unread, len(key_ids) - len(keys) - unread, lacking)


def _bring_up_to_date(request: ConsoleRequest, place: Place, key_ids: set[str], budget: float) -> int:
    """Read what is missing or old while the budget lasts; how many keys are left unread."""
    mine = CachedKeyPolicy.objects.filter(account_id=place[0], region=place[1])
    latest = 0
    if service.backend(request).embedded:
        latest = Change.objects.aggregate(latest=Max("id"))["latest"] or 0
        fresh = _unchanged(place, dict(mine.values_list("key_id", "change")))
        if latest - (mine.aggregate(oldest=Min("change"))["oldest"] or latest) > _CHANGES_SCANNED:
            mine.filter(key_id__in=fresh).update(change=latest)
    else:
        fresh = set(mine.filter(read__gt=timezone.now() - _FRESH_FOR).values_list("key_id", flat=True))
    mine.filter(key_id__in=list(set(mine.values_list("key_id", flat=True)) - key_ids)).delete()
    deadline = time.monotonic() + budget
    kms = service.client(request)
    reader, tried, unread = request.signed_in.access_key_id, 0, 0
    found: list[CachedKeyPolicy] = []
    gone: list[str] = []
    for key_id in sorted(key_ids - fresh):
        asked = (reader, place[1], key_id)
        if _refused.get(asked, 0) > time.monotonic():
            gone.append(key_id)
        elif tried >= _AT_LEAST and time.monotonic() > deadline:
            unread += 1
        else:
            tried += 1
            read = _read(kms, place, key_id, latest)
            if read is not None:
                found.append(read)
            else:
                gone.append(key_id)
                if len(_refused) >= _MOST_REFUSED:
                    _refused.clear()
                _refused[asked] = time.monotonic() + _REFUSED_FOR
    mine.filter(key_id__in=gone).delete()
    CachedKeyPolicy.objects.bulk_create(found, update_conflicts=True, unique_fields=_IDENTITY, update_fields=_READ)
    return unread


def _unchanged(place: Place, known: dict[str, int]) -> set[str]:
    """The keys among those known (key ID → change at reading) that no later change names."""
    if not known:
        return set()
    prefix = f"key:{place[0]}:{place[1]}:"
    changes = Change.objects.filter(id__gt=min(known.values()), entity__startswith=prefix)
    fresh = set(known)
    for entity, number in changes.values_list("entity").annotate(last=Max("id")):
        key_id = entity.removeprefix(prefix)
        if number > known.get(key_id, number):
            fresh.discard(key_id)
    return fresh


def _read(kms: Any, place: Place, key_id: str, change: int) -> CachedKeyPolicy | None:
    """One key's policy and grants, or None if the caller may not read them or the key is gone."""
    try:
        policy = kms.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    except ClientError as error:
        if not service.denied(error) and error.response["Error"]["Code"] != "NotFoundException":
            raise
        return None
    try:
        grants, known = [each for each in service.pages(kms, "list_grants", "Grants", KeyId=key_id) if each], True
    except ClientError as error:
        if not service.denied(error):
            raise
        grants, known = [], False
    kept = ("GrantId", "Name", "GranteePrincipal", "GranteeServicePrincipal", "Operations", "Constraints")
    return CachedKeyPolicy(
        account_id=place[0],
        region=place[1],
        key_id=key_id,
        policy=policy,
        grants=[{name: grant[name] for name in kept if name in grant} for grant in grants],
        grants_known=known,
        change=change,
        read=timezone.now(),
    )


_IDENTITY = ("account_id", "region", "key_id")
_READ = ("policy", "grants", "grants_known", "change", "read")


def _views_of(
    place: Place, key_ids: set[str], listed: inventory.VisibleKeys, budget: float
) -> tuple[list[KeyView], int]:
    """Compiled and kept in this process; only what was read since the last time is made anew, while the budget lasts. Beside them
    how many had to wait."""
    shared = (place, listed.visibility.lists_aliases)
    before = _key_views.get(shared, {})
    # As text, for it is only compared: 10,000 times made of it would be a fifth of a page's time.
    query = CachedKeyPolicy.objects.filter(account_id=place[0], region=place[1]).annotate(
        stamp=Cast("read", TextField())
    )
    lacks = listed.visibility.denied_masks_of_keys()
    stamps = {
        key_id: (stamp, lacks[key_id]) for key_id, stamp in query.values_list("key_id", "stamp") if key_id in key_ids
    }
    kept = {key_id: before[key_id] for key_id, stamp in stamps.items() if before.get(key_id, (None,))[0] == stamp}
    missing = sorted(set(stamps) - set(kept))
    deadline, waiting = time.monotonic() + budget, 0
    for start in range(0, len(missing), _FEW):
        if start and time.monotonic() > deadline:
            waiting = len(missing) - start
            break
        named = missing[start : start + _FEW]
        rows = {row.key_id: row for row in listed.filter(key_id__in=named).only(*_VIEW_COLUMNS)}
        for row in query.filter(key_id__in=named):
            if row.key_id in rows:
                try:
                    kept[row.key_id] = (stamps[row.key_id], _view(rows[row.key_id], row))
                except MalformedPolicy:
                    continue  # a policy of another endpoint that is not understood: counted as hidden
    _key_views.pop(shared, None)
    while len(_key_views) >= _PLACES or (_key_views and len(kept) + sum(map(len, _key_views.values())) > _KEYS):
        _key_views.pop(next(iter(_key_views)), None)
    _key_views[shared] = kept
    return [view for _stamp, view in kept.values()], waiting


_VIEW_COLUMNS = ("key_id", "arn", "spec", "usage", "origin", "regionality", "tags", "aliases", "unread")


def _view(row: Row, kept: CachedKeyPolicy) -> KeyView:
    multi_region = row.regionality != "SINGLE"
    metadata: dict[str, Any] = {
        "KeyId": row.key_id,
        "Arn": row.arn,
        "AWSAccountId": row.arn.split(":")[4],
        "KeySpec": row.spec,
        "KeyUsage": row.usage,
        "Origin": row.origin,
        "MultiRegion": multi_region,
    }
    if multi_region:
        metadata["MultiRegionConfiguration"] = {"MultiRegionKeyType": row.regionality}
    aliases = [f"alias/{name}" for name in row.aliases]
    return key_view.make(metadata, kept.policy, kept.grants, row.tags, aliases, kept.grants_known)


def _permitted(request: ConsoleRequest, people: PrincipalDirectory, views: Iterable[KeyView]) -> list[KeyView]:
    """The keys whose policy the signed-in principal may read, and their grants only where it may list them."""
    reader = people.find(request.signed_in.arn)
    if reader is None:
        return []
    asked = decisions.RequestContext(
        {
            "aws:sourceip": request.META.get("REMOTE_ADDR", ""),
            "aws:useragent": request.headers.get("User-Agent", "")[:512],
            "aws:multifactorauthpresent": "false",
            "aws:viaawsservice": "false",
        },
        {},
        timezone.now(),
    )
    found, many = [], decisions.KeyDecisions(reader, asked)
    for view in views:
        policy_read, grants_listed = many.cells(view, ("kms:GetKeyPolicy", "kms:ListGrants"))
        if policy_read != decisions.YES:
            continue
        if view.grants and grants_listed != decisions.YES:
            view = replace(view, grants=(), grants_known=False)
        found.append(view)
    return found
