"""AWS's Terraform provider, running, of which Terraform is told only the kinds of resources that tests have.

`python -m tests.support.terraform_provider PROGRAM PREFIX…` starts the provider, prints the value of TF_REATTACH_PROVIDERS on a line and serves
until its standard input ends. Each call of Terraform is answered by the provider, byte for byte, but for two. Asked for its schemas it
describes 1,500 kinds of resources and 600 of data, and asked about the configuration in a `provider` block it checks all of them first:
that was most of what each command of Terraform took. Both answers are kept for the next command that asks the same, and the first is
without the kinds whose names begin with none of the PREFIXes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import grpc

# github.com/hashicorp/terraform, docs/plugin-protocol/tfplugin5: message GetProviderSchema.Response, whose fields 2 and 3 are maps from a
# name (field 1 of an entry) to the schema of a kind of resources, or of data.
_SCHEMAS = "/tfplugin5.Provider/GetSchema"
_CONFIGURATION = "/tfplugin5.Provider/PrepareProviderConfig"
_KINDS = {2, 3}
_BYTES = 2  # the wire type of all of the answer's fields
_OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
_QUIET = dict.fromkeys(
    ("TF_LOG_PROVIDER", "TF_LOG_SDK", "TF_LOG_SDK_PROTO", "TF_LOG_SDK_FRAMEWORK", "TF_LOG_SDK_MUX"), "ERROR"
)


def started(program: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """The provider's process, and what it says of itself, as TF_REATTACH_PROVIDERS has it."""
    process = subprocess.Popen(
        [program, "-debug"], env={**os.environ, **_QUIET}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if "TF_REATTACH_PROVIDERS='" in line:
            return process, json.loads(line.partition("'")[2].strip().removesuffix("'"))
    raise RuntimeError(f"the provider ended with {process.wait()}")


def fields(message: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Each field of a protobuf message whose fields are all of the wire type "bytes": its number, its content, and both as they stand."""
    at = 0
    while at < len(message):
        begin = at
        tag, at = _varint(message, at)
        length, at = _varint(message, at)
        assert tag & 7 == _BYTES, tag
        yield tag >> 3, message[at : at + length], message[begin : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def only(schemas: bytes, prefixes: tuple[str, ...]) -> bytes:
    """The answer without the kinds whose names begin otherwise."""
    kept = []
    for number, content, whole in fields(schemas):
        name = next(fields(content))[1].decode() if number in _KINDS else ""
        if number not in _KINDS or name.startswith(prefixes):
            kept.append(whole)
    return b"".join(kept)


class Passing(grpc.GenericRpcHandler):
    """Hands each call to the provider, and its answer back; messages are not read."""

    def __init__(self, provider: grpc.Channel, prefixes: tuple[str, ...]) -> None:
        self._provider = provider
        schemas, prepare = provider.unary_unary(_SCHEMAS), provider.unary_unary(_CONFIGURATION)
        self._kept: dict[str, Callable[[bytes], bytes]] = {
            _SCHEMAS: cache(lambda asked: only(schemas(asked), prefixes)),
            _CONFIGURATION: cache(prepare),
        }

    def service(self, details: Any) -> grpc.RpcMethodHandler:
        if answer := self._kept.get(details.method):
            return grpc.unary_unary_rpc_method_handler(lambda asked, context: answer(asked))
        called = self._provider.stream_stream(details.method)

        def passed(asked: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            answers = called(asked)
            context.add_callback(answers.cancel)
            try:
                yield from answers
            except grpc.RpcError as error:
                context.abort(error.code(), error.details())

        return grpc.stream_stream_rpc_method_handler(passed)


def main(program: str, *prefixes: str) -> None:
    process, reattach = started(program)
    (provider,) = reattach.values()
    channel = grpc.insecure_channel(f"unix:{provider['Addr']['String']}", options=_OPTIONS)
    with tempfile.TemporaryDirectory() as folder:
        address = str(Path(folder) / "socket")
        server = grpc.server(ThreadPoolExecutor(64), options=_OPTIONS)  # Terraform asks for ten resources at a time
        server.add_generic_rpc_handlers([Passing(channel, prefixes)])
        server.add_insecure_port(f"unix:{address}")
        server.start()
        provider["Addr"]["String"] = address
        print(json.dumps(reattach), flush=True)
        sys.stdin.read()
        server.stop(None)
    process.kill()


if __name__ == "__main__":
    main(*sys.argv[1:])
