"""The account of a moment of the past, for the access explorer: its principals, its keys, and which key is meant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from botocore.exceptions import ClientError
from django.utils.translation import gettext as _

from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys.evaluator import past_access
from keys.evaluator.key_policy_cache import ReadableKeys
from keys.evaluator.key_view import KeyView
from keys.evaluator.past_access import PastAccess
from keys.inventory import inventory
from keys.record import past_keys
from keys.record.key_states import DELETED
from keys.record.past_keys import PastKeys
from keys.record.snapshots import KeySnapshot


@dataclass(frozen=True, slots=True)
class Past:
    """`keys` are those of the Region that were there."""

    moment: datetime
    access: PastAccess
    told: PastKeys

    @property
    def keys(self) -> list[KeySnapshot]:
        return [key for key in self.told.keys if key.state(self.moment) != DELETED]

    def matching(self, text: str) -> list[tuple[str, str]]:
        """(key ID, label) to choose from."""
        found = [(key.key_id, key.aliases[0] if key.aliases else key.key_id) for key in self.keys if _has(key, text)]
        return sorted(found, key=lambda each: each[1])[: inventory.PICKED]

    def key_view(self, name: str) -> KeyView:
        """By key ID, ARN, alias or alias ARN. Raises ClientError, MalformedPolicy."""
        short = name.rpartition(":")[2] if name.startswith("arn:") else name
        for key in self.keys:
            if short in (key.key_id, f"key/{key.key_id}", *(f"alias/{alias}" for alias in key.aliases)):
                return past_access.view(key, self.access.principals.account)
        message = _("The record tells of no key %(name)s then in this Region.") % {"name": name}
        raise ClientError({"Error": {"Code": "NotFoundException", "Message": message}}, "DescribeKey")

    def readable_keys(self) -> ReadableKeys:
        views, hidden = [], 0
        for key in self.keys:
            try:
                views.append(past_access.view(key, self.access.principals.account))
            except MalformedPolicy:  # of another endpoint, which takes what this version does not know
                hidden += 1
        return ReadableKeys(views, 0, hidden)


def _has(key: KeySnapshot, text: str) -> bool:
    return text.lower() in " ".join([key.key_id, *key.aliases, key.description]).lower()


def read(request: ConsoleRequest, moment: datetime) -> Past:
    """Raises ClientError, HistoryBeingRead."""
    return Past(moment, past_access.read(request, moment), past_keys.all_keys(request, moment, past_keys.as_it_is))
