"""The clusters that CreateCustomKeyStore finds: PKCS#11 tokens that an administrator of the installation has registered."""

from __future__ import annotations

import secrets
from collections.abc import Iterable

from cryptography import x509

from engine import clock
from engine.kms import models
from engine.store.transaction import write

_LETTERS = "234567abcdefghijklmnopqrstuvwxyz"


class ClusterError(Exception):
    """A cluster cannot be registered; the message is one line for whoever tries."""


def register(module: str, token_label: str, trust_anchor: str) -> str:
    """The ID of a new cluster. `trust_anchor` is a certificate in PEM. Raises ClusterError."""
    try:
        x509.load_pem_x509_certificate(trust_anchor.encode())
    except ValueError as reason:
        raise ClusterError("the trust anchor is not a certificate in PEM") from reason
    if len(trust_anchor) > 5_000:
        raise ClusterError("the trust anchor is longer than the 5,000 characters that TrustAnchorCertificate may have")
    with write():
        there = models.CloudHsmCluster.objects.filter(module=module, token_label=token_label).first()
        if there is not None:
            raise ClusterError(f"the token {token_label} is registered already, as {there.cluster_id}")
        made = models.CloudHsmCluster.objects.create(
            cluster_id="cluster-" + "".join(secrets.choice(_LETTERS) for _ in range(11)),
            module=module,
            token_label=token_label,
            trust_anchor=trust_anchor,
            created=clock.real_now(),
        )
    return made.cluster_id


def registered() -> Iterable[models.CloudHsmCluster]:
    return models.CloudHsmCluster.objects.order_by("created")
