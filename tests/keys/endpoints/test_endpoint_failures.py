"""What a page says of an endpoint that cannot be asked: why, to who manages connections; one and the same to anybody else."""

from __future__ import annotations

import json
import socket
import threading
import time
from typing import Any

import pytest
from django.test import Client

from keys.endpoints import answers, backends, outbound
from keys.inventory.models import SyncState
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.answers import text
from tests.support.connections import connect, kinds
from tests.support.dripping import dripping
from tests.support.server import free_port

METADATA = "169.254.169.254"


@pytest.fixture
def reader(account: TestAccount) -> Client:
    """May use every key and connection, not manage connections."""
    statement = {
        "Effect": "Allow",
        "Action": ["kms:*", "kmsconsole:UseConnection", "kmsconsole:ListConnections"],
        "Resource": "*",
    }
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    return sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough"))


def closed(_answering: Any) -> str:
    return f"http://127.0.0.1:{free_port()}"


def http_but_not_aws(answering: Any) -> str:
    return f"http://127.0.0.1:{answering(404, b'<html>nginx</html>').port}"


def another_answer(answering: Any) -> str:
    return f"http://127.0.0.1:{answering(200, b'<html>It works!</html>').port}"


def not_tls(answering: Any) -> str:
    return f"https://127.0.0.1:{answering().port}"


def no_name(_answering: Any) -> str:
    return "http://kms.nowhere.invalid"


def metadata(_answering: Any) -> str:
    return f"http://{METADATA}"


def not_http(_answering: Any) -> str:
    listening = socket.create_server(("127.0.0.1", 0))

    def greet() -> None:
        while True:
            try:
                there, _ = listening.accept()
            except OSError:
                return
            there.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
            there.close()

    threading.Thread(target=greet, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def silent(_answering: Any) -> str:
    """Takes connections and says nothing."""
    listening = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=listening.accept, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs that a test can wait for."""
    quick = backends.ONCE.merge(type(backends.ONCE)(connect_timeout=0.5, read_timeout=0.5))
    monkeypatch.setattr(backends, "ONCE", quick)
    monkeypatch.setattr(backends, "REMOTE", quick)
    monkeypatch.setattr(backends.remote_client, "__defaults__", (quick, backends.remote_client.__defaults__[1]))
    monkeypatch.setattr(backends._make, "__defaults__", (quick,))


FAILURES = [closed, http_but_not_aws, another_answer, not_tls, no_name, metadata, not_http, silent]


@pytest.mark.usefixtures("hurried")
def test_who_may_not_manage_connections_reads_the_same_for_every_failure(
    account: TestAccount, signed_in: Client, reader: Client, answering: Any
) -> None:
    pages = ("/keys/", f"/keys/{'0' * 8}-0000-4000-8000-{'0' * 12}/", "/play/encrypt/")
    to_reader, to_manager = set(), set()
    for failing in FAILURES:
        connection = connect(signed_in, failing(answering), name="same")
        for browser in (reader, signed_in):
            browser.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
        to_manager.add(seen(signed_in, "/keys/"))
        to_reader |= {(address, *seen(reader, address)) for address in pages}
        assert len(to_reader) == len(pages), f"{failing.__name__} is told from those before"
        told = seen(reader, "/settings/endpoints/")[1] + seen(reader, f"/settings/endpoints/{connection.pk}/")[1]
        for word in ("refused", "does not resolve", "certificate", "not allowed", "does not answer", "nginx"):
            assert word not in told, failing.__name__
        signed_in.post(f"/settings/endpoints/{connection.pk}/delete/")
    assert {status for _, status, _ in to_reader} == {502}
    assert all("The endpoint cannot be reached." in content for *_, content in to_reader)
    assert len(to_manager) > 4, "who manages them is told why"


def seen(browser: Client, address: str) -> tuple[int, str]:
    """A page's status and content, without the minute that stands above it for print."""
    SyncState.objects.all().delete()
    page = browser.get(address)
    return page.status_code, text(page).partition("<h1>")[2].partition("</main>")[0]


def test_an_answer_beyond_the_largest_is_not_read_to_its_end(
    account: TestAccount, signed_in: Client, answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "LARGEST", 4_000)
    listed = json.dumps({"Keys": [{"KeyId": str(number)} for number in range(1_000)]}).encode()
    connection = connect(signed_in, f"http://127.0.0.1:{answering(200, listed).port}")
    assert connection.facts["findings"][-1]["title"].endswith("more than 4000 bytes")


@pytest.mark.parametrize(
    "begun",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
        b"",
    ],
    ids=["body", "head", "chunk", "status"],
)
def test_an_answer_that_drips_ends_with_its_time(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(outbound, "LONGEST", 0.3)
    begin = time.monotonic()
    with dripping(begun) as url:
        connection = connect(signed_in, url)
    assert kinds(connection)[-1] == "timeout"
    assert time.monotonic() - begin < 5


def test_a_message_on_the_page_of_an_endpoint_that_fails_is_told_once(signed_in: Client) -> None:
    connection = connect(signed_in, closed(None))
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/keys/"})
    pages = [signed_in.get("/keys/") for _ in range(2)]
    assert [page.status_code for page in pages] == [502, 502]
    assert ["These pages now use moto." in page.content.decode() for page in pages] == [True, False]
