"""The Query protocol: botocore writes the forms and reads the XML; the wording of IAM's and STS's validation errors."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import query, services
from engine.wire.errors import AWSError


def parse(operation: str, form: dict[str, str], service: str = "iam") -> dict[str, Any]:
    model = services.operation(service, operation)
    assert model is not None
    return query.parse(service, model, form)


def refusal(operation: str, form: dict[str, str], service: str = "iam") -> tuple[str, str]:
    with pytest.raises(AWSError) as caught:
        parse(operation, form, service)
    return caught.value.code, caught.value.message


def one(problem: str) -> tuple[str, str]:
    return "ValidationException", f"1 validation error detected: {problem}"


def written_by_botocore(service: str, operation: str, parameters: dict[str, Any]) -> dict[str, str]:
    model = services.operation(service, operation)
    body = create_serializer("query", include_validation=False).serialize_to_request(parameters, model)["body"]
    return {name: str(value) for name, value in body.items()}


def read_by_botocore(body: bytes, model: Any, status: int = 200) -> dict[str, Any]:
    return create_parser("query").parse({"status_code": status, "headers": {}, "body": body}, model)


@given(
    tags=st.lists(
        st.fixed_dictionaries(
            {"Key": st.text("abcé_.:/=+-@ ", min_size=1, max_size=9), "Value": st.text("abc9 ", max_size=9)}
        ),
        max_size=12,
    )
)
def test_what_botocore_writes_is_read_back(tags: list[dict[str, str]]) -> None:
    parameters = {"UserName": "alice", "Path": "/team/", "Tags": tags}
    assert parse("CreateUser", written_by_botocore("iam", "CreateUser", parameters)) == parameters


def test_every_type_that_botocore_writes_is_read_back() -> None:
    simulation = {
        "PolicyInputList": ["{}", "[]"],
        "ActionNames": ["kms:Encrypt"],
        "ContextEntries": [
            {"ContextKeyName": "aws:a", "ContextKeyValues": ["1", "2"], "ContextKeyType": "stringList"},
            {"ContextKeyName": "aws:b", "ContextKeyValues": [], "ContextKeyType": "string"},
        ],
        "MaxItems": 5,
    }
    form = written_by_botocore("iam", "SimulateCustomPolicy", simulation)
    assert parse("SimulateCustomPolicy", form) == simulation
    session = {"RoleArn": "arn:aws:iam::111122223333:role/a", "RoleSessionName": "ss", "DurationSeconds": 900}
    assert parse("AssumeRole", written_by_botocore("sts", "AssumeRole", session), "sts") == session
    password = {"UserName": "a", "Password": "p", "PasswordResetRequired": True}
    assert parse("CreateLoginProfile", written_by_botocore("iam", "CreateLoginProfile", password)) == password


def test_members_are_ordered_by_their_number() -> None:
    form = {f"ActionNames.member.{number}": f"a:{number}" for number in (10, 2, 1)}
    form["PolicyInputList.member.1"] = "{}"
    assert parse("SimulateCustomPolicy", form)["ActionNames"] == ["a:1", "a:2", "a:10"]


def test_parameters_the_model_does_not_know_are_ignored() -> None:
    form = {"Action": "GetUser", "Version": "2010-05-08", "X": "1", "UserName.x.y": "1", "a" + ".b" * 100: "1", "": "1"}
    assert parse("ListUsers", form) == {}


def test_answers_are_read_by_botocore() -> None:
    model = services.operation("iam", "SimulateCustomPolicy")
    assert model is not None
    result = {
        "EvaluationResults": [
            {
                "EvalActionName": "kms:Encrypt",
                "EvalDecision": "allowed",
                "MatchedStatements": [{"SourcePolicyId": "<a & b>", "StartPosition": {"Line": 1, "Column": 2}}],
                "MissingContextValues": [],
                "EvalDecisionDetails": {"one": "allowed", "two": "explicitDeny"},
                "OrganizationsDecisionDetail": {"AllowedByOrganizations": False},
            }
        ],
        "IsTruncated": False,
    }
    read = read_by_botocore(query.serialise("iam", model, result, "the-id"), model.output_shape)
    assert read.pop("ResponseMetadata")["RequestId"] == "the-id"
    assert read == result


def test_timestamps_are_written_in_whole_seconds_of_utc() -> None:
    model = services.operation("iam", "GetUser")
    assert model is not None
    user = {"UserName": "a", "CreateDate": datetime(2024, 5, 17, 12, 30, 1, 999999, tzinfo=UTC)}
    assert b"<CreateDate>2024-05-17T12:30:01Z</CreateDate>" in query.serialise("iam", model, {"User": user}, "id")


def test_an_operation_without_output_has_no_result_element() -> None:
    model = services.operation("iam", "DeleteUser")
    assert model is not None
    assert query.serialise("iam", model, {}, "the-id") == (
        b'<DeleteUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        b"<ResponseMetadata><RequestId>the-id</RequestId></ResponseMetadata></DeleteUserResponse>"
    )


def test_the_answer_is_in_the_services_namespace() -> None:
    model = services.operation("sts", "GetCallerIdentity")
    assert model is not None
    root = ElementTree.fromstring(query.serialise("sts", model, {"Account": "1"}, "id"))
    assert root.tag == "{https://sts.amazonaws.com/doc/2011-06-15/}GetCallerIdentityResponse"
    assert [child.tag.split("}")[1] for child in root] == ["GetCallerIdentityResult", "ResponseMetadata"]


@given(text=st.text(max_size=40))
def test_any_string_makes_well_formed_xml(text: str) -> None:
    model = services.operation("sts", "GetCallerIdentity")
    assert model is not None
    root = ElementTree.fromstring(query.serialise("sts", model, {"Arn": text}, "id"))
    ElementTree.fromstring(query.serialise_error("", "Code", text, 400, "id"))
    if all(character.isprintable() or character in "\t\n\r" for character in text):
        assert root[0][0].text == (text or None)


# A flattened list, a flattened map, renamed members and a blob are in no model that is served, but belong to the protocol.
PROTOCOL = ServiceModel(
    {
        "metadata": {"protocol": "query", "xmlNamespace": "urn:x", "apiVersion": "1"},
        "operations": {
            "Op": {
                "name": "Op",
                "http": {},
                "input": {"shape": "All"},
                "output": {"shape": "All", "resultWrapper": "OpResult"},
            }
        },
        "shapes": {
            "All": {
                "type": "structure",
                "members": {
                    "Flat": {"shape": "FlatList"},
                    "Named": {"shape": "NamedList", "locationName": "names"},
                    "Map": {"shape": "Map"},
                    "FlatMap": {"shape": "FlatMap"},
                    "Blob": {"shape": "Blob"},
                    "Float": {"shape": "Double"},
                    "Time": {"shape": "Time"},
                    "Self": {"shape": "All"},
                },
            },
            "FlatList": {"type": "list", "member": {"shape": "Text", "locationName": "Item"}, "flattened": True},
            "NamedList": {"type": "list", "member": {"shape": "Text", "locationName": "name"}},
            "Map": {"type": "map", "key": {"shape": "Text"}, "value": {"shape": "Text"}},
            "FlatMap": {
                "type": "map",
                "key": {"shape": "Text", "locationName": "K"},
                "value": {"shape": "Text", "locationName": "V"},
                "flattened": True,
            },
            "Text": {"type": "string"},
            "Blob": {"type": "blob"},
            "Double": {"type": "double"},
            "Time": {"type": "timestamp"},
        },
    },
    "x",
)


def test_flattened_and_renamed_collections_go_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "model", lambda name: PROTOCOL)
    monkeypatch.setattr(query, "validate", lambda *unused: None)
    model = PROTOCOL.operation_model("Op")
    value = {
        "Flat": ["a", "b"],
        "Named": ["c", "d"],
        "Map": {"k": "v", "l": "w"},
        "FlatMap": {"x": "y"},
        "Blob": b"\0\1",
        "Float": 1.5,
        "Time": datetime(2024, 5, 17, 12, 30, tzinfo=UTC),
        "Self": {"Flat": ["e"]},
    }
    form = create_serializer("query", include_validation=False).serialize_to_request(value, model)["body"]
    assert query.parse("x", model, {name: str(each) for name, each in form.items()}) == value
    read = read_by_botocore(query.serialise("x", model, value, "id"), model.output_shape)
    read.pop("ResponseMetadata")
    assert read == value


MALFORMED = [
    ("ListUsers", {"MaxItems": "ten"}, "STRING_VALUE can not be converted to an Integer"),
    ("ListUsers", {"MaxItems": "１"}, "STRING_VALUE can not be converted to an Integer"),
    ("ListUsers", {"MaxItems": "9" * 30}, "STRING_VALUE can not be converted to an Integer"),
    ("ListUsers", {"MaxItems.x": "1"}, "Start of structure or map found where not expected."),
    ("CreateLoginProfile", {"PasswordResetRequired": "yes"}, "STRING_VALUE can not be converted to a Boolean"),
    ("CreateUser", {"Tags": "x"}, "Unexpected list element termination"),
    ("CreateUser", {"Tags.member": "x"}, "Unexpected list element termination"),
    ("CreateUser", {"Tags.member.x.Key": "x"}, "x is not a valid index"),
]


@pytest.mark.parametrize(("operation", "form", "message"), MALFORMED)
def test_a_form_that_does_not_fit_the_model_is_malformed_input(
    operation: str, form: dict[str, str], message: str
) -> None:
    assert refusal(operation, form) == ("MalformedInput", message)


PATTERN = r"Member must satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]"
VIOLATIONS = [
    ("iam", "CreateUser", {}, "Value at 'userName' failed to satisfy constraint: Member must not be null"),
    (
        "iam",
        "CreateUser",
        {"UserName": "a" * 65},
        "Value at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64",
    ),
    (
        "iam",
        "CreateUser",
        {"UserName": "a", "Tags.member.1.Key": "bad*key", "Tags.member.1.Value": "v"},
        f"Value at 'tags.1.member.key' failed to satisfy constraint: {PATTERN}+",
    ),
    (
        "iam",
        "UpdateAccessKey",
        {"AccessKeyId": "A" * 20, "Status": "Off"},
        "Value at 'status' failed to satisfy constraint: Member must satisfy enum value set",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "r" * 20, "RoleSessionName": "b" * 65},
        f"Value '{'b' * 65}' at 'roleSessionName' failed to satisfy constraint: Member must have length less than or "
        "equal to 64",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "r" * 20, "RoleSessionName": "a b"},
        "Value 'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: "
        r"[\w+=,.@-]*",
    ),
    (
        "sts",
        "AssumeRole",
        {"RoleArn": "r" * 20, "RoleSessionName": "bb", "DurationSeconds": "43201"},
        "Value '43201' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to "
        "43200",
    ),
]


@pytest.mark.parametrize(("service", "operation", "form", "problem"), VIOLATIONS)
def test_a_broken_constraint_is_worded_as_aws_words_it(
    service: str, operation: str, form: dict[str, str], problem: str
) -> None:
    assert refusal(operation, form, service) == one(problem)


@pytest.mark.parametrize(
    ("operation", "form", "message"),
    [
        (
            "CreateGroup",
            {"GroupName": "MY KMS GROUP"},
            "The specified value for groupName is invalid. It must contain only alphanumeric characters and/or the "
            "following: +=,.@_-",
        ),
        (
            "CreateUser",
            {"UserName": "alice", "Path": "bad"},
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric "
            "characters and/or / characters.",
        ),
    ],
)
def test_iam_names_the_characters_a_name_or_path_may_have(operation: str, form: dict[str, str], message: str) -> None:
    assert refusal(operation, form) == ("ValidationException", message)


def test_letters_of_any_script_are_letters_in_tags() -> None:
    form = {"UserName": "a", "Tags.member.1.Key": "Größe キー 5", "Tags.member.1.Value": ""}
    assert parse("CreateUser", form)["Tags"] == [{"Key": "Größe キー 5", "Value": ""}]


QUERY_OPERATIONS = [(name, each) for name in ("iam", "sts") for each in sorted(services.model(name).operation_names)]
PARTS = st.sampled_from(
    ["UserName", "Tags", "member", "entry", "1", "2", "Key", "Value", "key", "PolicyArns", "", "x", "DurationSeconds"]
)


@given(
    operation=st.sampled_from(QUERY_OPERATIONS),
    form=st.dictionaries(st.lists(PARTS, min_size=1, max_size=5).map(".".join), st.text(max_size=9), max_size=8),
)
def test_no_form_raises_anything_but_an_aws_error(operation: tuple[str, str], form: dict[str, str]) -> None:
    try:
        parse(operation[1], form, operation[0])
    except AWSError as error:
        code = error.code
    else:
        code = "parsed"
    assert code in ("parsed", "MalformedInput", "ValidationException")


@given(data=st.data(), operation=st.sampled_from(QUERY_OPERATIONS))
def test_no_value_of_any_member_raises_anything_but_an_aws_error(
    data: st.DataObject, operation: tuple[str, str]
) -> None:
    shape = services.operation(*operation).input_shape  # type: ignore[union-attr]
    members = list(shape.members) if shape is not None and shape.members else ["X"]
    names = st.sampled_from(members).flatmap(
        lambda member: st.sampled_from(
            [member, f"{member}.member.1", f"{member}.member.1.Key", f"{member}.entry.1.key"]
        )
    )
    form = data.draw(
        st.dictionaries(names, st.text(max_size=9) | st.sampled_from(["1", "true", "a", "YQ=="]), max_size=5)
    )
    assert urlencode(form) is not None
    try:
        parse(operation[1], form, operation[0])
    except AWSError as error:
        code = error.code
    else:
        code = "parsed"
    assert code in ("parsed", "MalformedInput", "ValidationException")
