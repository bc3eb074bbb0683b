"""How long a request may take: its head in all, its body by its progress, counted from its own begin and from nothing it announces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from kmsconsole.server.connection_table import Limits
from tests.support.door import Door, door, hello
from tests.support.rawhttp import JSON, Client, request

SECONDS = 0.6  # for a head, and for each 16 KiB of a body; 10 unless it is set
AWS = ("POST /", f"Content-Type: {JSON}", "X-Amz-Target: TrentService.CreateKey")
KINDS = {"a page": ("POST /page",), "an AWS call": AWS}


@pytest.fixture(scope="module")
def hall(prepared: Any) -> Iterator[Door]:
    with door(hello, Limits(seconds=SECONDS)) as opened:
        yield opened


def head(kind: tuple[str, ...], length: int) -> bytes:
    return request(*kind, f"Content-Length: {length}")


def drip(client: Client, data: bytes, pieces: int, seconds: float) -> None:
    size = len(data) // pieces
    for number in range(pieces):
        time.sleep(seconds / pieces)
        client.send(data[number * size : (number + 1) * size])


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_body_that_comes_steadily_may_take_long(hall: Door, kind: tuple[str, ...]) -> None:
    with Client(hall.port, head(kind, 960 << 10)) as client:
        drip(client, b"x" * (960 << 10), 60, SECONDS * 4)
        assert client.answer().status in (200, 400)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("used_before", [False, True])
@pytest.mark.parametrize("announced", [1000, 1 << 20])
def test_a_body_that_does_not_come_is_not_waited_for(
    hall: Door, kind: tuple[str, ...], used_before: bool, announced: int
) -> None:
    with Client(hall.port) as client:
        if used_before:
            client.send(request("GET /healthz"))
            assert client.answer().status == 200
        began = time.monotonic()
        client.send(head(kind, announced))
        assert client.answer().status == 408
        assert SECONDS * 0.9 < time.monotonic() - began < SECONDS * 2
        assert client.ended()


def test_the_largest_announcement_buys_no_time(hall: Door) -> None:
    began = time.monotonic()
    with Client(hall.port, request("GET /healthz")) as client:
        assert client.answer().status == 200
        client.send(head(("POST /page",), 32 << 20))
        assert client.answer().status == 408
    assert time.monotonic() - began < SECONDS * 2


def test_a_body_that_stops_on_its_way_is_not_waited_for(hall: Door) -> None:
    with Client(hall.port, head(("POST /page",), 1 << 20)) as client:
        drip(client, b"x" * (256 << 10), 8, SECONDS * 1.5)
        began = time.monotonic()
        assert client.answer().status == 408
        assert time.monotonic() - began < SECONDS * 2.5


def test_a_body_that_trickles_is_not_waited_for(hall: Door) -> None:
    began = time.monotonic()
    with Client(hall.port, head(("POST /page",), 1 << 20)) as client:
        drip(client, b"x" * 80, 20, SECONDS * 0.8)
        assert client.answer().status == 408
    assert time.monotonic() - began < SECONDS * 2


def test_a_body_has_its_time_from_its_own_begin(hall: Door) -> None:
    """A slow head takes nothing of it, nor does a slow answer to what came before."""
    sent = head(AWS, 2) + b"{}"
    with Client(hall.port) as client:
        for part in (sent[:10], sent[10:40], sent[40:-1], sent[-1:]):
            time.sleep(SECONDS * 0.3)
            client.send(part)
        assert client.answer().status == 400


def test_a_head_has_one_time_in_all(hall: Door) -> None:
    began = time.monotonic()
    with Client(hall.port) as client:
        for byte in b"GET / HT":
            client.send(bytes([byte]))
            time.sleep(SECONDS * 0.1)
        assert client.answer().status == 408
    assert time.monotonic() - began < SECONDS * 2


def test_a_connection_that_says_nothing_is_closed(hall: Door) -> None:
    began = time.monotonic()
    with Client(hall.port) as client:
        assert client.ended()
    assert time.monotonic() - began < SECONDS * 2


def test_a_request_behind_a_slow_page_is_not_what_is_slow() -> None:
    def slow(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        time.sleep(1.0)
        return hello(environ, start_response)

    with door(slow, Limits(seconds=0.3)) as opened:
        behind = head(("POST /behind",), 100_000) + b"x" * 100_000
        with Client(opened.port, request("GET /slow") + behind[:120]) as client:
            assert client.answer().body == b"/slow"
            client.send(behind[120:])
            assert client.answer().body == b"/behind"


def test_an_idle_connection_is_kept_for_longer_than_a_request_may_take(hall: Door) -> None:
    with Client(hall.port, request("GET /healthz")) as client:
        assert client.answer().status == 200
        time.sleep(SECONDS * 2)
        client.send(request("GET /healthz"))
        assert client.answer().status == 200
    with door(hello, Limits(idle_seconds=0.2)) as opened, Client(opened.port, request("GET /healthz")) as client:
        assert client.answer().status == 200
        assert client.ended()
