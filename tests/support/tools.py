"""Other people's tools, each in a virtual environment of its own that `make clients` makes. Without them their tests are skipped, and say so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT, Server

FOLDER = ROOT / ".clients"
GIVEN = ROOT / "tests" / "clients" / "tools"  # playbooks, policies and requirements


def needs(tool: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not (FOLDER / tool / ".done").exists(), reason=f"`make clients` installs {tool}")


def run(
    tool: str, command: str, *arguments: str, server: Server, cwd: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    """A program of the tool's environment, with an endpoint and a key in its own environment as a person would give them."""
    return subprocess.run(
        [str(FOLDER / tool / "bin" / command), *arguments],
        cwd=cwd,
        env={
            **server.cli_environment(),
            "AWS_REGION": "us-east-1",
            "PATH": f"{FOLDER / tool / 'bin'}:{os.environ['PATH']}",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=1500,
    )
