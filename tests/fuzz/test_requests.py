"""Whatever bytes come in, an answer of the protocol goes out, and never an internal failure: heads, forms and JSON made from sound ones."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import service
from engine.wire.http import HttpRequest, HttpResponse
from engine.wire.services import SERVICES
from kmsconsole import resources
from tests.conftest import TestAccount, TestUser, new_account
from tests.support import members, raw
from tests.support.calls import EVERY, Calls
from tests.support.mutations import changed_bytes, changed_json, json_bodies
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

# Calls of the account itself after which the others could say no more than that they are denied.
LEFT_OUT = {"DeleteUser", "PutKeyPolicy"}
NAMES = [(name, operation) for name, operation in EVERY if operation not in LEFT_OUT]


@dataclass(frozen=True)
class World:
    user: TestUser
    sound: dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def world(prepared: object) -> World:
    calls = Calls(new_account().administrator)
    return World(calls.user, {each: calls.sound(*each) for each in NAMES})


def check(answer: HttpResponse) -> None:
    """It is whole and in one of the three protocols: EC2 has a form of its own for errors."""
    assert answer.status == 200 or 400 <= answer.status < 500, answer
    headers = dict(answer.headers)
    assert headers["x-amzn-RequestId"]
    assert int(headers["Content-Length"]) == len(answer.body)
    if headers["Content-Type"] == "text/xml":
        root = ElementTree.fromstring(answer.body)
        assert (answer.status == 200) != (root.tag == "Response" or root.tag.endswith("}ErrorResponse"))
    else:
        document = json.loads(answer.body or b"{}")
        assert ("__type" in document) == (answer.status != 200)


@given(data=st.data())
def test_a_signed_body_of_any_content_is_answered(world: World, data: st.DataObject) -> None:
    name, operation = data.draw(st.sampled_from(NAMES))
    sound = world.sound[name, operation]
    if SERVICES[name].protocol == "json":
        body = data.draw(json_bodies(sound))
    else:
        changed = data.draw(changed_json(sound))
        pairs = members.fields(changed if isinstance(changed, dict) else {"a": changed})
        body = members.form(operation, SERVICES[name].version, pairs)
        if data.draw(st.integers(0, 2)) == 0:
            body = data.draw(changed_bytes(body, b"Action=%ff&Version=%ed%a0%80&=&&Tags.member.=x&%zz"))
    check(service.handle(raw.request(world.user, name, operation, body)))


header_text = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)


@given(data=st.data())
def test_a_head_of_any_content_is_answered(world: World, data: st.DataObject) -> None:
    name, operation = data.draw(
        st.sampled_from([("kms", "DescribeKey"), ("iam", "GetUser"), ("sts", "GetCallerIdentity")])
    )
    sound = world.sound[name, operation]
    body = json.dumps(sound).encode()
    if SERVICES[name].protocol == "query":
        body = members.form(operation, SERVICES[name].version, members.fields(sound))
    made = raw.request(world.user, name, operation, body)
    headers = dict(made.headers)
    for _ in range(data.draw(st.integers(1, 3))):
        header = data.draw(st.sampled_from(sorted(made.headers)))
        fate = data.draw(st.sampled_from(("missing", "changed", "changed", "any", "doubled")))
        old = headers.pop(header, "")
        if fate == "changed":
            headers[header] = data.draw(changed_bytes(old.encode("latin-1"), b"AWS4-HMAC-SHA256 Credential=,")).decode(
                "latin-1"
            )
        elif fate == "any":
            headers[header] = data.draw(header_text)
        elif fate == "doubled":
            headers[header] = f"{old},{old}"
    query = data.draw(st.sampled_from(("", "", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a/b/c/d/e", "Action=%ff", "&=&"))
                      | header_text)  # fmt: skip
    method = data.draw(st.sampled_from(("POST", "POST", "GET", "PUT", "\xff", "")))
    path = data.draw(st.sampled_from(("/", "/", "", "//", "/../%2e", "/\xff")) | header_text)
    check(service.handle(HttpRequest(method, path, query, headers, body, source_ip=data.draw(header_text))))


# --- bytes on a socket


@pytest.fixture(scope="module")
def served(server: Server) -> list[bytes]:
    """Sound requests as bytes: a call that the event loop answers, one for a thread, a form, a page, a file, a probe."""
    account = TestAccount(ACCOUNT, endpoint=server.url)
    user = TestUser(account, "admin", f"arn:aws:iam::{ACCOUNT}:user/admin", ACCESS_KEY_ID, SECRET)
    key_id = user.client().create_key()["KeyMetadata"]["KeyId"]
    form = members.form("GetUser", SERVICES["iam"].version, [])
    calls = [
        raw.request(user, "kms", "DescribeKey", json.dumps({"KeyId": key_id}).encode()),
        raw.request(user, "kms", "ListKeys", b"{}"),
        raw.request(user, "iam", "GetUser", form),
    ]
    lines = [b"host: 127.0.0.1:%d" % server.port, b"accept: */*", b"cookie: language=en; sessionid=x"]
    pages = [
        b"GET /",
        b"GET /principals/sign-in/?next=/keys/",
        b"POST /principals/sign-in/",
        b"GET /static/%s/css/base.css" % resources.static_version().encode(),
        b"GET /healthz",
    ]
    return [
        *(_bytes(each) for each in calls),
        *(b"\r\n".join([page + b" HTTP/1.1", *lines, b"content-length: 0", b"", b""]) for page in pages),
    ]  # fmt: skip


def _bytes(made: HttpRequest) -> bytes:
    headers = {**made.headers, "content-length": str(len(made.body))}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST / HTTP/1.1\r\n{head}\r\n".encode("latin-1") + made.body


def exchange(server: Server, sent: bytes, wait: float = 0.25) -> int | None:
    """The status of the first answer, read as a client reads it; None where the server waits for more or hangs up."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
        try:
            connection.sendall(sent)
            answer = HTTPResponse(connection)
            answer.begin()
            connection.settimeout(20)
            answer.read()
        except (TimeoutError, ConnectionError):
            return None
        return answer.status


@given(data=st.data())
def test_any_bytes_on_a_connection_are_answered_or_waited_for(
    server: Server, served: list[bytes], data: st.DataObject
) -> None:
    sound = data.draw(st.sampled_from(served))
    odd = b"GET / HTTP/9.9\r\nHost: \xff\r\nContent-Length: -1\r\nTransfer-Encoding: chunked, chunked\r\nExpect: x\r\n\r\nffffffffffff\r\n"
    status = exchange(server, data.draw(changed_bytes(sound, odd) | st.binary(max_size=100)))
    assert status is None or status < 500 or status in (501, 505), status
    assert exchange(server, served[-1], wait=20) == 200, "the server no longer answers"


# --- what was found, each by its bytes


@pytest.mark.parametrize(
    ("name", "operation", "body"),
    [("kms", "DescribeKey", b'{"KeyId": "arn:alias/x"}')],
)
def test_a_body_that_once_failed_is_answered(world: World, name: str, operation: str, body: bytes) -> None:
    check(service.handle(raw.request(world.user, name, operation, body)))
