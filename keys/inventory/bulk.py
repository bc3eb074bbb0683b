"""One action on many keys: what each will answer, and doing it, one call after another, in a job that can be left.

The job and its keys are in the database. It is worked on by its owner's requests and by a thread of the worker that took it up; if that
dies, the next look at the job's page goes on with the keys that are left. Each call is the owner's own, decided when it is made.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django.db import connections
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from console.request import ConsoleRequest
from engine.public import data_stack
from keys import leases, service, viewer
from keys.endpoints import diagnosis
from keys.inventory import inventory
from keys.lifecycle import approvals
from keys.lifecycle.action_rules import refused_actions
from keys.models import BulkItem, BulkJob

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

logger = logging.getLogger(__name__)

AT_ONCE = 0.5  # seconds that the request which starts a job gives to it
DESCRIBED = 100  # keys of a preview that are described one by one; of more than that the inventory's states are taken
_LEASE = 20.0  # seconds
_LEASE_ELSEWHERE = (
    90.0  # longer than a call of another endpoint may take, with all its attempts (keys.endpoints.backends.REMOTE)
)
_BATCH = 20
_OF_THE_MOMENT = ("ThrottlingException", "DependencyTimeoutException", "KMSInternalException")


@dataclass(frozen=True, slots=True)
class BulkAction:
    """`rule` names the action in `refused_actions` whose state rules hold."""

    operation: str
    words: Any
    rule: str
    danger: bool = False


class NoAnswer(Exception):
    """The endpoint could not be asked, or gave no answer of AWS's API to a call."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


BULK_ACTIONS: dict[str, BulkAction] = {
    "enable": BulkAction("EnableKey", _("Enable"), "enable"),
    "disable": BulkAction("DisableKey", _("Disable"), "disable"),
    "delete": BulkAction("ScheduleKeyDeletion", _("Schedule deletion"), "delete", danger=True),
    "cancel-deletion": BulkAction("CancelKeyDeletion", _("Cancel deletion"), "cancel-deletion"),
    "tag": BulkAction("TagResource", _("Add a tag"), "describe"),
}


@dataclass(frozen=True, slots=True)
class PreviewedKey:
    """A key of a preview, and AWS's error that it will answer with (empty: it is done)."""

    key_id: str
    alias: str
    state: str
    problem: str


def preview(request: ConsoleRequest, action: BulkAction, key_ids: list[str]) -> list[PreviewedKey]:
    """What each key will answer: from its state, and for the embedded engine from the policies that will decide.

    Another endpoint decides by policies that are not embedded to read, so a refusal there is known only when it comes.
    """
    refused: dict[str, str] = {}
    if service.backend(request).embedded:
        sentences = service.visibility.refusals(service.viewer(request), action.operation, key_ids)
        refused = {key_id: f"AccessDeniedException: {sentence}" for key_id, sentence in sentences.items()}
    if action.operation in approvals.GUARDED_OPERATIONS and approvals.required(request.signed_in.account_id):
        refused = dict.fromkeys(key_ids, approvals.sentence())
    rows = {row.key_id: row for row in inventory.synced_keys(request).filter(key_id__in=key_ids)}
    kms = service.client(request)
    return [_expected(kms, action, key_id, rows.get(key_id), refused, len(key_ids) <= DESCRIBED) for key_id in key_ids]


def _expected(
    kms: Any, action: BulkAction, key_id: str, row: Row | None, refused: dict[str, str], ask: bool
) -> PreviewedKey:
    alias = row.alias if row is not None else ""
    if ask or row is None:
        try:
            key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        except ClientError as error:
            if row is None or not _says_nothing_of_the_key(error):
                return PreviewedKey(key_id, "", "", refused.get(key_id) or service.sentence(error))
            key = _as_listed(row)
    else:
        key = _as_listed(row)
    problem = refused.get(key_id) or refused_actions(key).get(action.rule, "")
    return PreviewedKey(key_id, alias, key["KeyState"], problem)


def _as_listed(row: Row) -> dict[str, Any]:
    return {"KeyId": row.key_id, "Arn": row.arn, "KeyState": row.state, "KeyManager": row.manager}


def _says_nothing_of_the_key(error: ClientError) -> bool:
    """Whether the key was not read for a reason of that moment: what the action will answer does not follow from that."""
    return diagnosis.failed(error) or error.response["Error"]["Code"] in _OF_THE_MOMENT


def start(request: ConsoleRequest, action: str, key_ids: list[str], parameters: dict[str, Any]) -> BulkJob:
    """A job for these keys, its first part done."""
    job = BulkJob.objects.create(
        **inventory.place(request),
        owner=viewer.owner(request),
        action=action,
        parameters=parameters,
        created=timezone.now(),
    )
    BulkItem.objects.bulk_create([BulkItem(job=job, key_id=key_id) for key_id in key_ids], batch_size=1_000)
    work(request, job)
    return job


def work(request: ConsoleRequest, job: BulkJob) -> Exception | None:
    """Do a part of the job now, and have a thread go on with the rest, unless someone is at it. Where the endpoint gave no answer to a call,
    what it was: the key is left, for nobody knows whether it was done, and the next look goes on with it."""
    if job.finished is not None:
        return None
    seconds = _LEASE if service.backend(request).embedded else _LEASE_ELSEWHERE
    lease = leases.take(f"bulk {job.pk}", seconds)
    if lease is None:
        return None
    kms = service.client(request)
    end = time.monotonic() + AT_ONCE
    more = True
    try:
        while more and time.monotonic() < end:
            more = _step(kms, job, lease, end)
    except leases.LeaseLost:
        return None  # another goes on with it
    except NoAnswer as error:
        leases.release(lease)
        inventory.mark_outdated(request)
        return error.reason
    except BaseException:
        leases.release(lease)
        raise
    if more:
        working = (_continue_in_thread, kms, job, lease)
        threading.Thread(target=data_stack.run, args=working, daemon=True, name=f"bulk {job.pk}").start()
    else:
        leases.release(lease)
    inventory.mark_outdated(request)
    return None


def _continue_in_thread(kms: Any, job: BulkJob, lease: leases.HeldLease) -> None:
    try:
        while _step(kms, job, lease):
            time.sleep(0.001)  # pages come first
    except leases.LeaseLost:
        logger.info("bulk job %s is another worker's by now", job.pk)
    except NoAnswer as error:
        logger.warning("bulk job %s stopped: %s", job.pk, error.reason)
    except Exception:
        logger.exception("bulk job %s stopped", job.pk)
    finally:
        leases.release(lease)
        connections.close_all()


def _step(kms: Any, job: BulkJob, lease: leases.HeldLease, end: float | None = None) -> bool:
    """The next few keys. Whether there are more. Raises leases.LeaseLost once another has the lease: no call is made and nothing noted then.
    Raises NoAnswer.

    Where a worker dies between a call and its note, the next one makes the call again.
    """
    items = list(job.items.filter(outcome="").order_by("pk")[:_BATCH])
    method = getattr(kms, xform_name(BULK_ACTIONS[job.action].operation))
    for item in items:
        leases.require(lease)
        try:
            method(KeyId=item.key_id, **job.parameters)
        except (ClientError, *diagnosis.FAILURES) as error:
            if not isinstance(error, ClientError) or diagnosis.failed(error):
                raise NoAnswer(error) from error
            item.outcome, item.problem = "refused", service.sentence(error)
        else:
            item.outcome = "done"
        with leases.writing(lease):
            item.save(update_fields=["outcome", "problem"])
        if end is not None and time.monotonic() > end:
            return True
    if len(items) < _BATCH and not job.items.filter(outcome="").exists():
        with leases.writing(lease):
            BulkJob.objects.filter(pk=job.pk).update(finished=timezone.now())
        return False
    return True
