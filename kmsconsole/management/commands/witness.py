"""`kmsconsole witness URL`: see another installation's log grow, cosign its checkpoints and keep them. Run it from a timer, on a machine that
the operator of that installation has no hand in. Exit code 1, loudly, where the log is not the one that was seen before.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import urllib3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from django.core.management.base import BaseCommand, CommandError

from engine import clock, held_pools, outbound
from engine.durable_files import new_file
from engine.trail import signed_note, witness
from engine.trail.witness import Refused, State

_SECONDS = 30.0  # for an exchange, in all
_MOST_BYTES = 1 << 20


class Command(BaseCommand):
    help = "Cosign the checkpoints of another installation's audit trail, as long as each continues the last one."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("url", help="the installation, which has KMSCONSOLE_PUBLIC_LOG=on")
        parser.add_argument("--name", required=True, help="this witness's name, such as witness.example/audit")
        parser.add_argument("--key", type=Path, required=True, help="its Ed25519 key (PEM); made if it is not there")
        parser.add_argument("--state", type=Path, required=True, help="the file that keeps what was seen")
        parser.add_argument(
            "--log-key", default="", help="the log's verifier key, if the first one is not to be believed"
        )
        parser.add_argument("--ca-file", default="", help="PEM file of the certificate authorities of the installation")

    def handle(self, *args: Any, **options: Any) -> None:
        name = options["name"]
        if not name or any(each.isspace() or each == "+" for each in name):
            raise CommandError("a witness's name has no spaces and no +")
        key = _key(options["key"])
        remote = _Remote(options["url"].rstrip("/"), options["ca_file"])
        try:
            before = witness.load(options["state"])
            if before is not None and options["log_key"] not in ("", before.log_key):
                raise Refused("the log key that is given is not the one that was seen before")
            state = _seen(remote, before, options["log_key"])
        except (Refused, ValueError) as reason:
            raise CommandError(f"REFUSED, nothing was cosigned: {_printable(str(reason))}") from reason
        witness.store(options["state"], state)
        head = witness.head_of(state.note, state.log_key)
        if before is not None and before.note == state.note:
            self.stdout.write(f"unchanged: {head.size} records")
            return
        note = witness.cosigned(state, name, key, clock.real_now())
        kept = remote.post("cosignature", note)
        origin = _printable(head.origin)
        told = "kept there" if kept else "not kept there: its KMSCONSOLE_WITNESSES needs the key below"
        self.stdout.write(f"cosigned: {head.size} records of {origin}, {told}")
        self.stdout.write(signed_note.verifier_key(name, key.public_key(), cosigns=True))


def _printable(text: str) -> str:
    """What the other installation says, without what a terminal would act on."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def _seen(remote: _Remote, before: State | None, log_key: str) -> State:
    if before is None:
        return witness.first_seen(remote.get("checkpoint"), log_key)
    size = witness.head_of(before.note, before.log_key).size
    latest = remote.get("checkpoint")
    if witness.head_of(str(latest.get("checkpoint", "")), before.log_key).size <= size:
        return witness.continued(before, {"to": latest.get("checkpoint")})
    return witness.continued(before, remote.get(f"consistency?from={size}"))


def _key(path: Path) -> Ed25519PrivateKey:
    try:
        if not path.exists():
            made = Ed25519PrivateKey.generate()
            with new_file(path) as file:
                file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as reason:
        raise CommandError(f"the key {path} cannot be read: {reason}") from reason
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(f"the key {path} is not an Ed25519 key")
    return key


class _Remote:
    """The `/tlog/` addresses of the installation."""

    def __init__(self, url: str, ca_file: str) -> None:
        self._url = f"{url}/tlog/"
        self._pool = urllib3.PoolManager(timeout=_SECONDS, retries=False, ca_certs=ca_file or None)
        self._pool.pool_classes_by_scheme = held_pools.POOLS

    def get(self, address: str) -> dict[str, Any]:
        status, body = self._ask("GET", address)
        try:
            document = json.loads(body)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise CommandError(f"{self._url}{address} answered {status} and no document")
        if status == 404 and address.startswith("consistency"):
            raise Refused("the installation does not know the checkpoint that was seen before")
        if status != 200:
            raise CommandError(
                f"{self._url}{address} answered {status}: {_printable(str(document.get('message', '')))}"
            )
        return document

    def post(self, address: str, note: str) -> bool:
        return self._ask("POST", address, note.encode())[0] == 200

    def _ask(self, method: str, address: str, body: bytes | None = None) -> tuple[int, bytes]:
        headers = {"Content-Type": "text/plain; charset=utf-8", "User-Agent": "kmsconsole-witness"}
        try:
            with outbound.Deadline(_SECONDS):
                answer = self._pool.request(
                    method, self._url + address, body=body, headers=headers, redirect=False, preload_content=False
                )
                found = answer.read(_MOST_BYTES, decode_content=False)
                answer.close()
        except (urllib3.exceptions.HTTPError, outbound.ExchangeTimeout) as reason:
            raise CommandError(f"{self._url} cannot be reached: {type(reason).__name__}") from reason
        return answer.status, found
