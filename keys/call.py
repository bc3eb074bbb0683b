"""Show the call: the very request a page makes or would make, as an AWS CLI command, as boto3, as Terraform where a resource sends
it, and as the HTTP request itself by curl. Each can be run as printed; the secret of the access key is never in it."""

from __future__ import annotations

import base64
import json
import pprint
import shlex
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.regions import EndpointResolver
from botocore.serialize import create_serializer
from django.http import HttpRequest
from django.utils.translation import gettext as _

from keys import service, terraform
from keys.awsmodel import service_model


@dataclass(frozen=True, slots=True)
class ShownCall:
    """`terraform` is empty where no resource of the AWS provider sends the operation; `note` then says so."""

    operation: str
    cli: str
    boto3: str
    http: str
    terraform: str = ""
    note: str = ""


def show(request: HttpRequest, operation: str, parameters: dict[str, Any], service_name: str = "kms") -> ShownCall:
    signed_in = request.signed_in  # type: ignore[attr-defined]
    region, endpoint = signed_in.region, service.endpoint_url(request)
    given = (service_name, operation, parameters, region, endpoint)
    configuration = terraform.configuration(*given, signed_in.account_id)
    return ShownCall(
        operation=operation,
        cli=cli(*given),
        boto3=boto3_source(*given),
        http=http(*given),
        terraform=configuration or "",
        note="" if configuration else _("No resource of Terraform's AWS provider makes this call."),
    )


def cli(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    """An `aws` command for bash or zsh. Blobs go in as files: versions 1 and 2 of the CLI read text on the command line differently."""
    model = service_model(service_name).operation_model(operation)
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
    if shape.type_name == "timestamp" and not isinstance(value, str):
        return shlex.quote(value.isoformat())
    return shlex.quote(str(value))


def boto3_source(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    arguments = [repr(service_name), f"region_name={region!r}"]
    if endpoint:
        arguments.append(f"endpoint_url={endpoint!r}")
    lines = ["import boto3", "", f"{service_name} = boto3.client({', '.join(arguments)})"]
    shown = {name: _plain(value) for name, value in parameters.items()}
    given = "".join(f"    {member}={pprint.pformat(value, sort_dicts=False)},\n" for member, value in shown.items())
    body = f"(\n{given})" if given else "()"
    lines.append(f"answer = {service_name}.{xform_name(operation)}{body}")
    return "\n".join(lines)


def _plain(value: Any) -> Any:
    """A time as the text botocore takes for it, so that the source needs no further import."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def http(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    """The request as botocore serialises it, signed and sent by curl (7.75 or newer) with the access key of the environment."""
    model = service_model(service_name)
    made = _serialised(model, operation, parameters)
    headers = {name: value for name, value in dict(made["headers"]).items() if name.lower() != "content-length"}
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    signing_region, address = _address(service_name, region)
    lines = [
        f"curl {shlex.quote((endpoint or address).rstrip('/') + made['url_path'])}",
        f'--aws-sigv4 "aws:amz:{signing_region}:{model.signing_name}"',
        '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"',
        '${AWS_SESSION_TOKEN:+-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"}',
        *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()),
        f"--data-raw {shlex.quote(_text(made['body']))}",
    ]
    return " \\\n    ".join(lines)


def body(service_name: str, operation: str, parameters: dict[str, Any]) -> str:
    """The request's body as it crosses the wire."""
    return _text(_serialised(service_model(service_name), operation, parameters)["body"])


def _serialised(model: ServiceModel, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    serializer = create_serializer(model.resolved_protocol)
    return dict(serializer.serialize_to_request(parameters, model.operation_model(operation)))


def _text(content: Any) -> str:
    if isinstance(content, bytes):
        return content.decode()
    return content if isinstance(content, str) else urlencode(content)


@cache
def _address(service_name: str, region: str) -> tuple[str, str]:
    """(Region of the signature, URL) of a service on real AWS."""
    resolver = EndpointResolver(Loader(include_default_search_paths=True).load_data("endpoints"))
    partition = resolver.get_partition_for_region(region)
    found = resolver.construct_endpoint(service_name, region, partition_name=partition)
    scope = found.get("credentialScope", {})
    return scope.get("region", region), f"https://{found['hostname']}/"
