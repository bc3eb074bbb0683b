"""Show the call: the very request a page makes or would make, as an AWS CLI command and as boto3. Each can be run as printed."""

from __future__ import annotations

import base64
import json
import pprint
import shlex
from dataclasses import dataclass
from typing import Any

from botocore import xform_name
from botocore.model import Shape
from botocore.session import get_session
from django.http import HttpRequest

from keys import service


@dataclass(frozen=True, slots=True)
class ShownCall:
    cli: str
    boto3: str


def show(request: HttpRequest, operation: str, parameters: dict[str, Any], service_name: str = "kms") -> ShownCall:
    region = request.signed_in.region  # type: ignore[attr-defined]
    endpoint = service.endpoint_url(request)
    return ShownCall(
        cli=cli(service_name, operation, parameters, region, endpoint),
        boto3=boto3_source(service_name, operation, parameters, region, endpoint),
    )


def cli(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    """An `aws` command for bash or zsh. Blobs go in as files: versions 1 and 2 of the CLI read text on the command line differently."""
    model = get_session().get_service_model(service_name).operation_model(operation)
    lines = [f"aws {service_name} {xform_name(operation, '-')}"]
    for member, value in parameters.items():
        assert model.input_shape is not None
        lines.append(_option(member, value, model.input_shape.members[member]))
    lines.append(f"--region {region}")
    if endpoint:
        lines.append(f"--endpoint-url {endpoint}")
    return " \\\n    ".join(lines)


def _option(member: str, value: Any, shape: Shape) -> str:
    name = "--" + xform_name(member, "-")
    if shape.type_name == "boolean":
        return name if value else f"--no-{name[2:]}"
    return f"{name} {_argument(value, shape)}"


def _argument(value: Any, shape: Shape) -> str:
    if shape.type_name == "blob":
        return f"fileb://<(base64 -d <<< {base64.b64encode(value).decode()})"
    if shape.type_name == "list" and all(isinstance(each, str) for each in value):
        return " ".join(shlex.quote(each) for each in value)
    if shape.type_name in ("structure", "map", "list"):
        return shlex.quote(json.dumps(value))
    return shlex.quote(str(value))


def boto3_source(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    arguments = [repr(service_name), f"region_name={region!r}"]
    if endpoint:
        arguments.append(f"endpoint_url={endpoint!r}")
    lines = ["import boto3", "", f"{service_name} = boto3.client({', '.join(arguments)})"]
    given = "".join(
        f"    {member}={pprint.pformat(value, sort_dicts=False)},\n" for member, value in parameters.items()
    )
    body = f"(\n{given})" if given else "()"
    lines.append(f"answer = {service_name}.{xform_name(operation)}{body}")
    return "\n".join(lines)
