"""The reference proxy as a process: the engine's client speaks to it over HTTPS, with mutual TLS and without."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from engine.kms import xks_ciphertext
from engine.kms.ciphertext import Reference
from engine.xks import client, connection
from engine.xks.answers import Sealed
from engine.xks.client import RequestMetadata
from engine.xks.failures import Failure, XksError
from kmsconsole.xks_proxy import certificates, configuration, server, training
from kmsconsole.xks_proxy.configuration import Configuration, ConfigurationError
from tests.support import prefork
from tests.support.xks import HOST, ReferenceProxy

TOLD = RequestMetadata("Encrypt", "request-1", "arn:aws:iam::111122223333:user/admin", "arn:aws:kms:us-east-1:1:key/k")


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProxy]:
    with ReferenceProxy(tmp_path_factory.mktemp("proxy") / "training") as made:
        yield made


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProxy]:
    with ReferenceProxy(tmp_path_factory.mktemp("mutual") / "training", mutual_tls=True) as made:
        yield made


def fails(failure: Failure) -> pytest.RaisesExc[XksError]:
    return pytest.raises(XksError, check=lambda error: error.failure is failure)


def test_the_client_finds_health_and_keys(proxy: ReferenceProxy) -> None:
    assert client.health(proxy.proxy(), TOLD, proxy.network()).vendor == "kmsconsole"
    assert client.key_metadata(proxy.proxy(), "training-key-1", TOLD, proxy.network()).is_suitable
    for key in ("encrypt-only", "decrypt-only", "neither", "disabled"):
        assert not client.key_metadata(proxy.proxy(), key, TOLD, proxy.network()).is_suitable


def test_what_is_encrypted_twice_opens(proxy: ReferenceProxy) -> None:
    def encrypt(plaintext: bytes, additional: bytes) -> Sealed:
        return client.encrypt(proxy.proxy(), "training-key-1", plaintext, additional, TOLD, proxy.network())

    def decrypt(sealed: Sealed, additional: bytes) -> bytes:
        return client.decrypt(proxy.proxy(), "training-key-1", sealed, additional, TOLD, proxy.network())

    reference = Reference("111122223333", "1234abcd-12ab-34cd-56ef-1234567890ab", "ab" * 32)
    blob = xks_ciphertext.encrypt(bytes(32), reference, bytes(4096), {"a": "b"}, encrypt)
    assert xks_ciphertext.decrypt(bytes(32), blob, {"a": "b"}, decrypt) == bytes(4096)


@pytest.mark.parametrize(
    ("key", "failure"),
    [
        ("no-such-key", Failure.KEY_NOT_FOUND),
        ("decrypt-only", Failure.KEY_USAGE),
        ("disabled", Failure.KEY_DISABLED),
    ],
)
def test_the_client_tells_what_the_proxy_refuses(proxy: ReferenceProxy, key: str, failure: Failure) -> None:
    with fails(failure):
        client.encrypt(proxy.proxy(), key, b"1", b"", TOLD, proxy.network())


def test_a_wrong_credential_or_path_is_told(proxy: ReferenceProxy) -> None:
    with fails(Failure.NOT_AUTHENTICATED):
        client.health(proxy.proxy(secret="x" * 43), TOLD, proxy.network())
    with fails(Failure.INVALID_PATH):
        client.health(proxy.proxy(uri_path="/other/kms/xks/v1"), TOLD, proxy.network())


def test_a_ciphertext_of_another_key_is_rejected(proxy: ReferenceProxy) -> None:
    sealed = client.encrypt(proxy.proxy(), "training-key-1", b"1", b"", TOLD, proxy.network())
    with fails(Failure.CIPHERTEXT_REJECTED):
        client.decrypt(proxy.proxy(), "training-key-2", sealed, b"", TOLD, proxy.network())


def test_credentials_are_rotated_without_a_restart(proxy: ReferenceProxy) -> None:
    before = proxy.configuration.read_text()
    more = (
        '\n[[stores.credentials]]\naccess_key_id = "ROTATED234567ROTATED2345"\nsecret_access_key = "' + "r" * 43 + '"\n'
    )
    proxy.configuration.write_text(before + more)
    try:
        rotated = proxy.proxy(access_key_id="ROTATED234567ROTATED2345", secret="r" * 43)
        assert client.health(rotated, TOLD, proxy.network())
        assert client.health(proxy.proxy(), TOLD, proxy.network())
        proxy.configuration.write_text("no TOML")
        assert client.health(rotated, TOLD, proxy.network()), "the stores are as they were"
    finally:
        proxy.configuration.write_text(before)
    with fails(Failure.NOT_AUTHENTICATED):
        client.health(rotated, TOLD, proxy.network())


def test_a_proxy_that_was_started_anew_is_found_again(proxy: ReferenceProxy) -> None:
    client.health(proxy.proxy(), TOLD, proxy.network())
    proxy.stop()
    with fails(Failure.UNREACHABLE):
        client.health(proxy.proxy(), TOLD, proxy.network())
    proxy.start()
    assert client.health(proxy.proxy(), TOLD, proxy.network())


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_is_one_that_the_specification_asks_for(proxy: ReferenceProxy, version: ssl.TLSVersion) -> None:
    context = proxy.tls()
    context.minimum_version = context.maximum_version = version
    with connection.outbound.connect("127.0.0.1", proxy.port, 5, private=True) as raw:
        opened = context.wrap_socket(raw, server_hostname=HOST)
        assert (opened.cipher() or ("",))[0] in {"TLS_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"}


def test_mutual_tls_takes_the_certificate_of_kms(mutual: ReferenceProxy) -> None:
    assert client.health(mutual.proxy(), TOLD, mutual.network())


@pytest.mark.parametrize("kind", ["none", "of a server", "of another authority"])
def test_mutual_tls_takes_no_other_certificate_and_says_so_by_an_alert(
    mutual: ReferenceProxy, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "client.pem"
    path.write_bytes(certificates.client_pem(certificates.authority("another"), training.CLIENT_NAME))
    certificate = {"none": "", "of a server": str(mutual.folder / "server.pem")}.get(kind, str(path))
    with fails(Failure.TLS):
        client.health(mutual.proxy(), TOLD, replace(mutual.network(), client_certificate=certificate))


@pytest.mark.parametrize("name", [training.CLIENT_NAME, "cks.kms.eu-west-1.amazonaws.com"])
def test_a_certificate_of_the_authority_is_taken_with_the_subject_that_is_configured_alone(
    tmp_path: Path, name: str
) -> None:
    issuer = certificates.authority("training")
    (tmp_path / "ca.pem").write_bytes(issuer.pem)
    (tmp_path / "server.pem").write_bytes(certificates.server_pem(issuer, HOST))
    (tmp_path / "client.pem").write_bytes(certificates.client_pem(issuer, name))
    read = Configuration(
        "", 0, tmp_path / "server.pem", tmp_path / "ca.pem", training.CLIENT_NAME, "module", "label", "pin", {}
    )
    calls = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    calls.load_cert_chain(tmp_path / "client.pem")
    sent, answered = ssl.MemoryBIO(), ssl.MemoryBIO()
    caller = calls.wrap_bio(answered, sent, server_hostname=HOST)
    called = server.tls_context(read).wrap_bio(sent, answered, server_side=True)
    with pytest.raises(ssl.SSLWantReadError):
        caller.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        called.do_handshake()
    caller.do_handshake()
    if name == training.CLIENT_NAME:
        called.do_handshake()
    else:
        with pytest.raises(ssl.SSLCertVerificationError, match="another subject"):
            called.do_handshake()


def test_the_folder_is_its_owners_alone(proxy: ReferenceProxy) -> None:
    assert proxy.folder.stat().st_mode & 0o077 == 0
    for name in ("xks-proxy.toml", "server.pem", "client.pem", "create-custom-key-store.json"):
        assert (proxy.folder / name).stat().st_mode & 0o077 == 0


def _command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KMSCONSOLE_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "kmsconsole.settings"}
    return prefork.run("xks_proxy", *arguments, env=environment, timeout=60)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    done = _command("--training", str(tmp_path), folder=tmp_path / "data")
    assert done.returncode != 0
    assert "is there already" in done.stderr


GOOD = """
listen = "127.0.0.1:8443"
certificate = "server.pem"
[token]
module = "m"
label = "l"
pin = "secret-pin"
[[stores]]
uri_path_prefix = "/a"
[[stores.credentials]]
access_key_id = "BETWEEN2TENAND3TENCHARACTERS"
secret_access_key = "PleaseReplaceThisWithSomeSecretOfLength43To64"
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('listen = "127.0.0.1:8443"', 'listen = "8443"x', "no TOML"),
        ('listen = "127.0.0.1:8443"', 'listen = "here"', "address:port"),
        ('certificate = "server.pem"', "", "certificate"),
        ('certificate = "server.pem"', 'certificate = "a"\nclient_name = "b"', "go together"),
        ('pin = "secret-pin"', "pin = 7", "pin of"),
        ('"/a"', '"/a b"', "uri_path_prefix"),
        ('"/a"', f'"/{"a" * 120}"', "uri_path_prefix"),
        ('"/a"', '"/a"\nkeys = ["a/b"]', "keys must"),
        ('"/a"', '"/a"\nrequests_per_second = 0', "above zero"),
        ("BETWEEN2TENAND3TENCHARACTERS", "SHORT", "access_key_id"),
        ("PleaseReplaceThisWithSomeSecretOfLength43To64", "short", "secret_access_key"),
        ("[[stores.credentials]]", "[[stores.other]]", "credentials"),
        ("[[stores", "[[others", "[[stores]]"),
        ("[token]", "[tokens]", "[token]"),
    ],
)
def test_a_configuration_that_cannot_be_is_told_without_secrets(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = tmp_path / "proxy.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(ConfigurationError) as caught:
        configuration.read(path)
    assert said in str(caught.value)
    assert "secret-pin" not in str(caught.value)


def test_a_configuration_that_can_be_is_read(tmp_path: Path) -> None:
    path = tmp_path / "proxy.toml"
    path.write_text(GOOD)
    read = configuration.read(path)
    assert list(read.stores) == ["/a"]
    assert "secret-pin" not in repr(read)
