"""Terraform with AWS's provider from a filesystem mirror, where both are present; elsewhere tests of it are skipped and say so."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.server import Server

_MIRRORS = [os.path.expanduser("~/.terraform.d/plugins"), "/usr/share/terraform/plugins", *glob.glob("/opt/*")]
_mirror = next((each for each in _MIRRORS if glob.glob(f"{each}/registry.terraform.io/hashicorp/aws/*")), None)

needs_terraform = pytest.mark.skipif(
    not shutil.which("terraform") or _mirror is None, reason="terraform or its AWS provider is not here"
)


class Terraform:
    """One configuration in a folder of its own, and the commands run on it."""

    def __init__(self, server: Server, folder: Path, configuration: str) -> None:
        self._folder = folder
        (folder / "main.tf").write_text(configuration)
        (folder / "rc").write_text(
            f'provider_installation {{\n  filesystem_mirror {{\n    path = "{_mirror}"\n  }}\n}}\n'
        )
        self._environment = {
            **server.cli_environment(),
            "TF_CLI_CONFIG_FILE": str(folder / "rc"),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
            "GOGC": "400",  # each command starts the provider several times, which reads its schemas: a quarter of it was clearing up
        }

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
