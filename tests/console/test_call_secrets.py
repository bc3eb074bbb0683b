"""A call that has a secret is shown with variables, in KMS's protocol and in structures too, and sends what the variables hold."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import Any

import pytest

from console import calls

PASSWORD = "a\"b\\c$d 'e"
CLOUDHSM = {
    "CustomKeyStoreName": "it's mine",
    "CloudHsmClusterId": "cluster-5tqx3vabcde",
    "KeyStorePassword": PASSWORD,
}
CREDENTIAL = {"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": "s+/=" * 11}
EXTERNAL = {"CustomKeyStoreType": "EXTERNAL_KEY_STORE", "XksProxyAuthenticationCredential": CREDENTIAL}
VARIABLES = {
    "KEY_STORE_PASSWORD": PASSWORD,
    "ACCESS_KEY_ID": CREDENTIAL["AccessKeyId"],
    "RAW_SECRET_ACCESS_KEY": CREDENTIAL["RawSecretAccessKey"],
}


def shown(parameters: dict[str, Any]) -> calls.CallExample:
    return calls.call_example("kms", [("CreateCustomKeyStore", parameters)], "us-east-1", "http://localhost", "1" * 12)


def run(program: str, script: str) -> list[str]:
    """The arguments that a shell gives the program of a printed command."""
    words = "import json, sys; print(json.dumps(sys.argv[1:]))"
    given = f'{program}() {{ python3 -c {json.dumps(words)} "$@"; }}\n{script}'
    environment = {"PATH": os.environ["PATH"], **VARIABLES}
    done = subprocess.run(["bash", "-c", given], env=environment, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("parameters", [CLOUDHSM, EXTERNAL], ids=["CloudHSM", "external"])
def test_no_secret_stands_in_any_of_the_programs(parameters: dict[str, Any]) -> None:
    example = shown(parameters)
    for text in (example.cli, example.boto3, example.http, example.terraform):
        assert not [secret for secret in VARIABLES.values() if secret in text or json.dumps(secret)[1:-1] in text]


@pytest.mark.skipif(not shutil.which("jq"), reason="jq is not here")
@pytest.mark.parametrize("parameters", [CLOUDHSM, EXTERNAL], ids=["CloudHSM", "external"])
def test_curl_sends_what_the_variables_hold(parameters: dict[str, Any]) -> None:
    arguments = run("curl", shown(parameters).http)
    assert json.loads(arguments[arguments.index("--data-raw") + 1]) == parameters


def test_the_command_line_is_given_what_the_variables_hold() -> None:
    arguments = run("aws", shown(CLOUDHSM).cli)
    assert arguments[arguments.index("--key-store-password") + 1] == PASSWORD
    arguments = run("aws", shown(EXTERNAL).cli)
    given = arguments[arguments.index("--xks-proxy-authentication-credential") + 1]
    assert given == ",".join(f"{member}={value}" for member, value in CREDENTIAL.items())


def test_boto3_reads_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    source = shown(EXTERNAL).boto3
    arguments = source[source.index("create_custom_key_store(") + len("create_custom_key_store") :]
    assert eval(f"dict{arguments}", {"os": os, "dict": dict}) == EXTERNAL


def test_terraform_declares_its_variables_as_sensitive() -> None:
    text = shown(CLOUDHSM).terraform
    assert 'variable "key_store_password"' in text
    assert re.search(r"key_store_password += var.key_store_password", text)
    assert text.count("sensitive = true") == 1
