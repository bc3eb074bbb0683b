"""Running the integrated services: each step of `learn.labs.services` as a real call, and what it answered, in the words of the page.

A data key's plaintext goes no further than the client's answer: it is what the service would have, and no page shows it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from botocore import xform_name
from botocore.exceptions import ClientError
from django.utils.translation import gettext as _

from console import error_help
from console.calls import body
from console.request import ConsoleRequest
from keys import service, viewer
from keys.endpoints import backends
from keys.record.events import look_up
from learn.labs.services import SERVICES, Resource, Service, Step, parameters, resource
from learn.models import ProtectedResource

_RETIRE = Step("RetireGrant", itself=True)
_LOOKED_THROUGH = 50  # of the newest events, to find those of the calls just made


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call as the page shows it. `via` is what kms:ViaService says, empty where the service calls as itself."""

    title: str
    operation: str
    caller: str
    via: str
    context: dict[str, str]
    sent: str
    answer: str = ""
    code: str = ""
    message: str = ""
    remedy: str = ""
    request_id: str = ""
    event_id: str = ""


class ServiceRefusal(Exception):
    """A step was refused: `made` are the calls up to it, it among them."""

    def __init__(self, made: list[RecordedCall]) -> None:
        super().__init__(made[-1].code)
        self.made = made


def of(request: ConsoleRequest, row: Service, identifier: str) -> Resource:
    signed_in = request.signed_in
    partition = backends.session().get_partition_for_region(signed_in.region)
    return resource(row, identifier, partition=partition, region=signed_in.region, account=signed_in.account_id)


def protected_resources(request: ConsoleRequest) -> dict[str, ProtectedResource]:
    """What the services hold for this principal in this Region, by service."""
    return {row.service: row for row in ProtectedResource.objects.filter(**_owner(request)) if row.service in SERVICES}


def _owner(request: ConsoleRequest) -> dict[str, Any]:
    signed_in = request.signed_in
    return {"account_id": signed_in.account_id, "region": signed_in.region, "owner": viewer.owner(request)}


def protect(request: ConsoleRequest, row: Service, key: str) -> list[RecordedCall]:
    """Have the service make a resource under a key (an ID, or the alias of its AWS managed key) and remember it. Raises ServiceRefusal."""
    thing = of(request, row, row.new_id())
    made: list[RecordedCall] = []
    if row.needs and not service.visibility.is_allowed(service.viewer(request), row.needs):
        raise ServiceRefusal([_not_allowed(request, row)])
    key_arn, sealed, grant_id = key, b"", ""
    if row.looks_up or key == row.alias:
        itself = bool(row.needs)
        found = _run(request, row, Step("DescribeKey", itself=itself), thing, made, key=key)
        key_arn = found["KeyMetadata"]["Arn"]
    try:
        for step in row.protect:
            answer = _run(request, row, step, thing, made, key=key_arn)
            sealed = answer.get("CiphertextBlob", sealed)
            grant_id = answer.get("GrantId", grant_id)
            key_arn = answer.get("KeyId", key_arn)
    except ServiceRefusal as refusal:
        if grant_id:  # nothing is left behind by what did not come about
            _run(request, row, _RETIRE, thing, refusal.made, key=key_arn, grant_id=grant_id)
        raise
    ProtectedResource.objects.update_or_create(
        **_owner(request),
        service=row.slug,
        defaults={
            "resource_id": thing.id,
            "key_arn": key_arn,
            "sealed": sealed,
            "grant_id": grant_id,
            "since": service.record_now(request),
        },
    )
    return made


def read(request: ConsoleRequest, row: Service, kept: ProtectedResource) -> list[RecordedCall]:
    """Have the service read its resource back. Raises ServiceRefusal."""
    made: list[RecordedCall] = []
    for step in row.read:
        thing = of(request, row, kept.resource_id)
        _run(request, row, step, thing, made, key=kept.key_arn, sealed=bytes(kept.sealed))
    return made


def release(request: ConsoleRequest, row: Service, kept: ProtectedResource) -> list[RecordedCall]:
    """Have the service delete its resource: it retires its grant. Raises ServiceRefusal, and what was held is held on."""
    made: list[RecordedCall] = []
    if kept.grant_id:
        thing = of(request, row, kept.resource_id)
        try:
            _run(request, row, _RETIRE, thing, made, key=kept.key_arn, grant_id=kept.grant_id)
        except ServiceRefusal as refusal:
            if refusal.made[-1].code != "NotFoundException":  # revoked by somebody meanwhile
                raise
            made = refusal.made
    kept.delete()
    return made


def _run(
    request: ConsoleRequest,
    row: Service,
    step: Step,
    thing: Resource,
    made: list[RecordedCall],
    *,
    key: str,
    sealed: bytes = b"",
    grant_id: str = "",
) -> dict[str, Any]:
    """Make the call and add what came of it to `made`. Raises ServiceRefusal."""
    signed_in = request.signed_in
    principal = step.service or row.principal
    given = parameters(row, step, thing, key, sealed, grant_id)
    shown = RecordedCall(
        title=row.title,
        operation=step.operation,
        caller=principal if step.itself else _short(signed_in.arn),
        via="" if step.itself else f"{principal.partition('.')[0]}.{signed_in.region}.amazonaws.com",
        context=given.get("EncryptionContext") or given.get("Constraints", {}).get("EncryptionContextSubset", {}),
        sent=json.dumps(json.loads(body("kms", step.operation, given)), indent=2),
    )
    try:
        client = service.by_aws_service(request, principal, itself_for=thing.arn if step.itself else "")
        answer: dict[str, Any] = getattr(client, xform_name(step.operation))(**given)
    except ClientError as error:
        made.append(_refused(shown, error))
        raise ServiceRefusal(made) from error
    meta = answer.pop("ResponseMetadata")
    made.append(replace(shown, answer=_words(step.operation, answer), request_id=meta["RequestId"]))
    return answer


def _short(arn: str) -> str:
    """`user/ann`, or `assumed-role/…`: the account is that of the page."""
    return arn.split(":", 5)[5]


def _refused(shown: RecordedCall, error: ClientError) -> RecordedCall:
    problem = error_help.explained(error)
    return replace(
        shown,
        code=problem["Code"],
        message=problem["Message"],
        remedy=problem["remedy"],
        request_id=error.response.get("ResponseMetadata", {}).get("RequestId", ""),
    )


def _not_allowed(request: ConsoleRequest, row: Service) -> RecordedCall:
    """AWS asks the service's own permission before the service does anything by itself."""
    return RecordedCall(
        title=row.title,
        operation=row.needs.partition(":")[2],
        caller=_short(request.signed_in.arn),
        via="",
        context={},
        sent="",
        code="AccessDeniedException",
        message=f"User: {request.signed_in.arn} is not authorized to perform: {row.needs} on resource: * because no identity-based "
        f"policy allows the {row.needs} action",
    )


def _words(operation: str, answer: dict[str, Any]) -> str:
    match operation:
        case "GenerateDataKey":
            return _("Plaintext data key handed to the service, encrypted data key kept beside the data.")
        case "GenerateDataKeyWithoutPlaintext" | "Encrypt":
            return _("Only what is encrypted was handed out; the service keeps it.")
        case "Decrypt":
            return _("Plaintext handed to the service.")
        case "CreateGrant":
            return _("The service has a grant: %(grant)s…") % {"grant": answer["GrantId"][:12]}
        case "RetireGrant":
            return _("The service has given its grant back.")
        case _:
            return str(answer["KeyMetadata"]["Arn"])


def with_events(request: ConsoleRequest, made: list[RecordedCall]) -> list[RecordedCall]:
    """The calls with the IDs of their audit events, as far as the principal may look events up."""
    wanted = {each.request_id for each in made if each.request_id}
    if not wanted:
        return made
    try:
        events = look_up(request, MaxResults=_LOOKED_THROUGH)["Events"]
    except ClientError as error:
        if not service.denied(error):
            raise
        return made
    found = {json.loads(event["CloudTrailEvent"]).get("requestID", ""): event["EventId"] for event in events}
    return [replace(each, event_id=found.get(each.request_id, "")) for each in made]
