"""Whatever is sent to any operation, the answer is AWS's; whatever is encrypted comes back in its encryption context and no other.

Of three times as many examples by `make walks`.
"""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from botocore.model import Shape
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TestAccount, new_account
from tests.engine.kms.contract import MODEL, refusal, send
from tests.support.long_form import examples

SLOW = {"RSA_3072", "RSA_4096"}  # making such a key takes longer than all the rest of a request
OUTPUTS = {name: MODEL.operation_model(name).output_shape for name in MODEL.operation_names}


@pytest.fixture(scope="module")
def shared() -> TestAccount:
    return new_account()


@pytest.fixture(scope="module")
def identifiers(shared: TestAccount) -> list[str]:
    """Names that requests may hit upon: keys of several kinds and states, an alias, and some that are nobody's."""
    kms = shared.client()
    made = [
        kms.create_key(**parameters)["KeyMetadata"]
        for parameters in (
            {},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
            {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
            {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
            {"KeySpec": "ECC_NIST_P256", "KeyUsage": "KEY_AGREEMENT"},
            {"KeySpec": "ML_KEM_768", "KeyUsage": "ENCAPSULATE_DECAPSULATE"},
            {"Origin": "EXTERNAL"},
            {"MultiRegion": True},
        )
    ]
    kms.create_alias(AliasName="alias/property", TargetKeyId=made[0]["KeyId"])
    return [
        *(key["KeyId"] for key in made),
        made[0]["Arn"],
        "alias/property",
        f"arn:aws:kms:us-east-1:{shared.account_id}:alias/property",
        "alias/aws/s3",
        "arn:aws:kms:us-east-1:111122223333:key/12345678-1234-1234-1234-123456789012",
        "arn:aws:kms:::key/",
        "arn:",
        "",
    ]


anything: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
blobs = st.binary(max_size=80).map(lambda content: base64.b64encode(content).decode())


def near(shape: Shape, names: list[str]) -> st.SearchStrategy[Any]:
    """JSON values that a shape takes, or nearly: members null, lengths and numbers beyond their bounds, now and then another type."""
    return st.one_of(_of(shape, names), _of(shape, names), _of(shape, names), anything)


def _of(shape: Shape, names: list[str]) -> st.SearchStrategy[Any]:
    if shape.type_name == "structure":
        members = {name: near(member, names) for name, member in shape.members.items()}
        required = {name: members.pop(name) for name in shape.required_members}
        return st.fixed_dictionaries(required, optional=members)
    if shape.type_name == "list":
        return st.lists(near(shape.member, names), max_size=3)
    if shape.type_name == "map":
        return st.dictionaries(st.text(max_size=8), near(shape.value, names), max_size=3)
    if shape.metadata.get("enum"):
        return st.sampled_from([value for value in shape.metadata["enum"] if value not in SLOW])
    scalars: dict[str, st.SearchStrategy[Any]] = {
        "blob": blobs,
        "boolean": st.booleans(),
        "integer": st.integers(min_value=-1, max_value=2600),
        "timestamp": st.floats(min_value=-1e18, max_value=1e18) | st.text(max_size=12),
    }
    named = st.sampled_from(names) if shape.name in ("KeyIdType", "AliasNameType") else st.nothing()
    return scalars.get(shape.type_name, named | st.text(max_size=20))


@given(data=st.data())
@settings(
    max_examples=examples(130, 400),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_request_of_any_operation_is_answered_or_refused_as_aws_does(
    shared: TestAccount, identifiers: list[str], data: st.DataObject
) -> None:
    operation = data.draw(st.sampled_from(MODEL.operation_names))
    shape = MODEL.operation_model(operation).input_shape
    body = data.draw(_of(shape, identifiers) if shape else st.just({}))
    status, answer = send(shared, operation, body)
    assert status in (200, 400), answer
    output = OUTPUTS[operation]
    assert set(answer) <= (set(output.members) if output else set()) if status == 200 else answer["__type"]


@given(st.sampled_from(MODEL.operation_names), st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
@settings(max_examples=examples(70, 200), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_answered_or_refused_as_aws_does(shared: TestAccount, operation: str, body: bytes) -> None:
    status, answer = send(shared, operation, body)
    assert status in (200, 400), answer


@given(data=st.data(), flips=st.lists(st.integers(min_value=0), min_size=1, max_size=3))
@settings(max_examples=examples(50, 150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_request_with_damaged_bytes_is_answered_or_refused_as_aws_does(
    shared: TestAccount, identifiers: list[str], data: st.DataObject, flips: list[int]
) -> None:
    operation = data.draw(st.sampled_from(["Encrypt", "CreateGrant", "TagResource", "ListKeys", "GenerateDataKey"]))
    shape = MODEL.operation_model(operation).input_shape
    body = bytearray(json.dumps(data.draw(_of(shape, identifiers))).encode())
    for flip in flips:
        body[flip // 8 % len(body)] ^= 1 << flip % 8
    status, answer = send(shared, operation, bytes(body))
    assert status in (200, 400), answer


@pytest.fixture(scope="module")
def untouched(prepared: Any) -> tuple[Any, str]:
    """A client and a key that no random request has come near."""
    account = new_account()
    return account.client(), account.create_key()


names = st.text(min_size=1, max_size=30)


@given(
    plaintext=st.binary(min_size=1, max_size=4096),
    context=st.dictionaries(names, st.text(max_size=30), max_size=6),
    other=st.dictionaries(names, st.text(max_size=30), max_size=6),
)
@settings(max_examples=examples(35, 100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_plaintext_comes_back_in_its_context_and_in_no_other(
    untouched: tuple[Any, str],
    plaintext: bytes,
    context: dict[str, str],
    other: dict[str, str],
) -> None:
    kms, key_id = untouched
    blob = kms.encrypt(KeyId=key_id, Plaintext=plaintext, EncryptionContext=context)["CiphertextBlob"]
    turned = dict(reversed(context.items()))
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned)["Plaintext"] == plaintext
    if other != context:
        assert refusal(kms.decrypt, CiphertextBlob=blob, EncryptionContext=other) == ("InvalidCiphertextException", "")
