"""`manage.py register_cluster`: makes a PKCS#11 token known as a CloudHSM cluster, for custom key stores of any account here.

The PIN is asked for to try the token, and is not kept: whoever creates a key store gives it as KeyStorePassword.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from engine.hsm.token import Token, TokenError
from engine.kms.stores import clusters


def read_pin(descriptor: int | None, prompt: str) -> str:
    """The first line of an open file descriptor, or what is typed. Raises CommandError."""
    try:
        pin = getpass.getpass(prompt) if descriptor is None else os.fdopen(descriptor).readline().rstrip("\n")
    except (OSError, EOFError) as reason:
        raise CommandError(f"the PIN cannot be read: {reason}") from reason
    if not 7 <= len(pin) <= 32:
        raise CommandError("a PIN has 7 to 32 characters, as KeyStorePassword has")
    return pin


class Command(BaseCommand):
    help = "Register a PKCS#11 token as a CloudHSM cluster for custom key stores, and print its cluster ID."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--module", required=True, help="path of the PKCS#11 module, a shared library")
        parser.add_argument("--token", required=True, help="label of the token")
        parser.add_argument("--trust-anchor", required=True, help="file with the trust anchor certificate, PEM")
        parser.add_argument("--pin-fd", type=int, help="file descriptor to read the PIN from, instead of asking")

    def handle(self, *args: Any, **options: Any) -> None:
        module = str(Path(options["module"]).absolute())
        try:
            certificate = Path(options["trust_anchor"]).read_text()
        except (OSError, UnicodeDecodeError) as reason:
            raise CommandError(f"the trust anchor cannot be read: {reason}") from reason
        pin = read_pin(options["pin_fd"], f"PIN of the user of {options['token']} (tried, not kept): ")
        try:
            Token(module, options["token"], pin).check()
            cluster_id = clusters.register(module, options["token"], certificate)
        except (TokenError, clusters.ClusterError, DatabaseError) as reason:
            raise CommandError(f"nothing was registered: {reason}") from reason
        self.stdout.write(cluster_id)
