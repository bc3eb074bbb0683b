"""The JavaScript SDK and @aws-crypto/client-node, run by Node.js against the server; the two Encryption SDKs read each other."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path

import aws_encryption_sdk
import botocore.session
import pytest
from aws_encryption_sdk.key_providers.kms import StrictAwsKmsMasterKeyProvider

from tests.support.server import Server

FOLDER = Path(__file__).parent / "js"

pytestmark = [
    pytest.mark.client,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("node") or not (FOLDER / "node_modules").exists(),
        reason="Node.js or its packages are not here",
    ),
]


def test_the_javascript_clients_work_unchanged(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = server.cli_environment()
    for name, value in environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    arn = server.client().create_key()["KeyMetadata"]["Arn"]
    provider = StrictAwsKmsMasterKeyProvider(key_ids=[arn], botocore_session=botocore.session.Session())
    sealed, _ = aws_encryption_sdk.EncryptionSDKClient().encrypt(source=b"from Python", key_provider=provider)
    done = subprocess.run(
        ["node", "kms.mjs", arn, base64.b64encode(sealed).decode()],
        cwd=FOLDER,
        env={**environment, "AWS_REGION": "us-east-1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {
        "plaintext": "hello",
        "error": "InvalidCiphertextException",
        "valid": True,
        "listed": True,
        "envelope": True,
        "fromPython": "from Python",
    }
