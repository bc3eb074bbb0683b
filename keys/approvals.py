"""Two-person deletion: an account may decide that no page schedules a key's deletion until a second person has approved it.

It is a rule of this console over its own pages (a program that calls ScheduleKeyDeletion is decided by policies alone), and it is kept
at the one door to keys: `guard` stops the call of any page that has no approval. The approver's own permissions decide the call itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from botocore.exceptions import ClientError
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _

from engine import clock
from keys.models import AccountRule, DeletionRequest

_account: ContextVar[str] = ContextVar("account", default="")
_approved: ContextVar[str] = ContextVar("approved_key", default="")


class NotAllowed(Exception):
    """The decision is not this person's to make; the message is for them."""


def rule(account_id: str) -> AccountRule:
    return AccountRule.objects.filter(account_id=account_id).first() or AccountRule(account_id=account_id)


def required(account_id: str) -> bool:
    return AccountRule.objects.filter(account_id=account_id, two_person_deletion=True).exists()


def guard(client: Any, account_id: str) -> Any:
    """Have `client`'s ScheduleKeyDeletion checked, for the account whose page is being answered by this thread. Called for each client
    that a page gets; registering twice changes nothing."""
    _account.set(account_id)
    client.meta.events.register(
        "before-parameter-build.kms.ScheduleKeyDeletion", _check, unique_id="two-person-deletion"
    )
    return client


def _check(params: dict[str, Any], **_rest: Any) -> None:
    if _approved.get() == params.get("KeyId"):
        return
    account_id = _account.get()  # none in a thread that goes on with a page's work: then any account's rule holds
    if required(account_id) if account_id else AccountRule.objects.filter(two_person_deletion=True).exists():
        code, _colon, message = sentence().partition(": ")
        raise ClientError({"Error": {"Code": code, "Message": message}}, "ScheduleKeyDeletion")


def sentence() -> str:
    """The refusal of a deletion that no second person has approved."""
    return "ApprovalRequired: " + _(
        "In this account a second person approves deletions: ask for it on the key's deletion page."
    )


@contextmanager
def _approval(key_id: str) -> Iterator[None]:
    token = _approved.set(key_id)
    try:
        yield
    finally:
        _approved.reset(token)


def ask(request: HttpRequest, key_id: str, label: str, days: int, reason: str) -> DeletionRequest:
    """Raises NotAllowed if a request for this key waits already."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    with transaction.atomic():
        if waiting_for(request, key_id) is not None:
            raise NotAllowed(_("The deletion of this key has been asked for already."))
        return DeletionRequest.objects.create(
            account_id=signed_in.account_id,
            region=signed_in.region,
            key_id=key_id,
            label=label,
            days=days,
            reason=reason,
            asked_by=signed_in.arn,
            asked_user=signed_in.user_name,
            asked=clock.now(signed_in.account_id),
        )


def waiting_for(request: HttpRequest, key_id: str) -> DeletionRequest | None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    return DeletionRequest.objects.filter(
        account_id=signed_in.account_id, region=signed_in.region, key_id=key_id, state=DeletionRequest.WAITING
    ).first()


def all_requests(request: HttpRequest) -> Any:
    """The account's requests, of every Region, newest first."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    return DeletionRequest.objects.filter(account_id=signed_in.account_id).order_by("-asked", "-pk")


def parameters(asked: DeletionRequest) -> dict[str, Any]:
    """What approval sends ScheduleKeyDeletion with."""
    return {"KeyId": asked.key_id, "PendingWindowInDays": asked.days}


def approve(request: HttpRequest, asked: DeletionRequest, kms: Any) -> None:
    """Send ScheduleKeyDeletion as the approver. Raises NotAllowed, or ClientError and the request goes on waiting."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    if signed_in.user_name == asked.asked_user:
        raise NotAllowed(_("You have asked for this deletion yourself: someone else approves it."))
    _decide(request, asked, DeletionRequest.APPROVED)
    try:
        with _approval(asked.key_id):
            kms.schedule_key_deletion(**parameters(asked))
    except BaseException:
        DeletionRequest.objects.filter(pk=asked.pk).update(state=DeletionRequest.WAITING, decided_by="", decided=None)
        raise


def reject(request: HttpRequest, asked: DeletionRequest) -> None:
    """The asker withdraws, anyone else rejects. Raises NotAllowed if it was decided meanwhile."""
    own = request.signed_in.user_name == asked.asked_user  # type: ignore[attr-defined]
    _decide(request, asked, DeletionRequest.WITHDRAWN if own else DeletionRequest.REJECTED)


def _decide(request: HttpRequest, asked: DeletionRequest, state: str) -> None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    mine = DeletionRequest.objects.filter(pk=asked.pk, state=DeletionRequest.WAITING)
    if not mine.update(state=state, decided_by=signed_in.arn, decided=clock.now(signed_in.account_id)):
        raise NotAllowed(_("This request has been decided already."))


def switch_on(request: HttpRequest) -> None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    AccountRule.objects.update_or_create(
        account_id=signed_in.account_id, defaults={**_changed(request), "two_person_deletion": True}
    )


def ask_off(request: HttpRequest) -> None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    AccountRule.objects.filter(account_id=signed_in.account_id, two_person_deletion=True).update(
        off_asked_by=signed_in.arn, off_asked_user=signed_in.user_name
    )


def switch_off(request: HttpRequest) -> None:
    """Raises NotAllowed unless another person has asked for it."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    asked = AccountRule.objects.filter(account_id=signed_in.account_id, two_person_deletion=True).exclude(
        off_asked_by=""
    )
    if not asked.exclude(off_asked_user=signed_in.user_name).update(**_changed(request), two_person_deletion=False):
        raise NotAllowed(_("Switching this off needs two persons: one asks, another confirms."))


def keep_on(request: HttpRequest) -> None:
    account_id = request.signed_in.account_id  # type: ignore[attr-defined]
    AccountRule.objects.filter(account_id=account_id).update(off_asked_by="", off_asked_user="")


def _changed(request: HttpRequest) -> dict[str, Any]:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    now = clock.now(signed_in.account_id)
    return {"changed_by": signed_in.arn, "changed": now, "off_asked_by": "", "off_asked_user": ""}
