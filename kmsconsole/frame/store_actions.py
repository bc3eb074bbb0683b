"""What may be typed to do something with a custom key store, "connect training": the page of that action, for each store that is meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from console.aws_calls import FAILURES
from console.request import ConsoleRequest
from keys import permissions
from keys.stores import connection_words, stores
from kmsconsole.frame.key_actions import KeyAction

_MOST = 4


@dataclass(frozen=True, slots=True)
class StorePhrase:
    """`typed`: what may be typed before or after the store's name. `only`: the state in which it can be asked."""

    typed: Any
    label: Any
    url_name: str
    asks: str
    only: str


PHRASES = (
    StorePhrase(
        _("connect"), _("Connect"), "store-connect", "kms:ConnectCustomKeyStore", connection_words.DISCONNECTED
    ),
    StorePhrase(
        _("disconnect"), _("Disconnect"), "store-disconnect", "kms:DisconnectCustomKeyStore", connection_words.CONNECTED
    ),
)


def actions(request: ConsoleRequest, text: str) -> list[KeyAction]:
    """Those that a phrase means, with the stores that this principal may see and change. Stores are asked for only if one is meant."""
    words = text.lower().split()
    meant = [(phrase, name) for phrase in PHRASES if (name := _without(words, phrase)) is not None]
    meant = [each for each in meant if not permissions.refusal(request, each[0].asks)]
    if not meant or permissions.refusal(request, stores.DESCRIBE):
        return []
    try:
        there = stores.every(request)
    except (ClientError, *FAILURES):
        return []  # an endpoint without stores, or one that does not answer: what it is asked next says so
    return [
        KeyAction(phrase.label, store.name, "server-stack", reverse(phrase.url_name, args=[store.kind.slug, store.id]))
        for phrase, name in meant
        for store in there
        if store.state == phrase.only and name in store.name.lower()
    ][:_MOST]


def _without(words: list[str], phrase: StorePhrase) -> str | None:
    """What names the store; None where the phrase is not there."""
    with translation.override("en"):
        english = str(phrase.typed)
    for typed in (english, str(phrase.typed).lower()):
        if words[:1] == [typed]:
            return " ".join(words[1:])
        if words[-1:] == [typed]:
            return " ".join(words[:-1])
    return None
