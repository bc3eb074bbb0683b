"""The recipe: this session's last playground calls as one script, in boto3 or for the AWS CLI.

What is kept is the requests without their secrets: a plaintext or message is never stored, neither is a digest of one; the script reads
it from a file instead. Of the answers only digests of what is no secret (ciphertexts, signatures, public keys) are kept, so that a call
that used an earlier answer says so in the script.
"""

from __future__ import annotations

import base64
import hashlib
import pprint
from typing import Any

from botocore import xform_name
from botocore.model import StructureShape

from console.awsmodel import service_model
from console.calls import cli
from console.request import ConsoleRequest

_SESSION, MOST = "recipe", 12


def remember(request: ConsoleRequest, operation: str, parameters: dict[str, Any], answer: dict[str, Any]) -> None:
    """Add a call that succeeded."""
    model = service_model("kms").operation_model(operation)
    assert model.input_shape is not None
    assert model.output_shape is not None
    outputs = {
        member: _digest(value)
        for member, value in answer.items()
        if isinstance(value, bytes) and not _secret(model.output_shape, member)
    }
    entry = {"operation": operation, "outputs": outputs, "parameters": _storable(model.input_shape, parameters)}
    request.session[_SESSION] = [*request.session.get(_SESSION, []), entry][-MOST:]


def entries(request: ConsoleRequest) -> list[dict[str, Any]]:
    return list(request.session.get(_SESSION, []))


def forget(request: ConsoleRequest) -> None:
    request.session.pop(_SESSION, None)


def _secret(shape: StructureShape, member: str) -> bool:
    return bool(shape.members[member].metadata.get("sensitive"))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _storable(shape: StructureShape, parameters: dict[str, Any]) -> dict[str, Any]:
    """A secret becomes {"secret": true}, other bytes base64 with their digest; grant tokens are left out."""
    made: dict[str, Any] = {}
    for member, value in parameters.items():
        if member == "GrantTokens":
            continue
        if _secret(shape, member):
            made[member] = {"secret": True}
        elif isinstance(value, bytes):
            made[member] = {"bytes": base64.b64encode(value).decode(), "digest": _digest(value)}
        else:
            made[member] = {"value": value}
    return made


def _origin(found: list[dict[str, Any]], number: int, digest: str) -> tuple[int, str] | None:
    """(number of the call, member) whose answer these bytes were: the latest before call `number`."""
    for earlier in range(number - 1, -1, -1):
        for member, known in found[earlier]["outputs"].items():
            if known == digest:
                return earlier, member
    return None


def secret_files(found: list[dict[str, Any]]) -> list[str]:
    """The files the scripts read their secrets from."""
    return [
        _file(number, member)
        for number, entry in enumerate(found)
        for member, given in entry["parameters"].items()
        if "secret" in given
    ]


def _file(number: int, member: str) -> str:
    return f"{member.lower()}-{number + 1}.bin"


def boto3_script(found: list[dict[str, Any]], region: str, endpoint: str) -> str:
    client = [repr("kms"), f"region_name={region!r}", *([f"endpoint_url={endpoint!r}"] if endpoint else [])]
    lines = ["from base64 import b64decode", "from pathlib import Path", "", "import boto3", ""]
    lines += [f"kms = boto3.client({', '.join(client)})"]
    for number, entry in enumerate(found):
        lines += ["", f"answer_{number + 1} = kms.{xform_name(entry['operation'])}("]
        for member, given in entry["parameters"].items():
            lines.append(f"    {member}={_python(found, number, member, given)},")
        lines.append(")")
    return "\n".join(lines)


def _python(found: list[dict[str, Any]], number: int, member: str, given: dict[str, Any]) -> str:
    if "secret" in given:
        return f'Path("{_file(number, member)}").read_bytes()'
    if "bytes" in given:
        origin = _origin(found, number, given["digest"])
        return f'answer_{origin[0] + 1}["{origin[1]}"]' if origin else f'b64decode("{given["bytes"]}")'
    return pprint.pformat(given["value"], sort_dicts=False)


def cli_script(found: list[dict[str, Any]], region: str, endpoint: str) -> str:
    """For bash. Answers that later calls use are written to files."""
    used: dict[int, list[str]] = {}
    for number, entry in enumerate(found):
        for given in entry["parameters"].values():
            origin = _origin(found, number, given["digest"]) if "digest" in given else None
            if origin and origin[1] not in used.setdefault(origin[0], []):
                used[origin[0]].append(origin[1])
    lines = ["#!/bin/bash", "set -euo pipefail"]
    for number, entry in enumerate(found):
        lines += ["", _command(found, number, entry, region, endpoint)]
        if members := used.get(number):
            lines[-1] += f" \\\n    --query '[{', '.join(members)}]' --output text | {{ read -r {' '.join(members)}"
            lines += [f'  base64 -d <<< "${member}" > answer-{number + 1}-{member}.bin' for member in members]
            lines.append("}")
    return "\n".join(lines)


def _command(found: list[dict[str, Any]], number: int, entry: dict[str, Any], region: str, endpoint: str) -> str:
    plain = {member: given["value"] for member, given in entry["parameters"].items() if "value" in given}
    command = cli("kms", entry["operation"], plain, region, endpoint)
    for member, given in entry["parameters"].items():
        option = f"--{xform_name(member, '-')}"
        if "secret" in given:
            command += f" \\\n    {option} fileb://{_file(number, member)}"
        elif "bytes" in given:
            origin = _origin(found, number, given["digest"])
            source = f"answer-{origin[0] + 1}-{origin[1]}.bin" if origin else f"<(base64 -d <<< {given['bytes']})"
            command += f" \\\n    {option} fileb://{source}"
    return command
