"""An external key store proxy over HTTPS that answers what a test tells it, byte by byte."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from engine.xks import answers
from engine.xks.answers import Sealed
from kmsconsole.xks_proxy import certificates

HOST = "xks.example.test"


def answer(body: object, status: int = 200, kind: str = "application/json", more: str = "") -> bytes:
    octets = body if isinstance(body, bytes) else orjson.dumps(body)
    head = f"HTTP/1.1 {status} Said\r\nContent-Type: {kind}\r\nContent-Length: {len(octets)}\r\n{more}\r\n"
    return head.encode() + octets


class Stub:
    """`respond` takes (request head, body) and gives the bytes of the answer; None closes the connection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        issuer = certificates.authority("training")
        self.ca_bundle = folder / "ca.pem"
        self.ca_bundle.write_bytes(issuer.pem)
        self.client = folder / "client.pem"
        self.client.write_bytes(certificates.client_pem(issuer, "cks.kms.us-east-1.amazonaws.com"))
        server = folder / "server.pem"
        server.write_bytes(certificates.server_pem(issuer, HOST))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = ("127.0.0.1", self.listener.getsockname()[1])
        self.respond: Callable[[str, bytes], bytes | None] = lambda head, body: None
        self.closes = False  # the connection, after each answer
        self.connections = 0
        self.requests: list[tuple[str, bytes]] = []
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                raw, _ = self.listener.accept()
                self.connections += 1
                self._open.append(raw)
                threading.Thread(target=self._serve, args=(raw,), daemon=True).start()

    def _serve(self, raw: socket.socket) -> None:
        with contextlib.suppress(OSError), self.context.wrap_socket(raw, server_side=True) as opened:
            self._open.append(opened)
            for head, body in _requests(opened):
                self.requests.append((head, body))
                found = self.respond(head, body)
                if found is None:
                    return
                opened.sendall(found)
                if self.closes:
                    return

    def drop_connections(self) -> None:
        """As a proxy that is started anew. Each is closed by the thread that serves it: OpenSSL still tells the other side of an end that it did
        not expect, and would write that into whichever file has the number of a socket that another thread has closed."""
        opened, self._open = self._open, []
        for each in opened:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.listener.close()
        self.drop_connections()


def _requests(opened: ssl.SSLSocket) -> Iterator[tuple[str, bytes]]:
    kept = b""
    while True:
        while b"\r\n\r\n" not in kept:
            part = opened.recv(65_536)
            if not part:
                return
            kept += part
        head, _, kept = kept.partition(b"\r\n\r\n")
        length = next(int(line[15:]) for line in head.decode().split("\r\n") if line.startswith("Content-Length:"))
        while len(kept) < length:
            kept += opened.recv(65_536)
        body, kept = kept[:length], kept[length:]
        yield head.decode(), body


def sound(head: str, body: bytes) -> bytes:
    """As a proxy should answer, with a cipher of its own."""
    asked = orjson.loads(body)
    if "/health" in head:
        managers = [{"id": "1", "model": "m", "healthStatus": "ACTIVE"}]
        names = {"xksProxyVendor": "v", "xksProxyModel": "m", "ekmVendor": "e"}
        return answer({"xksProxyFleetSize": 1, **names, "ekmFleetDetails": managers})
    if "/metadata" in head:
        return answer({"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"})
    if "/decrypt" in head:
        return answer({"plaintext": b64encode(flipped(b64decode(asked["ciphertext"]))).decode()})
    sealed = Sealed(flipped(b64decode(asked["plaintext"])), bytes(12), bytes(16))
    value = answers.integrity_value(sealed, b64decode(asked["additionalAuthenticatedData"]))
    text = {
        "ciphertext": sealed.ciphertext,
        "initializationVector": sealed.nonce,
        "authenticationTag": sealed.tag,
        "ciphertextDataIntegrityValue": value,
    }
    return answer({name: b64encode(octets).decode() for name, octets in text.items()})


def flipped(octets: bytes) -> bytes:
    return bytes(each ^ 0xFF for each in octets)
