"""HTTP by hand: requests as bytes, and answers as they come, head and all."""

from __future__ import annotations

import json
import socket
from typing import NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.support.server import ACCESS_KEY_ID, SECRET

JSON = "application/x-amz-json-1.1"
FORM = "application/x-www-form-urlencoded"


def signed(
    port: int,
    operation: str,
    parameters: dict[str, object],
    *more: str,
    version: str = "1.1",
    access_key_id: str = ACCESS_KEY_ID,
    secret: str = SECRET,
) -> bytes:
    """A signed KMS request as bytes."""
    body = json.dumps(parameters).encode()
    headers = {"Content-Type": JSON, "X-Amz-Target": f"TrentService.{operation}"}
    request = AWSRequest("POST", f"http://127.0.0.1:{port}/", headers=headers, data=body)
    SigV4Auth(Credentials(access_key_id, secret), "kms", "us-east-1").add_auth(request)
    lines = [f"POST / HTTP/{version}", f"Host: 127.0.0.1:{port}", *more]
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def request(line: str, *headers: str, body: bytes | None = None) -> bytes:
    """`line`: method and target."""
    length = [] if body is None else [f"Content-Length: {len(body)}"]
    return "\r\n".join([f"{line} HTTP/1.1", "Host: 127.0.0.1", *headers, *length, "", ""]).encode() + (body or b"")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]  # as spelled
    body: bytes


class Client:
    """One connection, read answer by answer."""

    def __init__(self, port: int, *sends: bytes, timeout: float = 20) -> None:
        self.connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._file = self.connection.makefile("rb")
        self.send(*sends)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self.connection.close()

    def send(self, *requests: bytes) -> None:
        self.connection.sendall(b"".join(requests))

    def answer(self, method: str = "GET") -> Answer:
        line = self._file.readline()
        assert line, "the connection was closed without an answer"
        status = int(line.split()[1])
        headers: dict[str, str] = {}
        while (field := self._file.readline().rstrip(b"\r\n")) != b"":
            name, _, value = field.decode("latin-1").partition(":")
            headers[name] = value.strip()
        if method == "HEAD" or status in (100, 204, 304):
            return Answer(status, headers, b"")
        if headers.get("Transfer-Encoding") == "chunked":
            body = b""
            while size := int(self._file.readline(), 16):
                body += self._file.read(size)
                self._file.readline()
            self._file.readline()
            return Answer(status, headers, body)
        return Answer(status, headers, self._file.read(int(headers["Content-Length"])))

    def ended(self) -> bool:
        """Whether the connection is closed, after whatever else was sent was read."""
        try:
            return self._file.read() == b""
        except ConnectionResetError:
            return True
