"""SAML providers: create, get, list, update, delete, tags. Source: IAM API Reference. Encrypted assertions are not taken: no private key is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from engine.context import CallContext
from engine.iam import entities, entity_tags, quotas, saml_metadata
from engine.iam.credentials import new_unique_id
from engine.iam.identity_providers import SAML, permitted, save
from engine.iam.models import SAMLProvider
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_VALID = timedelta(days=36525)  # IAM answers a date a hundred years on


def _mine(context: CallContext) -> Any:
    return SAMLProvider.objects.filter(account_id=context.account_id)


def _permitted(context: CallContext, parameters: dict[str, Any]) -> Any:
    return permitted(context, SAML, parameters)


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    name = parameters["Name"]
    entities.permit(context, f"arn:aws:iam::{context.account_id}:saml-provider/{name}", asked=parameters)
    _refuse_encryption(parameters)
    _check_metadata(parameters["SAMLMetadataDocument"])
    if _mine(context).filter(name__iexact=name).exists():
        raise AWSError("EntityAlreadyExists", f"SAMLProvider with name {name} already exists.")
    tags = entities.tag_mapping(parameters.get("Tags", []))
    quotas.hold(quotas.SAML_PROVIDERS, _mine(context).count() + 1)
    provider = SAMLProvider.objects.create(
        account_id=context.account_id,
        name=name,
        unique_id=new_unique_id("ASAM"),
        metadata=parameters["SAMLMetadataDocument"],
        created=context.now,
        valid_until=context.now + _VALID,
        tags=tags,
    )
    entities.touched(context)
    return entities.with_tags({"SAMLProviderArn": provider.arn}, provider)


def _check_metadata(document: str) -> None:
    try:
        saml_metadata.read(document)
    except saml_metadata.NotSaml as reason:
        raise AWSError("InvalidInput", "Could not parse metadata") from reason


def _refuse_encryption(parameters: dict[str, Any]) -> None:
    if "AddPrivateKey" in parameters or parameters.get("AssertionEncryptionMode") == "Required":
        raise AWSError("InvalidInput", "Encrypted SAML assertions are not available in this service.")


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    return {
        "SAMLProviderUUID": provider.unique_id,
        "SAMLMetadataDocument": provider.metadata,
        "CreateDate": provider.created,
        "ValidUntil": provider.valid_until,
        "Tags": entities.tag_list(provider.tags),
        "AssertionEncryptionMode": "Allowed",  # as recorded of a provider without a private key
        "PrivateKeyList": [],
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
    _refuse_encryption(parameters)
    if "RemovePrivateKey" in parameters:
        raise AWSError("NoSuchEntity", f"Private key {parameters['RemovePrivateKey']} cannot be found.")
    if "SAMLMetadataDocument" in parameters:
        _check_metadata(parameters["SAMLMetadataDocument"])
        save(context, provider, metadata=parameters["SAMLMetadataDocument"], valid_until=context.now + _VALID)
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
