"""Show the call: each kind of text runs as it is printed, against a real server, and does what the request says."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from typing import Any

import pytest
from django.test import Client

from console import calls as call
from console import terraform
from console.calls import cli
from tests.support import aws_cli
from tests.support.server import ACCOUNT, Server

REGION = "us-east-1"
POLICY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:List*", "Resource": "*"}]}
)
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}}
        ],
    }
)


@pytest.fixture(scope="module")
def key_id(server: Server) -> str:
    return str(server.client().create_key()["KeyMetadata"]["KeyId"])


def requests(key_id: str, name: str) -> list[tuple[str, str, dict[str, Any]]]:
    """One request of each shape there is: texts with quotes, blobs, lists, maps, structures, booleans, numbers, policies, Query.
    `name` keeps the runs of different kinds apart."""
    root = f"arn:aws:iam::{ACCOUNT}:root"
    return [
        ("kms", "CreateKey", {"Description": f"it's {name} ${{x}} \"q\"", "Tags": [{"TagKey": "a b", "TagValue": "$c"}]}),
        ("kms", "CreateAlias", {"AliasName": f"alias/{name}", "TargetKeyId": key_id}),
        ("kms", "CreateGrant", {"KeyId": key_id, "GranteePrincipal": root, "Operations": ["Encrypt", "DescribeKey"],
                                "Constraints": {"EncryptionContextSubset": {"team": name}}}),
        ("kms", "Encrypt", {"KeyId": key_id, "Plaintext": b"it's \n text", "EncryptionContext": {"it's": "a $test"}}),
        ("kms", "EnableKeyRotation", {"KeyId": key_id, "RotationPeriodInDays": 180}),
        ("kms", "GenerateDataKey", {"KeyId": key_id, "NumberOfBytes": 64}),
        ("kms", "CreateKey", {"MultiRegion": True, "KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}),
        ("iam", "CreateUser", {"UserName": f"{name}-user", "Tags": [{"Key": "team", "Value": "a=b+c"}]}),
        ("iam", "PutUserPolicy", {"UserName": f"{name}-user", "PolicyName": "inline", "PolicyDocument": POLICY}),
        ("iam", "CreateGroup", {"GroupName": f"{name}-group"}),
        ("iam", "AddUserToGroup", {"GroupName": f"{name}-group", "UserName": f"{name}-user"}),
        ("iam", "CreateRole", {"RoleName": f"{name}-role", "AssumeRolePolicyDocument": TRUST}),
        ("iam", "CreatePolicy", {"PolicyName": f"{name}-policy", "PolicyDocument": POLICY}),
        ("iam", "AttachRolePolicy", {"RoleName": f"{name}-role", "PolicyArn": f"arn:aws:iam::{ACCOUNT}:policy/{name}-policy"}),
    ]  # fmt: skip


def effects(server: Server, name: str) -> set[str]:
    """What the requests of `requests` left behind."""
    iam = server.client("iam")
    found = {alias["AliasName"] for alias in server.client().list_aliases(Limit=1000)["Aliases"]}
    found |= {user["UserName"] for user in iam.list_users()["Users"]}
    found |= {
        entry["PolicyArn"] for entry in iam.list_attached_role_policies(RoleName=f"{name}-role")["AttachedPolicies"]
    }
    found |= {f"member {user['UserName']}" for user in iam.get_group(GroupName=f"{name}-group")["Users"]}
    return found


def wanted(name: str) -> set[str]:
    return {f"alias/{name}", f"{name}-user", f"arn:aws:iam::{ACCOUNT}:policy/{name}-policy", f"member {name}-user"}


def test_each_http_request_is_accepted_as_printed(server: Server, key_id: str) -> None:
    commands = [call.http(*each, REGION, server.url) for each in requests(key_id, "by-http")]
    script = "set -e\n" + "\n".join(f"{command} --fail-with-body -sS\necho" for command in commands)
    done = subprocess.run(["bash", "-c", script], env=server.cli_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert wanted("by-http") <= effects(server, "by-http")
    encrypted = next(json.loads(line) for line in done.stdout.splitlines() if '"CiphertextBlob"' in line)
    opened = server.client().decrypt(
        CiphertextBlob=base64.b64decode(encrypted["CiphertextBlob"]), EncryptionContext={"it's": "a $test"}
    )
    assert opened["Plaintext"] == b"it's \n text"


def test_a_session_token_goes_with_the_http_request(server: Server) -> None:
    given = server.client("sts").get_session_token()["Credentials"]
    environment = {
        **server.cli_environment(given["AccessKeyId"], given["SecretAccessKey"]),
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    command = call.http("kms", "ListKeys", {"Limit": 1}, REGION, server.url) + " --fail-with-body -sS"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Keys" in json.loads(done.stdout)


def test_each_boto3_source_runs_as_printed(server: Server, key_id: str) -> None:
    script = "\n\n".join(
        call.boto3_script(service_name, [(operation, parameters)], REGION, server.url)
        for service_name, operation, parameters in requests(key_id, "by-boto3")
    )
    done = subprocess.run([sys.executable, "-c", script], env=server.cli_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert wanted("by-boto3") <= effects(server, "by-boto3")


@pytest.mark.slow
def test_each_cli_command_runs_as_printed(server: Server, key_id: str) -> None:
    script = "set -e\n" + "\n".join(call.cli(*each, REGION, server.url) for each in requests(key_id, "by-cli"))
    environment = {**server.cli_environment(), "PATH": f"{aws_cli.folder()}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert wanted("by-cli") <= effects(server, "by-cli")


def test_an_operation_without_a_resource_has_no_configuration() -> None:
    assert terraform.configurations("kms", [("GenerateRandom", {"NumberOfBytes": 8})], REGION, "", ACCOUNT) == ""


def test_real_aws_is_named_by_its_own_address() -> None:
    assert "https://kms.eu-west-1.amazonaws.com/" in call.http("kms", "ListKeys", {}, "eu-west-1", "")
    assert '"aws:amz:us-east-1:iam"' in call.http("iam", "ListUsers", {}, "eu-west-1", "")


def test_the_shown_call_runs_as_printed(server: Server) -> None:
    key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
    parameters = {"KeyId": key_id, "Plaintext": b"it's \n bytes", "EncryptionContext": {"it's": "a $test"}}
    command = cli("kms", "Encrypt", parameters, "us-east-1", server.url)
    environment = {**server.cli_environment(), "PATH": f"{aws_cli.folder()}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    blob = base64.b64decode(json.loads(done.stdout)["CiphertextBlob"])
    opened = server.client().decrypt(CiphertextBlob=blob, EncryptionContext=parameters["EncryptionContext"])
    assert opened["Plaintext"] == parameters["Plaintext"]


HALF = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "\\ud800", "Resource": "*"}]}'


@pytest.mark.parametrize("preview", [{}, {"preview": "1"}], ids=["sent", "previewed"])
def test_a_policy_with_half_a_character_is_refused_on_a_page(signed_in: Client, preview: dict[str, str]) -> None:
    answer = signed_in.post("/principals/policies/new/", {"name": "half", "document": HALF, **preview})
    assert answer.status_code == (200 if preview else 422)
    assert "\\ud800" in answer.content.decode()
