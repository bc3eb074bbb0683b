"""Grants: they allow what they say, at once and everywhere. Source: KMS Developer Guide, "Grants in AWS KMS"."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from django.db.models import Q

from engine.context import CallContext
from engine.iam import condition_keys, principal_ids
from engine.iam.grant_matching import grants_to, is_named
from engine.iam.principal import Principal
from engine.kms import access, key_snapshots, key_use, models, paging, specs, states
from engine.kms.key_snapshots import KmsKey
from engine.kms_operations import grantable_on_kind, kind_of_key
from engine.region_names import partition
from engine.store.transaction import changed, key_entity
from engine.wire.errors import AWSError

PER_KEY = 50_000
PAIRS_PER_CONSTRAINT = 8
CHARACTERS_PER_VALUE = 384
_PRINCIPAL = re.compile(
    r"arn:aws[a-z-]*:iam::(\d{12}):(root|user/.+|role/.+)|arn:aws[a-z-]*:sts::(\d{12}):(assumed-role/[^/]+/.+|federated-user/.+)"
)


def allowed_operations(key: KmsKey) -> tuple[str, ...]:
    """What a grant may allow on this key."""
    return grantable_on_kind(kind_of_key(key.spec, key.usage))


def create_grant(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    grantee, grantee_is_service = _who(parameters, "GranteePrincipal", "GranteeServicePrincipal")
    retiring, retiring_is_service = _who(parameters, "RetiringPrincipal", "RetiringServicePrincipal")
    operations = list(dict.fromkeys(parameters["Operations"]))
    constraints = parameters.get("Constraints", {})
    decision = access.authorize(
        context,
        key,
        params=parameters,
        conditions={
            **condition_keys.GRANT_OPERATIONS.given(operations),
            **access.constraint_conditions(constraints),
            **(
                condition_keys.GRANT_CONSTRAINT_SOURCE_ARN.given(constraints["SourceArn"])
                if "SourceArn" in constraints
                else {}
            ),
        },
    )
    states.refuse_unless_allowed(context.operation, key, context.now)
    if not grantee:
        raise key_use.member_null("granteePrincipal")
    grantee_pin = _pin(grantee, grantee_is_service)
    retiring_pin = _pin(retiring, retiring_is_service) if retiring else ""
    allowed = allowed_operations(key)
    refused = [operation for operation in operations if operation not in allowed]
    if refused:
        raise AWSError(
            "ValidationException",
            f"Operation {refused[0]} is not supported for a grant on a key of spec {key.spec} and usage {key.usage}.",
        )
    if operations == ["CreateGrant"]:
        raise AWSError("ValidationException", "Grants must not contain only the CreateGrant operation.")
    _check_constraints(key, constraints)
    if decision.grant is not None:
        _check_parent(context, key, operations, constraints)
    access.dry_run(parameters)
    row = key_snapshots.row(key)
    who = {"grantee": grantee, "grantee_pin": grantee_pin, "retiring": retiring, "retiring_pin": retiring_pin}
    same = _same_by_name(row, parameters.get("Name", ""), who, operations, constraints)
    if same is None:
        if row.grants.count() >= PER_KEY:
            raise AWSError("LimitExceededException", f"{key.arn} has {PER_KEY} grants, the most a key can have.")
        same = models.Grant.objects.create(
            key=row,
            grant_id=secrets.token_hex(32),
            name=parameters.get("Name", ""),
            **who,
            grantee_is_service=grantee_is_service,
            retiring_is_service=retiring_is_service,
            operations=operations,
            constraints=constraints,
            issuing_account=f"arn:{partition(key.region)}:iam::{context.principal.account_id}:root",
            created=context.now,
        )
        changed(key_entity(key.account_id, key.region, key.key_id))
    return {"GrantId": same.grant_id, "GrantToken": access.grant_token(same.grant_id)}


def _who(parameters: dict[str, Any], principal: str, service: str) -> tuple[str, bool]:
    if principal in parameters and service in parameters:
        raise AWSError("ValidationException", f"{principal} and {service} cannot both be given.")
    if service in parameters:
        return str(parameters[service]), True
    return str(parameters.get(principal, "")), False


def _pin(name: str, is_service: bool) -> str:
    """The unique ID of a user or role. It must exist if its account is here; others are taken on trust, as AWS cannot be asked."""
    if is_service or name.endswith(".amazonaws.com"):
        return ""
    if _PRINCIPAL.fullmatch(name) is None:
        raise _no_principal(name)
    try:
        return principal_ids.pin([name]).get(name, "")
    except principal_ids.UnknownPrincipal as reason:
        raise _no_principal(name) from reason


def _is(column: str, name: str) -> Q:
    """Grants whose `column` is who is called that now, as they are shown: not who was before, under the same name."""
    if principal_ids.is_unique_id(name):
        return Q(**{f"{column}_pin": name})
    try:
        pin = principal_ids.pin([name]).get(name, "")
    except principal_ids.UnknownPrincipal:  # its account is here, and has no such user or role any more
        return Q(pk__in=())
    return Q(**{f"{column}_pin": pin}) if pin else Q(**{column: name, f"{column}_pin": ""})


def _no_principal(name: str) -> AWSError:
    return AWSError("InvalidArnException", f"ARN does not refer to a valid principal: {name}")


def _check_constraints(key: KmsKey, constraints: dict[str, Any]) -> None:
    if not constraints:
        return
    contexts = [constraints[name] for name in access.CONTEXT_CONSTRAINTS if name in constraints]
    if contexts and key.spec != specs.SYMMETRIC_DEFAULT:
        raise AWSError(
            "ValidationException", "Encryption context constraints are only valid for symmetric encryption keys."
        )
    for pairs in contexts:
        if len(pairs) > PAIRS_PER_CONSTRAINT or any(len(value) > CHARACTERS_PER_VALUE for value in pairs.values()):
            raise AWSError(
                "ValidationException",
                f"A grant constraint takes up to {PAIRS_PER_CONSTRAINT} encryption context pairs with values of up to "
                f"{CHARACTERS_PER_VALUE} characters.",
            )


def _check_parent(context: CallContext, key: KmsKey, operations: list[str], constraints: dict[str, Any]) -> None:
    """A caller whose only permission to create grants is a grant itself can pass on no more than that grant gives."""
    for parent in key.grants:
        if "CreateGrant" not in parent.operations or not grants_to(parent, context.principal):
            continue
        if parent.operations.issuperset(operations) and _as_strict(parent.constraints, constraints):
            return
    raise AWSError(
        "AccessDeniedException",
        f"User: {context.principal.arn} is not authorized to perform: kms:CreateGrant on resource: {key.arn} "
        "because the new grant would allow more than the grant that allows the kms:CreateGrant action",
    )


def _as_strict(parent: Mapping[str, Any], child: Mapping[str, Any]) -> bool:
    """Whether `child` lets nothing through that `parent` would not."""
    if "SourceArn" in parent and child.get("SourceArn") != parent["SourceArn"]:
        return False
    equals, subset = parent.get("EncryptionContextEquals"), parent.get("EncryptionContextSubset")
    if equals and child.get("EncryptionContextEquals") != equals:
        return False
    return not subset or any(subset.items() <= child.get(name, {}).items() for name in access.CONTEXT_CONSTRAINTS)


def _same_by_name(
    row: models.Key, name: str, who: dict[str, str], operations: list[str], constraints: dict[str, Any]
) -> models.Grant | None:
    """With a Name, an identical request gets the grant that is there; without one every request makes a new grant."""
    if not name:
        return None
    for grant in row.grants.filter(name=name, **who):
        if sorted(grant.operations) == sorted(operations) and json.dumps(
            grant.constraints, sort_keys=True
        ) == json.dumps(constraints, sort_keys=True):
            return grant
    return None


def _entries(grants: list[models.Grant]) -> list[dict[str, Any]]:
    arns = principal_ids.arns_of({pin for grant in grants for pin in (grant.grantee_pin, grant.retiring_pin) if pin})
    return [_entry(grant, arns) for grant in grants]


def _entry(grant: models.Grant, arns: dict[str, str]) -> dict[str, Any]:
    """`arns`: what users and roles are called now, by unique ID; one that is gone is shown as its ID."""
    grantee = arns.get(grant.grantee_pin, grant.grantee_pin) or grant.grantee
    retiring = arns.get(grant.retiring_pin, grant.retiring_pin) or grant.retiring
    entry: dict[str, Any] = {
        "KeyId": grant.key.arn,
        "GrantId": grant.grant_id,
        "Name": grant.name,
        "CreationDate": grant.created,
        "IssuingAccount": grant.issuing_account,
        "Operations": grant.operations,
        "GranteeServicePrincipal" if grant.grantee_is_service else "GranteePrincipal": grantee,
    }
    if retiring:
        entry["RetiringServicePrincipal" if grant.retiring_is_service else "RetiringPrincipal"] = retiring
    if grant.constraints:
        entry["Constraints"] = grant.constraints
    return entry


def list_grants(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    rows = models.Grant.objects.select_related("key").filter(key_id=key.pk)
    if "GrantId" in parameters:
        rows = rows.filter(grant_id=parameters["GrantId"])
    if "GranteePrincipal" in parameters:
        rows = rows.filter(_is("grantee", parameters["GranteePrincipal"]))
    if "GranteeServicePrincipal" in parameters:
        rows = rows.filter(grantee=parameters["GranteeServicePrincipal"], grantee_is_service=True)
    found, more = paging.page("grants", parameters, rows, "pk", limit=50, maximum=100)
    return {"Grants": _entries(found), **more}


def list_retirable_grants(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """Grants that a principal of the caller's account may retire, on other accounts' keys too."""
    access.authorize_new(context, "ListRetirableGrants")
    retiring, is_service = _who(parameters, "RetiringPrincipal", "RetiringServicePrincipal")
    if not retiring:
        raise key_use.member_null("retiringPrincipal")
    if not is_service:
        match = _PRINCIPAL.fullmatch(retiring)
        if match is None or context.account_id not in (match[1], match[3]):
            raise _no_principal(retiring)
    rows = models.Grant.objects.select_related("key").filter(
        _is("retiring", retiring), retiring_is_service=is_service, key__region=context.region
    )
    if is_service:  # a service's name belongs to no account
        rows = rows.filter(key__account_id=context.account_id)
    found, more = paging.page("retirable", parameters, rows, "pk", limit=50, maximum=100)
    return {"Grants": _entries(found), **more}


def revoke_grant(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    key = key_snapshots.find(context, parameters["KeyId"], aliases=False)
    access.authorize(context, key, params=parameters)
    grant = models.Grant.objects.filter(key_id=key.pk, grant_id=parameters["GrantId"]).first()
    if grant is None:
        raise AWSError("NotFoundException", f"Grant ID {parameters['GrantId']} not found")
    access.dry_run(parameters)
    _remove(grant, key)
    return {}


def retire_grant(context: CallContext, parameters: dict[str, Any]) -> dict[str, Any]:
    """By token, or by key and ID. The retiring principal may, the grantee if the grant says so, and who has kms:RetireGrant."""
    if "GrantToken" in parameters:
        if "KeyId" in parameters or "GrantId" in parameters:
            raise AWSError("ValidationException", "Specify either a grant token, or a key ID and a grant ID, not both.")
        grant_id = access.token_grant_id(parameters["GrantToken"])
        grant = models.Grant.objects.select_related("key").filter(grant_id=grant_id, key__region=context.region).first()
        if grant is None:
            raise AWSError("InvalidGrantTokenException", "The grant token is not valid.")
    else:
        if "KeyId" not in parameters or "GrantId" not in parameters:
            raise AWSError("ValidationException", "Specify either a grant token, or a key ID and a grant ID.")
        named = key_snapshots.find(context, parameters["KeyId"], aliases=False)
        grant = (
            models.Grant.objects.select_related("key").filter(key_id=named.pk, grant_id=parameters["GrantId"]).first()
        )
        if grant is None:
            if named.account_id != context.account_id:
                access.authorize(context, named, params=parameters)  # else it would tell whether there is such a grant
            raise AWSError("NotFoundException", f"Grant ID {parameters['GrantId']} not found")
    key = key_snapshots.get(grant.key.account_id, grant.key.region, grant.key.key_id)
    if _may_retire(grant, context.principal):
        context.touches_key(key.arn, key.account_id)
    else:
        access.authorize(context, key, params=parameters, conditions=access.constraint_conditions(grant.constraints))
    access.dry_run(parameters)
    _remove(grant, key)
    return {}


def _may_retire(grant: models.Grant, principal: Principal) -> bool:
    """A service calls for a principal or for itself: it may retire what names either."""
    if principal.invoked_by and principal.invoked_by in (grant.retiring, grant.grantee):
        return principal.invoked_by == grant.retiring or "RetireGrant" in grant.operations
    if grant.retiring and is_named(grant.retiring, grant.retiring_pin, principal):
        return True
    return "RetireGrant" in grant.operations and is_named(grant.grantee, grant.grantee_pin, principal)


def _remove(grant: models.Grant, key: KmsKey) -> None:
    grant.delete()
    changed(key_entity(key.account_id, key.region, key.key_id))
