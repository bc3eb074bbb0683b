"""The wheel: installed into a clean Python without the checkout, `kmsconsole serve` gives pages, their style sheet, German and the API."""

from __future__ import annotations

import os
import re
import site
import subprocess
import sys
import urllib.request
import venv
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from tests.support.server import ROOT, Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel; what the wheel depends on is this one's, so that nothing is fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)], check=True
    )
    (wheel,) = folder.glob("kmsconsole-*.whl")
    venv.create(folder / "venv", symlinks=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-deps", str(wheel)], check=True)
    packages = next((folder / "venv").glob("lib/python*/site-packages"))
    (packages / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "venv" / "bin" / "kmsconsole"


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    elsewhere = tmp_path_factory.mktemp("elsewhere")  # not the checkout: nothing of it may be found
    with Server(elsewhere / "data", program=(str(installed),), command=("serve",), bare=True, cwd=elsewhere) as running:
        yield running


def fetched(server: Server, path: str, language: str = "en") -> tuple[str, str]:
    """(content type, text) of a page."""
    request = urllib.request.Request(f"{server.url}{path}", headers={"Accept-Language": language})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def test_it_serves_pages_with_their_style_sheet_and_script(server: Server) -> None:
    page = fetched(server, "/principals/sign-in/")[1]
    assert re.search(r"<title>\s*Sign in", page)
    (style_sheet,) = re.findall(r'"(/[^"]+\.css)"', page)
    (script,) = re.findall(r'"(/static/[^"]+/console.js)"', page)
    modules = [
        urljoin(script, each) for each in re.findall(r'^import "([^"]+)"', fetched(server, script)[1], re.MULTILINE)
    ]
    assert len(modules) >= 8
    kind, rules = fetched(server, style_sheet)
    assert kind.startswith("text/css")
    assert "@layer pages" in rules
    for address in (script, *modules):
        assert "javascript" in fetched(server, address)[0]


def test_it_speaks_german(server: Server) -> None:
    assert "Anmelden" in fetched(server, "/principals/sign-in/", "de")[1]


def test_it_answers_signed_calls(server: Server) -> None:
    kms = server.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"from a wheel")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"from a wheel"


def test_it_tells_its_version_and_keeps_data_where_the_user_has_data(installed: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KMSCONSOLE_")}
    environment |= {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    said = subprocess.run([installed, "--version"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert said.stdout.startswith("kmsconsole 0.")
    assert "checkout" not in said.stdout
    subprocess.run([installed, "check"], env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert (tmp_path / "share" / "kmsconsole" / "console.secret").exists()


def test_it_brings_its_lessons(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "KMSCONSOLE_DATA": str(tmp_path)}
    command = [str(installed), "check_lessons"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path).stdout
    assert "first-key: 4 steps" in said
