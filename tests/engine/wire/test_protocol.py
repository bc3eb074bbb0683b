"""Which requests are AWS's, what they ask for, and how answers and refusals look to the callers of either protocol."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import orjson
import pytest
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from engine.wire import protocol, services
from engine.wire.errors import AWSError
from engine.wire.http import MAX_BODY, HttpRequest, HttpResponse
from engine.wire.recognise import Call, is_aws_request, recognise

FORM = "application/x-www-form-urlencoded"


def json_request(target: str = "TrentService.ListKeys", body: bytes = b"{}") -> HttpRequest:
    return HttpRequest("POST", "/", "", {"x-amz-target": target, "content-type": "application/x-amz-json-1.1"}, body)


def form_request(body: str, **headers: str) -> HttpRequest:
    return HttpRequest("POST", "/", "", {"content-type": FORM, "host": "localhost:8000", **headers}, body.encode())


def scoped(service: str) -> str:
    return (
        f"AWS4-HMAC-SHA256 Credential=AKID/20240517/eu-west-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
    )


def refusal(request: HttpRequest) -> AWSError:
    with pytest.raises(AWSError) as caught:
        recognise(request)
    return caught.value


def refused(error: AWSError, request: HttpRequest, call: Call | None = None) -> tuple[HttpResponse, dict[str, Any]]:
    """The answer, and how botocore reads it."""
    response = protocol.refuse(call, error, "the-id", request)
    kind = "json" if dict(response.headers)["Content-Type"] == "application/x-amz-json-1.1" else "query"
    read = create_parser(kind).parse(
        {"status_code": response.status, "headers": dict(response.headers), "body": response.body}, None
    )
    return response, read


AWS_REQUESTS = [
    ("POST", "/", {"x-amz-target": "TrentService.Encrypt"}, ""),
    ("POST", "/", {"x-amz-target": "Unknown"}, ""),
    ("POST", "/", {"content-type": "application/x-amz-json-1.1"}, ""),
    ("POST", "/", {"content-type": FORM}, ""),
    ("POST", "/", {"content-type": f"{FORM}; charset=utf-8"}, ""),
    ("POST", "/anything", {"authorization": scoped("kms")}, ""),
    ("GET", "/", {"authorization": scoped("sts")}, ""),
    ("GET", "/", {}, "Action=GetCallerIdentity&Version=2011-06-15"),
    ("GET", "/", {}, "Action=GetCallerIdentity&X-Amz-Algorithm=AWS4-HMAC-SHA256"),
]
PAGES = [
    ("GET", "/", {}, ""),
    ("GET", "/keys/", {}, "Action=x&Version=1"),
    ("POST", "/keys/new/labels/", {"content-type": FORM}, ""),
    ("POST", "/keys/", {"authorization": "Bearer x", "content-type": FORM}, ""),
    ("GET", "/", {"authorization": "Basic x"}, "q=Action"),
]


@pytest.mark.parametrize("request_", AWS_REQUESTS)
def test_aws_requests_go_to_the_engine(request_: tuple[str, str, dict[str, str], str]) -> None:
    assert is_aws_request(*request_)


@pytest.mark.parametrize("request_", PAGES)
def test_all_else_is_the_consoles(request_: tuple[str, str, dict[str, str], str]) -> None:
    assert not is_aws_request(*request_)


@pytest.mark.parametrize(
    ("target", "service"),
    [
        ("TrentService.Encrypt", "kms"),
        ("com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents", "cloudtrail"),
        ("CloudTrail_20131101.LookupEvents", "cloudtrail"),
    ],
)
def test_a_target_names_service_and_operation(target: str, service: str) -> None:
    call = recognise(json_request(target))
    assert (call.service, call.operation.name, call.protocol) == (service, target.rpartition(".")[2], "json")


@pytest.mark.parametrize(
    "target",
    ["", "Encrypt", "TrentService", "TrentService.", "TrentService.encrypt", "TrentService.Nope", "X.Encrypt", "."],
)
def test_an_unknown_target_is_an_unknown_operation_without_a_message(target: str) -> None:
    error = refusal(json_request(target))
    response, read = refused(error, json_request(target))
    assert response.status == 400
    assert orjson.loads(response.body) == {"__type": "UnknownOperationException"}
    assert read["Error"]["Code"] == "UnknownOperationException"


def test_every_operation_of_the_models_is_recognised() -> None:
    for service in services.SERVICES.values():
        for name in services.model(service.name).operation_names:
            if service.protocol == "json":
                request = json_request(f"{service.target_prefixes[0]}.{name}")
            else:
                request = form_request(urlencode({"Action": name, "Version": service.version}))
            call = recognise(request)
            assert (call.service, call.operation.name) == (service.name, name)


def test_the_service_of_a_query_request_is_told_by_scope_then_version_then_host() -> None:
    body = "Action=GetCallerIdentity&Version=2011-06-15"
    assert recognise(form_request(body)).service == "sts"
    assert recognise(form_request(body, authorization=scoped("sts"))).service == "sts"
    assert refusal(form_request(body, authorization=scoped("iam"))).code == "InvalidAction"
    error = refusal(form_request("Action=GetUser", host="iam.amazonaws.com"))
    assert error.message == "Could not find operation GetUser for version NO_VERSION_SPECIFIED"


def test_a_query_request_may_come_in_the_url() -> None:
    query = "Action=ListUsers&Version=2010-05-08&MaxItems=7"
    request = HttpRequest("GET", "/", query, {"host": "localhost"}, b"")
    call = recognise(request)
    assert (call.service, protocol.parse(call, request)) == ("iam", {"MaxItems": 7})


def test_of_a_parameter_sent_twice_the_first_counts() -> None:
    call = recognise(form_request("Action=GetCallerIdentity&Action=No&Version=2011-06-15&Version=2000-01-01"))
    assert call.operation.name == "GetCallerIdentity"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("Action=No&Version=2011-06-15", "Could not find operation No for version 2011-06-15"),
        ("Action=&Version=2011-06-15", "Could not find operation  for version 2011-06-15"),
        ("Action=GetUser&Version=2000-01-01", "Could not find operation GetUser for version 2000-01-01"),
        ("Action=GetUser&Version=", "Could not find operation GetUser for version "),
    ],
)
def test_an_unknown_action_is_answered_in_xml(body: str, message: str) -> None:
    request = form_request(body)
    response, read = refused(refusal(request), request)
    assert (response.status, read["Error"]["Code"], read["Error"]["Message"]) == (400, "InvalidAction", message)
    assert read["ResponseMetadata"]["RequestId"] == "the-id"


def test_a_form_without_an_action_misses_it() -> None:
    assert refusal(form_request("Version=2011-06-15")).code == "MissingAction"


@pytest.mark.parametrize("body", [b"Action=%ff&Version=2011-06-15", b"Action=\xff", b"a=1&" * 20_000])
def test_a_form_that_cannot_be_read_is_malformed(body: bytes) -> None:
    assert refusal(HttpRequest("POST", "/", "", {"content-type": FORM}, body)).code == "MalformedQueryString"


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (json_request(body=b"x" * (MAX_BODY + 1)), "RequestEntityTooLargeException"),
        (form_request("x" * (MAX_BODY + 1)), "RequestEntityTooLarge"),
    ],
)
def test_an_oversized_body_is_refused_in_the_callers_protocol(request_: HttpRequest, code: str) -> None:
    response, read = refused(refusal(request_), request_)
    assert (response.status, read["Error"]["Code"]) == (413, code)


COMMON = [
    ("AccessDeniedException", 400, "AccessDeniedException", 403, "AccessDenied"),
    ("UnrecognizedClientException", 400, "UnrecognizedClientException", 403, "InvalidClientTokenId"),
    ("InvalidSignatureException", 400, "InvalidSignatureException", 403, "SignatureDoesNotMatch"),
    (
        "MissingAuthenticationTokenException",
        400,
        "MissingAuthenticationTokenException",
        403,
        "MissingAuthenticationToken",
    ),
    ("IncompleteSignatureException", 400, "IncompleteSignatureException", 400, "IncompleteSignature"),
    ("ExpiredTokenException", 400, "ExpiredTokenException", 403, "ExpiredToken"),
    ("ValidationException", 400, "ValidationException", 400, "ValidationError"),
    ("ValidationError", 400, "ValidationException", 400, "ValidationError"),
    ("ThrottlingException", 400, "ThrottlingException", 400, "Throttling"),
    ("KMSInternalException", 500, "KMSInternalException", 500, "InternalFailure"),
]


@pytest.mark.parametrize(("code", "json_status", "json_code", "query_status", "query_code"), COMMON)
def test_common_errors_are_spelled_as_each_protocol_spells_them(
    code: str, json_status: int, json_code: str, query_status: int, query_code: str
) -> None:
    error = AWSError(code, "why")
    request = json_request()
    response, read = refused(error, request, recognise(request))
    assert (response.status, read["Error"]) == (json_status, {"Code": json_code, "Message": "why"})
    request = form_request("Action=GetCallerIdentity&Version=2011-06-15")
    response, read = refused(error, request, recognise(request))
    kind = "Sender" if query_status < 500 else "Receiver"
    assert (response.status, read["Error"]) == (query_status, {"Type": kind, "Code": query_code, "Message": "why"})


@pytest.mark.parametrize(
    ("body", "raised", "status", "code"),
    [
        ("Action=GetUser&Version=2010-05-08", "NoSuchEntityException", 404, "NoSuchEntity"),
        ("Action=GetUser&Version=2010-05-08", "NoSuchEntity", 404, "NoSuchEntity"),
        ("Action=GetUser&Version=2010-05-08", "EntityAlreadyExists", 409, "EntityAlreadyExists"),
        ("Action=GetUser&Version=2010-05-08", "MalformedPolicyDocument", 400, "MalformedPolicyDocument"),
        ("Action=GetUser&Version=2010-05-08", "LimitExceededException", 409, "LimitExceeded"),
    ],
)
def test_modelled_query_errors_have_the_models_code_and_status(body: str, raised: str, status: int, code: str) -> None:
    request = form_request(body)
    response, read = refused(AWSError(raised, "x"), request, recognise(request))
    assert (response.status, read["Error"]["Code"]) == (status, code)
    root = ElementTree.fromstring(response.body)
    assert root.tag == "{https://iam.amazonaws.com/doc/2010-05-08/}ErrorResponse"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NotFoundException", 400),
        ("DisabledException", 400),
        ("KeyUnavailableException", 500),
        ("DependencyTimeoutException", 500),
        ("KMSInternalException", 500),
    ],
)
def test_modelled_kms_errors_are_400_or_a_fault(code: str, status: int) -> None:
    response = protocol.refuse(recognise(json_request()), AWSError(code, "why"), "the-id", json_request())
    assert (response.status, orjson.loads(response.body)) == (status, {"__type": code, "message": "why"})


def test_a_fault_of_ours_has_the_services_own_name() -> None:
    request = json_request("CloudTrail_20131101.LookupEvents")
    response = protocol.refuse(recognise(request), AWSError("KMSInternalException", "why"), "the-id", request)
    assert (response.status, orjson.loads(response.body)["__type"]) == (500, "InternalFailure")


def test_a_given_status_counts() -> None:
    assert protocol.refuse(None, AWSError("Odd", status=418), "the-id", json_request()).status == 418


def test_answers_carry_request_id_length_and_are_never_cached() -> None:
    request = json_request("TrentService.Decrypt")
    response = protocol.answer(recognise(request), {"Plaintext": b"x"}, "the-id")
    headers = dict(response.headers)
    assert headers["x-amzn-RequestId"] == "the-id"
    assert headers["Content-Type"] == "application/x-amz-json-1.1"
    assert headers["Content-Length"] == str(len(response.body))
    assert "no-store" in headers["Cache-Control"]
    request = form_request("Action=GetCallerIdentity&Version=2011-06-15")
    answer = protocol.answer(recognise(request), {"Account": "111122223333"}, "the-id")
    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, "text/xml")


def test_the_protocol_of_an_unrecognised_request_is_told_from_the_request() -> None:
    xml = [form_request(""), HttpRequest("POST", "/", "", {"authorization": scoped("iam")}, b"")]
    xml.append(HttpRequest("GET", "/", "X-Amz-Credential=A%2F1%2Fr%2Fsts%2Faws4_request&X-Amz-Date=1", {}, b""))
    for request in xml:
        assert dict(protocol.refuse(None, AWSError("X"), "id", request).headers)["Content-Type"] == "text/xml"
    for request in [json_request(), HttpRequest("POST", "/", "", {"authorization": scoped("kms")}, b"")]:
        assert protocol.refuse(None, AWSError("X"), "id", request).body == b'{"__type":"X"}'


HEADER = st.text(st.characters(max_codepoint=255), max_size=40)


@given(
    query=HEADER,
    headers=st.dictionaries(
        st.sampled_from(["x-amz-target", "content-type", "authorization", "host"]), HEADER | st.just(FORM)
    ),
    body=st.binary(max_size=80) | st.just(b"Action=GetUser&Version=2010-05-08"),
)
def test_no_request_gets_anything_but_a_call_or_an_aws_error(query: str, headers: dict[str, str], body: bytes) -> None:
    request = HttpRequest("POST", "/", query, headers, body)
    try:
        call = recognise(request)
        protocol.parse(call, request)
    except AWSError as error:
        response = protocol.refuse(None, error, "id", request)
        assert response.status in (400, 404, 413)
