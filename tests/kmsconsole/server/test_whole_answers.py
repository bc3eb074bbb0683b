"""An answer is whole or is nothing: it leaves in one write with its length, and its headers are spelled as AWS and Django spell them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from kmsconsole import resources
from kmsconsole.server import response
from kmsconsole.server.connection_table import Limits
from kmsconsole.server.wsgi import application
from tests.conftest import TestAccount
from tests.support.door import Door, door
from tests.support.rawhttp import FORM, JSON, Client, request, signed

MEBIBYTE = 1 << 20


def pages(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The real pages, and some that behave as only few do."""
    path = environ["PATH_INFO"]
    if path in ANSWERS:
        return ANSWERS[path](start_response)
    return application(environ, start_response)


def _no_content(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("204 No Content", [("Content-Length", "0")])
    return []


def _not_modified(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("304 Not Modified", [("ETag", '"x"')])
    return [b""]


def _in_pieces(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/csv")])
    return iter([b"some,", b"rows\r\n"])


def _large(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/csv")])
    return [b"x" * (3 * MEBIBYTE)]


def _stream(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/csv")])
    return iter([b"x" * MEBIBYTE] * 3)


def _fails(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/csv")])
    yield b"half an answer"
    raise ZeroDivisionError


def _breaks_off(start_response: Callable[..., Any]) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/csv")])
    yield from [b"x" * MEBIBYTE] * 2
    raise ZeroDivisionError


def _too_short(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "100")])
    return [b"short"]


def _injects(start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", [("X-Given", "a\r\nSet-Cookie: b")])
    return [b"x"]


ANSWERS: dict[str, Callable[..., Iterable[bytes]]] = {
    "/no-content": _no_content,
    "/not-modified": _not_modified,
    "/in-pieces": _in_pieces,
    "/large": _large,
    "/stream": _stream,
    "/fails": _fails,
    "/breaks-off": _breaks_off,
    "/too-short": _too_short,
    "/injects": _injects,
}


@pytest.fixture(scope="module")
def hall(prepared: Any) -> Iterator[Door]:
    with door(pages, Limits(seconds=0.5)) as opened:
        yield opened


@pytest.fixture
def asked(hall: Door) -> Iterator[Callable[..., Any]]:
    """Send something on a connection of its own; the answer, and how many writes it took."""
    clients = []

    def ask(sends: bytes, method: str = "GET") -> tuple[Any, int]:
        hall.writes.clear()
        clients.append(Client(hall.port, sends))
        answer = clients[-1].answer(method)
        return answer, len(hall.writes)

    yield ask
    for client in clients:
        client.close()


AWS = ("POST /", f"Content-Type: {JSON}")
QUERY = ("POST /", f"Content-Type: {FORM}")

# What is sent, and the status that answers it.
CASES: dict[str, tuple[bytes, int]] = {
    "a JSON error": (request(*AWS, "X-Amz-Target: TrentService.Encrypt", body=b"{}"), 400),
    "a JSON error of a thread": (request(*AWS, "X-Amz-Target: TrentService.CreateKey", body=b"{}"), 400),
    "no operation": (request(*AWS, "X-Amz-Target: TrentService.Nothing", body=b"{}"), 400),
    "a Query error": (request(*QUERY, body=b"Action=GetCallerIdentity&Version=2011-06-15"), 403),
    "a body too long for AWS": (request(*AWS, "X-Amz-Target: TrentService.Encrypt", "Content-Length: 9999999"), 413),
    "a form that is too long": (request("POST /principals/sign-in/", f"Content-Length: {10**12}"), 413),
    "no HTTP": (b"no http\r\n\r\n", 400),
    "too long a head": (b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000, 431),
    "a slow request": (request("POST /", "Content-Length: 10"), 408),
    "health": (request("GET /healthz"), 200),
    "metrics": (request("GET /metrics"), 200),
    "a page": (request("GET /principals/sign-in/"), 200),
    "a redirect": (request("GET /keys/"), 302),
    "a method that a page has not": (request("GET /theme/"), 405),
    "a form without its token": (request("POST /principals/sign-in/", f"Content-Type: {FORM}", body=b"a=b"), 403),
    "a static file": (request(f"GET /static/{resources.static_version()}/css/base.css"), 200),
    "a page that fails": (request("GET /fails"), 500),
    "a page that promised more": (request("GET /too-short"), 500),
    "a header that would be two": (request("GET /injects"), 500),
    "small pieces": (request("GET /in-pieces"), 200),
    "a large page": (request("GET /large"), 200),
}

SPELLING = re.compile(r"x-amzn-RequestId|[A-Z][A-Za-z]*(-[A-Z][A-Za-z]*)*")


@pytest.mark.parametrize(("sends", "status"), CASES.values(), ids=CASES)
def test_an_answer_leaves_in_one_write_with_its_length_and_names_spelled(
    asked: Callable[..., Any], sends: bytes, status: int
) -> None:
    answer, writes = asked(sends)
    assert (answer.status, writes) == (status, 1)
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    assert "Transfer-Encoding" not in answer.headers
    assert answer.headers["Date"].endswith(" GMT")
    assert [name for name in answer.headers if not SPELLING.fullmatch(name)] == []


def test_so_does_a_page_that_is_not_there(asked: Callable[..., Any], signed_in: Any) -> None:
    answer, writes = asked(request("GET /nowhere/", f"Cookie: sessionid={signed_in.cookies['sessionid'].value}"))
    assert (answer.status, writes) == (404, 1)
    assert int(answer.headers["Content-Length"]) == len(answer.body) > 0


AWS_NAMES = {"x-amzn-RequestId", "Date", "Content-Type", "Content-Length", "Cache-Control"}


@pytest.mark.parametrize(
    "call",
    [
        lambda port, **key: signed(port, "ListAliases", {}, **key),
        lambda port, **key: signed(port, "GenerateRandom", {"NumberOfBytes": 8}, **key),
        lambda port, **key: signed(port, "DescribeKey", {"KeyId": "alias/none"}, **key),
        lambda port, **key: signed(port, "CreateKey", {}, **key),
        lambda port, **key: request(*QUERY, body=b"Action=GetCallerIdentity&Version=2011-06-15"),
    ],
    ids=["a thread's", "the loop's", "a refused one", "a change", "a Query call"],
)
def test_a_call_is_answered_with_the_names_that_aws_uses(
    asked: Callable[..., Any], hall: Door, account: TestAccount, call: Callable[..., bytes]
) -> None:
    user = account.administrator
    sends = call(hall.port, access_key_id=user.access_key_id, secret=user.secret_access_key)
    answer, writes = asked(sends)
    assert writes == 1
    assert set(answer.headers) >= AWS_NAMES
    assert {name for name in answer.headers if name.lower() in {each.lower() for each in AWS_NAMES}} == AWS_NAMES


def test_a_connection_that_ends_says_so_as_aws_does(asked: Callable[..., Any]) -> None:
    for line in (("GET /healthz",), (*AWS, "X-Amz-Target: TrentService.Encrypt")):
        answer, _ = asked(request(*line, "Connection: close", body=b"{}"))
        assert answer.headers["Connection"] == "close"


@pytest.mark.parametrize("path", ["/healthz", "/in-pieces", "/principals/sign-in/"])
def test_a_head_request_is_told_the_length_and_gets_no_body(asked: Callable[..., Any], hall: Door, path: str) -> None:
    page, _ = asked(request(f"GET {path}"))
    answer, writes = asked(request(f"HEAD {path}") + request("GET /healthz"), "HEAD")
    assert (answer.status, writes > 0) == (page.status, True)
    assert int(answer.headers["Content-Length"]) > 0
    assert hall.writes[0].endswith(b"\r\n\r\n")


@pytest.mark.parametrize(("path", "status"), [("/no-content", 204), ("/not-modified", 304)])
def test_an_answer_without_a_body_says_no_length(hall: Door, path: str, status: int) -> None:
    with Client(hall.port, request(f"GET {path}"), request("GET /healthz")) as client:
        answer = client.answer()
        assert answer.status == status
        assert not {"Content-Length", "Transfer-Encoding"} & set(answer.headers)
        assert client.answer().body == b"ok\n"


def test_what_is_too_large_for_one_piece_comes_in_chunks_and_has_an_end(hall: Door) -> None:
    with Client(hall.port, request("GET /stream"), request("GET /healthz")) as client:
        answer = client.answer()
        assert answer.headers["Transfer-Encoding"] == "chunked"
        assert "Content-Length" not in answer.headers
        assert len(answer.body) == 3 * MEBIBYTE
        assert client.answer().body == b"ok\n"


def test_what_breaks_off_looks_so(hall: Door) -> None:
    with Client(hall.port, request("GET /breaks-off")) as client:
        received = b""
        while piece := client.connection.recv(1 << 20):
            received += piece
    assert received.startswith(b"HTTP/1.1 200 ")
    assert not received.endswith(b"0\r\n\r\n")


def test_http_1_0_gets_the_stream_and_then_the_end(hall: Door) -> None:
    with Client(hall.port, request("GET /stream").replace(b"HTTP/1.1", b"HTTP/1.0")) as client:
        received = b""
        while piece := client.connection.recv(1 << 20):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"Transfer-Encoding" not in head
    assert len(body) == 3 * MEBIBYTE


def test_a_refusal_names_what_it_is() -> None:
    for status in (400, 408, 413, 431, 503):
        written = response.refusal(status).decode()
        assert written.startswith(f"HTTP/1.1 {status} ")
        assert written.endswith("Content-Length: 0\r\nConnection: close\r\n\r\n")
