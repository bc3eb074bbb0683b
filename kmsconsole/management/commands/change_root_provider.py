"""`manage.py change_root_provider PROVIDER`: something else protects the root key from now on. A new root key is made for that, while the
server runs, so that whoever has the old one opens nothing of the new database."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError

from engine.vault import root_files, root_providers
from kmsconsole.installation.root_rotation import Wanted
from kmsconsole.management.root_command import RootCommand

# Provider → its options, by the name of the parameter.
_OPTIONS: dict[str, tuple[str, ...]] = {
    root_files.FILE: (),
    "passphrase": (),
    "pkcs11": ("token",),
    "kms": ("key",),
    "shamir": ("shares", "threshold"),
}


class Command(RootCommand):
    help = "Protect the root key by something else: make a new one there and rewrap all domain keys with it, while the server runs."

    def add_arguments(self, parser: Any) -> None:
        super().add_arguments(parser)
        parser.add_argument("provider", choices=[root_files.FILE, *root_providers.PROVIDERS])
        parser.add_argument(
            "--token", help="label of the PKCS#11 token (KMSCONSOLE_ROOT_TOKEN_MODULE names its module)"
        )

        parser.add_argument("--key", help="ARN of the KMS key")
        parser.add_argument("--endpoint", default="", help="endpoint of the KMS, if it is not AWS's")

        parser.add_argument("--shares", type=int, help="into how many shares the root key is split")
        parser.add_argument("--threshold", type=int, help="how many of them open it")

    def wanted(self, options: dict[str, Any]) -> Wanted | None:
        provider = options["provider"]
        missing = [f"--{name}" for name in _OPTIONS[provider] if not options[name]]
        if missing:
            raise CommandError(f"{provider} needs {' and '.join(missing)}")
        parameters = {name: options[name] for name in _OPTIONS[provider]}
        if provider == "kms":
            parameters["endpoint"] = options["endpoint"]
        return Wanted(provider, parameters)
