"""The record streamed to files, HTTP and syslog: everything, in order, at least once; a required sink holds up the calls."""

from __future__ import annotations

import hmac
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from engine import webhook_signature
from engine.sinks import receivers
from engine.sinks.configuration import Sink
from engine.trail.journal_lines import Entry
from tests.kmsconsole.server.test_metrics import scrape
from tests.support.dripping import dripping
from tests.support.server import Server

pytestmark = pytest.mark.slow

SECRET = webhook_signature.new_secret()


class Collector:
    """An HTTP receiver: takes what comes, or answers `status`."""

    def __init__(self) -> None:
        self.status, self.requests = 204, list[tuple[dict[str, str], bytes]]()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.status == 204:
                    collector.requests.append(({key.lower(): value for key, value in self.headers.items()}, body))
                self.send_response(collector.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/in"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, body in self.requests for line in body.splitlines()]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@contextmanager
def streaming(folder: Path, text: str) -> Iterator[Server]:
    (folder / "secret").write_text(SECRET)
    (folder / "sinks.toml").write_text(text.replace("FOLDER", str(folder)))
    with Server(folder / "data", KMSCONSOLE_SINKS=str(folder / "sinks.toml"), KMSCONSOLE_WORKERS="1") as server:
        yield server


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def names(lines: list[dict[str, Any]]) -> list[str]:
    return [line["event"]["eventName"] for line in lines]


def is_chain(lines: list[dict[str, Any]], texts: list[bytes]) -> bool:
    """Whether the digests are those of a chain from the record's beginning: what a receiver can check by itself."""
    digest = bytes(32)
    for number, (line, text) in enumerate(zip(lines, texts, strict=True), 1):
        record = text[text.index(b'"event":') + 8 : -1]
        digest = sha256(digest + record).digest()
        if (line["sequence"], line["digest"]) != (number, digest.hex()):
            return False
    return True


def is_signed(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """As a receiver checks it."""
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    wanted = hmac.digest(b64decode(secret.removeprefix("whsec_")), signed, "sha256")
    return headers["webhook-signature"] == f"v1,{b64encode(wanted).decode()}"


FILE = '[[sink]]\nname = "archive"\nkind = "file"\npath = "FOLDER/record.jsonl"\n'
HTTP = '[[sink]]\nname = "siem"\nkind = "http"\nurl = "{url}"\nsecret_file = "FOLDER/secret"\n'


def test_a_file_gets_every_record_in_order_over_restarts_and_when_it_is_moved_away(tmp_path: Path) -> None:
    path = tmp_path / "record.jsonl"
    with streaming(tmp_path, FILE) as server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        until(lambda: b"CreateKey" in content(path))
        server.kill()
        server.start()
        server.client().disable_key(KeyId=key_id)
        until(lambda: b"DisableKey" in content(path))
        first = path.read_bytes().splitlines()
        path.rename(tmp_path / "record.1")
        server.client().enable_key(KeyId=key_id)
        until(lambda: b"EnableKey" in content(path))
    texts = [*first, *path.read_bytes().splitlines()]
    assert is_chain([json.loads(text) for text in texts], texts)
    assert path.stat().st_mode & 0o777 == 0o600


def test_posts_are_signed_and_sent_again_until_they_are_taken(tmp_path: Path, collector: Collector) -> None:
    collector.status = 503
    with streaming(tmp_path, HTTP.format(url=collector.url)) as server:
        server.client().create_key()
        until(lambda: scrape(server)[("kmsconsole_sink_failing", "siem")] == 1)
        assert scrape(server)[("kmsconsole_sink_records_behind", "siem")] > 0
        check = server.manage("check")
        assert check.returncode == 1
        assert "the receiver answered 503" in check.stdout
        assert "the receiver answered 503" in server.manage("sinks").stdout
        collector.status = 204
        until(lambda: "CreateKey" in names(collector.lines()))
        until(lambda: scrape(server)[("kmsconsole_sink_records_behind", "siem")] == 0)
        assert scrape(server)[("kmsconsole_sink_failing", "siem")] == 0
    assert [line["sequence"] for line in collector.lines()] == list(range(1, len(collector.lines()) + 1))
    assert all(is_signed(SECRET, headers, body) for headers, body in collector.requests)
    everything = b"".join(each.read_bytes() for each in (tmp_path / "data").rglob("*") if each.is_file())
    assert SECRET.encode() not in everything
    assert SECRET not in server.output()


def test_a_receiver_that_answers_drop_by_drop_is_one_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receivers, "_SECONDS", 0.3)
    at = time.monotonic()
    with dripping(b"HTTP/1.1 200 OK\r\nX: ") as url:
        receiver = receivers.receiver(Sink(name="slow", kind="http", url=url, secret=SECRET))
        with pytest.raises(receivers.SinkError, match="no answer"):
            receiver.send([Entry(0, 2, 1, b"\0" * 32, b"{}")])
        receiver.close()
    assert time.monotonic() - at < 5


def test_calls_fail_while_a_required_sink_is_behind_and_succeed_when_it_has_caught_up(
    tmp_path: Path, collector: Collector
) -> None:
    required = HTTP.format(url=collector.url) + "required = true\nmax_lag_seconds = 1\n"
    with streaming(tmp_path, required) as server:
        client = server.client()
        key_id = client.create_key()["KeyMetadata"]["KeyId"]
        until(lambda: "CreateKey" in names(collector.lines()))
        collector.status = 500

        def refused() -> bool:
            try:
                client.encrypt(KeyId=key_id, Plaintext=b"x")
            except ClientError as error:
                return error.response["Error"]["Code"] == "KMSInternalException"
            return False

        until(refused)
        collector.status = 204
        until(lambda: not refused())
        taken = len(client.list_keys()["Keys"])
        assert taken == 1


def test_calls_fail_while_the_process_that_sends_stands_still(tmp_path: Path, collector: Collector) -> None:
    required = HTTP.format(url=collector.url) + "required = true\nmax_lag_seconds = 0.5\n"
    with streaming(tmp_path, required) as server:
        server.client().create_key()
        assert server.process is not None
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        sender = int(children[-1])
        os.kill(sender, signal.SIGSTOP)
        try:
            time.sleep(0.6)
            with pytest.raises(ClientError) as refused:
                server.client().create_key()
            assert refused.value.response["Error"]["Code"] == "KMSInternalException"
        finally:
            os.kill(sender, signal.SIGCONT)


def test_a_sink_that_had_more_than_the_journal_has_is_sent_nothing_until_somebody_says_where_to_go_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "record.jsonl"
    with streaming(tmp_path, FILE) as server:
        server.client().create_key()
        until(lambda: b"CreateKey" in content(path))
        server.stop()
        state = json.loads((tmp_path / "data" / "sinks" / "archive.json").read_text())
        state["sequence"] += 1000
        (tmp_path / "data" / "sinks" / "archive.json").write_text(json.dumps(state))
        server.start()
        until(lambda: "the journal ends before it" in server.manage("sinks").stdout)
        server.stop()
        before = len(path.read_bytes().splitlines())
        assert server.manage("sinks", "--restart", "archive", "--at", "1").returncode == 0
        server.start()
        until(lambda: len(path.read_bytes().splitlines()) > before)
        again = [json.loads(line) for line in path.read_bytes().splitlines()[before:]]
        assert again[0]["sequence"] == 1


def test_syslog_messages_come_over_tls_in_counted_frames(tmp_path: Path) -> None:
    folder = tmp_path / "tls"
    folder.mkdir()
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*made, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    received = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def receive() -> None:
            while True:
                try:
                    raw, _ = listening.accept()
                except OSError:
                    return
                with context.wrap_socket(raw, server_side=True) as connection:
                    while part := connection.recv(65536):
                        received.extend(part)

        threading.Thread(target=receive, daemon=True).start()
        port = listening.getsockname()[1]
        sink = f'[[sink]]\nname = "logs"\nkind = "syslog"\naddress = "localhost:{port}"\nca_file = "{certificate}"\n'
        with streaming(tmp_path, sink) as server:
            server.client().create_key(Description="Größe")
            until(lambda: b"CreateKey" in received)
            until(lambda: scrape(server)[("kmsconsole_sink_records_behind", "logs")] == 0)
    data, messages = bytes(received), []
    while data:
        count, _, rest = data.partition(b" ")
        messages.append(rest[: int(count)].decode())
        data = rest[int(count) :]
    head = re.compile(
        r"<110>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ kmsconsole - (\S+) "
        r'\[kmsconsole@32473 sequence="(\d+)" digest="[0-9a-f]{64}" account="\d{12}"\] \ufeff(\{.*\})'
    )
    found = [head.fullmatch(message) for message in messages]
    assert all(found)
    assert [int(each[2]) for each in found if each] == list(range(1, len(found) + 1))
    created = next(json.loads(each[3]) for each in found if each and each[1] == "CreateKey")
    assert created["requestParameters"]["description"] == "Größe"
