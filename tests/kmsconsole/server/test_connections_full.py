"""A worker that is full ends what nobody would miss: half-made requests first, the oldest of them, then idle connections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.wire.client_address import address_of
from kmsconsole.server.connection_table import ConnectionTable, Limits
from tests.support.door import Door, door, hello
from tests.support.rawhttp import Client, request

HEALTH = request("GET /healthz")
SOME = 20


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def connected(opened: Door, number: int, *sends: bytes) -> list[Client]:
    """Connections that the door has seen, in order."""
    made = []
    for _ in range(number):
        before = len(opened.table.half_made)
        made.append(Client(opened.port))
        until(lambda before=before: len(opened.table.half_made) != before or opened.table.open >= SOME)
        made[-1].send(*sends)
    return made


def alive(client: Client) -> bool:
    client.send(HEALTH)
    try:
        return client.answer().status == 200
    except (AssertionError, OSError):
        return False


def test_the_oldest_half_made_request_makes_room() -> None:
    with door(hello, Limits(connections=SOME, per_address=SOME)) as opened:
        first = Client(opened.port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        until(lambda: len(opened.table.half_made) == 1)
        others = connected(opened, SOME - 1, b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        newcomer = Client(opened.port, HEALTH)
        assert newcomer.answer().status == 200
        assert first.answer().status == 503
        for other in others:
            other.send(b"\r\n")
            assert other.answer().status == 200


def test_idle_connections_go_when_no_request_is_half_made() -> None:
    with door(hello, Limits(connections=SOME, per_address=SOME)) as opened:
        idle = []
        for _ in range(SOME):
            idle.append(Client(opened.port, HEALTH))
            assert idle[-1].answer().status == 200
        assert alive(idle[0])  # so it is not the oldest any more
        newcomer = Client(opened.port, HEALTH)
        assert newcomer.answer().status == 200
        assert not alive(idle[1])
        assert alive(idle[0])
        assert all(alive(each) for each in idle[2:])


def test_a_half_made_request_goes_before_an_idle_connection() -> None:
    with door(hello, Limits(connections=SOME, per_address=SOME)) as opened:
        idle = Client(opened.port, HEALTH)
        assert idle.answer().status == 200
        connected(opened, SOME - 1, b"GET ")
        newcomers = [Client(opened.port, HEALTH) for _ in range(5)]
        assert [each.answer().status for each in newcomers] == [200] * 5
        assert alive(idle)


def test_only_whole_requests_under_way_turn_a_newcomer_away() -> None:
    going = threading.Event()

    def waits(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            going.wait(10)
        return hello(environ, start_response)

    with door(waits, Limits(connections=SOME, per_address=SOME), threads=SOME) as opened:
        busy = [Client(opened.port, request("GET /busy")) for _ in range(SOME)]
        until(lambda: opened.table.open == SOME and not opened.table.half_made)
        refused = Client(opened.port, HEALTH).answer()
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        going.set()
        assert [each.answer().body for each in busy] == [b"/busy"] * SOME
        assert Client(opened.port, HEALTH).answer().status == 200


def test_health_is_told_while_every_thread_is_taken() -> None:
    going = threading.Event()

    def waits(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] != "/healthz":
            going.wait(10)
        return hello(environ, start_response)

    with door(waits, threads=2) as opened:
        busy = [Client(opened.port, request("GET /busy")) for _ in range(5)]
        assert Client(opened.port, HEALTH).answer().status == 200
        going.set()
        assert [each.answer().body for each in busy] == [b"/busy"] * 5


def test_answers_that_nobody_reads_make_room_too() -> None:
    def large(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/healthz":
            return list(hello(environ, start_response))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"x" * (8 << 20)]

    with door(large, Limits(connections=SOME, per_address=SOME), threads=4) as opened:
        held = [Client(opened.port, request("GET /large")) for _ in range(SOME)]
        until(lambda: len(opened.table.unread) == SOME)
        assert Client(opened.port, HEALTH).answer().status == 200
        assert opened.table.open <= SOME
        del held


class FakeConnection:
    """What the table sees of a connection."""

    def __init__(self, address: str) -> None:
        self.address, self.counted, self.held, self.dropped = address, False, 0, False

    def drop(self) -> None:
        self.dropped = True


def test_one_address_holds_no_more_than_its_share() -> None:
    table = ConnectionTable(Limits(connections=100, per_address=10))
    greedy = [FakeConnection("192.0.2.1") for _ in range(50)]
    other = FakeConnection("192.0.2.2")
    assert table.admit(other)
    assert all(table.admit(each) for each in greedy)
    assert table.open == 11
    assert [each.dropped for each in greedy] == [True] * 40 + [False] * 10
    assert not other.dropped


def test_an_address_with_its_share_of_busy_connections_gets_no_more_and_others_do() -> None:
    table = ConnectionTable(Limits(connections=100, per_address=10))
    for _ in range(10):
        busy = FakeConnection("192.0.2.1")
        assert table.admit(busy)
        del table.half_made[busy]
    refused = FakeConnection("192.0.2.1")
    assert not table.admit(refused)
    table.forget(refused)
    assert table.admit(FakeConnection("192.0.2.2"))
    table.forget(busy)
    assert table.admit(FakeConnection("192.0.2.1"))


def test_what_is_gone_leaves_nothing_behind() -> None:
    table = ConnectionTable(Limits(connections=5, per_address=5))
    made = [FakeConnection(f"192.0.2.{number % 7}") for number in range(40)]
    for each in made:
        table.admit(each)
        table.hold(each, 1000)
    for each in made:
        table.forget(each)
        table.forget(each)
    left = (table.open, table.held, table.half_made, table.idle, table.unread, table.ending, dict(table.by_address))
    assert left == (0, 0, {}, {}, {}, {}, {})


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8:0:0:ffff::2", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_an_ipv6_host_is_its_network(host: str, address: str) -> None:
    assert address_of(host) == address
