"""What may be typed to do something with a key, "rotate payments": the page of that action, for each key that is meant. A row a phrase."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext_lazy as _

from console.request import ConsoleRequest
from keys.inventory import inventory

KEYS_MEANT = 4  # keys that are offered for one phrase
_FILLERS = "of with under the key for by"
_FILLERS_HERE = _("of with under the key for by")  # words between an action and a key that say nothing


@dataclass(frozen=True, slots=True)
class KeyPhrase:
    """`typed`: what may be typed before or after the key, alternatives with | between. `only`: of which keys it can be asked."""

    typed: Any
    label: Any
    icon: str
    url_name: str
    arguments: tuple[str, ...] = ()
    only: Mapping[str, str] = field(default_factory=dict)
    query: str = ""  # the member of the query that names the key, where the address does not

    def address(self, key_id: str) -> str:
        if self.query:
            return f"{reverse(self.url_name, args=self.arguments)}?{urlencode({self.query: key_id})}"
        return reverse(self.url_name, args=(key_id, *self.arguments))


_OURS = {"manager": "CUSTOMER"}
_SYMMETRIC = {"spec": "SYMMETRIC_DEFAULT"}
_ENCRYPTS = {"usage": "ENCRYPT_DECRYPT"}
_SIGNS = {"usage": "SIGN_VERIFY"}
_MAC = {"usage": "GENERATE_VERIFY_MAC"}
_LOOK, _CHANGE, _PLAY = "eye", "wrench-screwdriver", "beaker"

PHRASES: tuple[KeyPhrase, ...] = (
    KeyPhrase(_("rotate|rotate now"), _("Rotate now"), _CHANGE, "key-action", ("rotate",), {**_OURS, **_SYMMETRIC}),
    KeyPhrase(_("enable"), _("Enable key"), _CHANGE, "key-action", ("enable",), {**_OURS, "state": "Disabled"}),
    KeyPhrase(_("disable"), _("Disable key"), _CHANGE, "key-action", ("disable",), {**_OURS, "state": "Enabled"}),
    KeyPhrase(_("delete|schedule deletion"), _("Schedule key deletion"), _CHANGE, "key-delete", (), _OURS),
    KeyPhrase(
        _("cancel deletion|keep"), _("Cancel key deletion"), _CHANGE, "key-action", ("cancel-deletion",),
        {**_OURS, "state": "PendingDeletion"},
    ),
    KeyPhrase(_("describe|rename"), _("Change description"), _CHANGE, "key-action", ("describe",), _OURS),
    KeyPhrase(_("add alias|alias"), _("Create alias"), _CHANGE, "key-action", ("alias-add",), _OURS),
    KeyPhrase(_("add tag|tag"), _("Add tag"), _CHANGE, "key-action", ("tag-add",), _OURS),
    KeyPhrase(_("edit policy"), _("Edit key policy"), _CHANGE, "key-policy-edit", (), _OURS),
    KeyPhrase(_("policy|key policy"), _("Key policy"), _LOOK, "key-tab", ("policy",)),
    KeyPhrase(_("policy history|history"), _("Key policy history"), _LOOK, "key-policy-history"),
    KeyPhrase(_("access|who can use"), _("Access"), _LOOK, "key-tab", ("access",)),
    KeyPhrase(_("grants"), _("Grants"), _LOOK, "key-tab", ("grants",)),
    KeyPhrase(_("aliases"), _("Aliases"), _LOOK, "key-tab", ("aliases",)),
    KeyPhrase(_("tags"), _("Tags"), _LOOK, "key-tab", ("tags",)),
    KeyPhrase(_("use|usage|who uses"), _("Use"), _LOOK, "key-tab", ("use",)),
    KeyPhrase(_("timeline"), _("Timeline"), _LOOK, "key-tab", ("timeline",)),
    KeyPhrase(_("events|audit"), _("Audit"), _LOOK, "audit", query="key"),
    KeyPhrase(_("import"), _("Import key material"), _CHANGE, "key-import", (), {"origin": "EXTERNAL"}),
    KeyPhrase(_("encrypt"), _("Encrypt"), _PLAY, "play", ("encrypt",), _ENCRYPTS, "key"),
    KeyPhrase(_("decrypt"), _("Decrypt"), _PLAY, "play", ("decrypt",), _ENCRYPTS, "key"),
    KeyPhrase(
        _("data key|generate data key"), _("Generate data key"), _PLAY, "play", ("generate-data-key",), _SYMMETRIC, "key"
    ),
    KeyPhrase(_("sign"), _("Sign a message"), _PLAY, "play", ("sign",), _SIGNS, "key"),
    KeyPhrase(_("verify"), _("Verify a signature"), _PLAY, "play", ("verify",), _SIGNS, "key"),
    KeyPhrase(_("mac|generate mac"), _("Generate MAC"), _PLAY, "play", ("generate-mac",), _MAC, "key"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class KeyAction:
    """A line of the results: an action, and the key it would be done with."""

    label: Any
    key: str
    icon: str
    url: str


def actions(request: ConsoleRequest, text: str) -> list[KeyAction]:
    """Those that a phrase means, with the keys that this principal may see. Raises ClientError if it may not list keys."""
    found: list[KeyAction] = []
    for phrase, name in meant(text):
        rows = inventory.synced_keys(request).matching(name).filter(**phrase.only).by_name()[:KEYS_MEANT]
        found += [
            KeyAction(phrase.label, row.alias or row.key_id, phrase.icon, phrase.address(row.key_id)) for row in rows
        ]
    return found


def meant(text: str) -> list[tuple[KeyPhrase, str]]:
    """(phrase, what names the key) of what was typed; of phrases that begin alike the longest."""
    words = text.lower().split()
    found: dict[str, tuple[int, KeyPhrase]] = {}
    for phrase in PHRASES:
        for typed in _alternatives(phrase):
            if len(typed) < len(words) and (rest := _without(words, typed)):
                found.setdefault(rest, (0, phrase))
                if len(typed) > found[rest][0]:
                    found[rest] = (len(typed), phrase)
    longest = max((length for length, _phrase in found.values()), default=0)
    return [(phrase, rest) for rest, (length, phrase) in found.items() if length == longest]


def _alternatives(phrase: KeyPhrase) -> list[list[str]]:
    with translation.override("en"):
        english = str(phrase.typed)
    return [each.split() for each in dict.fromkeys([*english.split("|"), *str(phrase.typed).split("|")])]


def _without(words: list[str], typed: list[str]) -> str:
    """What is left when the phrase stands at the beginning or the end; "" where it does not."""
    if words[: len(typed)] == typed:
        rest = words[len(typed) :]
    elif words[-len(typed) :] == typed:
        rest = words[: -len(typed)]
    else:
        return ""
    fillers = {*_FILLERS.split(), *str(_FILLERS_HERE).lower().split()}
    while rest and rest[0] in fillers:
        rest = rest[1:]
    while rest and rest[-1] in fillers:
        rest = rest[:-1]
    return " ".join(rest)
