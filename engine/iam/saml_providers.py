"""SAML providers: create, get, list, update, delete, tags; their private keys are saml_keys'. Source: IAM API Reference."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import entities, entity_tags, quotas, saml_keys, saml_metadata
from engine.iam.credentials import new_unique_id
from engine.iam.identity_providers import SAML, permitted, save
from engine.iam.models import SAMLProvider
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_ID = 22  # characters, as those that IAM's user guide shows
_VALID = timedelta(days=36525)  # IAM answers a date a hundred years on


def _mine(context: CallContext) -> Any:
    return SAMLProvider.objects.filter(account_id=context.account_id)


def _permitted(context: CallContext, parameters: dict[str, Any]) -> Any:
    return permitted(context, SAML, parameters)


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    name = parameters["Name"]
    entities.permit(context, f"arn:aws:iam::{context.account_id}:saml-provider/{name}", asked=parameters)
    _check_metadata(parameters["SAMLMetadataDocument"])
    key = saml_keys.check(None, parameters)
    if _mine(context).filter(name__iexact=name).exists():
        raise AWSError("EntityAlreadyExists", f"SAMLProvider with name {name} already exists.")
    tags = entities.tag_mapping(parameters.get("Tags", []))
    quotas.hold(quotas.SAML_PROVIDERS, _mine(context).count() + 1)
    provider = SAMLProvider.objects.create(
        account_id=context.account_id,
        name=name,
        unique_id=new_unique_id("SAMLSP")[:_ID],
        metadata=parameters["SAMLMetadataDocument"],
        created=context.now,
        valid_until=context.now + _VALID,
        tags=tags,
        encryption_mode=saml_keys.mode_of(None, parameters),
    )
    if key is not None:
        saml_keys.add(provider, key, context.now)
    entities.touched(context)
    return entities.with_tags({"SAMLProviderArn": provider.arn}, provider)


def _check_metadata(document: str) -> None:
    try:
        saml_metadata.read(document)
    except saml_metadata.NotSaml as reason:
        raise AWSError("InvalidInput", "Could not parse metadata") from reason


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    return {
        "SAMLProviderUUID": provider.unique_id,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created,
        "ValidUntil": provider.valid_until,
        "Tags": entities.tag_list(provider.tags),
        "AssertionEncryptionMode": provider.encryption_mode,
        "PrivateKeyList": saml_keys.entries(provider),
    }


def list_all(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    return {
        "SAMLProviderList": [
            {"Arn": row.arn, "ValidUntil": row.valid_until, "CreateDate": row.created}
            for row in _mine(context).order_by("name")
        ]
    }


def update(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    if set(parameters) == {"SAMLProviderArn"}:
        words = "Unable to update identity provider. No updates are defined for metadata or encryption assertion."
        raise AWSError("InvalidInput", words)
    changed: dict[str, Any] = {"encryption_mode": saml_keys.mode_of(provider, parameters)}
    if "SAMLMetadataDocument" in parameters:
        _check_metadata(parameters["SAMLMetadataDocument"])
        changed |= {"metadata": parameters["SAMLMetadataDocument"], "valid_until": context.now + _VALID}
    key = saml_keys.check(provider, parameters)
    if key is not None:
        saml_keys.add(provider, key, context.now)
    if "RemovePrivateKey" in parameters:
        provider.private_keys.filter(key_id=parameters["RemovePrivateKey"]).delete()
    save(context, provider, **changed)
    return {"SAMLProviderArn": provider.arn}


def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
    _permitted(context, parameters).delete()
    entities.touched(context)
    return {}


OPERATIONS: dict[str, Operation] = {
    **entity_tags.operations("SAMLProvider", _permitted, announced=True),
    "CreateSAMLProvider": Operation(create, writes=True),
    "DeleteSAMLProvider": Operation(delete, writes=True),
    "GetSAMLProvider": Operation(get),
    "ListSAMLProviders": Operation(list_all),
    "UpdateSAMLProvider": Operation(update, writes=True),
}
