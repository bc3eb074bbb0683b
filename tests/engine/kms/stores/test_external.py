"""Keys in external key stores, end to end: boto3, the engine, the reference proxy over HTTPS, a token; and a proxy that lies."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
from botocore.exceptions import ClientError
from django.test import override_settings

from engine import throttling
from engine.kms.stores import health
from engine.xks import connection
from engine.xks.failures import Failure
from tests.conftest import TestAccount, make_client
from tests.engine.kms.contract import refusal
from tests.support import key_stores
from tests.support.xks import ReferenceProxy
from tests.support.xks_stub import HOST, Stub, answer, sound

CONTEXT = {"purpose": "test", "tenant": "té"}
CREDENTIAL = {"AccessKeyId": "BETWEEN2TENAND3TENCHARACTERS", "RawSecretAccessKey": "s" * 43}
VPC_SERVICE = "com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0"


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReferenceProxy]:
    with ReferenceProxy(tmp_path_factory.mktemp("proxy") / "training") as made, made.settings():
        yield made


def members(proxy: ReferenceProxy, **changes: Any) -> dict[str, Any]:
    return {"CustomKeyStoreName": "external", **proxy.members, **changes}


def create(kms: Any, proxy: ReferenceProxy, **changes: Any) -> str:
    store_id: str = kms.create_custom_key_store(**members(proxy, **changes))["CustomKeyStoreId"]
    return store_id


def key_in(kms: Any, store_id: str, xks_key_id: str = "training-key-1") -> dict[str, Any]:
    made: dict[str, Any] = kms.create_key(Origin="EXTERNAL_KEY_STORE", CustomKeyStoreId=store_id, XksKeyId=xks_key_id)
    found: dict[str, Any] = made["KeyMetadata"]
    return found


@dataclass
class Store:
    account: TestAccount
    kms: Any
    store_id: str
    key_id: str


@pytest.fixture
def store(account: TestAccount, proxy: ReferenceProxy) -> Store:
    kms = account.client()
    store_id = create(kms, proxy)
    assert key_stores.connect(kms, store_id)["ConnectionState"] == "CONNECTED"
    return Store(account, kms, store_id, key_in(kms, store_id)["KeyId"])


def test_a_store_says_what_it_is_and_keeps_its_secret(store: Store, proxy: ReferenceProxy) -> None:
    found = key_stores.entry(store.kms, store.store_id)
    assert found["CustomKeyStoreType"] == "EXTERNAL_KEY_STORE"
    assert found["XksProxyConfiguration"] == {
        "Connectivity": "PUBLIC_ENDPOINT",
        "AccessKeyId": proxy.members["XksProxyAuthenticationCredential"]["AccessKeyId"],
        "UriEndpoint": proxy.members["XksProxyUriEndpoint"],
        "UriPath": proxy.members["XksProxyUriPath"],
    }
    assert proxy.members["XksProxyAuthenticationCredential"]["RawSecretAccessKey"] not in str(found)


def test_a_key_says_which_external_key_it_is(store: Store) -> None:
    found = store.kms.describe_key(KeyId=store.key_id)["KeyMetadata"]
    assert found["Origin"] == "EXTERNAL_KEY_STORE"
    assert found["CustomKeyStoreId"] == store.store_id
    assert found["XksKeyConfiguration"] == {"Id": "training-key-1"}
    assert found["KeyState"] == "Enabled"
    assert not {"CloudHsmClusterId", "CurrentKeyMaterialId"} & found.keys()


def test_what_is_encrypted_opens_in_its_context_alone(store: Store) -> None:
    blob = store.kms.encrypt(KeyId=store.key_id, Plaintext=bytes(4096), EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert store.kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == bytes(4096)
    assert refusal(store.kms.decrypt, CiphertextBlob=blob) == ("InvalidCiphertextException", "")


def test_data_keys_open(store: Store) -> None:
    made = store.kms.generate_data_key(KeyId=store.key_id, KeySpec="AES_256")
    assert store.kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]
    sealed = store.kms.generate_data_key_without_plaintext(KeyId=store.key_id, NumberOfBytes=20)["CiphertextBlob"]
    assert len(store.kms.decrypt(CiphertextBlob=sealed)["Plaintext"]) == 20


def test_a_ciphertext_goes_to_another_key_and_back(store: Store) -> None:
    other = store.account.create_key()
    blob = store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]
    there = store.kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=other)["CiphertextBlob"]
    back = store.kms.re_encrypt(CiphertextBlob=there, DestinationKeyId=store.key_id)["CiphertextBlob"]
    assert store.kms.decrypt(CiphertextBlob=back, KeyId=store.key_id)["Plaintext"] == b"secret"


def test_a_changed_blob_is_invalid(store: Store) -> None:
    blob = bytearray(store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"])
    for position in (1, 30, 60, 88, 100, len(blob) - 40, len(blob) - 1):
        changed = bytearray(blob)
        changed[position] ^= 1
        assert refusal(store.kms.decrypt, CiphertextBlob=bytes(changed))[0] == "InvalidCiphertextException", position


def test_the_proxy_is_told_who_asked(store: Store, proxy: ReferenceProxy) -> None:
    answered = store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")
    lines = [line for line in proxy.output().splitlines() if answered["ResponseMetadata"]["RequestId"] in line]
    told = orjson.loads(lines[0])["requestMetadata"]
    assert told["kmsOperation"] == "Encrypt"
    assert told["kmsKeyArn"].endswith(store.key_id)
    assert told["awsPrincipalArn"].startswith(f"arn:aws:iam::{store.account.account_id}:")


def test_the_proxy_is_told_which_request_connects(store: Store, proxy: ReferenceProxy) -> None:
    store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.store_id)
    answered = store.kms.connect_custom_key_store(CustomKeyStoreId=store.store_id)
    key_stores.wait(store.kms, store.store_id)
    lines = [line for line in proxy.output().splitlines() if answered["ResponseMetadata"]["RequestId"] in line]
    assert orjson.loads(lines[0])["requestMetadata"]["kmsOperation"] == "ConnectCustomKeyStore"


def test_the_proxy_is_told_the_role_of_a_session(store: Store, proxy: ReferenceProxy) -> None:
    account = store.account
    trust = {"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"}
    role = account.client("iam").create_role(
        RoleName="user-of-keys",
        AssumeRolePolicyDocument=orjson.dumps({"Version": "2012-10-17", "Statement": trust}).decode(),
    )["Role"]["Arn"]
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}}
    account.client("iam").put_role_policy(
        RoleName="user-of-keys", PolicyName="all", PolicyDocument=orjson.dumps(everything).decode()
    )
    made = account.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    kms = make_client(
        "kms",
        "us-east-1",
        made["AccessKeyId"],
        made["SecretAccessKey"],
        made["SessionToken"],
        endpoint=account.endpoint,
    )
    answered = kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")
    lines = [line for line in proxy.output().splitlines() if answered["ResponseMetadata"]["RequestId"] in line]
    assert orjson.loads(lines[0])["requestMetadata"]["awsPrincipalArn"] == role


@pytest.mark.parametrize(
    ("xks_key_id", "code"),
    [
        ("training-key-1", "XksKeyAlreadyInUseException"),
        ("no-such-key", "XksKeyNotFoundException"),
        ("encrypt-only", "XksKeyInvalidConfigurationException"),
        ("decrypt-only", "XksKeyInvalidConfigurationException"),
        ("neither", "XksKeyInvalidConfigurationException"),
        ("disabled", "XksKeyInvalidConfigurationException"),
    ],
)
def test_a_key_is_made_of_a_suitable_external_key_alone(store: Store, xks_key_id: str, code: str) -> None:
    assert refusal(key_in, store.kms, store.store_id, xks_key_id)[0] == code


def test_a_key_in_the_store_needs_an_external_key(store: Store) -> None:
    made = {"Origin": "EXTERNAL_KEY_STORE", "CustomKeyStoreId": store.store_id}
    assert refusal(store.kms.create_key, **made)[0] == "ValidationException"
    assert refusal(store.kms.create_key, XksKeyId="training-key-2")[0] == "ValidationException"


def test_disconnected_keys_are_unavailable_until_it_is_connected_again(store: Store) -> None:
    blob = store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]
    store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.store_id)
    assert store.kms.describe_key(KeyId=store.key_id)["KeyMetadata"]["KeyState"] == "Unavailable"
    assert refusal(store.kms.decrypt, CiphertextBlob=blob)[0] == "KMSInvalidStateException"
    assert refusal(key_in, store.kms, store.store_id, "training-key-2")[0] == "CustomKeyStoreInvalidStateException"
    key_stores.connect(store.kms, store.store_id)
    assert store.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"


def test_a_proxy_that_is_away_is_told_and_found_again(store: Store, proxy: ReferenceProxy) -> None:
    blob = store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]
    proxy.stop()
    try:
        unreachable = ("KMSInvalidStateException", Failure.UNREACHABLE.value.message)
        assert refusal(store.kms.decrypt, CiphertextBlob=blob) == unreachable
        assert refusal(key_in, store.kms, store.store_id, "training-key-2")[0] == "CustomKeyStoreInvalidStateException"
        other = members(proxy, CustomKeyStoreName="other", XksProxyUriPath="/other/kms/xks/v1")
        assert refusal(store.kms.create_custom_key_store, **other)[0] == "XksProxyUriUnreachableException"
        store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.store_id)
        found = key_stores.connect(store.kms, store.store_id)
        assert (found["ConnectionState"], found["ConnectionErrorCode"]) == ("FAILED", "XKS_PROXY_NOT_REACHABLE")
    finally:
        proxy.start()
    store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.store_id)
    key_stores.connect(store.kms, store.store_id)
    assert store.kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"secret"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (
            {"XksProxyAuthenticationCredential": CREDENTIAL},
            "XksProxyIncorrectAuthenticationCredentialException",
        ),
        ({"XksProxyUriPath": "/nobody/kms/xks/v1"}, "XksProxyInvalidConfigurationException"),
        ({"XksProxyUriEndpoint": "https://169.254.169.254"}, "XksProxyUriUnreachableException"),
        ({"XksProxyVpcEndpointServiceName": VPC_SERVICE}, "ValidationException"),
        ({"KeyStorePassword": "password"}, "ValidationException"),
        ({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"}, "ValidationException"),
    ],
    ids=str,
)
def test_a_store_is_made_of_a_proxy_that_answers(
    account: TestAccount, proxy: ReferenceProxy, change: dict[str, Any], code: str
) -> None:
    assert refusal(account.client().create_custom_key_store, **members(proxy, **change))[0] == code


@pytest.mark.parametrize(
    "missing",
    ["XksProxyConnectivity", "XksProxyUriEndpoint", "XksProxyUriPath", "XksProxyAuthenticationCredential"],
)
def test_a_store_needs_its_members(account: TestAccount, proxy: ReferenceProxy, missing: str) -> None:
    given = {name: value for name, value in members(proxy).items() if name != missing}
    code, message = refusal(account.client().create_custom_key_store, **given)
    assert code == "ValidationException"
    assert missing in message


def test_addresses_are_used_once(store: Store, proxy: ReferenceProxy) -> None:
    kms = store.kms
    assert refusal(create, kms, proxy, CustomKeyStoreName="b")[0] == "XksProxyUriInUseException"
    vpc = {
        "CustomKeyStoreName": "b",
        "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
        "XksProxyVpcEndpointServiceName": VPC_SERVICE,
        "XksProxyUriPath": "/vpc/kms/xks/v1",
    }
    assert refusal(create, kms, proxy, **vpc)[0] == "XksProxyUriEndpointInUseException"
    create(kms, proxy, **vpc, XksProxyUriEndpoint="https://vpc.example.test")
    again = {**vpc, "CustomKeyStoreName": "c", "XksProxyUriEndpoint": "https://other.example.test"}
    assert refusal(create, kms, proxy, **again)[0] == "XksProxyVpcEndpointServiceInUseException"
    public = {"CustomKeyStoreName": "c", "XksProxyUriEndpoint": "https://VPC.example.test"}
    assert refusal(create, kms, proxy, **public)[0] == "XksProxyUriEndpointInUseException"


def test_another_account_may_use_the_same_proxy(
    store: Store, other_account: TestAccount, proxy: ReferenceProxy
) -> None:
    kms = other_account.client()
    store_id = create(kms, proxy)
    key_stores.connect(kms, store_id)
    theirs = key_in(kms, store_id)["KeyId"]
    blob = bytearray(store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"])
    mine = kms.encrypt(KeyId=theirs, Plaintext=b"x")["CiphertextBlob"]
    blob[2:56] = mine[2:56]
    assert refusal(kms.decrypt, CiphertextBlob=bytes(blob))[0] == "InvalidCiphertextException"


def test_a_store_of_a_vpc_is_kept_and_does_not_connect(account: TestAccount, proxy: ReferenceProxy) -> None:
    kms = account.client()
    vpc = {"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyVpcEndpointServiceName": VPC_SERVICE}
    store_id = create(kms, proxy, **vpc)
    found = key_stores.connect(kms, store_id)
    assert found["XksProxyConfiguration"]["VpcEndpointServiceName"] == VPC_SERVICE
    assert found["XksProxyConfiguration"]["VpcEndpointServiceOwner"] == account.account_id
    assert found["ConnectionErrorCode"] == "XKS_VPC_ENDPOINT_SERVICE_NOT_FOUND"
    kms.disconnect_custom_key_store(CustomKeyStoreId=store_id)
    public = {"CustomKeyStoreId": store_id, "XksProxyConnectivity": "PUBLIC_ENDPOINT"}
    assert refusal(kms.update_custom_key_store, **public)[0] == "ValidationException"
    kms.update_custom_key_store(**public, XksProxyUriEndpoint=proxy.members["XksProxyUriEndpoint"])
    found = key_stores.connect(kms, store_id)
    assert found["ConnectionState"] == "CONNECTED"
    assert "VpcEndpointServiceName" not in found["XksProxyConfiguration"]


def test_a_connected_store_takes_a_new_credential_and_path_that_work(store: Store, proxy: ReferenceProxy) -> None:
    update = store.kms.update_custom_key_store
    wrong = {"CustomKeyStoreId": store.store_id, "XksProxyAuthenticationCredential": CREDENTIAL}
    assert refusal(update, **wrong)[0] == "XksProxyIncorrectAuthenticationCredentialException"
    before = proxy.configuration.read_text()
    more = (
        f'\n[[stores.credentials]]\naccess_key_id = "{CREDENTIAL["AccessKeyId"]}"\nsecret_access_key = "{"s" * 43}"\n'
    )
    proxy.configuration.write_text(before + more)
    try:
        update(**wrong)
        assert store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]
        path = {"CustomKeyStoreId": store.store_id, "XksProxyUriPath": "/nobody/kms/xks/v1"}
        assert refusal(update, **path)[0] == "XksProxyInvalidConfigurationException"
        endpoint = {"CustomKeyStoreId": store.store_id, "XksProxyUriEndpoint": "https://other.example.test"}
        assert refusal(update, **endpoint)[0] == "CustomKeyStoreInvalidStateException"
    finally:
        proxy.configuration.write_text(before)


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("enable_key_rotation", {}),
        ("rotate_key_on_demand", {}),
        ("get_key_rotation_status", {}),
        ("get_parameters_for_import", {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}),
        ("replicate_key", {"ReplicaRegion": "eu-west-1"}),
        ("generate_data_key_pair", {"KeyPairSpec": "ECC_NIST_P256"}),
        ("generate_data_key_pair_without_plaintext", {"KeyPairSpec": "ECC_NIST_P256"}),
    ],
)
def test_what_stores_do_not_have_is_refused(store: Store, operation: str, members: dict[str, Any]) -> None:
    found = refusal(getattr(store.kms, operation), KeyId=store.key_id, **members)
    assert found[0] == "UnsupportedOperationException"


def test_random_numbers_are_not_an_external_key_stores(store: Store) -> None:
    asked = {"NumberOfBytes": 8, "CustomKeyStoreId": store.store_id}
    assert refusal(store.kms.generate_random, **asked)[0] == "UnsupportedOperationException"


def test_a_store_has_a_quota_of_its_own(store: Store) -> None:
    throttling.configure("external-key-store=1")
    try:
        sealed = [refusal_or_blob(store) for _ in range(6)]
    finally:
        throttling.configure("")
    assert ("ThrottlingException", throttling.KMS_WORDS) in sealed
    assert store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]


def refusal_or_blob(store: Store) -> Any:
    try:
        return store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")["CiphertextBlob"]
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]


# --- a proxy that lies


@pytest.fixture
def lying(account: TestAccount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Store, Stub]]:
    """A store over a stub that first answers as a proxy should, with a cipher of its own. Nothing but what a test does asks it."""
    monkeypatch.setattr(health, "used", lambda store: None)
    connection.close_idle()
    stub = Stub(tmp_path)
    stub.respond = sound
    with override_settings(
        XKS_PROXIES={HOST: stub.address}, XKS_CA_BUNDLE=str(stub.ca_bundle), XKS_CLIENT_CERTIFICATE="", XKS_SECONDS=5.0
    ):
        kms = account.client()
        made = kms.create_custom_key_store(
            CustomKeyStoreName="lying",
            CustomKeyStoreType="EXTERNAL_KEY_STORE",
            XksProxyConnectivity="PUBLIC_ENDPOINT",
            XksProxyUriEndpoint=f"https://{HOST}",
            XksProxyUriPath="/kms/xks/v1",
            XksProxyAuthenticationCredential=CREDENTIAL,
        )
        key_stores.connect(kms, made["CustomKeyStoreId"])
        key = key_in(kms, made["CustomKeyStoreId"], "any")
        yield Store(account, kms, made["CustomKeyStoreId"], key["KeyId"]), stub
    stub.close()


LIES: dict[str, tuple[Callable[[bytes], bytes], Failure]] = {
    "another plaintext": (
        lambda body: answer({"plaintext": orjson.loads(body)["ciphertext"]}),
        Failure.INVALID_CIPHERTEXT,
    ),
    "a plaintext of another length": (lambda body: answer({"plaintext": "AAAA"}), Failure.INVALID_RESPONSE),
    "HTML": (lambda body: answer(b"<html>", kind="text/html"), Failure.INVALID_RESPONSE),
    "an invalid ciphertext": (
        lambda body: answer({"errorName": "InvalidCiphertextException"}, 400),
        Failure.CIPHERTEXT_REJECTED,
    ),
    "a key that is not there": (lambda body: answer({"errorName": "KeyNotFoundException"}, 404), Failure.KEY_NOT_FOUND),
    "too many requests": (lambda body: answer({"errorName": "ThrottlingException"}, 429), Failure.THROTTLED),
    "a denial": (lambda body: answer({"errorName": "AccessDeniedException"}, 403), Failure.ACCESS_DENIED),
    "its own fault": (lambda body: answer({"errorName": "InternalException"}, 500), Failure.PROXY_FAILED),
}


@pytest.mark.parametrize(("lie", "failure"), LIES.values(), ids=LIES)
def test_what_a_proxy_answers_wrongly_releases_nothing_and_loses_nothing(
    lying: tuple[Store, Stub], lie: Callable[[bytes], bytes], failure: Failure
) -> None:
    store, stub = lying
    blob = store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret", EncryptionContext=CONTEXT)["CiphertextBlob"]
    stub.respond = lambda head, body: lie(body)
    told = ("KMSInvalidStateException", failure.value.message)
    assert refusal(store.kms.decrypt, CiphertextBlob=blob, EncryptionContext=CONTEXT) == told
    stub.respond = sound
    assert store.kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == b"secret"


def test_a_failed_connection_says_why_as_aws_documents(lying: tuple[Store, Stub]) -> None:
    """Source: KMS API Reference, CustomKeyStoresListEntry, ConnectionErrorCode."""
    store, stub = lying
    reasons = {
        "INVALID_CREDENTIALS": answer({"errorName": "AuthenticationFailedException"}, 401),
        "XKS_PROXY_ACCESS_DENIED": answer({"errorName": "AccessDeniedException"}, 403),
        "XKS_PROXY_INVALID_CONFIGURATION": answer({"errorName": "InvalidUriPathException"}, 404),
        "XKS_PROXY_INVALID_RESPONSE": answer(b"<html>", kind="text/html"),
    }
    for code, said in reasons.items():
        store.kms.disconnect_custom_key_store(CustomKeyStoreId=store.store_id)
        stub.respond = lambda head, body, said=said: said
        found = key_stores.connect(store.kms, store.store_id)
        assert (found["ConnectionState"], found.get("ConnectionErrorCode")) == ("FAILED", code)


def test_a_replayed_ciphertext_is_found(lying: tuple[Store, Stub]) -> None:
    store, stub = lying
    kept: list[bytes] = []

    def replay(head: str, body: bytes) -> bytes:
        kept.append(kept[0] if kept else sound(head, body))
        return kept[-1]

    stub.respond = replay
    store.kms.encrypt(KeyId=store.key_id, Plaintext=b"secret")
    told = ("KMSInvalidStateException", Failure.INVALID_RESPONSE.value.message)
    assert refusal(store.kms.encrypt, KeyId=store.key_id, Plaintext=b"secret") == told


def test_the_secret_is_nowhere_in_the_record(lying: tuple[Store, Stub], caplog: pytest.LogCaptureFixture) -> None:
    store, _stub = lying
    events = store.account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateCustomKeyStore"}]
    )["Events"]
    assert events
    assert "s" * 43 not in str(events)
    assert "s" * 43 not in caplog.text
