"""What a request costs before anyone has signed it: its head, what is sent ahead, and what is not part of a request at all."""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kmsconsole.server import http_protocol
from kmsconsole.server.connection_table import Limits
from tests.support.door import Door, door, hello
from tests.support.rawhttp import JSON, Client, request
from tests.support.server import ROOT


@pytest.fixture(scope="module")
def hall(prepared: Any) -> Iterator[Door]:
    with door(hello, Limits(seconds=1.0)) as opened:
        yield opened


AWS = ("POST /", f"Content-Type: {JSON}", "X-Amz-Target: TrentService.ListKeys")
KINDS = {"a page": ("GET /page",), "an AWS call": AWS}


def with_head_of(size: int, line: str, *headers: str) -> bytes:
    """A request without a body whose head has exactly so many bytes."""
    empty = request(line, *headers, "X-Filling: ", body=b"")
    return empty.replace(b"X-Filling: ", b"X-Filling: " + b"f" * (size - len(empty)))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_head_may_have_64_kib(hall: Door, kind: tuple[str, ...]) -> None:
    with Client(hall.port, with_head_of(64 << 10, *kind)) as client:
        assert client.answer().status in (200, 400)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_longer_head_is_answered_431_and_the_connection_ends(hall: Door, kind: tuple[str, ...]) -> None:
    with Client(hall.port, with_head_of((64 << 10) + 32, *kind)) as client:
        assert client.answer().status == 431
        assert client.ended()


def test_a_head_that_never_ends_is_refused_while_it_comes(hall: Door) -> None:
    with Client(hall.port, b"GET / HTTP/1.1\r\nAuthorization: " + b"a" * (6 << 20)) as client:
        assert client.answer().status == 431


def test_so_is_an_address_that_never_ends(hall: Door) -> None:
    with Client(hall.port, b"GET /" + b"a" * (6 << 20)) as client:
        assert client.answer().status == 431


def test_so_are_line_ends_that_no_request_follows(hall: Door) -> None:
    with Client(hall.port, b"\r\n" * (128 << 10)) as client:
        assert client.answer().status == 431


def test_line_ends_between_requests_do_not_keep_a_connection() -> None:
    with (
        door(hello, Limits(seconds=1.0, idle_seconds=1.5)) as opened,
        Client(opened.port, request("GET /page")) as client,
    ):
        assert client.answer().status == 200
        begin = time.monotonic()
        while not select.select([client.connection], [], [], 0.2)[0]:
            assert time.monotonic() < begin + 10, "the connection is held for as long as line ends come"
            client.send(b"\r\n")
        assert client.ended()


def test_so_is_a_head_that_never_ends_after_a_request_on_the_same_connection(hall: Door) -> None:
    with Client(hall.port, request("GET /page") + b"GET / HTTP/1.1\r\nAuthorization: " + b"a" * (1 << 20)) as client:
        assert client.answer().body == b"/page"
        assert client.answer().status == 431


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_head_may_have_200_lines(hall: Door, kind: tuple[str, ...]) -> None:
    plenty = [f"X-{number}: y" for number in range(http_protocol.LINES - len(kind) - 1)]
    with Client(hall.port, request(*kind, *plenty, body=b"")) as client:
        assert client.answer().status in (200, 400)
    with Client(hall.port, request(*kind, *plenty, "One-More: y", body=b"")) as client:
        assert client.answer().status == 431
        assert client.ended()


def test_lines_that_go_on_from_the_line_before_are_bounded_with_it(hall: Door) -> None:
    with Client(hall.port, b"GET / HTTP/1.1\r\nX-Long: a\r\n" + b" b\r\n" * (64 << 10)) as client:
        assert client.answer().status in (400, 431)


def test_trailers_are_bounded_and_are_no_headers(hall: Door, account: Any) -> None:
    head = request(*AWS, "Transfer-Encoding: chunked") + b"2\r\n{}\r\n0\r\n"
    with Client(hall.port, head + b"Authorization: AWS4-HMAC-SHA256 Credential=x\r\n\r\n") as client:
        assert b"MissingAuthenticationToken" in client.answer().body
    with Client(hall.port, head + b"X-Trailer: " + b"t" * (4 << 20)) as client:
        answers = client.answer()
        assert answers.status == 431
        assert client.ended()
    with Client(hall.port, head + b"X-Trailer: t\r\n" * 100_000) as client:
        assert client.answer().status == 431


def test_an_extension_of_a_chunk_is_no_body(hall: Door) -> None:
    began = time.monotonic()
    with Client(hall.port, request("POST /page", "Transfer-Encoding: chunked")) as client:
        readable: list[Any] = []
        while not readable and time.monotonic() - began < 5:
            client.send(b"1;extension=" + b"e" * 100 + b"\r\nx\r\n")
            readable = select.select([client.connection], [], [], 0.01)[0]
        assert client.answer().status == 408


def test_only_so_many_requests_are_taken_ahead_of_their_answers(hall: Door) -> None:
    for kind, status in ((request("GET /page"), 200), (request(*AWS, body=b"{}"), 400)):
        with Client(hall.port, kind * 3000) as client:
            answered = [client.answer().status for _ in range(http_protocol.AHEAD)]
            assert set(answered) == {status}
            last = client.answer()
            while last.status == status:  # a thread's answers may have made room for a few more
                last = client.answer()
            assert last.status == 503
            assert client.ended()


def test_what_comes_after_a_request_that_ends_the_connection_is_not_done(hall: Door) -> None:
    closing = request(*AWS, "Connection: close", body=b"{}")
    with Client(hall.port, closing + request(*AWS, body=b"{}") * 3) as client:
        assert client.answer().headers["Connection"] == "close"
        assert client.ended()


def test_what_is_no_http_is_refused_after_what_came_before_it_was_answered(hall: Door) -> None:
    for kind, status in ((request("GET /page"), 200), (request(*AWS, body=b"{}"), 400)):
        with Client(hall.port, kind * 3 + b"no http\r\n\r\n") as client:
            assert [client.answer().status for _ in range(4)] == [status, status, status, 400]
            assert client.ended()


def test_no_other_protocol_is_spoken(hall: Door) -> None:
    for upgrade in ("websocket", "h2c"):
        with Client(hall.port, request("GET /page", "Connection: Upgrade", f"Upgrade: {upgrade}")) as client:
            answer = client.answer()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
            client.send(b"whatever")
            assert client.ended()
    with Client(hall.port, request("CONNECT other.example:443")) as client:
        assert client.answer().status == 400
        assert client.ended()


def test_http_1_0_is_not_told_to_go_on_and_gets_no_chunks(hall: Door) -> None:
    asked = request("POST /page", "Expect: 100-continue", body=b"x").replace(b"HTTP/1.1", b"HTTP/1.0")
    with Client(hall.port, asked) as client:
        assert client.answer().status == 200
        assert client.ended()


def test_a_client_that_does_not_read_costs_no_thread_and_is_let_go_of() -> None:
    def large(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/small":
            return list(hello(environ, start_response))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * (8 << 20)]

    with door(large, Limits(seconds=0.5), threads=2) as opened:
        deaf = [Client(opened.port, request("GET /large") * 8) for _ in range(6)]
        time.sleep(0.2)
        with Client(opened.port, request("GET /small"), timeout=5) as client:
            assert client.answer().body == b"/small"
        deadline = time.monotonic() + 10
        while opened.table.open > 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert opened.table.open <= 1
        for client in deaf:
            client.close()


def test_what_all_connections_hold_together_is_bounded(hall: Door) -> None:
    with door(hello, Limits(unanswered=1 << 20)) as opened:
        slow = [Client(opened.port, request("POST /page", "Content-Length: 300000") + b"x" * 200_000) for _ in range(8)]
        deadline = time.monotonic() + 5
        while (opened.table.held > 1 << 20 or opened.table.open > 5) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert opened.table.held <= 1 << 20
        slow[-1].send(b"x" * 100_000)  # the newest goes on; the oldest had to make room
        assert slow[-1].answer().body == b"/page"
        assert slow[0].answer().status == 503
        for client in slow:
            client.close()
        deadline = time.monotonic() + 5
        while opened.table.open and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (opened.table.open, opened.table.held) == (0, 0)


def test_every_bound_is_told_in_the_operations_guide() -> None:
    text = re.sub(r"\s+", " ", (ROOT / "docs" / "operations.md").read_text())
    for said in (
        "64 KiB",
        f"{http_protocol.LINES} lines",
        f"{http_protocol.AHEAD} requests",
        "431",
        "16 KiB",
        "128 MiB",
    ):
        assert said in text, said
