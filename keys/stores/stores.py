"""Custom key stores as pages show them: an entry of DescribeCustomKeyStores with its words and the number of its keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from django.utils.translation import gettext_lazy as _

from console.aws_calls import FAILURES
from console.request import ConsoleRequest
from engine.public import key_stores
from keys import permissions, service
from keys.inventory import inventory
from keys.stores import connection_words as words

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

DESCRIBE = "kms:DescribeCustomKeyStores"
READ_HEALTH = "kmsconsole:ReadKeyStoreHealth"
AWS_CLOUDHSM, EXTERNAL_KEY_STORE = "AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"
SHOWN_KEYS = 20


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of store. `slug` is its part of addresses; `one` and `many` are what AWS's console calls it."""

    type: str
    slug: str
    one: Any
    many: Any
    none: Any
    about: Any


KINDS = {
    kind.slug: kind
    for kind in (
        Kind(
            AWS_CLOUDHSM,
            "cloudhsm",
            _("AWS CloudHSM key store"),
            _("AWS CloudHSM key stores"),
            _("No AWS CloudHSM key stores in this Region yet."),
            _("Its keys are made in a hardware security module of your own, and never leave it."),
        ),
        Kind(
            EXTERNAL_KEY_STORE,
            "xks",
            _("External key store"),
            _("External key stores"),
            _("No external key stores in this Region yet."),
            _("Its keys stay in a key manager outside of the service, which is asked through a proxy for each use."),
        ),
    )
}


_INVALID_STATE = "CustomKeyStoreInvalidStateException"


@dataclass(frozen=True, slots=True)
class Store:
    """An entry of DescribeCustomKeyStores. `keys`: how many keys are in it, as far as the reader may see them; None if it may not, or they are
    not read to their end yet."""

    entry: dict[str, Any]
    keys: int | None = None

    @property
    def id(self) -> str:
        return str(self.entry["CustomKeyStoreId"])

    @property
    def name(self) -> str:
        return str(self.entry["CustomKeyStoreName"])

    @property
    def type(self) -> str:
        return str(self.entry.get("CustomKeyStoreType", AWS_CLOUDHSM))

    @property
    def kind(self) -> Kind:
        return next(kind for kind in KINDS.values() if kind.type == self.type)

    @property
    def state(self) -> str:
        return str(self.entry["ConnectionState"])

    @property
    def changing(self) -> bool:
        return self.state in words.CHANGING

    @property
    def error(self) -> str:
        return str(self.entry.get("ConnectionErrorCode", ""))

    @property
    def error_words(self) -> tuple[Any, Any] | None:
        """What the connection error means, and what helps."""
        own = words.EXTERNAL_ERRORS if self.type == EXTERNAL_KEY_STORE else {}
        return own.get(self.error) or words.ERRORS.get(self.error)

    @property
    def refused(self) -> dict[str, str]:
        """Action of the page → the AWS error that the state of the store, or its keys, would answer with. The tests ask the engine."""
        found = {}
        if self.state != words.CONNECTED:
            found["create_key"] = (
                f"{_INVALID_STATE}: The custom key store {self.id} is {self.state}, not {words.CONNECTED}."
            )
        if self.keys:
            found["delete"] = f"CustomKeyStoreHasCMKsException: The custom key store {self.id} has KMS keys."
        elif self.state != words.DISCONNECTED:
            state = "being connected" if self.state == words.CONNECTING else self.state
            found["delete"] = f"{_INVALID_STATE}: The custom key store {self.id} is {state}."
        return found

    @property
    def created(self) -> datetime:
        moment: datetime = self.entry["CreationDate"]
        return moment

    @property
    def proxy(self) -> dict[str, Any]:
        found: dict[str, Any] = self.entry.get("XksProxyConfiguration", {})
        return found

    @property
    def place(self) -> str:
        """The cluster's ID, or the proxy's URI."""
        if self.type == AWS_CLOUDHSM:
            return str(self.entry.get("CloudHsmClusterId", ""))
        return f"{self.proxy.get('UriEndpoint', '')}{self.proxy.get('UriPath', '')}"


def every(request: ConsoleRequest) -> list[Store]:
    """All stores of the account and Region. Raises ClientError."""
    entries = service.pages(service.client(request), "describe_custom_key_stores", "CustomKeyStores")
    return [Store(entry) for entry in entries]


def listed(request: ConsoleRequest) -> list[Store]:
    """All stores, with the numbers of their keys. Raises ClientError if they may not be described."""
    return [Store(store.entry, _number_of_keys(request, store.id)) for store in every(request)]


def find(request: ConsoleRequest, store_id: str) -> Store:
    """Raises ClientError."""
    found = service.client(request).describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"]
    return Store(found[0], _number_of_keys(request, store_id))


def _number_of_keys(request: ConsoleRequest, store_id: str) -> int | None:
    try:
        keys = inventory.synced_keys(request)
        if keys.visibility.undescribable or inventory.progress(request) is not None:
            return None
        return int(keys.filter(custom_key_store=store_id).count())
    except ClientError as error:
        if not service.denied(error):
            raise
        return None


def first_keys(request: ConsoleRequest, store_id: str) -> list[Row]:
    """The first keys of a store by name, each described again. Raises ClientError if keys may not be listed."""
    rows = inventory.synced_keys(request).filter(custom_key_store=store_id).by_name()
    return inventory.describe_rows(request, list(rows[:SHOWN_KEYS]))


def health(request: ConsoleRequest, found: list[Store]) -> dict[str, key_stores.ProxyHealth]:
    """Store ID → what its proxy told last, of the connected external stores among these. Only the embedded endpoint tells it. Raises
    ClientError."""
    asked = [each.id for each in found if each.type == EXTERNAL_KEY_STORE and each.state == words.CONNECTED]
    if not asked or not service.backend(request).embedded:
        return {}
    here = (str(request.signed_in.account_id), str(request.signed_in.region))
    return service.console_action(
        request, READ_HEALTH, lambda: key_stores.look(*here, asked), parameters={"customKeyStoreIds": asked}
    )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Of all stores: those that are not connected, and connected ones whose proxy or key managers are not healthy."""

    not_connected: list[Store]
    unwell: list[tuple[Store, key_stores.ProxyHealth]]


def trouble(request: ConsoleRequest) -> Trouble:
    """For a page that is about something else, as far as the endpoint has stores and the reader may read of them."""
    found = _as_far_as_readable(request)
    told = {} if permissions.refusal(request, READ_HEALTH) else health(request, found)
    unwell = [(each, told[each.id]) for each in found if each.id in told and not told[each.id].is_well]
    return Trouble([each for each in found if each.state != words.CONNECTED], unwell)


def _as_far_as_readable(request: ConsoleRequest) -> list[Store]:
    if permissions.refusal(request, DESCRIBE):
        return []
    try:
        return every(request)
    except ClientError as error:
        if service.denied(error) or service.unknown_operation(error) or service.not_offered(error):
            return []
        raise
    except FAILURES:
        return []  # the endpoint's keys are shown as they were read; the page of its stores says what is wrong
