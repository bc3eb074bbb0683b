"""Thumbprints of OpenID Connect providers: whose certificate is taken by one, and how one is looked up."""

from __future__ import annotations

import hashlib
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from engine import https_client
from tests.conftest import TestAccount
from tests.engine.iam.test_iam_limits import refused
from tests.support.credential_calls import new_key, pem

AUTHORITY, STRANGER, LEAF = new_key(), new_key(), new_key()


def certificate(name: str, key: EllipticCurvePrivateKey, signer: EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    made = x509.CertificateBuilder(
        issuer_name=named("authority"),
        subject_name=named(name),
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=1),
    )
    of_authority = x509.BasicConstraints(ca=name == "authority", path_length=None)
    made = made.add_extension(of_authority, critical=True)
    signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = made.add_extension(signers, critical=False)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    if name == "authority":
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        return made.add_extension(usage, critical=True).sign(signer, hashes.SHA256())
    names = x509.SubjectAlternativeName([x509.DNSName(name)])
    return made.add_extension(names, critical=False).sign(signer, hashes.SHA256())


def thumbprint(of: x509.Certificate) -> str:
    return hashlib.sha1(of.public_bytes(Encoding.DER), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Site:
    url: str
    leaf: x509.Certificate
    authority: x509.Certificate


def site(folder: Path, host: str = "localhost", signer: EllipticCurvePrivateKey = AUTHORITY) -> Iterator[Site]:
    """A server that no machine's certificate authorities know; it shows its own certificate and the authority's."""
    authority, leaf = certificate("authority", AUTHORITY, AUTHORITY), certificate(host, LEAF, signer)
    file = folder / "tls.pem"
    file.write_text(pem(LEAF) + "".join(each.public_bytes(Encoding.PEM).decode() for each in (leaf, authority)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"here")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(HTTPServer):
        def handle_error(self, *_: Any) -> None:
            """A client that refuses the certificate hangs up."""

    with Server(("localhost", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield Site(f"https://localhost:{server.server_port}", leaf, authority)
        server.shutdown()


@pytest.fixture
def here(tmp_path: Path, settings: Any) -> Iterator[Site]:
    settings.PRIVATE_ENDPOINTS = True
    yield from site(tmp_path)


def fetch(url: str, *thumbprints: str) -> bytes:
    status, body = https_client.request("GET", url, thumbprints=thumbprints)
    assert status == 200
    return body


def test_a_certificate_is_taken_by_its_own_thumbprint_or_its_authoritys(here: Site) -> None:
    with pytest.raises(https_client.CertificateError, match="not trusted"):
        fetch(here.url)
    with pytest.raises(https_client.CertificateError, match="none of the thumbprints"):
        fetch(here.url, "0" * 40)
    assert fetch(here.url, thumbprint(here.leaf).upper()) == b"here"
    assert fetch(here.url, "0" * 40, thumbprint(here.authority)) == b"here"


@pytest.mark.parametrize(("host", "signer"), [("localhost", STRANGER), ("elsewhere.example.com", AUTHORITY)])
def test_showing_an_authority_is_not_enough(
    tmp_path: Path, settings: Any, host: str, signer: EllipticCurvePrivateKey
) -> None:
    """Its certificate is no secret: it has to have signed, and for this host."""
    settings.PRIVATE_ENDPOINTS = True
    for found in site(tmp_path, host, signer):
        with pytest.raises(https_client.CertificateError, match="not of the authority of the thumbprint"):
            fetch(found.url, thumbprint(found.authority))


def test_one_is_looked_up_where_the_operator_says_so(account: TestAccount, here: Site, settings: Any) -> None:
    iam = account.client("iam")

    def created(url: str, **more: Any) -> list[str]:
        arn = iam.create_open_id_connect_provider(Url=url, **more)["OpenIDConnectProviderArn"]
        return list(iam.get_open_id_connect_provider(OpenIDConnectProviderArn=arn)["ThumbprintList"])

    assert created(f"{here.url}/off") == []
    settings.LOOK_UP_THUMBPRINTS = True
    assert created(f"{here.url}/on") == [thumbprint(here.authority)]
    assert created(f"{here.url}/given", ThumbprintList=["a" * 40]) == ["a" * 40]


def test_nobody_is_connected_to_for_who_may_not_or_where_that_is_not_allowed(
    account: TestAccount, here: Site, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LOOK_UP_THUMBPRINTS = True
    asked: list[str] = []
    real = https_client.outbound.connect
    monkeypatch.setattr(
        https_client.outbound, "connect", lambda host, *rest: (asked.append(host), real(host, *rest))[1]
    )
    stranger = account.create_user("stranger").client("iam")
    assert refused(stranger.create_open_id_connect_provider, Url=here.url)[0] == "AccessDenied"
    iam = account.client("iam")
    for wrong in ("http://localhost", "https://localhost/?a=b"):
        assert refused(iam.create_open_id_connect_provider, Url=wrong)[0] in ("ValidationError", "InvalidInput")
    assert asked == []
    settings.PRIVATE_ENDPOINTS = False
    unreachable = ("OpenIdIdpCommunicationError", "IAM cannot connect to the OpenID Connect identity provider URL.")
    assert refused(iam.create_open_id_connect_provider, Url=here.url) == unreachable
    assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
