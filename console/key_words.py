"""What pages call the facts of a key that AWS has constants for: states, usages and the rest. Read by pages and by their search."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

STATES: dict[str, Any] = {
    "Enabled": gettext_lazy("Enabled"),
    "Disabled": gettext_lazy("Disabled"),
    "PendingImport": gettext_lazy("Pending import"),
    "PendingDeletion": gettext_lazy("Pending deletion"),
    "PendingReplicaDeletion": gettext_lazy("Pending replica deletion"),
    "Unavailable": gettext_lazy("Unavailable"),
    "Creating": gettext_lazy("Creating"),
    "Updating": gettext_lazy("Updating"),
}
# A primary key that waits for its replicas has no date until they are gone.
PENDING_DELETION = ("PendingDeletion", "PendingReplicaDeletion")
USAGES: dict[str, Any] = {
    "ENCRYPT_DECRYPT": gettext_lazy("Encrypt and decrypt"),
    "SIGN_VERIFY": gettext_lazy("Sign and verify"),
    "GENERATE_VERIFY_MAC": gettext_lazy("Generate and verify MAC"),
    "KEY_AGREEMENT": gettext_lazy("Key agreement"),
    "ENCAPSULATE_DECAPSULATE": gettext_lazy("Key encapsulation"),
}
KINDS: dict[str, Any] = {
    "Symmetric": gettext_lazy("Symmetric"),
    "Asymmetric": gettext_lazy("Asymmetric"),
    "HMAC": "HMAC",
    "KEM": "KEM",
}
REGIONALITIES: dict[str, Any] = {
    "SINGLE": gettext_lazy("Single Region"),
    "PRIMARY": gettext_lazy("Multi-Region primary"),
    "REPLICA": gettext_lazy("Multi-Region replica"),
}
ROTATIONS: dict[str, Any] = {"off": gettext_lazy("Off")}
PUBLIC: dict[str, Any] = {"yes": gettext_lazy("Public"), "no": gettext_lazy("No")}
OF_FACETS: dict[str, dict[str, Any]] = {
    "state": STATES,
    "kind": KINDS,
    "usage": USAGES,
    "regionality": REGIONALITIES,
    "rotation": ROTATIONS,
    "public": PUBLIC,
}


def value_words(facet: str, value: str) -> Any:
    """A facet's value in words; what AWS calls by a constant stays one."""
    if facet == "rotation" and value.endswith(" days"):
        return _("every %(days)s days") % {"days": value.removesuffix(" days")}
    return OF_FACETS.get(facet, {}).get(value, value)
