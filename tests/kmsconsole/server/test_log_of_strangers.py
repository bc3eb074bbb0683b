"""What anybody who connects can send leaves no line in the log: a log that strangers write fills the disk."""

from __future__ import annotations

import socket

import pytest

from tests.support.server import Server

pytestmark = pytest.mark.slow
HOST = "Host: 127.0.0.1"
REQUESTS = {
    "a wrong Host": f"GET / HTTP/1.1\r\n{HOST}\r\nHost: elsewhere.example\r\n\r\n",
    "an address that is none": f"GET /no/such/{'x' * 50_000} HTTP/1.1\r\n{HOST}\r\n\r\n",
    "a forged form": f"POST /principals/sign-in/ HTTP/1.1\r\n{HOST}\r\nContent-Length: 3\r\n\r\na=b",
    "a method that is none": f"DELETE /principals/sign-in/ HTTP/1.1\r\n{HOST}\r\n\r\n",
    "an unsigned call": f"POST / HTTP/1.1\r\n{HOST}\r\nX-Amz-Target: TrentService.ListKeys\r\nContent-Length: 2\r\n\r\n{{}}",
    "no HTTP": "\0\1\2\r\n\r\n",
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_of_a_stranger_leaves_no_line(server: Server, kind: str) -> None:
    before = server.output()
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(REQUESTS[kind].encode())
            status = connection.recv(64).split(b" ")[1]
            assert 400 <= int(status) < 500 or status == b"302"
    assert server.output() == before
