"""deploy/: the examples are accepted by the programs that read them, and name settings that exist."""

from __future__ import annotations

import re
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from kmsconsole.installation.environment import VARIABLES
from tests.support.server import ACCESS_KEY_ID, ROOT, SECRET, Server, free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NGINX_FRAME = """daemon off; pid {folder}/pid; error_log {folder}/log; events {{}}
http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
{site} }}
"""


def written() -> list[Path]:
    return [*(ROOT / "deploy").iterdir(), *(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("file", written(), ids=lambda file: file.relative_to(ROOT).as_posix())
def test_every_setting_that_is_named_exists(file: Path) -> None:
    named = set(re.findall(r"\bKMSCONSOLE_[A-Z_]*[A-Z]\b", file.read_text()))
    own = {"KMSCONSOLE_TEST_DATABASE"}  # of the tests
    assert {name for name in named - own if not any(known.startswith(name) for known in VARIABLES)} == set()


def test_no_data_folder_gets_into_an_image() -> None:
    assert "var" in (ROOT / ".dockerignore").read_text().splitlines()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_knows_every_line_of_the_unit(tmp_path: Path) -> None:
    unit = (ROOT / "deploy" / "kmsconsole.service").read_text()
    (tmp_path / "kmsconsole.service").write_text(unit.replace("/opt/kmsconsole/bin/kmsconsole", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "kmsconsole.service"], capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """(address, its certificate) of a server behind deploy/nginx.conf, with the settings that its head names."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*made, *subject, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    port = free_port()
    address = f"https://localhost:{port}"
    example = (ROOT / "deploy" / "nginx.conf").read_text()
    settings = dict(re.findall(r"^#   (KMSCONSOLE_[A-Z_]+)=(\S+)", example, re.MULTILINE))
    settings |= {"KMSCONSOLE_PUBLIC_URL": address, "KMSCONSOLE_ALLOWED_HOSTS": "localhost"}
    del settings["KMSCONSOLE_LISTEN"]
    with Server(folder / "data", **settings) as server:
        site = re.sub(r"\n\s*listen \[::\]:.*", "", example).replace("listen 443", f"listen 127.0.0.1:{port}")
        site = site.replace("listen 80", f"listen 127.0.0.1:{free_port()}").replace("kms.example.com", "localhost")
        site = site.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        site = site.replace("/etc/ssl/localhost/fullchain.pem", str(certificate))
        site = site.replace("/etc/ssl/localhost/privkey.pem", str(key))
        (folder / "nginx.conf").write_text(NGINX_FRAME.format(folder=folder, site=site))
        proxy = subprocess.Popen([NGINX, "-c", folder / "nginx.conf", "-p", folder, "-e", folder / "log"])
        try:
            wait(port)
            yield address, certificate
        finally:
            proxy.terminate()
            proxy.wait(timeout=10)


def wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def test_a_browser_signs_in_through_the_proxy_and_its_cookies_go_over_tls_alone(proxied: tuple[str, Path]) -> None:
    address, certificate = proxied
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(certificate))),
        urllib.request.HTTPCookieProcessor(),
    )
    page = opener.open(f"{address}/principals/sign-in/")
    assert page.headers["Strict-Transport-Security"]
    assert all("Secure" in cookie for cookie in page.headers.get_all("Set-Cookie"))
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
    assert token
    form = f"csrfmiddlewaretoken={token[1]}&account=111122223333&user_name=admin&password=correct+horse+battery"
    signed_in = opener.open(
        urllib.request.Request(f"{address}/principals/sign-in/", data=form.encode(), headers={"Origin": address})
    )
    assert signed_in.url == f"{address}/"


def test_programs_sign_for_the_proxys_address(proxied: tuple[str, Path]) -> None:
    address, certificate = proxied
    kms = boto3.client(
        "kms",
        region_name="us-east-1",
        endpoint_url=address,
        verify=str(certificate),
        aws_access_key_id=ACCESS_KEY_ID,
        aws_secret_access_key=SECRET,
    )
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"x" * 4096)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"x" * 4096
