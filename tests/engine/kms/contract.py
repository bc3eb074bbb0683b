"""What the contract tests share: how a refusal is read, and which identifiers each operation takes by the API Reference."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSPreparedRequest, AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from botocore.session import get_session

from engine import service
from engine.wire.http import HttpRequest
from tests.conftest import TestAccount

MODEL = get_session().get_service_model("kms")
METHODS = {name: re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in MODEL.operation_names}
NOBODY = "12345678-1234-1234-1234-123456789012"


def refusal(call: Any, *args: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        call(*args, **parameters)
    answer = refused.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return answer["Error"]["Code"], answer["Error"]["Message"]


def invalid(problem: str) -> tuple[str, str]:
    return "ValidationException", f"1 validation error detected: {problem}"


def send(
    account: TestAccount, operation: str, body: dict[str, Any] | bytes, **headers: str
) -> tuple[int, dict[str, Any]]:
    """(status, answer) of a body that no client would send; a header given replaces the one that would be sent."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    url = account.endpoint or "http://engine.local"
    request = AWSRequest(
        "POST",
        url + "/",
        data=content,
        headers={"X-Amz-Target": f"TrentService.{operation}", "Content-Type": "application/x-amz-json-1.1", **headers},
    )
    user = account.administrator
    SigV4Auth(Credentials(user.access_key_id, user.secret_access_key), "kms", "us-east-1").add_auth(request)
    return deliver(account, request.prepare())


def deliver(account: TestAccount, request: AWSPreparedRequest) -> tuple[int, dict[str, Any]]:
    """(status, answer) of a request as it is, by the account's transport."""
    if account.endpoint:
        answer = URLLib3Session().send(request)
        return answer.status_code, json.loads(answer.content or b"{}")
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    headers.setdefault("host", "engine.local")
    body = request.body or b""
    made = service.handle(HttpRequest("POST", "/", "", headers, bytes(body), source_ip="127.0.0.1"))
    return made.status, json.loads(made.body or b"{}")


def refused_body(account: TestAccount, operation: str, body: dict[str, Any]) -> tuple[str, str]:
    status, answer = send(account, operation, body)
    assert status == 400, answer
    return answer["__type"], answer.get("message", "")


def _identifiers() -> list[tuple[str, str, bool]]:
    """(operation, member, whether it takes aliases), read from the API Reference as botocore carries it."""
    found = []
    for name in MODEL.operation_names:
        shape = MODEL.operation_model(name).input_shape
        for member, described in shape.members.items() if shape else ():
            if described.name == "KeyIdType":
                words = re.sub("<[^>]+>", "", described.documentation)
                takes = "alias name" in words.lower() and "Alias names are not supported" not in words
                found.append((name, member, takes or name in ("GenerateMac", "VerifyMac")))
    return found


IDENTIFIERS = _identifiers()
