"""Two-person deletion: an account may decide that no page deletes a key or its imported material until a second person has approved it.

It is a rule of this console over its own pages, kept at the one door to keys: every KMS client that a page gets is `Guarded`, with the
account whose rule holds. An approved call is made in a forward access session of the console's own (`SERVICE`), which nothing else can
make: a policy that denies the calls outside of it (`closing_statement`) holds programs to the rule too.

Two persons are two IAM users, told apart by unique ID, also while they act as a role. Asking, seeing, approving and rejecting are actions
of the console's own (engine.console_actions), decided by policies and recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from django.http import HttpRequest
from django.utils.translation import gettext as _

from console import session
from engine.public import clock
from keys.models import AccountRule, DeletionRequest

SERVICE = "kmsconsole.amazonaws.com"  # as whose forward access session approved calls are made
# What deletes: operations by the method of a client that makes them.
GUARDED_METHODS = {
    "schedule_key_deletion": "ScheduleKeyDeletion",
    "delete_imported_key_material": "DeleteImportedKeyMaterial",
}
GUARDED = frozenset(GUARDED_METHODS.values())
REQUEST, LIST = "kmsconsole:RequestKeyDeletion", "kmsconsole:ListKeyDeletionRequests"
APPROVE, REJECT = "kmsconsole:ApproveKeyDeletion", "kmsconsole:RejectKeyDeletion"
RULE = "kmsconsole:ChangeDeletionRule"


class NotAllowed(Exception):
    """The decision is not this person's to make; the message is for them."""


def rule(account_id: str) -> AccountRule:
    return AccountRule.objects.filter(account_id=account_id).first() or AccountRule(account_id=account_id)


def required(account_id: str) -> bool:
    return AccountRule.objects.filter(account_id=account_id, two_person_deletion=True).exists()


class Guarded:
    """A KMS client whose deletions are checked against the rule of `account_id`. All else is the client's."""

    def __init__(self, client: Any, account_id: str) -> None:
        self._client, self._account_id = client, account_id

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._checked, found, GUARDED_METHODS[name]) if name in GUARDED_METHODS else found

    def _checked(self, call: Callable[..., Any], operation: str, **parameters: Any) -> Any:
        if required(self._account_id):
            raise refusal(operation)
        return call(**parameters)


def refusal(operation: str) -> ClientError:
    """The refusal of a deletion that no second person has approved."""
    code, _colon, message = sentence().partition(": ")
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def sentence() -> str:
    return "ApprovalRequired: " + _(
        "In this account a second person approves deletions: ask for it on the key's deletion page."
    )


def closing_statement() -> dict[str, Any]:
    """An identity policy's statement that holds programs to the rule: only what was approved here may delete."""
    return {
        "Sid": "DeleteOnlyWhatTwoPersonsApproved",
        "Effect": "Deny",
        "Action": sorted(f"kms:{operation}" for operation in GUARDED),
        "Resource": "*",
        "Condition": {"StringNotLike": {"kms:ViaService": f"{SERVICE.partition('.')[0]}.*.amazonaws.com"}},
    }


# --- who


def person(request: HttpRequest) -> str:
    """The unique ID of the user who signed in, also while acting as a role. Raises NotAllowed where it cannot be told."""
    found = session.user_id(request)
    if not found:
        raise NotAllowed(_("Who you are cannot be told from this sign-in. Sign in again."))
    return found


# --- asking and deciding. `act` decides and records an action on a key: keys.service.console_action with its request.

Act = Callable[..., Any]


def ask(request: HttpRequest, act: Act, operation: str, parameters: dict[str, Any], label: str, reason: str) -> None:
    """Raises NotAllowed if a request for this key waits already, ClientError without the permission."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    who, key_id = person(request), parameters["KeyId"]

    def store() -> None:
        if waiting_for(request, key_id) is not None:
            raise NotAllowed(_("The deletion of this key has been asked for already."))
        DeletionRequest.objects.create(
            account_id=signed_in.account_id,
            region=signed_in.region,
            key_id=key_id,
            label=label,
            operation=operation,
            parameters=parameters,
            reason=reason,
            asked_by=signed_in.arn,
            asked_user=who,
            asked=clock.now(signed_in.account_id),
        )

    act(REQUEST, store, signed_in.region, key_id, {"operation": operation, **parameters})


def waiting_for(request: HttpRequest, key_id: str) -> DeletionRequest | None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    return DeletionRequest.objects.filter(
        account_id=signed_in.account_id, region=signed_in.region, key_id=key_id, state=DeletionRequest.WAITING
    ).first()


def all_requests(account_id: str) -> Any:
    """The account's requests, of every Region, newest first."""
    return DeletionRequest.objects.filter(account_id=account_id).order_by("-asked", "-pk")


def approve(request: HttpRequest, act: Act, asked: DeletionRequest, send: Callable[[], Any]) -> None:
    """Have `send` make the call, as the approver. Raises NotAllowed, or ClientError and the request goes on waiting."""
    if not asked.asked_user:
        raise NotAllowed(_("Who asked for this cannot be told any more: withdraw it and ask again."))
    if person(request) == asked.asked_user:
        raise NotAllowed(_("You have asked for this deletion yourself: someone else approves it."))
    _decide(request, act, APPROVE, asked, DeletionRequest.APPROVED)
    try:
        send()
    except BaseException:
        DeletionRequest.objects.filter(pk=asked.pk).update(state=DeletionRequest.WAITING, decided_by="", decided=None)
        raise


def reject(request: HttpRequest, act: Act, asked: DeletionRequest) -> None:
    """The asker withdraws, anyone else rejects. Raises NotAllowed if it was decided meanwhile, ClientError without the permission."""
    if person(request) == asked.asked_user:
        _decide(request, act, REQUEST, asked, DeletionRequest.WITHDRAWN)
    else:
        _decide(request, act, REJECT, asked, DeletionRequest.REJECTED)


def _decide(request: HttpRequest, act: Act, action: str, asked: DeletionRequest, state: str) -> None:
    signed_in = request.signed_in  # type: ignore[attr-defined]

    def store() -> None:
        mine = DeletionRequest.objects.filter(pk=asked.pk, state=DeletionRequest.WAITING)
        if not mine.update(state=state, decided_by=signed_in.arn, decided=clock.now(signed_in.account_id)):
            raise NotAllowed(_("This request has been decided already."))

    parameters = {"operation": asked.operation, **asked.parameters, "state": state, "askedBy": asked.asked_by}
    act(action, store, asked.region, asked.key_id, parameters)


# --- the rule


def switch_on(request: HttpRequest) -> None:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    AccountRule.objects.update_or_create(
        account_id=signed_in.account_id, defaults={**_changed(request), "two_person_deletion": True}
    )


def ask_off(request: HttpRequest) -> None:
    """Raises NotAllowed."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    AccountRule.objects.filter(account_id=signed_in.account_id, two_person_deletion=True).update(
        off_asked_by=signed_in.arn, off_asked_user=person(request)
    )


def switch_off(request: HttpRequest) -> None:
    """Raises NotAllowed unless another person has asked for it."""
    signed_in = request.signed_in  # type: ignore[attr-defined]
    asked = AccountRule.objects.filter(account_id=signed_in.account_id, two_person_deletion=True).exclude(
        off_asked_user=""
    )
    if not asked.exclude(off_asked_user=person(request)).update(**_changed(request), two_person_deletion=False):
        raise NotAllowed(_("Switching this off needs two persons: one asks, another confirms."))


def keep_on(request: HttpRequest) -> None:
    account_id = request.signed_in.account_id  # type: ignore[attr-defined]
    AccountRule.objects.filter(account_id=account_id).update(off_asked_by="", off_asked_user="")


def _changed(request: HttpRequest) -> dict[str, Any]:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    now = clock.now(signed_in.account_id)
    return {"changed_by": signed_in.arn, "changed": now, "off_asked_by": "", "off_asked_user": ""}
