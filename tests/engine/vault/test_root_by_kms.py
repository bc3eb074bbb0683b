"""The root key under a key of another kmsconsole: it opens by that KMS alone, bound to the installation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import prefork
from tests.support.server import ACCESS_KEY_ID, SECRET, Server

pytestmark = pytest.mark.slow


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Server]:
    """The KMS that protects."""
    with Server(tmp_path / "other", KMSCONSOLE_WORKERS="1") as server:
        yield server


def test_it_starts_by_the_other_kms_only_and_the_other_one_records_what_for(other: Server, tmp_path: Path) -> None:
    kms = other.client()
    key = kms.create_key()["KeyMetadata"]
    server = Server(
        tmp_path / "data",
        KMSCONSOLE_WORKERS="1",
        KMSCONSOLE_ROOT_PROVIDER=f"kms:{key['Arn']}",
        KMSCONSOLE_ROOT_KMS_ENDPOINT=other.url,
        AWS_ACCESS_KEY_ID=ACCESS_KEY_ID,
        AWS_SECRET_ACCESS_KEY=SECRET,
        AWS_EC2_METADATA_DISABLED="true",
    )
    with server:
        key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
        blob = server.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    del server.environment["KMSCONSOLE_ROOT_KMS_ENDPOINT"]  # the description names it
    with server:
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
        found = other.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "Decrypt"}]
        )
        context = json.loads(found["Events"][0]["CloudTrailEvent"])["requestParameters"]["encryptionContext"]
        description = json.loads((tmp_path / "data" / "root.json").read_text())
        assert context == {
            "kmsconsole:installation": description["installation"],
            "kmsconsole:root-key-id": description["rootKeyID"],
        }
        assert server.manage("rotate_root").returncode == 0
        assert server.client().decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"
    assert f"the KMS key {key['Arn']} at {other.url}" in server.manage("check").stdout
    kms.disable_key(KeyId=key["KeyId"])
    refused = prefork.run("serve", env=server.environment)
    assert refused.stderr.strip().endswith("refused: DisabledException")
    other.stop()
    gone = prefork.run("serve", env=server.environment)
    assert "cannot be used (EndpointConnectionError)" in gone.stderr
    assert len(gone.stderr.strip().splitlines()) == 1
    other.start()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--key", "alias/x"], "must be named by its ARN"),
        (
            ["--key", "arn:aws:kms:us-east-1:1:key/x", "--endpoint", "http://kms.example"],
            "by https, or on this machine",
        ),
        ([], "kms needs --key"),
    ],
)
def test_a_key_that_cannot_protect_it_is_refused_and_nothing_changes(
    other: Server, options: list[str], said: str
) -> None:
    done = other.manage("change_root_provider", "kms", *options)
    assert done.returncode == 1
    assert said in done.stderr
    assert (other.folder / "root.key").exists()
    assert not list(other.folder.glob("root.*.next"))
