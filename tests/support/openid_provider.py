"""A real OpenID Connect provider (npm oidc-provider) for tests, and a person's browser at it. Where Node.js or it is not, tests are skipped."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
import requests
import urllib3
from cryptography.hazmat.primitives import serialization

from tests.support import identity_providers

_FOLDER = Path(__file__).parents[1] / "clients" / "js"

needs_openid_provider = pytest.mark.skipif(
    not shutil.which("node") or not (_FOLDER / "node_modules" / "oidc-provider").exists(),
    reason="Node.js or its oidc-provider is not here",
)


@dataclass(frozen=True)
class OpenIDProvider:
    issuer: str
    thumbprint: str

    def sign_in(self, address: str, name: str, until: str) -> str:
        """Where the browser is sent by the provider in the end: an address that begins with `until`. `address` begins the sign-in."""
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        browser = requests.Session()
        browser.verify = browser.trust_env = False
        answer = browser.get(address, allow_redirects=False)
        for _ in range(12):
            if answer.is_redirect:
                address = urljoin(answer.url, answer.headers["Location"])
                if address.startswith(until):
                    return address
                answer = browser.get(address, allow_redirects=False)
                continue
            action = re.search(r'action="([^"]+)"', answer.text)
            prompt = re.search(r'name="prompt" value="([^"]+)"', answer.text)
            assert action is not None, answer.text
            assert prompt is not None, answer.text
            form = {"prompt": prompt[1], "login": name, "password": "x"}
            answer = browser.post(urljoin(answer.url, action[1]), form, allow_redirects=False)
        raise AssertionError(f"the provider never sent the browser back: {address}")


@contextmanager
def running(clients: list[dict[str, Any]], accounts: dict[str, dict[str, Any]]) -> Iterator[OpenIDProvider]:
    certificate = identity_providers.certificate("localhost")
    pem = serialization.Encoding.PEM
    key = identity_providers.rsa_key("saml").private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    settings = {
        "key": key.decode(),
        "certificate": certificate.public_bytes(pem).decode(),
        "clients": clients,
        "accounts": accounts,
    }
    process = subprocess.Popen(
        ["node", "openid_provider.mjs"],
        cwd=_FOLDER,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("https://"), "the provider did not start"
        der = certificate.public_bytes(serialization.Encoding.DER)
        yield OpenIDProvider(issuer, hashlib.sha1(der, usedforsecurity=False).hexdigest())
    finally:
        process.kill()
        process.communicate()
