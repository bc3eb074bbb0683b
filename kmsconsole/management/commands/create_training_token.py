"""`manage.py create_training_token`: a SoftHSM token in the data folder, its trust anchor, and its registration as a cluster, in one step.

For training and tests: who can read the data folder can read the token's files.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine import clock
from engine.hsm import softhsm
from engine.hsm.token import TokenError
from engine.kms.stores import clusters
from kmsconsole.management.commands.register_cluster import read_pin


class Command(BaseCommand):
    help = "Make a SoftHSM token for training and register it as a CloudHSM cluster."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--label", default="training", help="label of the token, at most 32 characters")
        parser.add_argument("--pin-fd", type=int, help="file descriptor to read the PIN from, instead of asking")

    def handle(self, *args: Any, **options: Any) -> None:
        data, label = Path(settings.DATA), options["label"]
        if not 1 <= len(label.encode()) <= 32:
            raise CommandError("a label has 1 to 32 bytes")
        if any(each.token_label == label for each in clusters.registered()):
            raise CommandError(f"there is a token {label}: choose another label with --label")
        pin = read_pin(options["pin_fd"], f"PIN for the token {label}, to be its key store's password: ")
        certificate = make_trust_anchor(label)
        try:
            module = softhsm.make(data, label, pin, apart=True)
            cluster_id = clusters.register(module, label, certificate)
            path = data / f"{cluster_id}-customerCA.crt"
            path.write_text(certificate)
        except (softhsm.SoftHsmError, TokenError, clusters.ClusterError, DatabaseError, OSError) as reason:
            raise CommandError(f"no cluster was made: {reason}") from reason
        self.stdout.write(f"Cluster ID: {cluster_id}")
        self.stdout.write(f"Trust anchor certificate: {path}")


def make_trust_anchor(label: str) -> str:
    """A self-signed certificate, as CloudHSM's customerCA.crt is. Its key is not kept: nothing is signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"kmsconsole training token {label}"[:64])])
    now = clock.real_now()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    return certificate.public_bytes(Encoding.PEM).decode()
