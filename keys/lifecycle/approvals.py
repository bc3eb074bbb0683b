"""Two-person deletion: an account may decide that no page deletes a key or its imported material until a second person has approved it.

It is a rule of this console over its own pages, kept at the one door to keys: every KMS client that a page gets is `GuardedClient`, with the
account whose rule holds. An approved call is made in a forward access session of the console's own (`SERVICE`), which nothing else can
make: a policy that denies the calls outside of it (`closing_statement`) holds programs to the rule too.

Two persons are two IAM users, told apart by unique ID, also while they act as a role, who are not signed in in one browser
and were both there when it was asked for. Asking, seeing,
approving and rejecting are actions of the console's own (engine.console_actions), decided by policies and recorded. Every function takes
the account, or the request it is of: nothing is kept beside the call, so threads that go on with a page's work are held like pages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from console import session
from console.request import ConsoleRequest
from engine.public import clock
from keys.endpoints import backends
from keys.models import AccountRule, DeletionRequest

SERVICE = "kmsconsole.amazonaws.com"  # as whose forward access session approved calls are made
# What deletes: operations by the method of a client that makes them.
GUARDED_METHODS = {
    "schedule_key_deletion": "ScheduleKeyDeletion",
    "delete_imported_key_material": "DeleteImportedKeyMaterial",
}
GUARDED_OPERATIONS = frozenset(GUARDED_METHODS.values())
REQUEST, LIST = "kmsconsole:RequestKeyDeletion", "kmsconsole:ListKeyDeletionRequests"
APPROVE, REJECT = "kmsconsole:ApproveKeyDeletion", "kmsconsole:RejectKeyDeletion"
RULE = "kmsconsole:ChangeDeletionRule"


class NotAllowed(Exception):
    """The decision is not this person's to make; the message is for them."""


def rule(account_id: str) -> AccountRule:
    return AccountRule.objects.filter(account_id=account_id).first() or AccountRule(account_id=account_id)


def required(account_id: str) -> bool:
    return AccountRule.objects.filter(account_id=account_id, two_person_deletion=True).exists()


class GuardedClient:
    """A KMS client whose deletions are checked against the rule of `account_id`. All else is the client's.

    An import that gives material in use an end, or an earlier one, is a deletion with a date.
    """

    def __init__(self, client: Any, account_id: str) -> None:
        self._client, self._account_id = client, account_id

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # botocore's own way to make any call by its name
            raise AttributeError(name)
        found = getattr(self._client, name)
        if name in GUARDED_METHODS:
            return partial(self._checked, found, GUARDED_METHODS[name])
        return partial(self._import, found) if name == "import_key_material" else found

    def _checked(self, call: Callable[..., Any], operation: str, **parameters: Any) -> Any:
        if required(self._account_id):
            raise refusal(operation)
        return call(**parameters)

    def _import(self, call: Callable[..., Any], **parameters: Any) -> Any:
        if required(self._account_id) and parameters.get("ExpirationModel") != "KEY_MATERIAL_DOES_NOT_EXPIRE":
            key = self._client.describe_key(KeyId=parameters.get("KeyId"))["KeyMetadata"]
            if key["KeyState"] != "PendingImport" and _ends_before(parameters.get("ValidTo"), key.get("ValidTo")):
                raise _refused(
                    _("In this account one person does not give key material in use an earlier end."),
                    "ImportKeyMaterial",
                )
        return call(**parameters)


def _ends_before(new: datetime | None, old: datetime | None) -> bool:
    return new is not None and (old is None or new < old)


def _refused(message: str, operation: str) -> ClientError:
    return ClientError({"Error": {"Code": "ApprovalRequired", "Message": message}}, operation)


def refusal(operation: str) -> ClientError:
    """The refusal of a deletion that no second person has approved."""
    return _refused(_ask_for_it(), operation)


def sentence() -> str:
    return f"ApprovalRequired: {_ask_for_it()}"


def _ask_for_it() -> str:
    return _("In this account a second person approves deletions: ask for it on the key's deletion page.")


def closing_statement(*, of_key_policy: bool = False) -> dict[str, Any]:
    """A policy's statement that holds programs to the rule: only what was approved here may delete."""
    return {
        "Sid": "DeleteOnlyWhatTwoPersonsApproved",
        "Effect": "Deny",
        **({"Principal": "*"} if of_key_policy else {}),
        "Action": sorted(f"kms:{operation}" for operation in GUARDED_OPERATIONS),
        "Resource": "*",
        "Condition": {"StringNotLike": {"kms:ViaService": f"{SERVICE.partition('.')[0]}.*.amazonaws.com"}},
    }


def unapproved(account_id: str, destroyed: Iterable[clock.Event], expiring: Iterable[clock.Event]) -> list[clock.Event]:
    """What a move of the account's clock would end without two persons having decided it.

    A deletion counts as approved if it was scheduled by an approved request's own call: not one that was cancelled and scheduled anew.
    Nobody has approved the end of imported material.
    """
    rows = DeletionRequest.objects.filter(
        account_id=account_id, endpoint="", operation="ScheduleKeyDeletion", state=DeletionRequest.APPROVED
    ).exclude(completed=None)
    calls: dict[str, list[tuple[datetime, datetime]]] = {}
    for region, key_id, begun, completed in rows.values_list("region", "key_id", "decided", "completed"):
        if begun is not None and completed is not None:
            calls.setdefault(f"{region}/{key_id}", []).append((begun, completed))
    return [event for event in destroyed if not _by_call(event, calls.get(event.place, []))] + list(expiring)


def _by_call(event: clock.Event, calls: list[tuple[datetime, datetime]]) -> bool:
    return event.scheduled is not None and any(begun <= event.scheduled <= completed for begun, completed in calls)


def clock_move_refusal(number: int) -> str:
    """Why a move of the clock is refused that would end `number` keys or materials."""
    return ngettext(
        "In this account two persons decide on deletions, and this move would end %(number)d key or key material without them. Cancel "
        "that deletion and ask for it again, or switch two-person deletion off: that takes two persons too.",
        "In this account two persons decide on deletions, and this move would end %(number)d keys or key materials without them. Cancel "
        "those deletions and ask for them again, or switch two-person deletion off: that takes two persons too.",
        number,
    ) % {"number": number}


# --- who


def person(request: ConsoleRequest) -> str:
    """The unique ID of the user who signed in, also while acting as a role. Raises NotAllowed where it cannot be told."""
    found = session.user_id(request)
    if not found:
        raise NotAllowed(_("Your identity is not known from this sign-in. Sign in again."))
    return found


def _is_of_one_role(user: str) -> bool:
    """Whether an ID is of before who comes by an identity provider was one person in every role: then it does not tell who it was."""
    return user.startswith("AROA") and len(user) < len("AROA") + 17


def _second_person(request: ConsoleRequest, user: str, asked: datetime | None, own: str) -> None:
    """Raise NotAllowed unless who decides now is another than `user` (unique ID), who asked at `asked`; `own`: the words if not.

    A user who was made after that, under whatever name, is no second person: whoever may make users could make one for the purpose.
    """
    if person(request) == user:
        raise NotAllowed(own)
    since = session.user_since(request)
    if asked is None or since is None or since > asked:
        raise NotAllowed(_("Your user was made after this was asked for: someone who was there before decides."))
    if user in session.user_ids(request):
        raise NotAllowed(
            _("Who asked is signed in in this browser too: a second person decides at a browser of their own.")
        )


def endpoint(request: ConsoleRequest) -> str:
    """What requests keep of the endpoint that the pages speak to."""
    return backends.current(request).scope or ""


# --- asking and deciding. `act` decides and records an action on a key: keys.service.console_action with its request.

Act = Callable[..., Any]


def ask(request: ConsoleRequest, act: Act, operation: str, parameters: dict[str, Any], label: str, reason: str) -> None:
    """Raises NotAllowed if a request for this key waits already, ClientError without the permission."""
    signed_in = request.signed_in
    who, key_id = person(request), parameters["KeyId"]

    def store() -> None:
        if waiting_for(request, key_id) is not None:
            raise NotAllowed(_("The deletion of this key has been asked for already."))
        DeletionRequest.objects.create(
            account_id=signed_in.account_id,
            endpoint=endpoint(request),
            endpoint_name=backends.current(request).name,
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


def waiting_for(request: ConsoleRequest, key_id: str) -> DeletionRequest | None:
    signed_in = request.signed_in
    return DeletionRequest.objects.filter(
        account_id=signed_in.account_id,
        endpoint=endpoint(request),
        region=signed_in.region,
        key_id=key_id,
        state=DeletionRequest.WAITING,
    ).first()


def all_requests(account_id: str) -> Any:
    """The account's requests, of every Region, newest first."""
    return DeletionRequest.objects.filter(account_id=account_id).order_by("-asked", "-pk")


def why_not_approved(request: ConsoleRequest, asked: DeletionRequest) -> str:
    """Why this person cannot approve it here; empty where they can."""
    try:
        _refuse_approval(request, asked)
    except NotAllowed as reason:
        return str(reason)
    return ""


def _refuse_approval(request: ConsoleRequest, asked: DeletionRequest) -> None:
    if not asked.asked_user or _is_of_one_role(asked.asked_user):
        raise NotAllowed(_("Who asked for this cannot be told any more: withdraw it and ask again."))
    own = _("You have asked for this deletion yourself: someone else approves it.")
    _second_person(request, asked.asked_user, asked.asked, own)
    if asked.endpoint != endpoint(request):
        raise NotAllowed(_("This was asked for at another endpoint: switch to it, and look at the key there first."))


def approve(request: ConsoleRequest, act: Act, asked: DeletionRequest, send: Callable[[], Any]) -> None:
    """Have `send` make the call, as the approver. Raises NotAllowed, or ClientError and the request goes on waiting."""
    _refuse_approval(request, asked)
    _decide(request, act, APPROVE, asked, DeletionRequest.APPROVED)
    rows = DeletionRequest.objects.filter(pk=asked.pk)
    try:
        send()
    except BaseException:
        undecided = {"state": DeletionRequest.WAITING, "decided_by": "", "decided_user": "", "decided": None}
        try:
            with transaction.atomic():
                rows.update(**undecided)
        except IntegrityError:  # the same was asked for again meanwhile: that one waits
            rows.update(state=DeletionRequest.FAILED)
        raise
    rows.update(completed=clock.now(asked.account_id))


def reject(request: ConsoleRequest, act: Act, asked: DeletionRequest) -> None:
    """The asker withdraws, anyone else rejects. Raises NotAllowed if it was decided meanwhile, ClientError without the permission."""
    if person(request) == asked.asked_user:
        _decide(request, act, REQUEST, asked, DeletionRequest.WITHDRAWN)
    else:
        _decide(request, act, REJECT, asked, DeletionRequest.REJECTED)


def _decide(request: ConsoleRequest, act: Act, action: str, asked: DeletionRequest, state: str) -> None:
    signed_in, who = request.signed_in, person(request)

    def store() -> None:
        mine = DeletionRequest.objects.filter(pk=asked.pk, state=DeletionRequest.WAITING)
        decided = {"decided_by": signed_in.arn, "decided_user": who, "decided": clock.now(signed_in.account_id)}
        if not mine.update(state=state, **decided):
            raise NotAllowed(_("This request has been decided already."))

    parameters = {"operation": asked.operation, **asked.parameters, "state": state}
    parameters |= {"askedBy": asked.asked_by, "askedByPrincipalId": asked.asked_user}
    act(action, store, asked.region, asked.key_id, parameters)


# --- the rule

_NOT_ASKED = {"off_asked_by": "", "off_asked_user": "", "off_asked": None}


def enable_rule(request: ConsoleRequest) -> None:
    signed_in = request.signed_in
    AccountRule.objects.update_or_create(
        account_id=signed_in.account_id, defaults={**_changed(request), "two_person_deletion": True}
    )


def request_disabling(request: ConsoleRequest) -> None:
    """Raises NotAllowed."""
    signed_in = request.signed_in
    AccountRule.objects.filter(account_id=signed_in.account_id, two_person_deletion=True).update(
        off_asked_by=signed_in.arn, off_asked_user=person(request), off_asked=clock.now(signed_in.account_id)
    )


def disable_rule(request: ConsoleRequest) -> None:
    """Raises NotAllowed unless another person has asked for it."""
    found = rule(request.signed_in.account_id)
    two = _("Switching this off needs two persons: one asks, another confirms.")
    if not found.two_person_deletion or not found.off_asked_user or _is_of_one_role(found.off_asked_user):
        raise NotAllowed(two)
    _second_person(request, found.off_asked_user, found.off_asked, two)
    asked = AccountRule.objects.filter(pk=found.pk, two_person_deletion=True, off_asked_user=found.off_asked_user)
    if not asked.update(**_changed(request), two_person_deletion=False):
        raise NotAllowed(two)


def keep_rule(request: ConsoleRequest) -> None:
    account_id = request.signed_in.account_id
    AccountRule.objects.filter(account_id=account_id).update(**_NOT_ASKED)


def _changed(request: ConsoleRequest) -> dict[str, Any]:
    signed_in = request.signed_in
    now = clock.now(signed_in.account_id)
    return {"changed_by": signed_in.arn, "changed": now, **_NOT_ASKED}
