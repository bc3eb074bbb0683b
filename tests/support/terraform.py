"""Terraform with AWS's provider from a filesystem mirror, where both are present; elsewhere tests of it are skipped and say so."""

from __future__ import annotations

import atexit
import glob
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.support.server import Server

_MIRRORS = [os.path.expanduser("~/.terraform.d/plugins"), "/usr/share/terraform/plugins", *glob.glob("/opt/*")]
_mirror = next((each for each in _MIRRORS if glob.glob(f"{each}/registry.terraform.io/hashicorp/aws/*")), None)

needs_terraform = pytest.mark.skipif(
    not shutil.which("terraform") or _mirror is None, reason="terraform or its AWS provider is not here"
)


# The kinds of resources and data of which Terraform is told (terraform_provider.py): another one it refuses as unknown.
_KINDS = ("aws_kms_", "aws_iam_", "aws_caller_identity", "aws_regions", "aws_resourcegroupstaggingapi_")


@cache
def _running_provider(environment: frozenset[tuple[str, str]]) -> str:
    """TF_REATTACH_PROVIDERS of a provider that runs as long as this process, with these credentials. Otherwise each command starts it several times, and
    `init` reads its 700 MB to check them."""
    (program,) = glob.glob(f"{_mirror}/registry.terraform.io/hashicorp/aws/*/*/terraform-provider-aws*")[:1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.terraform_provider", program, *_KINDS],
        env={**dict(environment), "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    atexit.register(process.stdin.close)  # it ends then, also when this process is killed
    return process.stdout.readline().strip()


class Terraform:
    """One configuration in a folder of its own, and the commands run on it.

    With a provider that is running already, unless `installed`: then `init` installs it from the mirror, as a person's does. One that
    is running takes one `provider` block: further ones would change what the first says.
    """

    def __init__(self, server: Server, folder: Path, configuration: str, *, installed: bool = False) -> None:
        self._folder = folder
        (folder / "main.tf").write_text(configuration)
        (folder / "rc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{_mirror}"\n  }}\n}}\n'
        )
        credentials = server.cli_environment()
        self._environment = {
            **credentials,
            "TF_CLI_CONFIG_FILE": str(folder / "rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "GOGC": "400",  # each command starts the provider several times, which reads its schemas: a quarter of it was clearing up
        }
        if not installed:
            self._environment["TF_REATTACH_PROVIDERS"] = _running_provider(frozenset(credentials.items()))

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """`command` is what follows `terraform`."""
        return self.shell(f"terraform {command} -no-color")

    def shell(self, script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
        )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a failed command printed, for the message of an assertion."""
    return done.stdout[-6000:] + done.stderr[-6000:]
