"""MongoDB's client-side field encryption with a key of ours: a data key is made, a value encrypted, decrypted by another client, the data
key wrapped anew. Run as `mongodb.py PORT KEY_ARN CERTIFICATE`; prints what the second client decrypted.

The driver speaks TLS to KMS, so a TLS end stands before our port, as a proxy does (docs/howto/proxy.md). What the driver keeps data keys
in is a MongoDB server; none is at hand as a package, so a small one of three commands holds the collection.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

import bson
from bson import CodecOptions
from bson.binary import STANDARD
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption
from pymongo.server_api import ServerApi

kept: list[dict[str, Any]] = []  # the key vault's documents


def listen(serve: Callable[[socket.socket], None]) -> int:
    """The port at which `serve` gets each connection in a thread of its own."""
    door = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            threading.Thread(target=serve, args=door.accept()[:1], daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return int(door.getsockname()[1])


def tls_end(port: int, certificate: str) -> int:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def copy(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)

    def serve(raw: socket.socket) -> None:
        outer, inner = context.wrap_socket(raw, server_side=True), socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=copy, args=(inner, outer), daemon=True).start()
        copy(outer, inner)

    return listen(serve)


def answer(command: dict[str, Any], documents: list[dict[str, Any]]) -> dict[str, Any]:
    match next(iter(command)):
        case "hello":
            return {"isWritablePrimary": True, "maxWireVersion": 25, "minWireVersion": 0, "maxBsonObjectSize": 1 << 24}
        case "insert":
            kept.extend(command.get("documents", documents))
            return {"n": 1}
        case "find":
            return {"cursor": {"id": 0, "ns": "encryption.keys", "firstBatch": kept}}
        case "update":
            for update in command.get("updates", documents):
                (found,) = [each for each in kept if each["_id"] == update["q"]["_id"]]
                found.update(update["u"]["$set"])
            return {"n": 1, "nModified": 1}
        case _:
            return {}


def key_vault(opened: socket.socket) -> None:
    """OP_MSG of MongoDB's wire protocol: flags, then a document (0) and sequences of documents (1)."""
    read = opened.makefile("rb")
    while header := read.read(16):
        length, number, _, _ = struct.unpack("<iiii", header)
        body = read.read(length - 16)
        at, command, documents = 4, {}, []
        while at < len(body):
            kind, size = body[at], struct.unpack_from("<i", body, at + 1)[0]
            content = body[at + 1 : at + 1 + size]
            if kind == 0:
                command = bson.decode(content)
            else:
                documents = bson.decode_all(content[content.index(b"\0", 4) + 1 :])
            at += 1 + size
        said = b"\0\0\0\0\0" + bson.encode({"ok": 1.0, **answer(command, documents)})
        opened.sendall(struct.pack("<iiii", 16 + len(said), 1, number, 2013) + said)


def main(port: int, key_arn: str, certificate: str) -> None:
    client: MongoClient[dict[str, Any]] = MongoClient(
        "127.0.0.1", listen(key_vault), server_api=ServerApi("1"), serverSelectionTimeoutMS=10_000
    )
    given = {
        "aws": {"accessKeyId": os.environ["AWS_ACCESS_KEY_ID"], "secretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"]}
    }

    def encryption() -> ClientEncryption[dict[str, Any]]:
        options = CodecOptions(uuid_representation=STANDARD)
        trusted = {"aws": {"tlsCAFile": certificate}}
        return ClientEncryption(given, "encryption.keys", client, options, kms_tls_options=trusted)

    master = {"region": "us-east-1", "key": key_arn, "endpoint": f"127.0.0.1:{tls_end(port, certificate)}"}
    writer = encryption()
    data_key = writer.create_data_key("aws", master_key=master)
    sealed = writer.encrypt("123-45-6789", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, key_id=data_key)
    before = bytes(kept[0]["keyMaterial"])
    writer.rewrap_many_data_key({}, provider="aws", master_key=master)
    assert bytes(kept[0]["keyMaterial"]) != before
    print(encryption().decrypt(sealed))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3])
