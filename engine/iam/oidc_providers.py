"""OpenID Connect providers: create, get, list, delete, their client IDs, thumbprints and tags. Source: IAM API Reference.

AWS looks up the thumbprint of a provider that is created without one; here only where KMSCONSOLE_LOOK_UP_THUMBPRINTS says so. The list then
stays empty, and the issuer's certificate is checked by the machine's certificate authorities alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from engine import https_client
from engine.context import CallContext
from engine.iam import entities, entity_tags, quotas
from engine.iam.identity_providers import OIDC, permitted, save
from engine.iam.models import OpenIDConnectProvider
from engine.operation import Operation
from engine.wire.errors import AWSError

Answer = dict[str, Any]
_THUMBPRINT = re.compile(r"[0-9A-Fa-f]{40}")


def _mine(context: CallContext) -> Any:
    return OpenIDConnectProvider.objects.filter(account_id=context.account_id)


def _permitted(context: CallContext, parameters: dict[str, Any]) -> Any:
    return permitted(context, OIDC, parameters)


def _permit_create(context: CallContext, parameters: dict[str, Any]) -> str:
    """The provider's name."""
    url = parameters["Url"]
    name = str(url.removeprefix("https://"))
    entities.permit(context, f"arn:aws:iam::{context.account_id}:oidc-provider/{name}", asked=parameters)
    _check_url(url)
    return name


@contextmanager
def _looked_up(context: CallContext, parameters: dict[str, Any]) -> Iterator[None]:
    """The thumbprint is looked up before the transaction: other changes do not wait for the provider."""
    if settings.LOOK_UP_THUMBPRINTS and not parameters.get("ThumbprintList"):
        _permit_create(context, parameters)
        try:
            context.prepared = https_client.top_thumbprint(parameters["Url"])
        except https_client.HttpsError as reason:
            words = "IAM cannot connect to the OpenID Connect identity provider URL."
            raise AWSError("OpenIdIdpCommunicationError", words) from reason
    yield


def create(context: CallContext, parameters: dict[str, Any]) -> Answer:
    name, url = _permit_create(context, parameters), parameters["Url"]
    if _mine(context).filter(url=name).exists():
        raise AWSError("EntityAlreadyExists", f"Provider with url {url} already exists.")
    clients = list(dict.fromkeys(parameters.get("ClientIDList", ())))
    quotas.hold("ClientIdsPerOpenIdConnectProvider", len(clients))
    thumbprints = _thumbprints(parameters.get("ThumbprintList", ())) or ([context.prepared] if context.prepared else [])
    tags = entities.tag_mapping(parameters.get("Tags", []))
    quotas.hold(quotas.OIDC_PROVIDERS, _mine(context).count() + 1)
    provider = OpenIDConnectProvider.objects.create(
        account_id=context.account_id,
        url=name,
        client_ids=clients,
        thumbprints=thumbprints,
        created=context.now,
        tags=tags,
    )
    entities.touched(context)
    return entities.with_tags({"OpenIDConnectProviderArn": provider.arn}, provider)


def _check_url(url: str) -> None:
    """An https URL without query and fragment, as issuers are (OpenID Connect Discovery 1.0, section 2)."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme == "https" and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment or not url.isascii() or re.search(r"[\s?#]", url):
        raise AWSError("ValidationError", "Invalid Open ID Connect Provider URL")


def _thumbprints(given: Any) -> list[str]:
    listed = [each.lower() for each in dict.fromkeys(given)]
    if len(listed) > quotas.QUOTAS["ThumbprintsPerOpenIdConnectProvider"]:
        raise AWSError("InvalidInput", "Thumbprint list must contain fewer than 5 entries.")
    if not all(_THUMBPRINT.fullmatch(each) for each in listed):
        raise AWSError("InvalidInput", "Thumbprint must be a hex-encoded SHA-1 hash value of 40 characters.")
    return listed


def get(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    return {
        "Url": provider.url,
        "ClientIDList": provider.client_ids,
        "ThumbprintList": provider.thumbprints,
        "CreateDate": provider.created,
        "Tags": entities.tag_list(provider.tags),
    }


def list_all(context: CallContext, parameters: dict[str, Any]) -> Answer:
    entities.permit(context)
    return {"OpenIDConnectProviderList": [{"Arn": row.arn} for row in _mine(context).order_by("url")]}


def delete(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """One that is not there is an error, in words of its own: so recorded, whatever the IAM API Reference says."""
    provider = permitted(context, OIDC, parameters, may_be_gone=True)
    if provider is None:
        arn = parameters["OpenIDConnectProviderArn"]
        raise AWSError("NoSuchEntity", f"OpenId connect Provider {arn} cannot be found.")
    provider.delete()
    entities.touched(context)
    return {}


def add_client(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    clients = list(dict.fromkeys([*provider.client_ids, parameters["ClientID"]]))
    quotas.hold("ClientIdsPerOpenIdConnectProvider", len(clients))
    return save(context, provider, client_ids=clients)


def remove_client(context: CallContext, parameters: dict[str, Any]) -> Answer:
    """One that is not in the list is not an error. Source: IAM API Reference, RemoveClientIDFromOpenIDConnectProvider."""
    provider = _permitted(context, parameters)
    return save(context, provider, client_ids=[each for each in provider.client_ids if each != parameters["ClientID"]])


def update_thumbprints(context: CallContext, parameters: dict[str, Any]) -> Answer:
    provider = _permitted(context, parameters)
    return save(context, provider, thumbprints=_thumbprints(parameters["ThumbprintList"]))


OPERATIONS: dict[str, Operation] = {
    **entity_tags.operations("OpenIDConnectProvider", _permitted, announced=True),
    "AddClientIDToOpenIDConnectProvider": Operation(add_client, writes=True),
    "CreateOpenIDConnectProvider": Operation(create, writes=True, prepare=_looked_up),
    "DeleteOpenIDConnectProvider": Operation(delete, writes=True),
    "GetOpenIDConnectProvider": Operation(get),
    "ListOpenIDConnectProviders": Operation(list_all),
    "RemoveClientIDFromOpenIDConnectProvider": Operation(remove_client, writes=True),
    "UpdateOpenIDConnectProviderThumbprint": Operation(update_thumbprints, writes=True),
}
