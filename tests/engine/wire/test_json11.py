"""JSON 1.1: botocore writes the requests and reads the answers; AWS's wording of what is wrong with an input."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import json11, services
from engine.wire.errors import AWSError


def parse(operation: str, document: Any, service: str = "kms") -> dict[str, Any]:
    model = services.operation(service, operation)
    assert model is not None
    return json11.parse(service, model, document if isinstance(document, bytes) else json.dumps(document).encode())


def refusal(operation: str, document: Any, service: str = "kms") -> tuple[str, str]:
    with pytest.raises(AWSError) as caught:
        parse(operation, document, service)
    return caught.value.code, caught.value.message


def one(problem: str) -> tuple[str, str]:
    return "ValidationException", f"1 validation error detected: {problem}"


def through_botocore(service: str, operation: str, parameters: dict[str, Any]) -> bytes:
    model = services.operation(service, operation)
    body = create_serializer("json", include_validation=False).serialize_to_request(parameters, model)["body"]
    return body if isinstance(body, bytes) else body.encode()


def back_through_botocore(service: str, operation: str, result: dict[str, Any]) -> dict[str, Any]:
    model = services.operation(service, operation)
    assert model is not None
    body = json11.serialise(service, model, result)
    parsed = create_parser("json").parse({"status_code": 200, "headers": {}, "body": body}, model.output_shape)
    parsed.pop("ResponseMetadata", None)
    return parsed


@given(
    plaintext=st.binary(min_size=1, max_size=4096),
    context=st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=5),
)
def test_what_botocore_writes_is_read_back(plaintext: bytes, context: dict[str, str]) -> None:
    parameters = {"KeyId": "alias/a", "Plaintext": plaintext, "EncryptionContext": context, "DryRun": False}
    assert parse("Encrypt", through_botocore("kms", "Encrypt", parameters)) == parameters


def test_structures_lists_and_timestamps_that_botocore_writes_are_read_back() -> None:
    start = datetime(2024, 5, 17, 12, 30, tzinfo=UTC)
    parameters = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "Encrypt"}],
        "StartTime": start,
        "MaxResults": 5,
    }
    body = through_botocore("cloudtrail", "LookupEvents", parameters)
    assert parse("LookupEvents", body, "cloudtrail") == parameters


def test_answers_are_read_by_botocore() -> None:
    result = {
        "KeyMetadata": {
            "AWSAccountId": "111122223333",
            "KeyId": "1234",
            "CreationDate": datetime(2024, 5, 17, 12, 30, 1, 234000, tzinfo=timezone(timedelta(hours=2))),
            "Enabled": True,
            "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
            "MultiRegion": False,
        }
    }
    read = back_through_botocore("kms", "DescribeKey", result)
    assert read == result


@given(blob=st.binary(max_size=300))
def test_blobs_survive_the_way_out(blob: bytes) -> None:
    assert back_through_botocore("kms", "Decrypt", {"Plaintext": blob})["Plaintext"] == blob


def test_nulls_and_members_the_model_does_not_know_are_not_written() -> None:
    model = services.operation("kms", "Encrypt")
    assert model is not None
    assert json11.serialise("kms", model, {"KeyId": None, "CiphertextBlob": b"\0", "Secret": "x"}) == (
        b'{"CiphertextBlob":"AA=="}'
    )


def test_timestamps_are_written_as_seconds_with_milliseconds() -> None:
    model = services.operation("kms", "GetParametersForImport")
    assert model is not None
    moment = datetime(2024, 5, 17, 12, 30, 1, 234567, tzinfo=UTC)
    assert json11.serialise("kms", model, {"ParametersValidTo": moment}) == b'{"ParametersValidTo":1715949001.235}'


def test_an_operation_without_output_has_an_empty_body() -> None:
    model = services.operation("kms", "EnableKey")
    assert model is not None
    assert json11.serialise("kms", model, {}) == b""


def test_an_empty_body_is_an_empty_structure() -> None:
    assert parse("ListKeys", b"") == {}


def test_unknown_members_are_ignored_and_nulls_are_absent() -> None:
    assert parse("ListKeys", {"Limit": None, "Future": {"a": [1]}}) == {}


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b'{"a":1,}', b"null", b'"x"', b"1", b"\xff\xfe", b'{"KeyId":"\\ud800"}']
)
def test_a_body_that_is_no_json_object_has_no_message(body: bytes) -> None:
    assert refusal("DescribeKey", body) == ("SerializationException", "")


def test_deep_nesting_is_refused() -> None:
    assert refusal("DescribeKey", b"[" * 500_000)[0] == "SerializationException"
    assert refusal("CreateKey", b'{"Tags":' * 2000 + b"1" + b"}" * 2000)[0] == "SerializationException"


LIST = "Start of list found where not expected"
STRUCTURE = "Start of structure or map found where not expected."
WRONG_TYPES = [
    ("DescribeKey", [], LIST),
    ("DescribeKey", {"KeyId": 1}, "NUMBER_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": 1.5}, "NUMBER_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": True}, "TRUE_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": False}, "FALSE_VALUE can not be converted to a String"),
    ("DescribeKey", {"KeyId": ["a"]}, LIST),
    ("DescribeKey", {"KeyId": {}}, STRUCTURE),
    ("ListKeys", {"Limit": "1"}, "STRING_VALUE can not be converted to an Integer"),
    ("ListKeys", {"Limit": True}, "TRUE_VALUE can not be converted to an Integer"),
    ("ListKeys", {"Limit": [1]}, LIST),
    ("Encrypt", {"DryRun": "yes"}, "STRING_VALUE can not be converted to a Boolean"),
    ("Encrypt", {"DryRun": 1}, "NUMBER_VALUE can not be converted to a Boolean"),
    ("Encrypt", {"Plaintext": 1}, "NUMBER_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": "secret!"}, "STRING_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": "YQ"}, "STRING_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": "YQ==YQ=="}, "STRING_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": "YQ==\n"}, "STRING_VALUE can not be converted to a Blob"),
    ("Encrypt", {"Plaintext": "é==="}, "STRING_VALUE can not be converted to a Blob"),
    ("Encrypt", {"EncryptionContext": "a"}, "Expected map or null"),
    ("Encrypt", {"EncryptionContext": ["a"]}, LIST),
    ("Encrypt", {"EncryptionContext": {"a": 1}}, "NUMBER_VALUE can not be converted to a String"),
    ("Encrypt", {"GrantTokens": "a"}, "Expected list or null"),
    ("Encrypt", {"GrantTokens": {}}, STRUCTURE),
    ("TagResource", {"Tags": ["a"]}, "Expected null"),
    ("TagResource", {"Tags": [["a"]]}, LIST),
    ("ImportKeyMaterial", {"ValidTo": "tomorrow"}, "STRING_VALUE can not be converted to milliseconds since epoch"),
    ("ImportKeyMaterial", {"ValidTo": 1e300}, "NUMBER_VALUE can not be converted to milliseconds since epoch"),
    ("ImportKeyMaterial", {"ValidTo": True}, "TRUE_VALUE can not be converted to milliseconds since epoch"),
]


@pytest.mark.parametrize(("operation", "document", "message"), WRONG_TYPES)
def test_wrong_types_are_named_without_their_value(operation: str, document: Any, message: str) -> None:
    assert refusal(operation, document) == ("SerializationException", message)


def test_a_wrong_type_comes_before_a_missing_member() -> None:
    assert refusal("Encrypt", {"DryRun": 1})[0] == "SerializationException"


def test_the_fraction_of_a_number_is_cut_off() -> None:
    assert parse("ListKeys", {"Limit": 5.9}) == {"Limit": 5}


@pytest.mark.parametrize("number", [2**31, 2**63, 2**70, 1e20, -(2**64)])
def test_numbers_out_of_range_are_a_matter_of_validation(number: float) -> None:
    assert refusal("ListKeys", {"Limit": number})[0] == "ValidationException"


def test_a_number_too_large_for_a_double_is_no_json() -> None:
    assert refusal("ListKeys", b'{"Limit": 1e400}') == ("SerializationException", "")


@pytest.mark.parametrize(
    "moment", [1715949001, 1715949001.0, "2024-05-17T12:30:01Z", "2024-05-17T14:30:01+02:00", "2024-05-17T12:30:01"]
)
def test_timestamps_come_as_numbers_or_iso_8601(moment: Any) -> None:
    body = {"KeyId": "a", "ImportToken": "YQ==", "EncryptedKeyMaterial": "YQ==", "ValidTo": moment}
    assert parse("ImportKeyMaterial", body)["ValidTo"] == datetime(2024, 5, 17, 12, 30, 1, tzinfo=UTC)


BLOB = base64.b64encode(b"x").decode()
KEY = "00000000-0000-0000-0000-000000000000"
TOO_LONG = base64.b64encode(bytes(4097)).decode()
ASCII = r"Member must satisfy regular expression pattern: ^\p{ASCII}+$"
VIOLATIONS = [
    ("DescribeKey", {}, "Value null at 'keyId' failed to satisfy constraint: Member must not be null"),
    ("Encrypt", {"KeyId": KEY}, "Value at 'plaintext' failed to satisfy constraint: Member must not be null"),
    (
        "Encrypt",
        {"KeyId": KEY, "Plaintext": ""},
        "Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ),
    (
        "Encrypt",
        {"KeyId": KEY, "Plaintext": TOO_LONG},
        "Value at 'plaintext' failed to satisfy constraint: Member must have length less than or equal to 4096",
    ),
    (
        "Decrypt",
        {"CiphertextBlob": ""},
        "Value at 'ciphertextBlob' failed to satisfy constraint: Member must have length greater than or equal to 1",
    ),
    (
        "Verify",
        {"KeyId": KEY, "Message": BLOB, "SigningAlgorithm": "ECDSA_SHA_256"},
        "Value null at 'signature' failed to satisfy constraint: Member must not be null",
    ),
    (
        "Sign",
        {"KeyId": KEY, "Message": BLOB, "SigningAlgorithm": "ECDSA_SHA_256", "MessageType": "FOO"},
        "Value 'FOO' at 'messageType' failed to satisfy constraint: Member must satisfy enum value set: "
        "[RAW, DIGEST, EXTERNAL_MU]",
    ),
    (
        "GenerateDataKey",
        {"KeyId": KEY, "NumberOfBytes": 0},
        "Value '0' at 'numberOfBytes' failed to satisfy constraint: Member must have value greater than or equal to 1",
    ),
    (
        "GenerateDataKey",
        {"KeyId": KEY, "NumberOfBytes": 1025},
        "Value '1025' at 'numberOfBytes' failed to satisfy constraint: Member must have value less than or equal to 1024",
    ),
    (
        "GenerateDataKey",
        {"KeyId": KEY, "KeySpec": "AES_257"},
        "Value 'AES_257' at 'keySpec' failed to satisfy constraint: Member must satisfy enum value set: "
        "[AES_256, AES_128]",
    ),
    (
        "CreateAlias",
        {"AliasName": "alias/my alias", "TargetKeyId": KEY},
        "Value 'alias/my alias' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression "
        "pattern: ^[a-zA-Z0-9:/_-]+$",
    ),
    (
        "CreateAlias",
        {"AliasName": "alias/a\n", "TargetKeyId": KEY},
        "Value 'alias/a\n' at 'aliasName' failed to satisfy constraint: Member must satisfy regular expression "
        "pattern: ^[a-zA-Z0-9:/_-]+$",
    ),
    ("DescribeKey", {"KeyId": "キー"}, f"Value 'キー' at 'keyId' failed to satisfy constraint: {ASCII}"),
    (
        "TagResource",
        {"KeyId": KEY, "Tags": [{"TagKey": "a", "TagValue": "b"}, {"TagKey": "a"}]},
        "Value null at 'tags.2.member.tagValue' failed to satisfy constraint: Member must not be null",
    ),
    (
        "Encrypt",
        {"KeyId": KEY, "Plaintext": BLOB, "GrantTokens": ["a", ""]},
        "Value '[a, ]' at 'grantTokens' failed to satisfy constraint: Member must satisfy constraint: [Member must have "
        "length less than or equal to 8192, Member must have length greater than or equal to 1]",
    ),
    (
        "Encrypt",
        {"KeyId": KEY, "Plaintext": BLOB, "GrantTokens": list("abcdefghijk")},
        "Value '[a, b, c, d, e, f, g, h, i, j, k]' at 'grantTokens' failed to satisfy constraint: Member must have "
        "length less than or equal to 10",
    ),
    (
        "Encrypt",
        {"KeyId": KEY, "Plaintext": BLOB, "EncryptionContext": {"a": None}},
        "Value '{a=null}' at 'encryptionContext' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must not be null]",
    ),
]


@pytest.mark.parametrize(("operation", "document", "problem"), VIOLATIONS)
def test_a_broken_constraint_is_worded_as_aws_words_it(operation: str, document: Any, problem: str) -> None:
    assert refusal(operation, document) == one(problem)


def test_all_violations_are_answered_at_once_in_the_models_order() -> None:
    assert refusal("GetPublicKey", {"KeyId": ""}) == (
        "ValidationException",
        "2 validation errors detected: Value '' at 'keyId' failed to satisfy constraint: Member must have length greater "
        f"than or equal to 1; Value '' at 'keyId' failed to satisfy constraint: {ASCII}",
    )
    assert refusal("CreateAlias", {}) == (
        "ValidationException",
        "2 validation errors detected: Value null at 'aliasName' failed to satisfy constraint: Member must not be null; "
        "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null",
    )


def test_at_most_ten_violations_are_named() -> None:
    tags = [{"TagKey": "a"}] * 20
    message = refusal("TagResource", {"KeyId": KEY, "Tags": tags})[1]
    assert message.startswith("10 validation errors detected: ")
    assert message.count("Member must not be null") == 10


JSON_OPERATIONS = [
    (service, name)
    for service, names in {
        "kms": sorted(services.model("kms").operation_names),
        "cloudtrail": ["LookupEvents", "CreateTrail", "PutEventSelectors", "StartQuery"],
    }.items()
    for name in names
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def outcome(operation: tuple[str, str], body: bytes) -> str:
    """What becomes of a body: "parsed", or the code of its refusal; any other exception is the test's failure."""
    try:
        parse(operation[1], body, operation[0])
    except AWSError as error:
        return error.code
    return "parsed"


@given(operation=st.sampled_from(JSON_OPERATIONS), body=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_an_aws_error(operation: tuple[str, str], body: bytes) -> None:
    assert outcome(operation, body) in ("parsed", "SerializationException", "ValidationException")


@given(data=st.data(), operation=st.sampled_from(JSON_OPERATIONS))
def test_no_json_in_any_member_raises_anything_but_an_aws_error(
    data: st.DataObject, operation: tuple[str, str]
) -> None:
    shape = services.operation(*operation).input_shape  # type: ignore[union-attr]
    members = list(shape.members) if shape is not None else []
    document = data.draw(st.dictionaries(st.sampled_from(members), JSON, max_size=4) if members else JSON)
    assert outcome(operation, json.dumps(document).encode()) in (
        "parsed",
        "SerializationException",
        "ValidationException",
    )
