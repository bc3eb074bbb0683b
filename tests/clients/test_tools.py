"""Tools that people point at AWS, unchanged, at our endpoint: Ansible, Cloud Custodian, ScoutSuite, sops and MongoDB's field encryption.

`make clients` installs them and runs this file; elsewhere it is skipped, and says so. What was run by hand: docs/clients.md.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import credential_calls, identity_providers, tools
from tests.support.server import ACCESS_KEY_ID, ACCOUNT, SECRET, Server

pytestmark = [pytest.mark.client, pytest.mark.slow]
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444455556666:root", "Service": "ec2.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
        ],
    }
)
USE = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "*"}]}
)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Server]:
    """A server of its own: these tools list and change all that an account has."""
    with Server(tmp_path / "data") as running:
        yield running


def make_account(server: Server) -> None:
    """Four keys and the principals around them, with something to find for each of the policies in tools/custodian.yml."""
    kms, iam = server.client(), server.client("iam")
    for team in ("blue", "red"):
        key = kms.create_key(Tags=[{"TagKey": "team", "TagValue": team}])["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{team}", TargetKeyId=key)
    policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
    far = {"Sid": "far", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}
    policy["Statement"].append({**far, "Action": "kms:Decrypt", "Resource": "*"})
    kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    kms.create_key(Description="doomed")
    kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    for name in ("app", "doomed"):
        iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
        iam.put_role_policy(RoleName=name, PolicyName="use", PolicyDocument=USE)
        iam.create_instance_profile(InstanceProfileName=name)
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName=name)
    iam.attach_role_policy(RoleName="doomed", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    kms.create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app", Operations=["Decrypt"])
    iam.create_policy(PolicyName="spare", PolicyDocument=USE)
    iam.create_group(GroupName="students")
    iam.create_user(UserName="student")
    iam.add_user_to_group(GroupName="students", UserName="student")
    iam.create_access_key(UserName="student")
    iam.create_login_profile(UserName="student", Password="Correct-Horse-1")
    iam.attach_user_policy(UserName="student", PolicyArn="arn:aws:iam::aws:policy/ReadOnlyAccess")
    iam.upload_ssh_public_key(UserName="student", SSHPublicKeyBody=credential_calls.ssh_key())
    iam.create_open_id_connect_provider(Url="https://token.actions.githubusercontent.com", ClientIDList=["sts"])


@tools.needs("ansible")
def test_ansible_makes_changes_and_removes_keys_and_principals(fresh: Server, tmp_path: Path) -> None:
    key = credential_calls.new_key()
    for name, text in {
        "key.pem": credential_calls.pem(key),
        "certificate.pem": credential_calls.certificate("web", key),
        "metadata.xml": identity_providers.metadata(),
    }.items():
        (tmp_path / name).write_text(text)
    python = f"ansible_python_interpreter={tools.FOLDER / 'ansible' / 'bin' / 'python'}"
    given = ["-e", python, "-e", f"given={tmp_path}", "-e", f"root=arn:aws:iam::{ACCOUNT}:root"]
    playbook = str(tools.GIVEN / "ansible.yml")
    home = {"ANSIBLE_HOME": str(tmp_path / "ansible"), "ANSIBLE_LOCALHOST_WARNING": "false"}
    done = tools.run("ansible", "ansible-playbook", *given, playbook, server=fresh, cwd=tmp_path, **home)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "failed=0" in done.stdout
    assert fresh.client("iam").list_roles()["Roles"] == []


@tools.needs("custodian")
def test_cloud_custodian_finds_and_changes_keys_and_principals(fresh: Server, tmp_path: Path) -> None:
    make_account(fresh)
    policies = tools.GIVEN / "custodian.yml"
    done = tools.run(
        "custodian",
        "custodian",
        *("run", "--region", "us-east-1", "--cache-period", "0", "-s", "out", str(policies)),
        server=fresh,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    wanted = {each["name"]: each["metadata"]["finds"] for each in yaml.safe_load(policies.read_text())["policies"]}
    found = {name: len(json.loads((tmp_path / "out" / name / "resources.json").read_text())) for name in wanted}
    assert found == wanted
    kms, iam = fresh.client(), fresh.client("iam")
    assert [each["UserName"] for each in iam.list_users()["Users"]] == ["admin"]
    assert [each["RoleName"] for each in iam.list_roles()["Roles"]] == ["app"]
    assert (
        "444455556666"
        not in kms.get_key_policy(KeyId=kms.describe_key(KeyId="alias/red")["KeyMetadata"]["Arn"])["Policy"]
    )


@tools.needs("scoutsuite")
def test_scoutsuite_reads_keys_and_principals_without_an_error(fresh: Server, tmp_path: Path) -> None:
    make_account(fresh)
    services = ("--services", "kms", "iam", "--regions", "us-east-1")
    done = tools.run(
        "scoutsuite",
        "scout",
        *("aws", *services, "--no-browser", "--report-dir", "out"),
        server=fresh,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    said = tmp_path / "out" / "scoutsuite-results"
    assert _script(next(said.glob("scoutsuite_exceptions*"))) == {}
    services_found: Any = _script(next(said.glob("scoutsuite_results*")))["services"]
    assert services_found["kms"]["keys_count"] == 4
    assert services_found["kms"]["findings"]["kms-cmk-rotation-disabled"]["flagged_items"] > 0
    assert {name: services_found["iam"][f"{name}_count"] for name in ("users", "groups", "roles")} == {
        "users": 2,
        "groups": 1,
        "roles": 2,
    }


def _script(file: Path) -> Any:
    """What a report's JavaScript file assigns."""
    return json.loads(file.read_text().partition("=")[2])


@tools.needs("sops")
def test_sops_encrypts_rotates_and_decrypts_a_file_directly_and_by_a_role(fresh: Server, tmp_path: Path) -> None:
    kms, iam = fresh.client(), fresh.client("iam")
    key = kms.create_key()["KeyMetadata"]["Arn"]
    trust = TRUST.replace("444455556666", ACCOUNT)
    role = iam.create_role(RoleName="sops", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    allowed = USE.replace("kms:Decrypt", "kms:*crypt")
    iam.put_role_policy(RoleName="sops", PolicyName="use", PolicyDocument=allowed)
    secret = tmp_path / "secret.yaml"
    secret.write_text("db:\n    user: app\n    password: hunter2\n")

    def sops(*arguments: str) -> str:
        done = tools.run("sops", "sops", *arguments, server=fresh, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    for given in (["--kms", key, "--encryption-context", "team:blue"], ["--kms", f"{key}+{role}"]):
        sealed = tmp_path / "sealed.yaml"
        sealed.write_text(sops("encrypt", *given, "secret.yaml"))
        assert "hunter2" not in sealed.read_text()
        sops("rotate", "-i", "sealed.yaml")
        assert sops("decrypt", "sealed.yaml") == secret.read_text()
    sealed.write_text(sealed.read_text().replace(key, kms.create_key()["KeyMetadata"]["Arn"]))
    refused = tools.run("sops", "sops", "decrypt", "sealed.yaml", server=fresh, cwd=tmp_path)
    assert (refused.returncode, "IncorrectKeyException" in refused.stderr.replace("\n", "")) == (128, True)


@tools.needs("mongodb")
def test_mongodb_encrypts_fields_with_a_key_of_ours(fresh: Server, tmp_path: Path) -> None:
    key = fresh.client().create_key()["KeyMetadata"]["Arn"]
    tls = credential_calls.new_key()
    certificate = tmp_path / "tls.pem"
    certificate.write_text(
        credential_calls.pem(tls) + credential_calls.certificate("127.0.0.1", tls, addresses=["127.0.0.1"])
    )
    script = str(tools.GIVEN / "mongodb.py")
    done = tools.run("mongodb", "python", script, str(fresh.port), key, str(certificate), server=fresh, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "123-45-6789\n"), done.stderr[-4000:]
    events = fresh.client("cloudtrail").lookup_events()["Events"]
    assert {"Encrypt", "Decrypt"} <= {each["EventName"] for each in events}


PUBLIC = {"Sid": "everybody", "Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
# Check of ours → checks of prowler that ask the same (docs/howto/compliance.md): the same resources fail.
SAME = {
    "key-rotation": ("kms_cmk_rotation_enabled",),
    "key-deletion-pending": ("kms_cmk_not_deleted_unintentionally",),
    "key-policy-public": ("kms_key_not_publicly_accessible",),
    "policy-kms-all": (
        "iam_policy_no_full_access_to_kms",
        "iam_inline_policy_no_full_access_to_kms",
        "iam_customer_attached_policy_no_administrative_privileges",
        "iam_aws_attached_policy_no_administrative_privileges",
        "iam_inline_policy_no_administrative_privileges",
    ),
    "access-key-age": ("iam_rotate_access_key_90_days",),
    "user-mfa": ("iam_user_mfa_enabled_console_access",),
}


def make_findings(server: Server) -> None:
    """Keys, policies and users on either side of each check."""
    kms, iam = server.client(), server.client("iam")
    rotated, _plain, public, open_, doomed = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(5))
    kms.enable_key_rotation(KeyId=rotated)
    kms.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY")
    for key, statement in (
        (public, PUBLIC),
        (open_, {**PUBLIC, "Condition": {"StringEquals": {"kms:CallerAccount": ACCOUNT}}}),
    ):
        policy = json.loads(kms.get_key_policy(KeyId=key)["Policy"])
        policy["Statement"].append(statement)
        kms.put_key_policy(KeyId=key, Policy=json.dumps(policy))
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    for name, action in (("all-of-kms", "kms:*"), ("everything", "*"), ("decrypt", "kms:Decrypt")):
        document = json.dumps(
            {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}
        )
        made = iam.create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
        iam.create_user(UserName=f"has-{name}")
        if name == "all-of-kms":  # prowler has checks of its own for policies that are attached
            iam.attach_user_policy(UserName=f"has-{name}", PolicyArn=made)
        iam.put_user_policy(UserName=f"has-{name}", PolicyName="inline", PolicyDocument=document)
        iam.create_access_key(UserName=f"has-{name}")
    iam.create_login_profile(UserName="has-decrypt", Password="Correct-Horse-1")


@tools.needs("prowler")
def test_prowler_agrees_with_our_checks_one_by_one(fresh: Server, tmp_path: Path) -> None:
    make_findings(fresh)
    checks = [name for names in SAME.values() for name in names]
    done = tools.run(
        "prowler",
        "prowler",
        *("aws", "-f", "us-east-1", "-M", "csv", "-o", str(tmp_path / "out"), "-b", "-c", *checks),
        server=fresh,
        cwd=tmp_path,
        HOME=str(tmp_path),
    )
    assert done.returncode in (0, 3), done.stdout[-4000:] + done.stderr[-2000:]  # 3: a check failed
    (report,) = (tmp_path / "out").glob("*.csv")
    with report.open(newline="") as file:
        told = list(csv.DictReader(file, delimiter=";"))
    assert {each["CHECK_ID"] for each in told} == set(checks), "each check of prowler's found something to look at"
    credentials = {"AWS_ACCESS_KEY_ID": ACCESS_KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}
    fresh.environment |= credentials
    ours = {each["check"]: each for each in json.loads(fresh.manage("compliance", "--json").stdout)["results"]}
    for check, theirs in SAME.items():
        failed = {each["RESOURCE_UID"] for each in told if each["CHECK_ID"] in theirs and each["STATUS"] == "FAIL"}
        # Of an inline policy prowler names its user alone.
        assert {each["resource"].partition("#")[0] for each in ours[check]["findings"]} == failed, check
        assert failed or check == "access-key-age", check
