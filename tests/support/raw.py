"""Signed AWS requests that no client library would send: any body, any target, any form."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from engine import service
from engine.wire.http import HttpRequest
from engine.wire.services import SERVICES
from tests.conftest import REGION, TestUser

FORM = "application/x-www-form-urlencoded; charset=utf-8"
JSON = "application/x-amz-json-1.1"


@dataclass(frozen=True)
class Answer:
    status: int
    code: str  # empty for a call that succeeded
    message: str
    body: bytes


def request(user: TestUser, name: str, operation: str, body: bytes, **headers: str) -> HttpRequest:
    """The signed request for `operation` of the service `name`. A JSON service is asked by its target; a Query service by `body`."""
    url = user.account.endpoint or "http://engine.local"
    row = SERVICES[name]
    sent = {"Content-Type": FORM, "Host": urlsplit(url).netloc}
    if row.protocol == "json":
        sent |= {"Content-Type": JSON, "X-Amz-Target": f"{row.target_prefixes[0]}.{operation}"}
    unsigned = AWSRequest("POST", f"{url}/", data=body, headers={**sent, **headers})
    SigV4Auth(Credentials(user.access_key_id, user.secret_access_key), name, REGION).add_auth(unsigned)
    signed = {key.lower(): str(value) for key, value in unsigned.headers.items()}
    return HttpRequest("POST", "/", "", signed, body, source_ip="127.0.0.1")


def send(user: TestUser, name: str, operation: str, body: bytes, **headers: str) -> Answer:
    """The answer to that request, by the transport of the user's account."""
    made = request(user, name, operation, body, **headers)
    if not user.account.endpoint:
        answer = service.handle(made)
        return read(name, answer.status, answer.body)
    connection = http.client.HTTPConnection(urlsplit(user.account.endpoint).netloc, timeout=30)
    try:
        connection.request(made.method, made.path, body=body, headers=dict(made.headers))
        got = connection.getresponse()
        return read(name, got.status, got.read())
    finally:
        connection.close()


def read(name: str, status: int, body: bytes) -> Answer:
    """An answer in the service's protocol. Fails if it is not well-formed."""
    if SERVICES[name].protocol == "json":
        document: Any = json.loads(body) if body else {}
        assert isinstance(document, dict), body
        return Answer(status, "" if status == 200 else document["__type"], document.get("message", ""), body)
    root = ElementTree.fromstring(body)
    found = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}
    return Answer(status, "" if status == 200 else found["Code"], found.get("Message", ""), body)
