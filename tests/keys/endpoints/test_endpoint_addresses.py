"""Where connections go: never to link-local or metadata addresses, to private ones as the installation says, by one look-up of the name."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import boto3
import botocore.utils
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.test import Client

from engine.outbound import is_allowed
from engine.region_names import is_region_name
from keys.endpoints import backends, diagnosis, outbound
from keys.models import Connection
from tests.conftest import TestAccount, make_client
from tests.support.answering import Answers
from tests.support.answers import text
from tests.support.connections import connect, form, kinds
from tests.support.server import free_port

METADATA = "169.254.169.254"
NEVER = (
    METADATA,
    "169.254.170.2",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "0.0.0.0",
    "0.1.2.3",
    "::",
    "224.0.0.1",
    "ff02::1",
    "240.0.0.1",
    "255.255.255.255",
    "100.100.100.200",
    "168.63.129.16",
    f"::ffff:{METADATA}",
    f"64:ff9b::{METADATA}",
    "64:ff9b:1::a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2001:0:a9fe:a9fe::1",
    f"::{METADATA}",
)
PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "::1",
    "::ffff:127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "fd12::1",
    "100.64.0.1",
)
PUBLIC = ("52.94.5.1", "2600:1f18::1", "64:ff9b::52.94.5.1")


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_connected_to(address: str) -> None:
    assert not is_allowed(address)
    assert not is_allowed(address, private=True)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_as_the_installation_says(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_allowed(address)
    monkeypatch.setattr(settings, "PRIVATE_ENDPOINTS", False)
    assert not is_allowed(address)
    assert is_allowed(address, private=True)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PRIVATE_ENDPOINTS", False)
    assert is_allowed(address)


def test_a_network_that_the_installation_names_is_allowed_beside_public_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "PRIVATE_ENDPOINTS", False)
    monkeypatch.setattr(settings, "ENDPOINT_NETWORKS", (ip_network("10.20.0.0/16"), ip_network("169.254.0.0/16")))
    assert is_allowed("10.20.3.4")
    assert not is_allowed("10.21.3.4")
    assert not is_allowed(METADATA), "no setting allows these"


@pytest.mark.parametrize("value", ["private", "any,10.0.0.0/8", "public,10.0.0.0/99", "public,here"])
def test_a_setting_that_says_nothing_stops_the_start(value: str, tmp_path: Path) -> None:
    code = "import kmsconsole.settings"
    given = {"KMSCONSOLE_DATA": str(tmp_path), "KMSCONSOLE_ENDPOINTS": value, "PATH": ""}
    ended = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert ended.returncode
    assert "KMSCONSOLE_ENDPOINTS must be any, public, or public and networks" in ended.stderr


# --- names


class Resolver:
    """Answers for names instead of the network's; counts how often it is asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, port: Any, *_: Any, **__: Any) -> list[Any]:
        address = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that a socket was asked to connect to."""
    seen: list[Any] = []

    class Noting(socket.socket):
        def connect(self, address: Any) -> None:
            seen.append(address)
            super().connect(address)

    monkeypatch.setattr(socket, "socket", Noting)
    return seen


def client_of(url: str, *, private: bool = False) -> Any:
    """A client made as pages make them."""
    plain = boto3.client(
        "kms",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="x",
        aws_secret_access_key="x",
        config=backends.ONCE,
    )
    return outbound.keep_to_allowed(plain, private=private, proxied=False)


def test_a_name_that_answers_otherwise_the_second_time_is_asked_only_once(
    answering: Any, connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = answering()
    resolver = Resolver("127.0.0.1", METADATA)
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    assert client_of(f"http://kms.example.test:{server.port}").list_keys()["Keys"] == []
    assert resolver.asked == 1
    assert connected == [("127.0.0.1", server.port)]
    assert server.requests == [("/", f"kms.example.test:{server.port}")]


def test_each_new_connection_is_checked_anew(connected: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()  # nothing listens, so that each call opens a connection
    monkeypatch.setattr(socket, "getaddrinfo", Resolver("127.0.0.1", METADATA))
    client = client_of(f"http://kms.example.test:{port}")
    with pytest.raises(BotoCoreError):
        client.list_keys()
    with pytest.raises(BotoCoreError) as refused:
        client.list_keys()
    assert diagnosis.of_exception(refused.value).kind == "address"
    assert connected == [("127.0.0.1", port)]


def test_a_name_with_one_address_that_is_not_allowed_is_refused_whole(
    connected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [*Resolver("127.0.0.1")("x", 80), *Resolver(METADATA)("x", 80)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert diagnosis.reach("http://kms.example.test").kind == "address"
    assert connected == []


@pytest.mark.parametrize(
    "host",
    [METADATA, "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "0xa9.254.0xa9fe",
     f"{METADATA}.", "[fe80::1]", "[fd00:ec2::254]", f"[::ffff:{METADATA}]", "[::ffff:a9fe:a9fe]",
     "[64:ff9b::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "0.0.0.0", "0", "[::]", "１６９.254.169.254", "①⑥⑨.254.169.254"],
)  # fmt: skip
def test_no_way_of_writing_it_leads_there(host: str, connected: list[Any]) -> None:
    url = f"http://{host}/"
    assert diagnosis.reach(url).kind in ("address", "dns")
    with pytest.raises((BotoCoreError, ValueError)):
        client_of(url).list_keys()
    assert connected == []


@pytest.mark.parametrize(
    "url",
    [f"http://user@{METADATA}/", "http://kms.example.org@127.0.0.1/", "http://127.0.0.1:99999", "http://[::1",
     "http://a\\@b/", "http://a b/", "http://ho\tst/", "http:///x", "http://a?b", "http://a#b", "//a", "file:///etc",
     "http://" + "a" * 64 + ".example/"],
)  # fmt: skip
def test_an_address_that_could_be_read_two_ways_is_no_address(url: str, signed_in: Client) -> None:
    answer = signed_in.post("/settings/endpoints/new/", form(url))
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["url"])


def test_a_connection_to_the_metadata_service_says_that_it_is_not_allowed(
    signed_in: Client, connected: list[Any]
) -> None:
    assert kinds(connect(signed_in, f"http://{METADATA}")) == ["address"]
    assert connected == []


def test_private_endpoints_are_refused_where_the_installation_says_so(
    signed_in: Client, answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = answering()
    monkeypatch.setattr(settings, "PRIVATE_ENDPOINTS", False)
    assert kinds(connect(signed_in, f"http://127.0.0.1:{server.port}")) == ["address"]
    assert server.requests == []


def test_what_the_server_was_started_for_may_be_private_all_the_same(
    signed_in: Client, answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "x")
    server = answering()
    monkeypatch.setattr(settings, "PRIVATE_ENDPOINTS", False)
    monkeypatch.setattr(settings, "BACKEND", f"http://127.0.0.1:{server.port}")
    backends.session.cache_clear()
    assert signed_in.get("/keys/").status_code == 200
    assert server.requests


def test_a_redirect_is_not_followed(answering: Any) -> None:
    elsewhere = answering()
    server = answering(307, b"", Location=f"http://127.0.0.1:{elsewhere.port}/")
    with pytest.raises(ClientError):
        client_of(f"http://127.0.0.1:{server.port}").list_keys()
    assert server.requests
    assert elsewhere.requests == []


def test_a_proxy_of_the_environment_is_for_awss_hosts_not_for_an_address_that_was_entered(
    signed_in: Client, answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = answering(), answering()
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    connection = connect(signed_in, f"http://127.0.0.1:{server.port}")
    assert "ok" in kinds(connection)
    assert server.requests
    assert proxy.requests == []
    assert not backends.may_go_by_proxy(backends.of_connection(connection))
    assert backends.may_go_by_proxy(backends.of_connection(Connection(kind="aws")))


def test_credentials_that_were_entered_are_never_looked_for_at_the_metadata_service(
    signed_in: Client, answering: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: Any, **__: Any) -> Any:
        raise AssertionError("the metadata service was asked")

    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setattr(botocore.utils.InstanceMetadataFetcher, "retrieve_iam_role_credentials", asked)
    monkeypatch.setattr(botocore.utils.ContainerMetadataFetcher, "retrieve_full_uri", asked)
    connection = connect(signed_in, f"http://127.0.0.1:{answering().port}")
    assert "ok" in kinds(connection)
    Connection.objects.filter(pk=connection.pk).update(sealed=b"")
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
    page = signed_in.get("/keys/")
    assert page.status_code == 502
    assert "There are no credentials" in text(page)


# --- TLS


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answering: Any) -> Iterator[Answers]:
    """A TLS server on loopback whose certificate, of an authority that AWS_CA_BUNDLE names, is for kms.example.test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kms.example.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kms.example.test")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, both = tmp_path / "authority.pem", tmp_path / "both.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(
        authority.read_bytes()
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    server = answering()
    server.socket = context.wrap_socket(server.socket, server_side=True)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority))
    monkeypatch.setattr(socket, "getaddrinfo", Resolver("127.0.0.1"))
    return server


def test_the_certificate_is_asked_for_the_name_though_the_connection_goes_to_the_address(certified: Answers) -> None:
    good = f"https://kms.example.test:{certified.port}"
    assert client_of(good).list_keys()["Keys"] == []
    assert diagnosis.reach(good, bundle=outbound.ca_bundle()).good
    other = f"https://other.example.test:{certified.port}"
    with pytest.raises(BotoCoreError) as refused:
        client_of(other).list_keys()
    assert diagnosis.of_exception(refused.value).kind == "tls"
    assert diagnosis.reach(other, bundle=outbound.ca_bundle()).kind == "tls"


# --- Region names

REGIONS = {"us-east-1": True, "eu-moon-1": True, "local": True, "a" * 32: True}
NO_REGIONS = ("", "a/b", "@127.0.0.1:1/", "us-east-1\n", "US-EAST-1", "a" * 33, "-a", "a-", "1", "é", "a.b", "a b", "a%2fb", "\0")  # fmt: skip


def test_what_a_region_name_may_be() -> None:
    assert {name for name in (*REGIONS, *NO_REGIONS) if is_region_name(name)} == set(REGIONS)


@pytest.mark.parametrize("region", [each for each in NO_REGIONS if each.strip()])
def test_a_connection_takes_no_region_that_is_none(signed_in: Client, region: str, connected: list[Any]) -> None:
    given = form("", kind="aws", region=region)
    answer = signed_in.post("/settings/endpoints/new/", given)
    if region.strip("\0\n") != region:  # a form field's own rules take the rest away
        assert answer.status_code in (302, 422)
        return
    assert (answer.status_code, list(answer.context["form"].errors)) == (422, ["region"])
    assert connected == []


def test_a_stored_connection_with_such_a_region_goes_nowhere(
    signed_in: Client, connected: list[Any], answering: Any
) -> None:
    connection = connect(signed_in, f"http://127.0.0.1:{answering().port}")
    connected.clear()
    Connection.objects.filter(pk=connection.pk).update(kind="aws", url="", region="@127.0.0.1:1/")
    assert signed_in.post(f"/settings/endpoints/{connection.pk}/").status_code == 302
    connection.refresh_from_db()
    assert "ok" not in kinds(connection)
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)})
    assert signed_in.get("/keys/").status_code == 502
    assert connected == []


def test_the_page_stays_in_its_region_when_asked_for_one_that_is_none(signed_in: Client) -> None:
    for region in NO_REGIONS:
        signed_in.post("/region/", {"region": region, "next": "/audit/"})
        assert signed_in.get("/audit/").context["signed_in"].region == "us-east-1"


@pytest.mark.parametrize("region", ["a/b", "-a", "1"])
def test_a_program_cannot_sign_for_it_either(account: TestAccount, region: str) -> None:
    admin = account.administrator
    kms = make_client("kms", "us-east-1", admin.access_key_id, admin.secret_access_key)
    kms.meta.events.register_first(
        "before-sign", lambda request, **_: request.context.update(signing={"region": region})
    )
    try:
        with pytest.raises(ClientError) as refused:
            kms.list_keys()
    finally:
        make_client.__globals__["_in_process"].cache_clear()
    assert refused.value.response["Error"]["Code"] in ("InvalidSignatureException", "IncompleteSignatureException")
