"""HTTP as a worker's event loop speaks it: calls that it answers itself, calls and pages that threads answer, in any mixture."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.support import rawhttp
from tests.support.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("door") / "data", KMSCONSOLE_WORKERS="1") as server:
        yield server


@pytest.fixture(scope="module")
def key_id(door: Server) -> str:
    return str(door.client().create_key()["KeyMetadata"]["KeyId"])


def signed(door: Server, operation: str, parameters: dict[str, object], version: str = "1.1", *more: str) -> bytes:
    return rawhttp.signed(door.port, operation, parameters, *more, version=version)


def connect(door: Server) -> rawhttp.Client:
    return rawhttp.Client(door.port)


def test_a_connection_serves_call_after_call(door: Server, key_id: str) -> None:
    client = connect(door)
    for _ in range(3):
        client.send(signed(door, "DescribeKey", {"KeyId": key_id}))
        status, headers, body = client.answer()
        assert (status, json.loads(body)["KeyMetadata"]["KeyId"]) == (200, key_id)
        assert headers["x-amzn-RequestId"]
        assert headers["Date"]


def test_requests_sent_ahead_are_answered_in_their_order(door: Server, key_id: str) -> None:
    client = connect(door)
    page = f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n".encode()
    describe, listing = signed(door, "DescribeKey", {"KeyId": key_id}), signed(door, "ListKeys", {})
    client.send(describe, describe, page, describe, listing, page, describe)
    bodies = [client.answer()[2] for _ in range(7)]
    kinds = ["page" if body == b"ok\n" else "list" if b'"Keys"' in body else "key" for body in bodies]
    assert kinds == ["key", "key", "page", "key", "list", "page", "key"]


def test_a_call_that_comes_byte_by_byte_is_answered(door: Server, key_id: str) -> None:
    client = connect(door)
    for byte in signed(door, "DescribeKey", {"KeyId": key_id}):
        client.send(bytes([byte]))
    assert client.answer()[0] == 200


@pytest.mark.parametrize(("version", "more"), [("1.0", ()), ("1.1", ("Connection: close",))])
def test_a_connection_is_closed_where_the_client_asks_for_it(
    door: Server, key_id: str, version: str, more: tuple[str, ...]
) -> None:
    client = connect(door)
    client.send(signed(door, "DescribeKey", {"KeyId": key_id}, version, *more))
    status, headers, _body = client.answer()
    assert (status, headers["Connection"]) == (200, "close")
    assert client.ended()


def test_a_body_in_chunks_is_a_body(door: Server, key_id: str) -> None:
    head, _, body = signed(door, "DescribeKey", {"KeyId": key_id}).partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    client = connect(door)
    client.send(b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b"%x" % len(body), body, b"0", b"", b""]))
    assert client.answer()[0] == 200


def test_a_client_may_wait_to_be_told_to_go_on(door: Server, key_id: str) -> None:
    head, _, body = signed(door, "DescribeKey", {"KeyId": key_id}).partition(b"\r\n\r\n")
    client = connect(door)
    client.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert client.answer()[0] == 100
    client.send(body)
    assert client.answer()[0] == 200


def test_what_is_no_http_is_refused(door: Server) -> None:
    client = connect(door)
    client.send(b"\x16\x03\x01 this is no request\r\n\r\n")
    assert client.answer()[0] == 400
    assert client.ended()


def test_a_forwarded_address_is_not_believed(door: Server, key_id: str) -> None:
    client = connect(door)
    client.send(signed(door, "DescribeKey", {"KeyId": key_id}, "1.1", "X-Forwarded-For: 203.0.113.9"))
    request_id = client.answer()[1]["x-amzn-RequestId"]
    events = door.client("cloudtrail").lookup_events(MaxResults=10)["Events"]
    records = [json.loads(event["CloudTrailEvent"]) for event in events]
    assert [each["sourceIPAddress"] for each in records if each["requestID"] == request_id] == ["127.0.0.1"]


def test_a_change_made_meanwhile_holds_for_the_next_call_of_the_same_connection(door: Server) -> None:
    kms = door.client()
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    client = connect(door)
    asked = signed(door, "GenerateDataKey", {"KeyId": key, "KeySpec": "AES_256"})
    client.send(asked)
    assert client.answer()[0] == 200
    for change, answer in ((kms.disable_key, 400), (kms.enable_key, 200)):
        change(KeyId=key)
        client.send(asked)
        assert client.answer()[0] == answer
