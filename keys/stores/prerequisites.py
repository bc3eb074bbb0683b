"""What has to be there before a custom key store is created, for the page that creates it.

Source: AWS KMS Developer Guide, "Assemble the prerequisites" of each type; docs/key-stores.md says what each is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from keys.stores.stores import AWS_CLOUDHSM, EXTERNAL_KEY_STORE


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """`command`: for training, where the embedded service is used."""

    title: Any
    why: Any
    command: str = ""


PREREQUISITES: dict[str, tuple[Prerequisite, ...]] = {
    AWS_CLOUDHSM: (
        Prerequisite(
            _("A cluster"),
            _(
                "The device that makes and keeps the keys. With AWS an active CloudHSM cluster; here a PKCS#11 token that an "
                "administrator of the installation has registered. SoftHSM does for training:"
            ),
            "kmsconsole create_training_token",
        ),
        Prerequisite(
            _("Its trust anchor certificate"),
            _(
                "customerCA.crt, which the cluster was initialised or registered with. It proves which cluster is meant."
            ),
        ),
        Prerequisite(
            _("The user kmsuser and its password"),
            _(
                "The key service logs in to the cluster as this user: here the token's user, and the password is its PIN. Nobody else "
                "should use it."
            ),
        ),
        Prerequisite(
            _("No other key store of this cluster"),
            _("An account makes one key store of a cluster, and of those that have the same certificate."),
        ),
    ),
    EXTERNAL_KEY_STORE: (
        Prerequisite(
            _("A proxy in front of your key manager"),
            _(
                "It speaks AWS's XKS proxy API, version 1. For training the project brings one over SoftHSM; this makes all that it needs and "
                "prints the next steps:"
            ),
            "kmsconsole xks-proxy --training var/xks",
        ),
        Prerequisite(
            _("An endpoint that the key service reaches"),
            _(
                "HTTPS on port 443 of the endpoint's host, with a certificate for that name by an authority that the key service trusts. It "
                "has to answer within 250 ms. An administrator of the installation can name another address, authority and time: "
                "KMSCONSOLE_XKS_PROXIES, KMSCONSOLE_XKS_CA_BUNDLE, KMSCONSOLE_XKS_SECONDS."
            ),
        ),
        Prerequisite(
            _("A credential"),
            _(
                "An access key ID and a secret access key that the proxy's administrator makes for this store. They sign each request; they "
                "are none of IAM's."
            ),
        ),
        Prerequisite(
            _("An external key for each KMS key"),
            _(
                "AES with 256 bits, enabled, allowed to encrypt and to decrypt. The key store is made without one; creating a key asks for "
                "its ID."
            ),
        ),
    ),
}
