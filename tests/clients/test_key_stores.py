"""A custom key store from AWS's own CLI: it makes and connects one, and makes and uses a key in it. Terraform: test_terraform.py."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.test_cli_class_story import aws
from tests.support import key_stores
from tests.support.server import Server

pytestmark = [pytest.mark.client, pytest.mark.slow]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own: a training token is one of an installation."""
    with Server(tmp_path_factory.mktemp("stores") / "data", KMSCONSOLE_WORKERS="1") as running:
        yield running


@pytest.fixture(scope="module")
def cluster(serving: Server) -> key_stores.Cluster:
    return key_stores.training_cluster(serving)


def test_the_cli_connects_a_key_store_and_uses_a_key_in_it(
    serving: Server, cluster: key_stores.Cluster, tmp_path: Path
) -> None:
    environment = serving.cli_environment()
    certificate = tmp_path / "customerCA.crt"
    certificate.write_text(cluster.certificate)
    store = aws(
        environment, "kms", "create-custom-key-store", "--custom-key-store-name", "by-cli",
        "--cloud-hsm-cluster-id", cluster.cluster_id, "--key-store-password", cluster.pin,
        "--trust-anchor-certificate", f"file://{certificate}",
    )["CustomKeyStoreId"]  # fmt: skip
    aws(environment, "kms", "connect-custom-key-store", "--custom-key-store-id", store)
    end = time.monotonic() + 20
    while (state := _state(environment, store)) == "CONNECTING":
        assert time.monotonic() < end
    assert state == "CONNECTED"
    key = aws(environment, "kms", "create-key", "--origin", "AWS_CLOUDHSM", "--custom-key-store-id", store)[
        "KeyMetadata"
    ]
    assert (key["CloudHsmClusterId"], key["CustomKeyStoreId"]) == (cluster.cluster_id, store)
    secret = tmp_path / "secret.txt"
    secret.write_bytes(b"kept in the token\n")
    sealed = aws(environment, "kms", "encrypt", "--key-id", key["KeyId"], "--plaintext", f"fileb://{secret}")
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws(environment, "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path / 'sealed'}")
    assert base64.b64decode(opened["Plaintext"]) == secret.read_bytes()
    refused = aws(environment, "kms", "delete-custom-key-store", "--custom-key-store-id", store, fails=True)
    assert "CustomKeyStoreHasCMKsException" in refused
    aws(environment, "kms", "disconnect-custom-key-store", "--custom-key-store-id", store)
    refused = aws(environment, "kms", "decrypt", "--ciphertext-blob", f"fileb://{tmp_path / 'sealed'}", fails=True)
    assert "KMSInvalidStateException" in refused


def _state(environment: dict[str, str], store: str) -> str:
    (found,) = aws(environment, "kms", "describe-custom-key-stores", "--custom-key-store-id", store)["CustomKeyStores"]
    return str(found["ConnectionState"])
