"""The reference proxy in a process of its own, with what `--training` makes."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.test import override_settings

from engine.xks.client import Proxy
from engine.xks.connection import Network
from kmsconsole.xks_proxy import training
from tests.support import prefork
from tests.support.server import ROOT, free_port

HOST = training.HOST


@contextmanager
def training_folder(
    folder: Path, listen: str = "127.0.0.1:8443", *, mutual_tls: bool = False, keys: int = 0
) -> Iterator[Path]:
    """What training needs, made in a new folder; this process finds its token meanwhile."""
    before = os.environ.get("SOFTHSM2_CONF")
    made = {**training.KEYS, **{f"key-{number}": (True, True) for number in range(keys)}}
    training.make(folder, listen=listen, mutual_tls=mutual_tls, keys=made)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before


class ReferenceProxy:
    """`with ReferenceProxy(folder) as proxy:` — serving, and stopped at the end."""

    def __init__(self, folder: Path, *, mutual_tls: bool = False, keys: int = 0) -> None:
        """`keys`: how many further keys are made, key-0 and so on."""
        self.folder, self.port = folder, free_port()
        self.configuration = folder / "xks-proxy.toml"
        # In a process of its own: this one has SoftHSM tokens of other tests, and the folder is gone before they are.
        made = {**training.KEYS, **{f"key-{number}": (True, True) for number in range(keys)}}
        script = (
            "import pathlib; from kmsconsole.xks_proxy import training; "
            f"training.make(pathlib.Path({str(folder)!r}), listen='127.0.0.1:{self.port}', mutual_tls={mutual_tls}, keys={made})"
        )
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
        self.members: dict[str, Any] = json.loads((folder / "create-custom-key-store.json").read_text())
        self.mutual_tls = mutual_tls
        self.process: prefork.Process | None = None

    def __enter__(self) -> ReferenceProxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "KMSCONSOLE_"))
        }
        environment.pop("SOFTHSM2_CONF", None)
        environment["KMSCONSOLE_DATA"] = str(self.folder / "data")
        environment["DJANGO_SETTINGS_MODULE"] = "kmsconsole.settings"
        self.log = open(self.folder / "log", "ab")  # noqa: SIM115
        command = ["xks_proxy", str(self.configuration)]
        self.process = prefork.Process(command, cwd=ROOT, env=environment, output=self.log)
        deadline = time.monotonic() + 60
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the proxy ended: {self.output()}")
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            except OSError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def stop(self) -> None:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(15)
        try:
            self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()

    def output(self) -> str:
        return (self.folder / "log").read_text()

    def proxy(self, **changes: str) -> Proxy:
        credential = self.members["XksProxyAuthenticationCredential"]
        members = {
            "uri_endpoint": self.members["XksProxyUriEndpoint"],
            "uri_path": self.members["XksProxyUriPath"],
            "access_key_id": credential["AccessKeyId"],
            "secret": credential["RawSecretAccessKey"],
            **changes,
        }
        return Proxy(**members)

    def network(self, seconds: float = 5.0) -> Network:
        client = str(self.folder / "client.pem") if self.mutual_tls else ""
        return Network({HOST: ("127.0.0.1", self.port)}, str(self.folder / "ca.pem"), client, seconds)

    def settings(self) -> Any:
        """Have this process's engine reach the proxy."""
        network = self.network()
        return override_settings(
            XKS_PROXIES=network.addresses,
            XKS_CA_BUNDLE=network.ca_bundle,
            XKS_CLIENT_CERTIFICATE=network.client_certificate,
            XKS_SECONDS=network.seconds,
        )

    def environment(self) -> dict[str, str]:
        """The same for a server."""
        return {
            "KMSCONSOLE_XKS_PROXIES": f"{HOST}=127.0.0.1:{self.port}",
            "KMSCONSOLE_XKS_CA_BUNDLE": str(self.folder / "ca.pem"),
            "KMSCONSOLE_XKS_SECONDS": "5",
        }

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
