"""Connections to other endpoints: made, tested, switched between; the same pages over moto's server as over the embedded engine."""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import TCPServer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings
from django.test import Client
from django.utils import translation

from keys.endpoints import backends, diagnosis, outbound
from keys.inventory.models import SyncState
from keys.models import Connection
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.connections import connect, form, kinds, until_read
from tests.support.server import ACCESS_KEY_ID, SECRET, Server, free_port


def their_client(moto: str) -> Any:
    return boto3.client(
        "kms", region_name="us-east-1", endpoint_url=moto, aws_access_key_id="x", aws_secret_access_key="x"
    )


def test_a_connection_is_made_tested_and_used_beside_the_embedded_engine(
    account: TestAccount, signed_in: Client, moto: str
) -> None:
    ours = account.create_key(Description="embedded key")
    theirs = their_client(moto).create_key(Description="elsewhere key")["KeyMetadata"]["KeyId"]
    connection = connect(signed_in, moto)
    assert set(kinds(connection)) == {"ok"}

    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    listed = {row.key_id for row in until_read(signed_in, "/keys/?size=100").context["rows"]}
    assert theirs in listed
    assert ours not in listed
    assert "elsewhere key" in signed_in.get(f"/keys/{theirs}/").content.decode()

    signed_in.post("/settings/endpoints/switch/", {"endpoint": "embedded", "next": "/"})
    listed = {row.key_id for row in signed_in.get("/keys/").context["rows"]}
    assert ours in listed
    assert theirs not in listed


def test_the_secret_is_stored_encrypted_under_a_key_of_the_account(
    account: TestAccount, signed_in: Client, moto: str
) -> None:
    connection = connect(signed_in, moto)
    assert b"secret" not in bytes(connection.sealed)
    answer = account.client().decrypt(
        CiphertextBlob=bytes(connection.sealed),
        EncryptionContext={"kmsconsole:account": account.account_id, "kmsconsole:connection": "moto"},
    )
    assert json.loads(answer["Plaintext"])["secret_access_key"] == "the/secret/of/moto"
    for address in ("/settings/endpoints/", f"/settings/endpoints/{connection.pk}/"):
        assert "the/secret/of/moto" not in signed_in.get(address).content.decode()
    events = account.client("cloudtrail").lookup_events(MaxResults=50)["Events"]
    assert "the/secret/of/moto" not in json.dumps([event["CloudTrailEvent"] for event in events])


def test_who_may_not_decrypt_the_secret_cannot_use_the_connection(
    account: TestAccount, signed_in: Client, moto: str
) -> None:
    connection = connect(signed_in, moto)
    allowed = {
        "Effect": "Allow",
        "Action": ["kms:List*", "kms:Describe*", "kmsconsole:ListConnections"],
        "Resource": "*",
    }
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    ann = sign_in_browser(TestUser(account, "ann", user.arn, "", "", "long enough"))
    ann.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    page = ann.get("/keys/")
    assert page.status_code == 403
    assert "is not authorized to perform: kms:Decrypt" in page.content.decode()
    assert ann.post("/settings/endpoints/new/", form(moto, name="mine")).status_code == 403
    assert ann.post(f"/settings/endpoints/{connection.pk}/delete/").status_code == 403


def test_the_servers_own_credentials_are_for_those_who_may_use_them(
    account: TestAccount, signed_in: Client, moto: str
) -> None:
    connection = connect(signed_in, moto, method="server")
    allowed = {"Effect": "Allow", "Action": ["kms:*", "kmsconsole:ListConnections"], "Resource": "*"}
    user = account.create_user("bob", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="bob", Password="long enough")
    bob = sign_in_browser(TestUser(account, "bob", user.arn, "", "", "long enough"))
    bob.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    page = bob.get("/keys/")
    assert page.status_code == 403
    assert "kmsconsole:UseConnection" in page.content.decode()


def test_the_endpoint_that_the_server_was_started_for_is_for_those_who_may_use_its_credentials(
    account: TestAccount, signed_in: Client, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KMSCONSOLE_BACKEND: calls are signed by the server, so signing in to the console must not be enough."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "moto")
    monkeypatch.setattr("django.conf.settings.BACKEND", moto)
    backends.session.cache_clear()
    allowed = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    user = account.create_user("eve", json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))
    account.client("iam").create_login_profile(UserName="eve", Password="long enough")
    eve = sign_in_browser(TestUser(account, "eve", user.arn, "", "", "long enough"))
    for address in ("/keys/", "/keys/aws/", "/"):
        page = eve.get(address)
        assert page.status_code == 403, address
        assert "is not authorized to perform: kmsconsole:UseConnection" in page.content.decode()
    key_id = their_client(moto).create_key()["KeyMetadata"]["KeyId"]
    assert eve.get(f"/keys/{key_id}/").status_code == 403
    assert (
        "kmsconsole:UseConnection"
        in eve.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "x", "Plaintext_as": "text"}).content.decode()
    )
    assert signed_in.get(f"/keys/{key_id}/").status_code == 200


def test_a_connection_of_another_account_does_not_exist(
    signed_in: Client, other_account: TestAccount, moto: str
) -> None:
    connection = connect(signed_in, moto)
    stranger = sign_in_browser(other_account.administrator)
    assert stranger.get(f"/settings/endpoints/{connection.pk}/").status_code == 404
    page = stranger.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk)}, follow=True)
    assert "There is no such endpoint any more." in page.content.decode()


def test_the_pages_work_over_another_endpoint(signed_in: Client, moto: str) -> None:
    """The contract: what the console asks of an endpoint, moto answers too."""
    connection = connect(signed_in, moto)
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    kms = their_client(moto)
    keys = [kms.create_key(Description=f"contract {number}")["KeyMetadata"]["KeyId"] for number in range(2)]
    kms.create_alias(AliasName="alias/contract", TargetKeyId=keys[0])
    signed_in.post("/settings/endpoints/refresh/")
    page = until_read(signed_in, "/keys/?q=contract")
    assert {row.key_id for row in page.context["rows"]} == set(keys)
    for address in ("/", "/search/?q=contract", "/keys/export/?q=contract", "/keys/aws/", f"/keys/{keys[0]}/"):
        assert signed_in.get(address).status_code == 200, address
    for tab in ("policy", "crypto", "aliases", "tags", "grants"):
        assert signed_in.get(f"/keys/{keys[0]}/tab/{tab}/").status_code == 200, tab
    job = signed_in.post("/keys/bulk/", {"action": "disable", "key": keys, "confirmed": "1"}, follow=True)
    assert job.context["done"] == 2
    assert {row.state for row in until_read(signed_in, "/keys/?q=contract").context["rows"]} == {"Disabled"}


def test_a_reading_that_fails_says_so_and_goes_on_later(signed_in: Client, moto: str) -> None:
    connection = connect(signed_in, moto)
    SyncState.objects.create(
        account_id=f"c{connection.pk}",
        region="us-east-1",
        started=datetime.now(UTC),
        done=40,
        problem="ThrottlingException: Rate exceeded",
        problem_at=datetime.now(UTC),
    )
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    assert "stopped after 40 keys: ThrottlingException" in signed_in.get("/keys/").content.decode()


def test_a_connection_is_forgotten(signed_in: Client, moto: str) -> None:
    connection = connect(signed_in, moto)
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    signed_in.post(f"/settings/endpoints/{connection.pk}/delete/")
    assert not Connection.objects.filter(pk=connection.pk).exists()
    assert signed_in.get("/keys/").status_code == 200


# --- what is wrong


def test_a_name_that_does_not_resolve_is_said() -> None:
    assert diagnosis.reach("https://kms.nowhere.invalid").kind == "dns"


def test_a_port_where_nothing_listens_is_said() -> None:
    assert diagnosis.reach(f"http://127.0.0.1:{free_port()}").kind == "refused"


@pytest.fixture
def untrusted(tmp_path: Path) -> Iterator[str]:
    """A TLS server with a certificate of its own making."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "both.pem"
    file.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)

    class Quiet(TCPServer):
        allow_reuse_address = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that does not trust us hangs up."""

    listening = Quiet(("127.0.0.1", 0), lambda *_: None)  # type: ignore[arg-type]
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield f"https://localhost:{listening.server_address[1]}"
    listening.shutdown()
    listening.server_close()


def test_a_certificate_that_is_not_trusted_is_said(untrusted: str) -> None:
    assert diagnosis.reach(untrusted).kind == "tls"


def call(server: Server, access_key_id: str, secret: str) -> diagnosis.Finding:
    try:
        server.client(access_key_id=access_key_id, secret_access_key=secret).list_keys()
    except ClientError as error:
        return diagnosis.of_exception(error)
    return diagnosis.Finding("ok", "")


def test_a_wrong_secret_and_an_unknown_key_are_told_apart(server: Server) -> None:
    assert call(server, ACCESS_KEY_ID, SECRET).kind == "ok"
    assert "secret" in call(server, ACCESS_KEY_ID, "x" * 40).title
    assert "not known" in call(server, "AKIANOSUCHKEY0000000", SECRET).title


def test_a_refusal_by_policy_is_said(server: Server) -> None:
    iam = server.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    assert call(server, key["AccessKeyId"], key["SecretAccessKey"]).kind == "denied"


def test_clocks_that_differ_are_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    late = datetime.now(UTC).replace(tzinfo=None) - timedelta(minutes=20)
    name = next(each for each in ("get_current_datetime",) if hasattr(botocore.auth, each))
    monkeypatch.setattr(botocore.auth, name, lambda *_: late)
    assert call(server, ACCESS_KEY_ID, SECRET).kind == "skew"


def test_moto_is_asked_what_it_does_not_offer(signed_in: Client, moto: str) -> None:
    connection = connect(signed_in, moto)
    assert "DescribeKey" not in connection.unsupported_operations
    assert "GetKeyLastUsage" in connection.unsupported_operations
    page = signed_in.get(f"/settings/endpoints/{connection.pk}/").content.decode()
    assert re.search(r"It does not offer every operation", page)
    key_id = their_client(moto).create_key()["KeyMetadata"]["KeyId"]
    their_client(moto).create_grant(
        KeyId=key_id, GranteePrincipal="arn:aws:iam::123456789012:role/app", Operations=["Decrypt"]
    )
    signed_in.post(f"/settings/endpoints/{connection.pk}/")
    connection.refresh_from_db()
    grants = {"CreateGrant", "ListGrants", "RevokeGrant", "RetireGrant"}
    assert not grants & {*connection.unsupported_operations}, "moto fails at them for a key that is not there, alone"


def test_the_list_of_endpoints_says_when_each_was_tested(signed_in: Client, moto: str) -> None:
    connection = connect(signed_in, moto)
    connection.facts["when"] = (datetime.now(UTC) - timedelta(days=3)).isoformat()
    connection.save()
    assert re.search(r"3\sdays ago", signed_in.get("/settings/endpoints/").content.decode())


def test_what_a_test_found_is_told_in_the_language_of_who_reads_it(signed_in: Client) -> None:
    signed_in.cookies[settings.LANGUAGE_COOKIE_NAME] = "de"
    connection = connect(signed_in, f"http://127.0.0.1:{free_port()}")
    pages = ("/settings/endpoints/", f"/settings/endpoints/{connection.pk}/")
    for language, words in (("de", "Die Verbindung wird abgewiesen"), ("en", "The connection is refused")):
        signed_in.cookies[settings.LANGUAGE_COOKIE_NAME] = language
        for page in pages:
            assert words in signed_in.get(page).content.decode(), (language, page)
    assert "Check the port, and that the service runs." in signed_in.get(pages[1]).content.decode()


def test_what_differs_in_a_finding_stays_in_it() -> None:
    found = diagnosis.of_exception(
        ClientError(
            {
                "Error": {"Code": "RequestTimeTooSkewed", "Message": ""},
                "ResponseMetadata": {"HTTPHeaders": {"date": "Thu, 01 Jan 1970 00:00:00 GMT"}},  # type: ignore[typeddict-item]
            },
            "ListKeys",
        )
    )
    with translation.override("de"):
        german = found.remedy_in_readers_language
    (english_seconds,), (german_seconds,) = (re.findall(r"\d+", words) for words in (found.remedy, german))
    assert english_seconds == german_seconds
    assert german != found.remedy


def test_what_could_not_be_asked_is_not_said_to_be_missing(
    signed_in: Client, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = outbound.CheckedSession.send

    def cut(session: Any, request: Any) -> Any:
        if b"EnableKey" in bytes(request.headers["X-Amz-Target"]):
            raise ConnectTimeoutError(endpoint_url=moto)
        return sent(session, request)

    monkeypatch.setattr(outbound.CheckedSession, "send", cut)
    assert not {"EnableKey", "EnableKeyRotation"} & {*connect(signed_in, moto).unsupported_operations}


def test_what_an_endpoint_does_not_offer_is_disabled_with_the_reason(signed_in: Client, moto: str) -> None:
    connection = connect(signed_in, moto)
    Connection.objects.filter(pk=connection.pk).update(unsupported_operations=["RotateKeyOnDemand", "DisableKey"])
    key_id = their_client(moto).create_key()["KeyMetadata"]["KeyId"]
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    page = signed_in.get(f"/keys/{key_id}/").content.decode()
    assert "moto does not offer DisableKey." in page
    assert f"/keys/{key_id}/do/disable/" not in page
    signed_in.get("/keys/")
    job = signed_in.post("/keys/bulk/", {"action": "disable", "key": [key_id], "confirmed": "1"}, follow=True)
    assert "UnsupportedOperationException: moto does not offer DisableKey." in job.content.decode()


def test_an_endpoint_that_fails_midway_leaves_what_was_read_and_says_why(
    signed_in: Client, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connect(signed_in, moto)
    key_id = their_client(moto).create_key(Description="read before")["KeyMetadata"]["KeyId"]
    signed_in.post("/settings/endpoints/switch/", {"endpoint": str(connection.pk), "next": "/"})
    until_read(signed_in)

    def throttled(*_: Any, **__: Any) -> None:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "Rate exceeded"}}, "DescribeKey")

    monkeypatch.setattr("keys.inventory.key_rows.read", throttled)
    signed_in.post("/settings/endpoints/refresh/")
    page = signed_in.get("/keys/?q=read+before")
    assert [row.key_id for row in page.context["rows"]] == [key_id]
    assert "ThrottlingException: Rate exceeded" in page.content.decode()
