"""The commands of README, tutorial and docs/howto/programs.md run as they are printed."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support.server import ROOT, Server

REGION = "eu-west-3"  # of this module alone: an alias is one key's, and other modules share the server

pytestmark = [pytest.mark.client, pytest.mark.slow]


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(text) for _indent, text in found]


def test_the_tutorial_leads_from_a_key_to_a_file_of_any_size(server: Server, tmp_path: Path) -> None:
    kms = server.client(region=REGION)
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/my-kms-key", TargetKeyId=key_id)
    commands = [block for block in blocks("docs/tutorial.md", "sh") if "aws kms" in block]
    script = "\n".join(re.sub(r"^export AWS_.*\n", "", block, flags=re.MULTILINE) for block in commands)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**server.cli_environment(), "AWS_DEFAULT_REGION": REGION},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("the launch code is 1234") == 2  # before the rotation and after it
    assert "the same" in done.stdout
    assert len(kms.list_key_rotations(KeyId=key_id)["Rotations"]) == 1
    assert [block for block in blocks("README.md", "sh") if "aws kms" in block] == commands[:1]


def test_the_example_for_boto3_runs(server: Server, tmp_path: Path) -> None:
    (program,) = blocks("docs/howto/programs.md", "python")
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=server.cli_environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
