"""Custom key stores of tests: clusters over SoftHSM tokens, and stores of them that are connected."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.kms.stores import clusters
from kmsconsole.management.commands.create_training_token import make_trust_anchor
from tests.support.server import ROOT, Server
from tests.support.softhsm import MODULE, PIN, SoftHsm


@dataclass
class Cluster:
    """A registered token: its cluster ID, trust anchor and PIN, and the folder that holds the token."""

    cluster_id: str
    certificate: str
    folder: Path
    label: str
    pin: str = PIN

    def request(self, name: str = "store") -> dict[str, Any]:
        """The parameters of CreateCustomKeyStore."""
        return {
            "CustomKeyStoreName": name,
            "CloudHsmClusterId": self.cluster_id,
            "TrustAnchorCertificate": self.certificate,
            "KeyStorePassword": self.pin,
        }


def make_cluster(softhsm: SoftHsm, label: str, certificate: str = "") -> Cluster:
    """In this process's installation."""
    folder = softhsm.make(label)
    certificate = certificate or make_trust_anchor(label)
    return Cluster(clusters.register(MODULE, label, certificate), certificate, folder, label)


def training_cluster(server: Server, label: str = "") -> Cluster:
    """By the command, in a server's installation, as its operator makes one. Its label is its own: other tests may use the server too."""
    label = label or f"training {secrets.token_hex(4)}"
    command = [sys.executable, "manage.py", "create_training_token", "--label", label, "--pin-fd", "0"]
    others = set(_tokens(server))
    made = subprocess.run(command, cwd=ROOT, env=server.environment, input=f"{PIN}\n", text=True, capture_output=True)
    assert made.returncode == 0, made.stderr
    cluster_id, path = (line.partition(": ")[2] for line in made.stdout.splitlines()[-2:])
    (folder,) = set(_tokens(server)) - others
    return Cluster(cluster_id, Path(path).read_text(), folder, label)


def _tokens(server: Server) -> Iterator[Path]:
    return (server.folder / "softhsm").glob("apart-*/tokens/*")


def entry(kms: Any, store_id: str) -> dict[str, Any]:
    return kms.describe_custom_key_stores(CustomKeyStoreId=store_id)["CustomKeyStores"][0]


def wait(kms: Any, store_id: str) -> dict[str, Any]:
    """The store once its attempt to connect has ended."""
    end = time.monotonic() + 20
    while (found := entry(kms, store_id))["ConnectionState"] == "CONNECTING":
        assert time.monotonic() < end
        time.sleep(0.1)
    return found


def connect(kms: Any, store_id: str) -> dict[str, Any]:
    kms.connect_custom_key_store(CustomKeyStoreId=store_id)
    return wait(kms, store_id)


def connected_store(kms: Any, cluster: Cluster, name: str = "store") -> str:
    """The ID of a new store that is connected."""
    store_id: str = kms.create_custom_key_store(**cluster.request(name))["CustomKeyStoreId"]
    found = connect(kms, store_id)
    assert found["ConnectionState"] == "CONNECTED", found
    return store_id


def key_in(kms: Any, store_id: str, **parameters: Any) -> dict[str, Any]:
    """KeyMetadata of a new key in the store."""
    made: dict[str, Any] = kms.create_key(Origin="AWS_CLOUDHSM", CustomKeyStoreId=store_id, **parameters)
    found: dict[str, Any] = made["KeyMetadata"]
    return found
