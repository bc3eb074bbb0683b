"""Show the call for Terraform: the texts run as they are printed.

Terraform takes ten seconds of processor time for each command, most of them for the schemas of its provider. So the texts of all tests stand
in one folder and are applied by one command, after one printed `terraform import`; what further import commands name is imported by
blocks. The provider's block, which each printed text begins with, stands there once.
"""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from console import calls as call
from console import terraform
from tests.console.test_call import REGION, requests, wanted
from tests.console.test_call import effects as effects_of
from tests.console.test_call_changes import OTHER, prepare
from tests.support.server import ACCOUNT, Server
from tests.support.terraform import Terraform, needs_terraform, said

pytestmark = [pytest.mark.slow, pytest.mark.client, needs_terraform]
_IMPORT = "# terraform import"


@pytest.fixture(scope="module")
def made(server: Server) -> str:
    """A key made elsewhere, whose argument one of the texts is."""
    return str(server.client().create_key()["KeyMetadata"]["KeyId"])


@pytest.fixture(scope="module")
def changed(server: Server) -> dict[str, Any]:
    """What is made elsewhere in IAM."""
    return prepare(server, "changes-tf")


@pytest.fixture(scope="module", autouse=True)
def applied(server: Server, made: str, changed: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    disabled = terraform.configurations("kms", [("DisableKey", {"KeyId": made})], REGION, server.url, ACCOUNT)
    changes = terraform.configurations("iam", calls(changed), REGION, server.url, ACCOUNT)
    (printed,) = imports(disabled)
    assert len(imports(changes)) == 4
    for _terraform, _import, address, identity in map(shlex.split, imports(changes)):
        changes += f'\n\nimport {{\n  to = {address}\n  id = "{identity}"\n}}'
    provider = terraform.provider(REGION, server.url)
    assert disabled.startswith(provider)
    assert changes.startswith(provider)
    texts = [provider, *blocks(server), disabled.removeprefix(provider), changes.removeprefix(provider)]
    script = f"terraform init -input=false && {printed} && terraform apply -auto-approve -input=false"
    done = Terraform(server, tmp_path_factory.mktemp("terraform"), "\n\n".join(texts)).shell(script)
    assert done.returncode == 0, said(done)


def imports(text: str) -> list[str]:
    return [line.removeprefix("# ") for line in text.splitlines() if line.startswith(_IMPORT)]


def blocks(server: Server) -> list[str]:
    """The texts of all requests that a resource sends, each after the one before: the printed ones but for the label."""
    key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
    texts, sent, before = [], [], ""
    for number, (service, operation, parameters) in enumerate(requests(key_id, "by-terraform")):
        found = terraform.resource(service, operation, parameters)
        if found is None or found.part_of:
            continue
        sent.append(operation)
        texts.append(terraform.block(found, parameters, REGION, ACCOUNT, f"r{number}", after=before))
        before = f"{found.type}.r{number}"
    assert sent == ["CreateKey", "CreateAlias", "CreateGrant", "Encrypt", "CreateKey", "CreateUser", "PutUserPolicy",
                    "CreateGroup", "AddUserToGroup", "CreateRole", "CreatePolicy", "AttachRolePolicy"]  # fmt: skip
    return texts


def calls(changed: dict[str, Any]) -> list[call.Call]:
    """Arguments of resources that are taken over first, and new resources in the order of their calls."""
    user, role = {"UserName": "changes-tf"}, {"RoleName": "changes-tf"}
    return [
        ("PutUserPermissionsBoundary", {**user, "PermissionsBoundary": changed["arn"]}),
        ("UpdateAccessKey", {**user, "AccessKeyId": changed["access_key"], "Status": "Inactive"}),
        ("CreatePolicyVersion", {"PolicyArn": changed["arn"], "PolicyDocument": OTHER, "SetAsDefault": True}),
        ("UpdateRole", {**role, "Description": "new", "MaxSessionDuration": 7200}),
        ("CreateUser", {"UserName": "changes-tf-new"}),
        ("AddUserToGroup", {"GroupName": "changes-tf", "UserName": "changes-tf-new"}),
    ]


def test_terraform_applies_each_configuration_as_printed(server: Server) -> None:
    assert wanted("by-terraform") <= effects_of(server, "by-terraform")
    described = [key["KeyId"] for key in server.client().list_keys(Limit=1000)["Keys"]]
    texts_of_keys = {server.client().describe_key(KeyId=each)["KeyMetadata"]["Description"] for each in described}
    assert 'it\'s by-terraform ${x} "q"' in texts_of_keys


def test_an_argument_of_a_key_is_applied_to_a_key_made_elsewhere(server: Server, made: str) -> None:
    assert server.client().describe_key(KeyId=made)["KeyMetadata"]["KeyState"] == "Disabled"


def test_terraform_changes_what_was_made_elsewhere(server: Server, changed: dict[str, Any]) -> None:
    iam, user, role = server.client("iam"), {"UserName": "changes-tf"}, {"RoleName": "changes-tf"}
    assert iam.get_user(**user)["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == changed["arn"]
    assert iam.list_access_keys(**user)["AccessKeyMetadata"][0]["Status"] == "Inactive"
    assert iam.get_policy(PolicyArn=changed["arn"])["Policy"]["DefaultVersionId"] == "v2"
    assert iam.get_role(**role)["Role"]["MaxSessionDuration"] == 7200
    assert [each["UserName"] for each in iam.get_group(GroupName="changes-tf")["Users"]] == [
        "changes-tf",
        "changes-tf-new",
    ]
