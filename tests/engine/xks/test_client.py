"""The client of external key store proxies: what it asks, and what it makes of each way in which a proxy may answer."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import sigv4
from engine.wire.http import HttpRequest
from engine.xks import answers, client, connection
from engine.xks.answers import Sealed
from engine.xks.client import Proxy, RequestMetadata
from engine.xks.connection import HttpAnswer, Network
from engine.xks.failures import ERROR_NAMES, Failure, XksError
from tests.support.xks_stub import HOST, Stub, answer

PROXY = Proxy(f"https://{HOST}", "/stores/kms/xks/v1", "BETWEEN2TENAND3TENCHARACTERS", "s" * 43, "eu-west-1")
METADATA = RequestMetadata(
    kms_operation="Encrypt",
    kms_request_id="4112f4d6-db54-4af4-ae30-c55a22a8dfae",
    aws_principal_arn="arn:aws:iam::123456789012:user/Alice",
    kms_key_arn="arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
)
AAD = b"project=nile,department=marketing"
SEALED = Sealed(bytes.fromhex("821c642b5b71783367deaf18"), b"n" * 12, b"t" * 16, b"key_version=1")
HEALTH = {
    "xksProxyFleetSize": 2,
    "xksProxyVendor": "Acme Corp",
    "xksProxyModel": "Acme XKS Proxy 1.0",
    "ekmVendor": "Thales Group",
    "ekmFleetDetails": [
        {"id": "hsm-id-1", "model": "Luna 5.0", "healthStatus": "DEGRADED"},
        {"id": "hsm-id-2", "model": "Luna 5.1", "healthStatus": "UNAVAILABLE"},
    ],
}
KEY = {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}


@pytest.fixture(scope="module")
def stub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stub]:
    made = Stub(tmp_path_factory.mktemp("stub"))
    yield made
    made.close()


@pytest.fixture
def network(stub: Stub) -> Network:
    connection.close_idle()
    stub.requests.clear()
    return Network({HOST: stub.address}, str(stub.ca_bundle), seconds=5)


def fails(failure: Failure) -> pytest.RaisesExc[XksError]:
    return pytest.raises(XksError, check=lambda error: error.failure is failure)


def b64(octets: bytes) -> str:
    return b64encode(octets).decode()


def encrypted(sealed: Sealed = SEALED, **changes: Any) -> dict[str, Any]:
    """A sound answer to Encrypt, with some members changed; None takes one away."""
    found: dict[str, Any] = {
        "ciphertext": b64(sealed.ciphertext),
        "initializationVector": b64(sealed.nonce),
        "authenticationTag": b64(sealed.tag),
        "ciphertextMetadata": b64(sealed.metadata),
        "ciphertextDataIntegrityValue": b64(answers.integrity_value(sealed, AAD)),
        **changes,
    }
    return {name: value for name, value in found.items() if value is not None}


def encrypt(network: Network) -> Sealed:
    return client.encrypt(PROXY, "key-1", b"Hello World!", AAD, METADATA, network)


def decrypt(network: Network) -> bytes:
    return client.decrypt(PROXY, "key-1", SEALED, AAD, METADATA, network)


def test_a_request_is_signed_and_tells_who_asks_for_what(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: answer(encrypted())
    assert encrypt(network) == SEALED
    (head, body) = stub.requests[0]
    lines = head.split("\r\n")
    assert lines[0] == "POST /stores/kms/xks/v1/keys/key-1/encrypt HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert headers["host"] == HOST
    assert headers["content-type"] == "application/json"
    assert "SignedHeaders=host;x-amz-date," in headers["authorization"]
    request = HttpRequest("POST", "/stores/kms/xks/v1/keys/key-1/encrypt", "", headers, body)
    claim = sigv4.parse_authorization(request)
    sigv4.verify(claim, request, PROXY.secret, "kms-xks-proxy")
    assert (claim.access_key_id, claim.region) == (PROXY.access_key_id, "eu-west-1")
    assert orjson.loads(body) == {
        "requestMetadata": {
            "awsPrincipalArn": METADATA.aws_principal_arn,
            "kmsKeyArn": METADATA.kms_key_arn,
            "kmsOperation": "Encrypt",
            "kmsRequestId": METADATA.kms_request_id,
        },
        "plaintext": "SGVsbG8gV29ybGQh",
        "encryptionAlgorithm": "AES_GCM",
        "additionalAuthenticatedData": "cHJvamVjdD1uaWxlLGRlcGFydG1lbnQ9bWFya2V0aW5n",
        "ciphertextDataIntegrityValueAlgorithm": "SHA_256",
    }


@pytest.mark.parametrize(
    ("ask", "members"),
    [
        (lambda network, told: client.health(PROXY, told, network), {"kmsOperation", "kmsRequestId"}),
        (
            lambda network, told: client.key_metadata(PROXY, "k", told, network),
            {"awsPrincipalArn", "awsSourceVpc", "awsSourceVpce", "kmsOperation", "kmsRequestId"},
        ),
        (
            lambda network, told: client.decrypt(PROXY, "k", SEALED, AAD, told, network),
            {
                "awsPrincipalArn",
                "awsSourceVpc",
                "awsSourceVpce",
                "kmsKeyArn",
                "kmsOperation",
                "kmsRequestId",
                "kmsViaService",
            },
        ),
    ],
    ids=["health", "metadata", "decrypt"],
)
def test_each_operation_tells_the_metadata_of_the_specification(
    stub: Stub, network: Network, ask: Callable[[Network, RequestMetadata], object], members: set[str]
) -> None:
    told = replace(METADATA, kms_via_service="ebs", aws_source_vpc="vpc-1", aws_source_vpce="vpce-1")
    stub.respond = lambda head, body: answer({**HEALTH, **KEY, "plaintext": "SGVsbG8gV29ybGQh"})
    ask(network, told)
    assert set(orjson.loads(stub.requests[0][1])["requestMetadata"]) == members


def test_the_integrity_value_is_that_of_the_specification() -> None:
    sealed = Sealed(
        SEALED.ciphertext,
        bytes.fromhex("1ccae5470f39700254779031"),
        bytes.fromhex("bc1c4dda7707d6812447c5955e99b261"),
        b"key_version=1",
    )
    assert b64(answers.integrity_value(sealed, AAD)) == "qHA/ImC9h5HsLRXqCyPmWgYx7tzyoTplzILbP0fPXsc="


def test_health_names_the_managers(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: answer(HEALTH)
    found = client.health(PROXY, METADATA, network)
    assert (found.fleet_size, found.vendor, len(found.managers)) == (2, "Acme Corp", 2)


def test_no_manager_available_is_no_health(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: answer({**HEALTH, "ekmFleetDetails": HEALTH["ekmFleetDetails"][1:]})  # type: ignore[index]
    with fails(Failure.MANAGERS_UNAVAILABLE):
        client.health(PROXY, METADATA, network)


def test_a_proxy_may_answer_without_ciphertext_metadata_and_with_members_unknown(stub: Stub, network: Network) -> None:
    plain = replace(SEALED, metadata=b"")
    stub.respond = lambda head, body: answer(encrypted(plain, ciphertextMetadata=None, newer=1))
    assert encrypt(network) == plain


WRONG_CIPHERTEXTS: dict[str, dict[str, Any]] = {
    "ciphertext too short": encrypted(replace(SEALED, ciphertext=b"1" * 11)),
    "tag within the ciphertext": encrypted(replace(SEALED, ciphertext=SEALED.ciphertext + SEALED.tag)),
    "tag too short": encrypted(replace(SEALED, tag=b"t" * 12)),
    "tag too long": encrypted(replace(SEALED, tag=b"t" * 17)),
    "vector of 13 bytes": encrypted(replace(SEALED, nonce=b"n" * 13)),
    "metadata of 21 bytes": encrypted(replace(SEALED, metadata=b"m" * 21)),
    "no ciphertext": encrypted(ciphertext=None),
    "no vector": encrypted(initializationVector=None),
    "no tag": encrypted(authenticationTag=None),
    "no integrity value": encrypted(ciphertextDataIntegrityValue=None),
    "integrity value of another ciphertext": encrypted(ciphertextDataIntegrityValue=b64(b"\0" * 32)),
    "integrity value cut short": encrypted(ciphertextDataIntegrityValue=b64(answers.integrity_value(SEALED, AAD)[:16])),
    "replay of an answer to other additional data": encrypted(
        ciphertextDataIntegrityValue=b64(answers.integrity_value(SEALED, b"another"))
    ),
    "ciphertext a number": encrypted(ciphertext=12),
    "ciphertext a list": encrypted(ciphertext=["SGVsbG8gV29ybGQh"]),
    "URL-safe Base64": encrypted(authenticationTag="_" * 22 + "=="),
    "Base64 with a line break": encrypted(ciphertext="SGVsbG8g\nV29ybGQh"),
    "Base64 without padding": encrypted(authenticationTag=b64(SEALED.tag).rstrip("=")),
    "Base64 with stray bits": encrypted(authenticationTag=b64(SEALED.tag)[:-3] + "R=="),
    "letters that are no ASCII": encrypted(ciphertext="é" * 16),
}


@pytest.mark.parametrize("wrong", WRONG_CIPHERTEXTS.values(), ids=WRONG_CIPHERTEXTS)
def test_a_ciphertext_that_is_not_of_the_specification_is_refused(
    stub: Stub, network: Network, wrong: dict[str, Any]
) -> None:
    stub.respond = lambda head, body: answer(wrong)
    with fails(Failure.INVALID_RESPONSE):
        encrypt(network)


@pytest.mark.parametrize(
    "found",
    [{}, {"plaintext": ""}, {"plaintext": b64(b"x" * 13)}, {"plaintext": None}, {"plaintext": "*"}, {"plaintext": 1}],
    ids=str,
)
def test_a_plaintext_of_another_length_or_kind_is_refused(stub: Stub, network: Network, found: dict[str, Any]) -> None:
    stub.respond = lambda head, body: answer(found)
    with fails(Failure.INVALID_RESPONSE):
        decrypt(network)


@pytest.mark.parametrize(
    "change",
    [
        {"xksProxyFleetSize": 0},
        {"xksProxyFleetSize": True},
        {"xksProxyFleetSize": 1.5},
        {"xksProxyFleetSize": "2"},
        {"xksProxyVendor": ""},
        {"xksProxyModel": None},
        {"ekmVendor": 7},
        {"ekmFleetDetails": []},
        {"ekmFleetDetails": [HEALTH["ekmFleetDetails"][0]] * 11},  # type: ignore[index]
        {"ekmFleetDetails": ["hsm"]},
        {"ekmFleetDetails": [{"id": "1", "model": "m", "healthStatus": "FINE"}]},
    ],
    ids=str,
)
def test_health_that_is_not_of_the_specification_is_refused(
    stub: Stub, network: Network, change: dict[str, Any]
) -> None:
    stub.respond = lambda head, body: answer({**HEALTH, **change})
    with fails(Failure.INVALID_RESPONSE):
        client.health(PROXY, METADATA, network)


@pytest.mark.parametrize(
    "change",
    [{"keySpec": None}, {"keyUsage": "ENCRYPT"}, {"keyUsage": [1]}, {"keyUsage": ["SIGN"] * 11}, {"keyStatus": "ON"}],
    ids=str,
)
def test_key_metadata_that_is_not_of_the_specification_is_refused(
    stub: Stub, network: Network, change: dict[str, Any]
) -> None:
    stub.respond = lambda head, body: answer({**KEY, **change})
    with fails(Failure.INVALID_RESPONSE):
        client.key_metadata(PROXY, "key-1", METADATA, network)


@pytest.mark.parametrize(
    ("change", "suitable"),
    [
        ({}, True),
        ({"keyUsage": ["DECRYPT", "WRAP", "ENCRYPT"]}, True),
        ({"keySpec": "AES_128"}, False),
        ({"keyUsage": ["ENCRYPT"]}, False),
        ({"keyUsage": []}, False),
        ({"keyStatus": "DISABLED"}, False),
    ],
    ids=str,
)
def test_a_kms_key_is_made_of_an_enabled_key_that_encrypts_and_decrypts(
    stub: Stub, network: Network, change: dict[str, Any], suitable: bool
) -> None:
    stub.respond = lambda head, body: answer({**KEY, **change})
    assert client.key_metadata(PROXY, "key-1", METADATA, network).is_suitable is suitable


GOOD = {"plaintext": b64(b"Hello World!")}
WRONG_HTTP: dict[str, bytes] = {
    "HTML": answer(b"<html>sign in</html>", kind="text/html"),
    "HTML that says it is JSON": answer(b"<html>sign in</html>"),
    "JSON that says it is text": answer(GOOD, kind="text/plain"),
    "no content type": b'HTTP/1.1 200 OK\r\nContent-Length: 32\r\n\r\n{"plaintext":"SGVsbG8gV29ybGQh"}',
    "a list": answer([GOOD]),
    "nothing": answer(b""),
    "not UTF-8": answer(b'{"plaintext":"\xff"}'),
    "deeply nested": answer(b"[" * 50_000),
    "closed mid-answer": answer(GOOD)[:-3],
    "closed within the head": answer(GOOD)[:30],
    "until the connection closes": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"plaintext":"SGVsbG8gV29ybGQh"}',
    "larger than it says": answer(GOOD) + b"more",
    "two answers": answer(GOOD) + answer(GOOD),
    "too large": answer(b'{"plaintext":"' + b"A" * 70_000 + b'"}'),
    "head too large": answer(GOOD, more=f"X-Filler: {'x' * 70_000}\r\n"),
    "compressed": answer(GOOD, more="Content-Encoding: gzip\r\n"),
    "interim": b"HTTP/1.1 100 Continue\r\n\r\n" + answer(GOOD),
    "switched": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: other\r\nConnection: upgrade\r\n\r\n",
    "redirect": answer(GOOD, status=302, more="Location: https://elsewhere.example/\r\n"),
    "created": answer(GOOD, status=201),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "error without a name": answer({"error": "no"}, status=500),
    "error of another kind": answer({"errorName": "TeapotException"}, status=418),
    "error name a list": answer({"errorName": ["InternalException"]}, status=500),
    "error in HTML": answer(b"<h1>502</h1>", status=502, kind="text/html"),
}


@pytest.mark.parametrize("said", WRONG_HTTP.values(), ids=WRONG_HTTP)
def test_what_is_no_answer_of_a_proxy_releases_nothing(stub: Stub, network: Network, said: bytes) -> None:
    stub.respond, stub.closes = (lambda head, body: said), True
    try:
        with fails(Failure.INVALID_RESPONSE):
            decrypt(network)
    finally:
        stub.closes = False


@pytest.mark.parametrize("name", ERROR_NAMES)
@pytest.mark.parametrize("operation", ["health", "metadata", "encrypt", "decrypt"])
def test_an_error_of_a_proxy_is_told_where_the_specification_allows_it(name: str, operation: str) -> None:
    failure, operations = ERROR_NAMES[name]
    said = HttpAnswer(400, "application/json", orjson.dumps({"errorName": name, "errorMessage": "why"}))
    with pytest.raises(XksError) as caught:
        answers.members(operation, said)
    allowed = operation in operations
    assert caught.value.failure is (failure if allowed else Failure.INVALID_RESPONSE)
    assert caught.value.proxy_message == ("why" if allowed else "")


@pytest.mark.parametrize("message", ["x" * 512, "line\nbreak", "é", 7, None])
def test_a_message_that_is_not_of_the_specification_is_dropped(message: object) -> None:
    said = orjson.dumps({"errorName": "InternalException", "errorMessage": message})
    with pytest.raises(XksError) as caught:
        answers.members("encrypt", HttpAnswer(500, "application/json", said))
    assert (caught.value.failure, caught.value.proxy_message) == (Failure.PROXY_FAILED, "")


def test_a_connection_serves_many_calls(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: answer(GOOD)
    before = stub.connections
    for _ in range(5):
        assert decrypt(network) == b"Hello World!"
    assert stub.connections == before + 1


def test_a_proxy_that_was_started_anew_is_found_again(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: answer(GOOD)
    decrypt(network)
    stub.drop_connections()
    assert decrypt(network) == b"Hello World!"


def test_an_answer_that_nobody_asked_for_is_not_taken_for_the_next_one(stub: Stub, network: Network) -> None:
    late = answer({"plaintext": b64(b"another one!")})
    stub.respond = lambda head, body: answer(GOOD)
    decrypt(network)
    time.sleep(0.05)
    stub._open[-1].sendall(late)
    time.sleep(0.1)
    assert decrypt(network) == b"Hello World!"


def test_a_proxy_that_hangs_costs_the_time_limit(stub: Stub, network: Network) -> None:
    def hang(head: str, body: bytes) -> bytes | None:
        time.sleep(1)
        return None

    stub.respond = hang
    began = time.monotonic()
    with fails(Failure.TIMED_OUT):
        decrypt(replace(network, seconds=0.25))
    assert time.monotonic() - began < 0.6


def test_a_proxy_that_dribbles_costs_no_more(stub: Stub, network: Network) -> None:
    def dribble(head: str, body: bytes) -> bytes | None:
        opened = stub._open[-1]
        for octet in answer(GOOD):
            opened.sendall(bytes([octet]))
            time.sleep(0.05)
        return None

    stub.respond = dribble
    began = time.monotonic()
    with fails(Failure.TIMED_OUT):
        decrypt(replace(network, seconds=0.3))
    assert time.monotonic() - began < 0.8


def test_while_a_proxy_hangs_one_call_waits_and_the_others_fail_at_once(stub: Stub, network: Network) -> None:
    def hang(head: str, body: bytes) -> bytes | None:
        time.sleep(2)
        return None

    def call() -> float:
        began = time.monotonic()
        with fails(Failure.TIMED_OUT):
            decrypt(replace(network, seconds=0.4))
        return time.monotonic() - began

    stub.respond = hang
    call()
    with ThreadPoolExecutor(8) as threads:
        took = [each.result() for each in [threads.submit(call) for _ in range(8)]]
    assert sum(each > 0.2 for each in took) == 1
    stub.respond = lambda head, body: answer(GOOD)
    assert decrypt(network) == b"Hello World!"


def test_a_silent_name_server_is_asked_once_however_many_calls_wait(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered, asked = threading.Event(), list[str]()

    def silent(name: str, port: int) -> list[Any]:
        asked.append(name)
        answered.wait(20)
        return []

    monkeypatch.setattr(connection.outbound, "resolve", silent)
    try:
        for _ in range(5):
            with fails(Failure.TIMED_OUT):
                connection.post(replace(network, addresses={}, seconds=0.05), "silent.example", "/", {}, b"")
        assert asked == ["silent.example"]
    finally:
        answered.set()


def test_nobody_listening_is_unreachable(network: Network) -> None:
    with fails(Failure.UNREACHABLE):
        decrypt(replace(network, addresses={HOST: ("127.0.0.1", 1)}))


def test_a_closed_connection_without_an_answer_is_unreachable(stub: Stub, network: Network) -> None:
    stub.respond = lambda head, body: None
    with fails(Failure.UNREACHABLE):
        decrypt(network)


def test_a_certificate_of_another_authority_or_name_is_refused(stub: Stub, network: Network) -> None:
    with fails(Failure.TLS):
        decrypt(replace(network, ca_bundle=""))
    other = replace(PROXY, uri_endpoint="https://other.example.test")
    with fails(Failure.TLS):
        client.decrypt(
            other, "k", SEALED, AAD, METADATA, replace(network, addresses={"other.example.test": stub.address})
        )


@pytest.mark.parametrize("endpoint", ["https://169.254.169.254", "https://100.100.100.200", "https://0.0.0.0"])
def test_metadata_services_are_never_called(network: Network, endpoint: str) -> None:
    with fails(Failure.UNREACHABLE):
        client.health(replace(PROXY, uri_endpoint=endpoint), METADATA, network)


def test_an_address_that_is_too_long_is_not_called(network: Network) -> None:
    with fails(Failure.INVALID_PATH):
        client.encrypt(replace(PROXY, uri_path=f"/{'p' * 110}/kms/xks/v1"), "k" * 128, b"1", b"", METADATA, network)


@pytest.mark.parametrize("key_id", ["", "a/b", "a b", "é", "k" * 129, "a\r\nHost: b"])
def test_what_is_no_external_key_id_never_leaves(network: Network, key_id: str) -> None:
    with pytest.raises(ValueError, match="no external key ID"):
        client.encrypt(PROXY, key_id, b"1", b"", METADATA, network)


def test_secrets_are_in_no_representation() -> None:
    assert PROXY.secret not in repr(PROXY)


@given(st.binary(max_size=300), st.sampled_from([200, 400, 500]))
def test_octets_of_any_kind_are_a_known_failure(body: bytes, status: int) -> None:
    with pytest.raises(XksError):
        answers.members("encrypt", HttpAnswer(status, "text/plain", body))
    with pytest.raises(XksError):
        answers.encrypted(answers.members("encrypt", HttpAnswer(status, "application/json", body)), 3, b"")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(encrypted())), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from([*encrypted(), *HEALTH, *KEY, "plaintext"]), _JSON))
def test_members_of_any_kind_are_read_or_a_known_failure(found: dict[str, Any]) -> None:
    for read in (
        answers.health,
        answers.key_metadata,
        lambda found: answers.encrypted(found, 12, AAD),
        lambda found: answers.decrypted(found, 12),
    ):
        with contextlib.suppress(XksError):
            read({**encrypted(), **found} if "ciphertext" in found else found)


@given(st.binary(max_size=40))
def test_only_one_spelling_of_octets_is_read(octets: bytes) -> None:
    assert b64decode(b64(octets)) == answers.decrypted({"plaintext": b64(octets)}, len(octets))
    with fails(Failure.INVALID_RESPONSE):
        answers.decrypted({"plaintext": b64(octets) + "\n"}, len(octets))


def test_every_failure_has_an_answer_for_each_kind_of_operation() -> None:
    for failure in Failure:
        row = failure.value
        assert re.fullmatch(r"[A-Za-z]+Exception", row.store)
        assert re.fullmatch(r"[A-Za-z]+Exception", row.key)
        assert row.use == "KMSInvalidStateException"
        assert row.connection == "INVALID_CREDENTIALS" or row.connection.startswith("XKS_PROXY_")
        assert len(row.message) > 40
