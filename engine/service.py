"""One call, from bytes to bytes: recognise → authenticate → validate → operate (which authorizes) → record durably → answer.

Every caller comes through `begin` and `finish`, with what was to be recorded made durable between them: one call at a time by
`handle` (pages over the in-process transport, and what needs a thread), or many together by the HTTP protocol of a worker. A call is
answered only when its audit record is durable; a changing call's record and change become durable together or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from time import perf_counter
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import DatabaseError, DataError, connection

from engine import clock, metrics, throttling
from engine.context import CallContext, new_id
from engine.ec2.operations import OPERATIONS as EC2
from engine.iam import accounts, credentials
from engine.iam.operations import OPERATIONS as IAM
from engine.iam.organizations import OPERATIONS as ORGANIZATIONS
from engine.iam.principal import Principal
from engine.iam.sts import OPERATIONS as STS
from engine.kms import drills
from engine.kms.operations import OPERATIONS as KMS
from engine.kms_operations import CRYPTOGRAPHIC
from engine.operation import Operation
from engine.store import cache, transaction
from engine.tagging.operations import OPERATIONS as TAGGING
from engine.trail import record, recorder
from engine.trail.groupcommit import TrailUnavailable, in_flight
from engine.trail.operations import OPERATIONS as CLOUDTRAIL
from engine.wire import protocol, services, sigv4
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest, HttpResponse
from engine.wire.recognise import Call, recognise

logger = logging.getLogger(__name__)
access_log = logging.getLogger("engine.access")  # a line a request where INFO is asked for (KMSCONSOLE_LOG)

_INTERNAL = "KMSInternalException"

_ATTEMPTS = (
    5  # of a change that conflicts with others: databases that serialize optimistically may ask for more than one
)


def operations() -> Mapping[str, Mapping[str, Operation]]:
    """The operation tables by service."""
    return {
        "kms": KMS,
        "iam": IAM,
        "sts": STS,
        "cloudtrail": CLOUDTRAIL,
        "tagging": TAGGING,
        "ec2": EC2,
        "organizations": ORGANIZATIONS,
    }


_tables: Mapping[str, Mapping[str, Operation]] = {}


def is_quick(target: str) -> bool:
    """Whether the operation that an X-Amz-Target header names is one that caches answer. On PostgreSQL none is: there every call
    asks the database whether anything was changed."""
    known = _quick.get(target)
    if known is None:
        prefix, _, name = target.rpartition(".")
        service = services.BY_TARGET_PREFIX.get(prefix)
        row = operations()[service.name].get(name) if service is not None else None
        if row is None:
            return False  # not remembered: such names are without number
        known = _quick[target] = row.quick and connection.vendor == "sqlite"
    return known


_quick: dict[str, bool] = {}


def _operation(call: Call) -> Operation:
    global _tables
    if not _tables:
        _tables = operations()
    operation = _tables[call.service].get(call.operation.name)
    if operation is None:
        raise AWSError("UnsupportedOperationException", f"{call.operation.name} is not available in this key service.")
    return operation


class PendingResponse:
    """A call that was carried out. Its answer is held back until its records are durable, and then `finish` releases it."""

    __slots__ = ("began", "call", "outcome", "records", "request", "request_id", "response")

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.request_id = new_id()
        self.began = perf_counter()
        self.call: Call | None = None
        self.outcome = "OK"
        self.records: list[bytes] = []
        self.response: HttpResponse

    def refuse(self, error: AWSError) -> None:
        self.outcome = error.code
        self.response = protocol.refuse(self.call, error, self.request_id, self.request)

    def fail(self, reason: Exception) -> None:
        """The records could not be made durable: whatever the answer was, it is not given."""
        if not isinstance(reason, TrailUnavailable):
            logger.error("request %s failed", self.request_id, exc_info=reason, extra={"request_id": self.request_id})
        self.refuse(_internal(reason))


def handle(request: HttpRequest) -> HttpResponse:
    """The answer to one AWS request. Never raises: what is not an AWS error is logged and answered as an internal failure."""
    in_flight.append(None)
    try:
        held = begin(request)
        make_durable([held])
        return finish(held)
    finally:
        in_flight.pop()


def make_durable(calls: Sequence[PendingResponse]) -> None:
    """Make what several calls have to record durable, all at once. What cannot be recorded is withheld."""
    try:
        recorder.record([record for held in calls for record in held.records])
    except Exception as reason:
        for held in calls:
            if held.records:
                held.fail(reason)


def begin(request: HttpRequest) -> PendingResponse:
    """Carry a call out, as far as its answer and the records that must be durable before it; a change's are already.

    Raises SynchronousOnlyOperation where it runs in an event loop and caches do not answer it: nothing has then happened, and a
    thread is to begin it again.
    """
    metrics.begin()
    held = PendingResponse(request)
    try:
        call = held.call = recognise(request)
        context = _authenticate(call, request, held.request_id)
        held.response = _perform(held, call, context, request)
    except SynchronousOnlyOperation:
        metrics.put_back()
        raise
    except AWSError as error:
        held.refuse(error)
    except Exception as reason:
        logger.exception("request %s failed", held.request_id, extra={"request_id": held.request_id})
        held.refuse(_internal(reason))
    return held


def finish(held: PendingResponse) -> HttpResponse:
    """Count and log a call; its answer, to be sent now."""
    call = held.call
    service, operation = (call.service, call.operation.name) if call is not None else ("none", "none")
    seconds = perf_counter() - held.began
    metrics.count(service, operation, held.outcome, seconds)
    if access_log.isEnabledFor(logging.INFO):
        access_log.info(
            "%s %s %s %.2f ms",
            service,
            operation,
            held.outcome,
            seconds * 1000,
            extra={
                "request_id": held.request_id,
                "service": service,
                "operation": operation,
                "outcome": held.outcome,
                "milliseconds": round(seconds * 1000, 2),
                "source_ip": held.request.source_ip,
            },
        )
    return held.response


def _authenticate(call: Call, request: HttpRequest, request_id: str) -> CallContext:
    if call.operation.auth_type == "none":
        return _unsigned(call, request, request_id)
    claim = sigv4.parse_authorization(request)
    cache.synchronise()
    found = credentials.find(claim.access_key_id, claim.session_token)
    sigv4.verify(claim, request, found.secret, call.service)
    if found.principal.invoked_by and not (request.in_process and call.service == "kms"):
        raise credentials.unrecognized()  # engine.iam.forward: such a session never leaves its process
    account_id = found.principal.account_id
    return CallContext(
        account_id=account_id,
        region=claim.region,
        service=call.service,
        operation=call.operation.name,
        principal=found.principal,
        now=clock.now(account_id),
        request_id=request_id,
        event_id=new_id(),
        source_ip=request.source_ip,
        user_agent=request.header("user-agent"),
        secure=request.secure,
    )


def _unsigned(call: Call, request: HttpRequest, request_id: str) -> CallContext:
    """Of a call that brings an identity provider's word in place of a signature: in the account of the role that it names.

    Raises what is wrong with the request itself, or the refusal of a role in an account that is not here, which no record is about.
    """
    cache.synchronise()
    account_id = accounts.of_arn(protocol.parse(call, request)["RoleArn"])
    if not account_id:
        raise AWSError("AccessDenied", f"Not authorized to perform {call.service}:{call.operation.name}")
    return CallContext(
        account_id=account_id,
        region=_GLOBAL_REGION,
        service=call.service,
        operation=call.operation.name,
        principal=Principal("anonymous", account_id, "", ""),
        now=clock.now(account_id),
        request_id=request_id,
        event_id=new_id(),
        source_ip=request.source_ip,
        user_agent=request.header("user-agent"),
        secure=request.secure,
    )


_GLOBAL_REGION = "us-east-1"  # where the calls of STS's one address for all Regions are
_USES = CRYPTOGRAPHIC - {"GetPublicKey"}  # which a page shows


def _perform(held: PendingResponse, call: Call, context: CallContext, request: HttpRequest) -> HttpResponse:
    parameters: dict[str, Any] | None = None
    writes = False
    try:
        operation = _operation(call)
        writes = operation.writes
        unsigned = call.operation.auth_type == "none"
        throttling.take(context.account_id, context.region, call.service, context.operation, unsigned=unsigned)
        credentials.refuse_out_of_reach(context.principal, call.service, context.operation)
        parameters = protocol.parse(call, request)
        if call.service == "kms":
            drills.check(context)
        if operation.prepare is not None:
            with operation.prepare(context, parameters):
                return _change(call, context, operation, parameters)
        if writes:
            return _change(call, context, operation, parameters)
        result = operation.run(context, parameters)
        answer = protocol.answer(call, result, context.request_id)
    except AWSError as error:
        only_looks = request.asks_first and not writes and context.operation not in _USES
        if not (only_looks and error.code.startswith("AccessDenied")):
            held.records = _refusal(context, call, parameters, error, writes=writes)
        raise
    except TrailUnavailable as reason:
        raise _internal(reason) from reason
    except DataError as reason:  # PostgreSQL keeps no NUL characters, for one
        refused = AWSError("ValidationException", "A value has characters that cannot be stored.")
        held.records = _refusal(context, call, parameters, refused, writes=writes)
        raise refused from reason
    except SynchronousOnlyOperation:
        throttling.put_back(context.account_id, context.region, call.service, context.operation)
        raise
    except Exception as reason:
        logger.exception(
            "request %s (%s) failed", context.request_id, context.operation, extra={"request_id": context.request_id}
        )
        fault = _internal(reason)
        held.records = _refusal(context, call, parameters, fault, writes=writes)
        raise fault from reason
    held.records = record.build(context, call.operation, parameters, result=result)
    return answer


def _refusal(
    context: CallContext, call: Call, parameters: dict[str, Any] | None, error: AWSError, *, writes: bool
) -> list[bytes]:
    """The records of a call that is refused: none where nobody has signed it and no identity provider vouches for who sent it.

    Else anybody could write into an account's record, without an end. AWS leaves out requests that are not "sufficiently valid to be trusted
    as a legitimate request" (IAM User Guide, "Logging IAM and AWS STS API calls with AWS CloudTrail").
    """
    if context.principal.kind == "anonymous":
        return []
    return record.build(context, call.operation, parameters, error=error, writes=writes)


def _change(call: Call, context: CallContext, operation: Operation, parameters: dict[str, Any]) -> HttpResponse:
    """Run a changing operation; once more as it was when its transaction failed only because of others beside it."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return _change_once(call, context, operation, parameters)
        except DatabaseError as reason:
            if not transaction.conflicted(reason):
                raise
            context.forget()
    return _change_once(call, context, operation, parameters)


def _change_once(call: Call, context: CallContext, operation: Operation, parameters: dict[str, Any]) -> HttpResponse:
    """The record is made inside the transaction, so that neither it nor the change stands without the other."""
    recorded = False
    try:
        with transaction.write():
            result = operation.run(context, parameters)
            answer = protocol.answer(call, result, context.request_id)
            records = record.build(context, call.operation, parameters, result=result, writes=True)
            recorded = recorder.record_change([*context.further_records, *records])
    except DatabaseError:
        if recorded:  # the record is durable but the change is not: say so in the trail
            for event_id, account_id in record.whose([*records, *context.further_records]):
                recorder.void(event_id, account_id, context.region, "the change could not be committed")
        raise
    return answer


def _internal(reason: Exception) -> AWSError:
    """What a caller sees of a fault of ours; the reason itself stays in the log. A connection that died is not kept."""
    if isinstance(reason, DatabaseError):
        transaction.renew_connection()
    return AWSError(_INTERNAL, "The request failed because of an internal error. Retry the request.")
