"""`manage.py compatibility`: docs/compatibility.md, from the operation tables and the key specs themselves."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from engine import service
from engine.kms.algorithms import ed25519
from engine.kms.specs import SPECS
from engine.wire import services

# What an operation does not do, in a sentence. An operation that is not here does all that its model says.
_LIMITS = {
    "CreateCustomKeyStore": "a CloudHSM cluster is a PKCS#11 token; an external key store of a VPC endpoint service is kept and does not connect: [key stores](key-stores.md)",
    "ConnectCustomKeyStore": "the password of kmsuser is not rotated",
    "CreateKey": "origin EXTERNAL_KEY_STORE is refused; SM2 in China Regions only, and refused there too",
    "Decrypt": "Recipient (Nitro Enclaves) is refused",
    "GenerateDataKey": "Recipient (Nitro Enclaves) is refused",
    "GenerateDataKeyPair": "Recipient (Nitro Enclaves) is refused",
    "GenerateRandom": "Recipient (Nitro Enclaves) is refused",
    "DeriveSharedSecret": "Recipient (Nitro Enclaves) is refused",
    "Sign": f"{ed25519.LACKING} is refused: Ed25519ph is not in the cryptography package",
    "Verify": f"{ed25519.LACKING} is refused: Ed25519ph is not in the cryptography package",
    "GetParametersForImport": "RSAES_PKCS1_V1_5 and SM2PKE are refused",
    "GetPublicKey": "a disabled key is refused, as AWS documents; AWS has been seen to answer all the same",
    "ListKeys": "OTHER_ACCOUNTS_VIA_RAM lists nothing: there is no AWS RAM here",
}


def page() -> str:
    """The whole page as Markdown."""
    tables = service.operations()
    lines = [
        "# Compatibility",
        "",
        "Made by `manage.py compatibility` from the operation tables; a test holds this page to them.",
        "",
    ]
    for name in tables:
        model = services.model(name)
        there = tables[name]
        lines += [f"## {model.metadata['serviceFullName']}", ""]
        if not services.SERVICES[name].only:
            lines += [f"{len(there)} of {len(model.operation_names)} operations.", ""]
        if name == "kms":
            lines += ["| operation | state | limits |", "|---|---|---|"]
            for operation in model.operation_names:
                state = "not there: UnsupportedOperationException" if operation not in there else "done"
                lines.append(f"| {operation} | {state} | {_LIMITS.get(operation, '')} |")
        else:
            other = "InvalidAction" if services.SERVICES[name].only else "UnsupportedOperationException"
            lines.append(", ".join(sorted(there)) + f". Every other operation answers {other}.")
        lines.append("")
    lines += ["## Key specs", "", "| spec | usages | limits |", "|---|---|---|"]
    for spec in SPECS.values():
        lines.append(f"| {spec.name} | {', '.join(spec.usages)} | {spec.lacking} |")
    return "\n".join(lines) + "\n"


class Command(BaseCommand):
    help = "Print docs/compatibility.md."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(page(), ending="")
