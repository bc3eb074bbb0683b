"""Another KMS endpoint in the place of the network: it answers as the embedded engine does, but for what a test changes."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from io import BytesIO
from typing import Any

from botocore import xform_name
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse

Change = Callable[[str, Any], Any]
"""(operation, sound answer) → what is answered."""


class StubEndpoint:
    """`send` takes the place of keys.endpoints.outbound.CheckedSession.send. `asked`: the operations since it was last emptied, and how often;
    `not_offered`: operations that it does not know."""

    def __init__(self, kms: Any, cloudtrail: Any, *, not_offered: Collection[str] = ()) -> None:
        self.kms, self.cloudtrail, self.not_offered = kms, cloudtrail, not_offered
        self.asked: Counter[str] = Counter()
        self.change: Change = lambda _operation, answer: answer

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        target = request.headers["X-Amz-Target"]
        operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
        self.asked[operation] += 1
        status, answer = self._sound(operation, json.loads(request.body))
        changed = self.change(operation, answer) if status == 200 else answer
        body = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        return AWSResponse(request.url, status, {}, HTTPResponse(BytesIO(body), preload_content=False))

    def client(self, operation: str) -> Any:
        """Of the service that has the operation."""
        return self.cloudtrail if operation in self.cloudtrail.meta.service_model.operation_names else self.kms

    def _sound(self, operation: str, parameters: dict[str, Any]) -> tuple[int, Any]:
        if operation in self.not_offered:
            return 400, {"__type": "UnknownOperationException"}
        client = self.client(operation)
        shape = client.meta.service_model.operation_model(operation).input_shape
        given = {
            name: base64.b64decode(value) if shape.members[name].type_name == "blob" else value
            for name, value in parameters.items()
            if name != "Marker"  # a marker that a test made up is none of the engine's
        }
        try:
            answer = getattr(client, xform_name(operation))(**given)
        except ClientError as error:
            return 400, {"__type": error.response["Error"]["Code"], "message": error.response["Error"]["Message"]}
        del answer["ResponseMetadata"]
        return 200, json.loads(json.dumps(answer, default=_on_the_wire))


def _on_the_wire(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else base64.b64encode(value).decode()


def paths(value: Any) -> list[tuple[Any, ...]]:
    """Where in an answer there is something to change, the whole of it first; of a list the first item alone."""
    found: list[tuple[Any, ...]] = [()]
    inner = value.items() if isinstance(value, dict) else list(enumerate(value))[:1] if isinstance(value, list) else ()
    for name, each in inner:
        found += [(name, *rest) for rest in paths(each)]
    return found


GONE = object()


def changed(answer: Any, path: tuple[Any, ...], to: Any) -> Any:
    """A copy of the answer with another value at `path`; GONE takes it away."""
    if not path:
        return to
    copy = answer.copy()
    if path[1:]:
        copy[path[0]] = changed(copy[path[0]], path[1:], to)
    elif to is GONE:
        del copy[path[0]]
    else:
        copy[path[0]] = to
    return copy
