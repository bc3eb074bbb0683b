"""Show the call: the very request a page makes or would make, as an AWS CLI command, as boto3, as Terraform where a resource sends
it, and as the HTTP request itself by curl. Each can be run as printed. No secret is in it: that of the access key is the environment's,
and a password (what the service model calls a sensitive text) is read from an exported environment variable named after its member."""

from __future__ import annotations

import base64
import json
import pprint
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore import xform_name
from botocore.model import ServiceModel, Shape
from botocore.regions import EndpointResolver
from botocore.serialize import create_serializer

from console import terraform
from console.awsmodel import service_model
from engine.public.memory import Remembered
from engine.public.service_models import LOADER


@dataclass(frozen=True, slots=True)
class CallExample:
    """`terraform` is empty where no resource of the AWS provider sends the operation; `note` then says so."""

    operation: str
    cli: str
    boto3: str
    http: str
    terraform: str = ""
    note: str = ""


Call = tuple[str, dict[str, Any]]  # an operation with its parameters


def call_example(service_name: str, calls: Sequence[Call], region: str, endpoint: str, account_id: str) -> CallExample:
    """Several requests to one service in the order they are sent, as one script each."""
    configuration = terraform.configurations(service_name, calls, region, endpoint, account_id)
    return CallExample(
        operation=", ".join(dict.fromkeys(operation for operation, _parameters in calls)),
        cli="\n\n".join(cli(service_name, *each, region, endpoint) for each in calls),
        boto3=boto3_script(service_name, calls, region, endpoint),
        http="\n\n".join(http(service_name, *each, region, endpoint) for each in calls),
        terraform=configuration,
        note="" if configuration else terraform.absent(service_name, calls),
    )


Secrets = dict[tuple[str, ...], str]


def secrets(service_name: str, operation: str, parameters: dict[str, Any]) -> Secrets:
    """Path of members → the environment variable that holds it, for what of `parameters` the service model calls sensitive texts."""
    shape = service_model(service_name).operation_model(operation).input_shape
    paths = _sensitive(shape, parameters) if shape is not None else ()
    return {path: xform_name(path[-1]).upper() for path in paths}


def _sensitive(shape: Shape, value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if shape.type_name == "string" and shape.metadata.get("sensitive"):
        yield path
    elif shape.type_name == "structure" and isinstance(value, dict):
        for member, each in value.items():
            yield from _sensitive(shape.members[member], each, (*path, member))


def _replaced(value: Any, secret: Secrets, by: Callable[[str], Any], path: tuple[str, ...] = ()) -> Any:
    """The value with `by` of the variable where a secret stands; without it, where that is None."""
    if path in secret:
        return by(secret[path])
    if not isinstance(value, dict):
        return value
    found = {member: _replaced(each, secret, by, (*path, member)) for member, each in value.items()}
    return {member: each for member, each in found.items() if each is not None or (*path, member) not in secret}


def cli(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    """An `aws` command for bash or zsh. Blobs go in as files: versions 1 and 2 of the CLI read text on the command line differently."""
    model = service_model(service_name).operation_model(operation)
    secret = secrets(service_name, operation, parameters)
    lines = [f"aws {service_name} {xform_name(operation, '-')}"]
    for member, value in parameters.items():
        assert model.input_shape is not None
        if any(path[0] == member for path in secret):
            lines.append(f"--{xform_name(member, '-')} {_from_variables(value, secret, (member,))}")
        else:
            lines.append(_option(member, value, model.input_shape.members[member]))
    lines.append(f"--region {region}")
    if endpoint:
        lines.append(f"--endpoint-url {endpoint}")
    return " \\\n    ".join(lines)


def _from_variables(value: Any, secret: Secrets, path: tuple[str, ...]) -> str:
    """An argument that is a secret, or a structure with some, in the CLI's shorthand."""
    if path in secret:
        return f'"${secret[path]}"'
    if not isinstance(value, dict):
        return shlex.quote(str(value))
    return ",".join(f"{member}={_from_variables(each, secret, (*path, member))}" for member, each in value.items())


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


def boto3_script(service_name: str, calls: Sequence[Call], region: str, endpoint: str) -> str:
    arguments = [repr(service_name), f"region_name={region!r}"]
    if endpoint:
        arguments.append(f"endpoint_url={endpoint!r}")
    hidden = any(secrets(service_name, *each) for each in calls)
    lines = [*(["import os", ""] if hidden else []), "import boto3", ""]
    lines.append(f"{service_name} = boto3.client({', '.join(arguments)})")
    lines += [f"answer = {service_name}.{_boto3_call(service_name, *each)}" for each in calls]
    return "\n".join(lines)


class _FromEnvironment(str):
    """A secret in a program's source: the expression that reads its variable."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f'os.environ["{self}"]'


def _boto3_call(service_name: str, operation: str, parameters: dict[str, Any]) -> str:
    said = _replaced(parameters, secrets(service_name, operation, parameters), _FromEnvironment)
    given = "".join(
        f"    {member}={pprint.pformat(_plain(value), sort_dicts=False)},\n" for member, value in said.items()
    )
    return str(xform_name(operation)) + (f"(\n{given})" if given else "()")


def _plain(value: Any) -> Any:
    """A time as the text botocore takes for it, so that the source needs no further import."""
    return value.isoformat() if hasattr(value, "isoformat") else value


def http(service_name: str, operation: str, parameters: dict[str, Any], region: str, endpoint: str) -> str:
    """The request as botocore serialises it, signed and sent by curl (7.75 or newer) with the access key of the environment."""
    model = service_model(service_name)
    secret = secrets(service_name, operation, parameters)
    said = _replaced(parameters, secret, lambda variable: None)
    made = _serialised(model, operation, said)
    headers = {name: value for name, value in dict(made["headers"]).items() if name.lower() != "content-length"}
    headers.setdefault("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
    signing_region, address = _address[service_name, region]
    lines = [
        f"curl {shlex.quote((endpoint or address).rstrip('/') + made['url_path'])}",
        f'--aws-sigv4 "aws:amz:{signing_region}:{model.signing_name}"',
        '--user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"',
        '${AWS_SESSION_TOKEN:+-H "X-Amz-Security-Token: $AWS_SESSION_TOKEN"}',
        *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in headers.items()),
        *_data(model, _text(made["body"]), secret),
    ]
    return " \\\n    ".join(lines)


def _data(model: ServiceModel, content: str, secret: Secrets) -> list[str]:
    """The body as curl is given it. A secret is read from its variable and encoded there: by curl as a further part of a form, by jq
    into a document."""
    if not secret or model.resolved_protocol == "query":
        parts = (f'--data-urlencode "{".".join(path)}=${variable}"' for path, variable in secret.items())
        return [f"--data-raw {shlex.quote(content)}", *parts]
    puts = " | ".join(f".{'.'.join(path)} = env.{variable}" for path, variable in secret.items())
    return [f'--data-raw "$(jq -c {shlex.quote(puts)} <<< {shlex.quote(content)})"']


def body(service_name: str, operation: str, parameters: dict[str, Any]) -> str:
    """The request's body as it crosses the wire."""
    return _text(_serialised(service_model(service_name), operation, parameters)["body"])


def _serialised(model: ServiceModel, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """As it would be sent: what was left out to be put in later, or is refused by AWS, is no matter here."""
    serializer = create_serializer(model.resolved_protocol, include_validation=False)
    return dict(serializer.serialize_to_request(parameters, model.operation_model(operation)))


def _text(content: Any) -> str:
    if isinstance(content, bytes):
        return content.decode()
    return content if isinstance(content, str) else urlencode(content)


def _find_address(service_and_region: tuple[str, str]) -> tuple[str, str]:
    """(Region of the signature, URL) of a service on real AWS."""
    service_name, region = service_and_region
    resolver = EndpointResolver(LOADER.load_data("endpoints"))
    partition = resolver.get_partition_for_region(region)
    found = resolver.construct_endpoint(service_name, region, partition_name=partition)
    scope = found.get("credentialScope", {})
    return scope.get("region", region), f"https://{found['hostname']}/"


_address = Remembered(_find_address, entries=256, longest=64)
