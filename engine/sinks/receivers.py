"""How records reach each kind of sink. `send` returns when the receiver has them (syslog: when they are written to it), else SinkError."""

from __future__ import annotations

import contextlib
import os
import re
import select
import socket
import ssl
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import orjson
import urllib3
from django.utils.translation import gettext_noop

from engine import held_pools, outbound, webhook_signature
from engine.durable_files import sync_folder
from engine.sinks.configuration import Sink
from engine.trail.journal_lines import Entry

_SECONDS = 10.0  # to connect, to send and to be answered: each, and by HTTP in all
_PRIORITY = 13 * 8 + 6  # RFC 5424: facility "log audit", severity "informational"
_SD_ID = "kmsconsole@32473"  # the enterprise number that RFC 5612 keeps for documentation
_NOT_PRINTED = re.compile(r"[^!-~]")
# What went wrong, kept in English and shown in the reader's language.
_DISK_FULL = gettext_noop("the disk is full")
_NOT_WRITTEN = gettext_noop("the file cannot be written: %(reason)s")
ANSWERED = gettext_noop("the receiver answered %(status)s")
TOO_LATE = gettext_noop("no answer within %(seconds)s s")
NO_TLS = gettext_noop("no TLS connection: the certificate or the protocol was refused")
_NO_CONNECTION = gettext_noop("no connection")
_NO_CONNECTION_FOR = gettext_noop("no connection: %(reason)s")
PROBLEMS = (_DISK_FULL, _NOT_WRITTEN, ANSWERED, TOO_LATE, NO_TLS, _NO_CONNECTION_FOR, _NO_CONNECTION)


class SinkError(Exception):
    """The receiver did not take the records. The message is one line without records and secrets."""


class Receiver(ABC):
    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    @abstractmethod
    def send(self, entries: Sequence[Entry]) -> None:
        """Raises SinkError; then they are sent once more, so a receiver may see records twice, each with its number."""

    def close(self) -> None:
        return None


def line(entry: Entry) -> bytes:
    """A record with its number and the chain's hash there: who keeps these lines notices a record that is missing or exchanged."""
    return b'{"sequence":%d,"digest":"%s","event":%s}\n' % (entry.sequence, entry.digest.hex().encode(), entry.record)


class _File(Receiver):
    """Lines appended to a file, which may be moved away at any time: the next batch begins a new one."""

    def send(self, entries: Sequence[Entry]) -> None:
        path = Path(self._sink.path)
        data = b"".join(map(line, entries))
        try:
            fresh = not path.exists()
            file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                start = os.fstat(file).st_size
                if start and os.pread(file, 1, start - 1) != b"\n":  # a line that a power failure tore
                    data = b"\n" + data
                if os.write(file, data) != len(data):
                    os.ftruncate(file, start)
                    raise SinkError(_DISK_FULL)
                os.fsync(file)
            finally:
                os.close(file)
            if fresh:
                sync_folder(path.parent)
        except OSError as reason:
            raise SinkError(_NOT_WRITTEN % {"reason": reason.strerror or type(reason).__name__}) from reason


class _Http(Receiver):
    """JSON Lines by POST, signed; any answer of 2xx takes them."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        certificate = sink.client_certificate or None
        self._pool = urllib3.PoolManager(
            num_pools=1,
            maxsize=1,
            ca_certs=sink.ca_file or None,
            cert_file=certificate,
            timeout=urllib3.Timeout(total=_SECONDS),
            retries=False,
        )
        self._pool.pool_classes_by_scheme = held_pools.POOLS

    def send(self, entries: Sequence[Entry]) -> None:
        body = b"".join(map(line, entries))
        message_id = f"{self._sink.name}-{entries[0].sequence}-{entries[-1].sequence}"
        headers = {
            "Content-Type": "application/x-ndjson",
            "User-Agent": "kmsconsole",
            **webhook_signature.headers(self._sink.secret, message_id, int(time.time()), body),
        }
        try:
            with outbound.Deadline(_SECONDS):
                answer = self._pool.request(
                    "POST", self._sink.url, body=body, headers=headers, redirect=False, preload_content=False
                )
                answer.read(4096)
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as reason:
            raise SinkError(_in_words(reason)) from reason
        if not 200 <= answer.status < 300:
            raise SinkError(ANSWERED % {"status": answer.status})

    def close(self) -> None:
        self._pool.clear()


def _in_words(reason: Exception) -> str:
    if isinstance(reason, (urllib3.exceptions.TimeoutError, outbound.ExchangeTimeout)):
        return TOO_LATE % {"seconds": f"{_SECONDS:g}"}
    if isinstance(reason, urllib3.exceptions.SSLError):
        return NO_TLS
    return _NO_CONNECTION


class _Syslog(Receiver):
    """RFC 5424 messages in frames of RFC 5425 (TLS, counted octets). The protocol has no acknowledgement."""

    def __init__(self, sink: Sink) -> None:
        super().__init__(sink)
        self._connection: ssl.SSLSocket | None = None
        self._host = _NOT_PRINTED.sub("", socket.gethostname())[:255] or "-"

    def send(self, entries: Sequence[Entry]) -> None:
        try:
            connection = self._open()
            connection.sendall(b"".join(map(self._frame, entries)))
        except OSError as reason:
            self.close()
            if isinstance(reason, ssl.SSLError):
                raise SinkError(NO_TLS) from reason
            raise SinkError(_NO_CONNECTION_FOR % {"reason": reason.strerror or type(reason).__name__}) from reason

    def _open(self) -> ssl.SSLSocket:
        """The connection; a new one if the other side has ended it: what is written to such a one is lost unseen."""
        found = self._connection
        if found is not None and select.select([found], [], [], 0)[0]:
            self.close()
            found = None
        if found is None:
            context = ssl.create_default_context(cafile=self._sink.ca_file or None)
            if self._sink.client_certificate:
                context.load_cert_chain(self._sink.client_certificate)
            raw = socket.create_connection((self._sink.host, self._sink.port), _SECONDS)
            try:
                found = context.wrap_socket(raw, server_hostname=self._sink.host)
            except BaseException:
                raw.close()
                raise
            # Tickets of TLS 1.3 come unasked: they are read here, so that what can be read later is the end.
            self._connection = found
            found.setblocking(False)
            select.select([found], [], [], 0.05)
            with contextlib.suppress(ssl.SSLWantReadError):
                found.recv(1)
            found.settimeout(_SECONDS)
        return found

    def _frame(self, entry: Entry) -> bytes:
        event = orjson.loads(entry.record)
        name = _NOT_PRINTED.sub("", str(event.get("eventName", "")))[:32] or "-"
        account = _NOT_PRINTED.sub("", str(event.get("recipientAccountId", "")))[:32]
        data = f'[{_SD_ID} sequence="{entry.sequence}" digest="{entry.digest.hex()}" account="{account}"]'
        time_ = str(event.get("eventTime", "-"))
        head = f"<{_PRIORITY}>1 {time_} {self._host} kmsconsole - {name} {data} \ufeff".encode()
        message = head + entry.record
        return b"%d %s" % (len(message), message)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_KINDS: dict[str, type[Receiver]] = {"file": _File, "http": _Http, "syslog": _Syslog}


def receiver(sink: Sink) -> Receiver:
    return _KINDS[sink.kind](sink)
