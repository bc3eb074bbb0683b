"""The class story from the AWS CLI, over a socket: a key, its people, a secret, rotation, disabling, and the audit trail."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import aws_cli
from tests.support.server import ACCOUNT, Server

pytestmark = pytest.mark.client


def aws(environment: dict[str, str], *arguments: str, fails: bool = False) -> Any:
    """Run the AWS CLI; its JSON answer, or with `fails` what it wrote to standard error."""
    done = subprocess.run(
        [str(aws_cli.folder() / "aws"), *arguments, "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    if fails:
        assert done.returncode != 0, done.stdout
        return done.stderr
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if done.stdout.strip() else None


def key_policy(administrator: str, user: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Enable IAM User Permissions",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "Allow access for Key Administrators",
                    "Effect": "Allow",
                    "Principal": {"AWS": administrator},
                    "Action": ["kms:Describe*", "kms:Disable*", "kms:Enable*", "kms:RotateKeyOnDemand"],
                    "Resource": "*",
                },
                {
                    "Sid": "Allow use of the key",
                    "Effect": "Allow",
                    "Principal": {"AWS": user},
                    "Action": [
                        "kms:Encrypt",
                        "kms:Decrypt",
                        "kms:ReEncrypt*",
                        "kms:GenerateDataKey*",
                        "kms:DescribeKey",
                    ],
                    "Resource": "*",
                },
            ],
        }
    )


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A school of its own: the story's names are taken once."""
    with Server(tmp_path / "school") as running:
        yield running


@pytest.mark.slow
def test_a_class_encrypts_its_first_secret_and_the_trail_shows_every_step(server: Server, tmp_path: Path) -> None:
    admin = server.cli_environment()
    people = {}
    for name in ("key-admin", "student", "stranger"):
        arn = aws(admin, "iam", "create-user", "--user-name", name)["User"]["Arn"]
        made = aws(admin, "iam", "create-access-key", "--user-name", name)["AccessKey"]
        people[name] = (arn, server.cli_environment(made["AccessKeyId"], made["SecretAccessKey"]))
    refused = aws(admin, "iam", "create-group", "--group-name", "MY KMS GROUP", fails=True)
    assert "ValidationError" in refused
    aws(admin, "iam", "create-group", "--group-name", "MY-KMS-GROUP")
    aws(admin, "iam", "add-user-to-group", "--group-name", "MY-KMS-GROUP", "--user-name", "student")

    policy = key_policy(people["key-admin"][0], people["student"][0])
    key = aws(admin, "kms", "create-key", "--description", "class key", "--policy", policy)["KeyMetadata"]
    aws(admin, "kms", "create-alias", "--alias-name", "alias/my-kms-key", "--target-key-id", key["KeyId"])

    student = people["student"][1]
    secret = tmp_path / "secret.txt"
    secret.write_text("the launch code is 1234\n")
    encrypted = aws(student, "kms", "encrypt", "--key-id", "alias/my-kms-key", "--plaintext", f"fileb://{secret}")
    blob = tmp_path / "secret.enc"
    blob.write_bytes(base64.b64decode(encrypted["CiphertextBlob"]))

    def decrypt() -> bytes:
        answer = aws(student, "kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}")
        assert answer["KeyId"] == key["Arn"]
        return base64.b64decode(answer["Plaintext"])

    assert decrypt() == secret.read_bytes()

    aws(people["key-admin"][1], "kms", "rotate-key-on-demand", "--key-id", key["KeyId"])
    assert decrypt() == secret.read_bytes()
    again = aws(student, "kms", "encrypt", "--key-id", key["KeyId"], "--plaintext", f"fileb://{secret}")
    assert again["KeyId"] == key["Arn"]

    denied = aws(people["stranger"][1], "kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", fails=True)
    assert "AccessDeniedException" in denied
    assert f"User: {people['stranger'][0]} is not authorized to perform: kms:Decrypt" in denied

    aws(people["key-admin"][1], "kms", "disable-key", "--key-id", key["KeyId"])
    disabled = aws(student, "kms", "decrypt", "--ciphertext-blob", f"fileb://{blob}", fails=True)
    assert "DisabledException" in disabled
    assert f"{key['Arn']} is disabled." in disabled

    events = aws(
        admin,
        "cloudtrail",
        "lookup-events",
        "--lookup-attributes",
        f"AttributeKey=ResourceName,AttributeValue={key['Arn']}",
        "--max-items",
        "50",
    )["Events"]
    seen = [(event["EventName"], json.loads(event["CloudTrailEvent"]).get("errorCode")) for event in reversed(events)]
    for step in (
        ("CreateKey", None),
        ("CreateAlias", None),
        ("Encrypt", None),
        ("RotateKeyOnDemand", None),
        ("Decrypt", None),
        ("Decrypt", "AccessDenied"),
        ("DisableKey", None),
        ("Decrypt", "DisabledException"),
    ):
        assert step in seen, f"{step} is not in the trail: {seen}"
