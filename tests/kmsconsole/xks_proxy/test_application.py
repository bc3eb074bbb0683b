"""The reference proxy against requests of the XKS proxy API's specification: each answer, each error with its name and status."""

from __future__ import annotations

import asyncio
import logging
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from unittest import mock

import botocore.auth
import orjson
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from engine.hsm.token import Reason, Token, TokenError
from kmsconsole.xks_proxy import configuration, requests
from kmsconsole.xks_proxy.application import Application
from kmsconsole.xks_proxy.configuration import Configuration, Store
from kmsconsole.xks_proxy.errors import STATUS, ProxyError
from kmsconsole.xks_proxy.operations import HEALTH_KEY, METADATA, Operations
from tests.support.xks import training_folder

BASE = "/training/kms/xks/v1"
ARN = "arn:aws:kms:us-east-2:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
TOLD = {
    "awsPrincipalArn": "arn:aws:iam::123456789012:user/Alice",
    "kmsKeyArn": ARN,
    "kmsOperation": "Encrypt",
    "kmsRequestId": "4112f4d6-db54-4af4-ae30-c55a22a8dfae",
    "kmsViaService": "ebs",
}
AAD = "cHJvamVjdD1uaWxlLGRlcGFydG1lbnQ9bWFya2V0aW5n"
ENCRYPT = {
    "requestMetadata": TOLD,
    "additionalAuthenticatedData": AAD,
    "plaintext": "SGVsbG8gV29ybGQh",
    "encryptionAlgorithm": "AES_GCM",
}


class Proxy:
    """The application in this process, over a token of its own."""

    def __init__(self, read: Configuration) -> None:
        self.token = Token(read.module, read.token_label, read.pin)
        self.store = next(iter(read.stores.values()))
        (self.credential,) = self.store.credentials.items()
        self.application = Application(Operations(self.token), lambda: {self.store.uri_path_prefix: self.store})

    def configured(self, **changes: Any) -> Proxy:
        made = object.__new__(Proxy)
        made.token, made.credential, made.store = self.token, self.credential, replace(self.store, **changes)
        made.application = Application(Operations(self.token), lambda: {made.store.uri_path_prefix: made.store})
        return made

    def ask(
        self,
        path: str,
        body: object,
        *,
        method: str = "POST",
        credential: tuple[str, str] | None = None,
        service: str = "kms-xks-proxy",
        age: timedelta = timedelta(),
        headers: dict[str, str] | None = None,
        changed: bytes | None = None,
    ) -> tuple[int, Any]:
        """(status, JSON) of a signed request. `changed`: the body that is sent in place of the signed one."""
        octets = body if isinstance(body, bytes) else orjson.dumps(body)
        request = AWSRequest(method=method, url=f"https://xks.training.test{path}", data=octets)
        signer = SigV4Auth(Credentials(*(credential or self.credential)), service, "us-east-1")
        with mock.patch.object(botocore.auth, "get_current_datetime", return_value=_now(age)):
            signer.add_auth(request)
        sent = {"Host": "xks.training.test", "Content-Type": "application/json", **request.headers, **(headers or {})}
        return self.send(method, path, sent, octets if changed is None else changed)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        plain, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": plain,
            "raw_path": plain.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        messages = iter([{"type": "http.request", "body": body, "more_body": False}])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        with ThreadPoolExecutor(1) as thread:  # Playwright's event loop may be in this one
            thread.submit(lambda: asyncio.run(self.application(scope, receive, send))).result()
        self.headers = dict(sent[0]["headers"])
        answer = sent[1]["body"]
        return sent[0]["status"], orjson.loads(answer) if answer else None

    def key(self, name: str, operation: str, body: object, **how: Any) -> tuple[int, Any]:
        return self.ask(f"{BASE}/keys/{name}/{operation}", body, **how)


def _now(age: timedelta) -> datetime:
    return (datetime.now(UTC) - age).replace(tzinfo=None)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with training_folder(tmp_path_factory.mktemp("xks") / "training") as folder:
        made = Proxy(configuration.read(folder / "xks-proxy.toml"))
        yield made
        made.token.close()


def without(found: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in names}


def encrypted(proxy: Proxy, **changes: Any) -> dict[str, Any]:
    """The body of Decrypt for what Encrypt answered."""
    status, answer = proxy.key("training-key-1", "encrypt", {**ENCRYPT, **changes})
    assert status == 200, answer
    asked = {
        "requestMetadata": TOLD,
        "encryptionAlgorithm": "AES_GCM",
        **without(answer, "ciphertextDataIntegrityValue"),
    }
    if changes.get("additionalAuthenticatedData", AAD):
        asked["additionalAuthenticatedData"] = changes.get("additionalAuthenticatedData", AAD)
    return asked


def refused(found: tuple[int, Any], name: str) -> None:
    status, answer = found
    assert answer["errorName"] == name
    assert status == STATUS[name]
    assert len(answer["errorMessage"]) < 512
    assert answer["errorMessage"].isascii()
    assert answer["errorMessage"].isprintable()


@pytest.mark.parametrize("additional", [AAD, "", b64encode(bytes(8192)).decode()], ids=["some", "none", "the most"])
@pytest.mark.parametrize("plaintext", [b"Hello World!", bytes(4300)], ids=["some", "the most"])
def test_what_it_encrypted_it_decrypts(proxy: Proxy, additional: str, plaintext: bytes) -> None:
    text = b64encode(plaintext).decode()
    asked = encrypted(proxy, additionalAuthenticatedData=additional, plaintext=text)
    assert len(b64decode(asked["ciphertext"])) == len(plaintext)
    assert len(b64decode(asked["initializationVector"])) == 12
    assert len(b64decode(asked["authenticationTag"])) == 16
    assert proxy.key("training-key-1", "decrypt", asked) == (200, {"plaintext": text})
    assert proxy.headers[b"content-type"] == b"application/json"


def test_the_integrity_value_covers_all_that_is_answered(proxy: Proxy) -> None:
    asked = {**ENCRYPT, "ciphertextDataIntegrityValueAlgorithm": "SHA_256"}
    _, answer = proxy.key("training-key-1", "encrypt", asked)
    order = ("ciphertextMetadata", "initializationVector", "ciphertext", "authenticationTag")
    octets = b64decode(AAD) + b"".join(b64decode(answer[name]) for name in order)
    assert b64decode(answer["ciphertextDataIntegrityValue"]) == sha256(octets).digest()


def test_without_being_asked_there_is_no_integrity_value(proxy: Proxy) -> None:
    assert "ciphertextDataIntegrityValue" not in proxy.key("training-key-1", "encrypt", ENCRYPT)[1]


@pytest.mark.parametrize("request_id", ["not a UUID", ""])
def test_health_names_the_key_manager_whatever_the_request_id_is(proxy: Proxy, request_id: str) -> None:
    """It "MUST treat this as an opaque string"; AWS's conformance client sends an empty one where there is no uuidgen."""
    told = {"requestMetadata": {"kmsOperation": "KmsHealthCheck", "kmsRequestId": request_id}}
    status, answer = proxy.ask(f"{BASE}/health", told)
    assert status == 200
    assert answer["xksProxyFleetSize"] == 1
    assert [each["healthStatus"] for each in answer["ekmFleetDetails"]] in (["ACTIVE"], ["DEGRADED"])


@pytest.mark.parametrize(
    ("name", "usage", "status"),
    [
        ("training-key-1", {"ENCRYPT", "DECRYPT"}, "ENABLED"),
        ("encrypt-only", {"ENCRYPT"}, "ENABLED"),
        ("decrypt-only", {"DECRYPT"}, "ENABLED"),
        ("neither", set(), "ENABLED"),
        ("disabled", {"ENCRYPT", "DECRYPT"}, "DISABLED"),
    ],
)
def test_metadata_tell_what_a_key_may_do(proxy: Proxy, name: str, usage: set[str], status: str) -> None:
    told = without(TOLD, "kmsKeyArn") | {"kmsOperation": "CreateKey"}
    code, answer = proxy.key(name, "metadata", {"requestMetadata": told})
    assert code == 200
    assert (answer["keySpec"], answer["keyStatus"]) == ("AES_256", status)
    assert set(answer["keyUsage"]) & {"ENCRYPT", "DECRYPT"} == usage
    assert len(answer["keyUsage"]) <= 10


@pytest.mark.parametrize(
    ("name", "operation", "value"),
    [
        ("decrypt-only", "encrypt", None),
        ("neither", "encrypt", None),
        ("encrypt-only", "encrypt", "SHA_256"),
        ("encrypt-only", "decrypt", None),
        ("neither", "decrypt", None),
    ],
)
def test_a_key_does_what_it_may_alone(proxy: Proxy, name: str, operation: str, value: str | None) -> None:
    asked = encrypted(proxy) if operation == "decrypt" else {**ENCRYPT, "ciphertextDataIntegrityValueAlgorithm": value}
    refused(proxy.key(name, operation, asked), "InvalidKeyUsageException")


def test_a_key_that_may_only_encrypt_encrypts(proxy: Proxy) -> None:
    assert proxy.key("encrypt-only", "encrypt", ENCRYPT)[0] == 200


def test_a_disabled_key_or_store_does_nothing(proxy: Proxy) -> None:
    refused(proxy.key("disabled", "encrypt", ENCRYPT), "InvalidStateException")
    closed = proxy.configured(enabled=False)
    refused(closed.key("training-key-1", "encrypt", ENCRYPT), "InvalidStateException")
    refused(closed.ask(f"{BASE}/health", {"requestMetadata": TOLD}), "InvalidStateException")


@pytest.mark.parametrize("operation", ["metadata", "encrypt", "decrypt"])
@pytest.mark.parametrize("name", ["no-such-key", HEALTH_KEY])
def test_a_key_that_is_not_there_is_not_found(proxy: Proxy, name: str, operation: str) -> None:
    asked = encrypted(proxy) if operation == "decrypt" else ENCRYPT
    refused(proxy.key(name, operation, asked), "KeyNotFoundException")


def test_a_store_may_have_some_of_the_keys(proxy: Proxy) -> None:
    some = proxy.configured(keys=frozenset({"training-key-1"}))
    assert some.key("training-key-1", "encrypt", ENCRYPT)[0] == 200
    refused(some.key("training-key-2", "encrypt", ENCRYPT), "KeyNotFoundException")


def test_principals_may_be_denied_but_health_is_for_all(proxy: Proxy) -> None:
    strict = proxy.configured(principals=("arn:aws:iam::999999999999:*",))
    for operation in ("metadata", "encrypt"):
        refused(strict.key("training-key-1", operation, ENCRYPT), "AccessDeniedException")
    assert strict.ask(f"{BASE}/health", {"requestMetadata": TOLD})[0] == 200
    assert proxy.configured(principals=("arn:aws:iam::123456789012:*",)).key("disabled", "metadata", ENCRYPT)[0] == 200


@pytest.mark.parametrize("field", ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"])
def test_a_changed_bit_is_an_invalid_ciphertext(proxy: Proxy, field: str) -> None:
    asked = encrypted(proxy)
    octets = bytearray(b64decode(asked[field]))
    octets[0] ^= 1
    asked[field] = b64encode(octets).decode()
    refused(proxy.key("training-key-1", "decrypt", asked), "InvalidCiphertextException")


@pytest.mark.parametrize(
    "change",
    [
        {"additionalAuthenticatedData": None},
        {"additionalAuthenticatedData": "cHJvamVjdD1ibHVlLGRlcGFydG1lbnQ9ZmluYW5jZQ=="},
        {"ciphertextMetadata": None},
        # additional data and metadata joined otherwise
        {"ciphertextMetadata": None, "additionalAuthenticatedData": b64encode(b64decode(AAD) + METADATA).decode()},
    ],
)
def test_other_additional_data_are_an_invalid_ciphertext(proxy: Proxy, change: dict[str, Any]) -> None:
    refused(proxy.key("training-key-1", "decrypt", encrypted(proxy) | change), "InvalidCiphertextException")


def test_another_keys_ciphertext_is_invalid(proxy: Proxy) -> None:
    refused(proxy.key("training-key-2", "decrypt", encrypted(proxy)), "InvalidCiphertextException")


WRONG: dict[str, tuple[str, object]] = {
    "no metadata": ("health", {}),
    "empty metadata": ("health", {"requestMetadata": {}}),
    "no request ID": ("health", {"requestMetadata": {"kmsOperation": "KmsHealthCheck"}}),
    "metadata a text": ("keys/k/metadata", {"requestMetadata": "Alice"}),
    "no principal": ("keys/k/metadata", {"requestMetadata": without(TOLD, "awsPrincipalArn")}),
    "principal a number": ("keys/k/metadata", {"requestMetadata": TOLD | {"awsPrincipalArn": 1}}),
    "principal too long": ("keys/k/metadata", {"requestMetadata": TOLD | {"awsPrincipalArn": "a" * 2049}}),
    "no key ARN": ("keys/k/encrypt", ENCRYPT | {"requestMetadata": without(TOLD, "kmsKeyArn")}),
    "no plaintext": ("keys/k/encrypt", without(ENCRYPT, "plaintext")),
    "plaintext a number": ("keys/k/encrypt", ENCRYPT | {"plaintext": 1}),
    "plaintext no Base64": ("keys/k/encrypt", ENCRYPT | {"plaintext": "*"}),
    "plaintext URL-safe": ("keys/k/encrypt", ENCRYPT | {"plaintext": "_-_-"}),
    "no algorithm": ("keys/k/encrypt", without(ENCRYPT, "encryptionAlgorithm")),
    "another algorithm": ("keys/k/encrypt", ENCRYPT | {"encryptionAlgorithm": "AES_CBC"}),
    "another value": ("keys/k/encrypt", ENCRYPT | {"ciphertextDataIntegrityValueAlgorithm": "MD5"}),
    "no ciphertext": ("keys/k/decrypt", ENCRYPT | {"initializationVector": "", "authenticationTag": ""}),
    "not JSON": ("health", b"{"),
    "not an object": ("health", b"[]"),
    "nothing": ("health", b""),
}


@pytest.mark.parametrize(("path", "body"), WRONG.values(), ids=WRONG)
def test_a_request_that_is_not_of_the_specification_is_invalid(proxy: Proxy, path: str, body: object) -> None:
    refused(proxy.ask(f"{BASE}/{path}", body), "ValidationException")


@pytest.mark.parametrize(
    "change",
    [
        {"initializationVector": "AAAA"},
        {"authenticationTag": "AAAA"},
        {"ciphertextMetadata": b64encode(bytes(21)).decode()},
    ],
    ids=["vector", "tag", "metadata"],
)
def test_lengths_are_those_of_the_specification(proxy: Proxy, change: dict[str, str]) -> None:
    refused(proxy.key("training-key-1", "decrypt", encrypted(proxy) | change), "ValidationException")


@pytest.mark.parametrize(
    "change",
    [{"plaintext": b64encode(bytes(4301)).decode()}, {"additionalAuthenticatedData": b64encode(bytes(8193)).decode()}],
    ids=["plaintext", "additional data"],
)
def test_more_than_the_specification_asks_for_is_not_supported(proxy: Proxy, change: dict[str, str]) -> None:
    refused(proxy.key("training-key-1", "encrypt", ENCRYPT | change), "UnsupportedOperationException")


def test_a_huge_body_is_invalid(proxy: Proxy) -> None:
    refused(proxy.ask(f"{BASE}/health", {"filler": "x" * 70_000}), "ValidationException")


def test_another_content_type_is_invalid(proxy: Proxy) -> None:
    answer = proxy.key("training-key-1", "encrypt", ENCRYPT, headers={"Content-Type": "text/plain"})
    refused(answer, "ValidationException")


def test_an_operation_and_members_of_a_later_kms_are_taken(proxy: Proxy) -> None:
    told = TOLD | {"kmsOperation": "BulkEncrypt", "sourceIdentity": {"any": 1}}
    assert proxy.key("training-key-1", "encrypt", ENCRYPT | {"requestMetadata": told, "newer": []})[0] == 200


def test_a_signature_by_another_credential_fails(proxy: Proxy) -> None:
    known, secret = proxy.credential
    for credential in ((known, "Invalid" + secret), ("Invalid" + known, secret)):
        answer = proxy.key("training-key-1", "encrypt", ENCRYPT, credential=credential)
        refused(answer, "AuthenticationFailedException")


@pytest.mark.parametrize("minutes", [6, -6])
def test_an_old_or_early_signature_fails(proxy: Proxy, minutes: int) -> None:
    answer = proxy.key("training-key-1", "encrypt", ENCRYPT, age=timedelta(minutes=minutes))
    refused(answer, "AuthenticationFailedException")


@pytest.mark.parametrize("minutes", [4, -4])
def test_a_clock_may_be_some_minutes_off(proxy: Proxy, minutes: int) -> None:
    assert proxy.key("training-key-1", "encrypt", ENCRYPT, age=timedelta(minutes=minutes))[0] == 200


def test_the_signature_covers_service_body_and_date(proxy: Proxy) -> None:
    refused(proxy.key("training-key-1", "encrypt", ENCRYPT, service="kms"), "AuthenticationFailedException")
    other = orjson.dumps(ENCRYPT | {"plaintext": "AAAA"})
    refused(proxy.key("training-key-1", "encrypt", ENCRYPT, changed=other), "AuthenticationFailedException")
    refused(
        proxy.key("training-key-1", "encrypt", ENCRYPT, headers={"X-Amz-Date": "20200101T000000Z"}),
        "AuthenticationFailedException",
    )
    plain = {"Host": "xks.training.test", "Content-Type": "application/json"}
    refused(proxy.send("POST", f"{BASE}/health", plain, b"{}"), "AuthenticationFailedException")


def test_two_credentials_work_while_they_are_rotated(proxy: Proxy) -> None:
    new = ("NEWCREDENTIAL234567ABCDEF", "n" * 43)
    both = proxy.configured(credentials=dict([proxy.credential, new]))
    for credential in (proxy.credential, new):
        assert both.key("training-key-1", "encrypt", ENCRYPT, credential=credential)[0] == 200
    refused(
        proxy.configured(credentials=dict([new])).key("training-key-1", "encrypt", ENCRYPT),
        "AuthenticationFailedException",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/kms/xks/v1/health",
        "/training/invalid/kms/xks/v1/health",
        "/training/kms/xks/v2/health",
        f"{BASE}/healthy",
        f"{BASE}/health/",
        f"{BASE}/keys/a/b/encrypt",
        f"{BASE}/keys/a%2Fb/encrypt",
        f"{BASE}/keys/{'k' * 129}/encrypt",
        f"{BASE}/keys/k/destroy",
    ],
)
def test_another_path_is_invalid(proxy: Proxy, path: str) -> None:
    refused(proxy.ask(path, ENCRYPT), "InvalidUriPathException")


@pytest.mark.parametrize("path", ["health", "keys/k/metadata", "keys/k/encrypt", "keys/k/decrypt"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_another_method_is_not_allowed(proxy: Proxy, method: str, path: str) -> None:
    assert proxy.send(method, f"{BASE}/{path}", {}, b"") == (405, None)
    assert proxy.headers[b"allow"] == b"POST"


def test_a_load_balancer_may_look(proxy: Proxy) -> None:
    assert proxy.send("GET", "/ping", {}, b"")[0] == 200


def test_too_many_requests_are_throttled(proxy: Proxy) -> None:
    slow = proxy.configured(requests_per_second=2)
    answers = [slow.ask(f"{BASE}/health", {"requestMetadata": TOLD}) for _ in range(12)]
    assert answers[0][0] == 200
    refused(next(each for each in answers if each[0] != 200), "ThrottlingException")


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        (Reason.SLOW, "DependencyTimeoutException"),
        (Reason.BUSY, "ThrottlingException"),
        (Reason.GONE, "InternalException"),
        (Reason.PIN_INCORRECT, "InternalException"),
        (Reason.FAILED, "InternalException"),
    ],
)
def test_a_failure_of_the_token_is_told(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch, reason: Reason, name: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise TokenError(reason)

    for method in ("describe", "encrypt", "decrypt"):
        monkeypatch.setattr(Token, method, fail)
    fresh = proxy.configured()
    refused(fresh.key("training-key-1", "encrypt", ENCRYPT), name)
    refused(fresh.key("training-key-1", "metadata", ENCRYPT), name)
    refused(fresh.ask(f"{BASE}/health", {"requestMetadata": TOLD}), name)


def test_a_fault_of_the_proxy_is_an_internal_exception(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Token, "describe", lambda *_: 1 / 0)
    assert proxy.key("training-key-1", "encrypt", ENCRYPT) == (500, {"errorName": "InternalException"})


def test_the_log_tells_who_asked_and_has_no_plaintext(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "kmsconsole.xks_proxy"):
        proxy.key("training-key-1", "decrypt", encrypted(proxy))
    lines = [orjson.loads(record.message) for record in caplog.records if record.name == "kmsconsole.xks_proxy"]
    assert [each["operation"] for each in lines] == ["encrypt", "decrypt"]
    assert lines[0]["requestMetadata"] == TOLD
    assert lines[0]["milliseconds"] >= 0
    assert "SGVsbG8gV29ybGQh" not in caplog.text
    assert proxy.credential[1] not in caplog.text


@given(
    st.sampled_from(["health", "metadata", "encrypt", "decrypt"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=9),
        lambda inner: st.dictionaries(st.sampled_from([*ENCRYPT, *TOLD, "ciphertext", "initializationVector"]), inner),
        max_leaves=8,
    ),
)
def test_any_json_is_read_or_refused(operation: str, body: object) -> None:
    try:
        assert isinstance(requests.read(operation, "application/json", orjson.dumps(body)), requests.Request)
    except ProxyError as error:
        assert error.status in (400, 501)  # noqa: PT017
    except orjson.JSONEncodeError:  # an integer too large for JSON
        pass


def test_secrets_are_in_no_representation(proxy: Proxy) -> None:
    assert isinstance(proxy.store, Store)
    assert proxy.credential[1] not in repr(proxy.store)
