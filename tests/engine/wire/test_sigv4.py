"""Signature Version 4: AWS's published examples, botocore as the independent signer, and every way a signature can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from engine import clock
from engine.wire import sigv4
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIDEXAMPLE"
MISMATCH = sigv4._MISMATCH


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[datetime], None]:
    def set_time(moment: datetime) -> None:
        monkeypatch.setattr(clock, "real_now", lambda: moment)

    return set_time


def signed(
    body: bytes = b"{}",
    *,
    method: str = "POST",
    url: str = "http://localhost:8000/",
    headers: dict[str, str] | None = None,
    service: str = "kms",
    region: str = "eu-west-1",
    token: str | None = None,
    presign: int | None = None,
) -> HttpRequest:
    """A request as botocore signs it."""
    request = AWSRequest(
        method, url, headers={"X-Amz-Target": "TrentService.ListKeys"} if headers is None else headers, data=body
    )
    credentials = Credentials(KEY_ID, SECRET, token)
    if presign is None:
        SigV4Auth(credentials, service, region).add_auth(request)
    else:
        SigV4QueryAuth(credentials, service, region, expires=presign).add_auth(request)
    prepared = request.prepare()
    rest = prepared.url.split("//", 1)[1]
    host, _, path_and_query = rest.partition("/")
    path, _, query = path_and_query.partition("?")
    sent = {
        name.lower(): value.decode() if isinstance(value, bytes) else value for name, value in prepared.headers.items()
    }
    return HttpRequest(method, f"/{path}", query, {"host": host, **sent}, body)


def check(request: HttpRequest, *, secret: str = SECRET, service: str = "kms") -> sigv4.Claim:
    claim = sigv4.parse_authorization(request)
    sigv4.verify(claim, request, secret, service)
    return claim


def refusal(request: HttpRequest, **kwargs: Any) -> AWSError:
    with pytest.raises(AWSError) as caught:
        check(request, **kwargs)
    return caught.value


def change(request: HttpRequest, **headers: str | None) -> HttpRequest:
    """The request with headers replaced (underscores for hyphens), or taken away with None."""
    changed = dict(request.headers)
    for name, value in headers.items():
        if value is None:
            changed.pop(name.replace("_", "-"))
        else:
            changed[name.replace("_", "-")] = value
    return HttpRequest(request.method, request.path, request.query_string, changed, request.body)


# AWS's Signature Version 4 test suite (20150830T123600Z, us-east-1, "service"): method, path, query, headers, body, signature.
SUITE = {
    "get-vanilla": ("GET", "/", "", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-vanilla-query-order-key-case": (
        "GET",
        "/",
        "Param2=value2&Param1=value1",
        {},
        b"",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-vanilla-utf8-query": (
        "GET",
        "/",
        "ሴ=bar",
        {},
        b"",
        "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
    ),
    "post-vanilla": ("POST", "/", "", {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    "post-x-www-form-urlencoded": (
        "POST",
        "/",
        "",
        {"content-type": "application/x-www-form-urlencoded"},
        b"Param1=value1",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "get-header-value-trim": (
        "GET",
        "/",
        "",
        {"my-header1": " value1", "my-header2": ' "a   b   c"'},
        b"",
        "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
    ),
    "get-slash": ("GET", "//", "", {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    "get-slash-dot-slash": (
        "GET",
        "/./",
        "",
        {},
        b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-relative-relative": (
        "GET",
        "/example1/example2/../..",
        "",
        {},
        b"",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-slashes": (
        "GET",
        "//example//",
        "",
        {},
        b"",
        "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
    ),
    "get-slash-pointless-dot": (
        "GET",
        "/./example",
        "",
        {},
        b"",
        "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5",
    ),
    "get-space": (
        "GET",
        "/example space/",
        "",
        {},
        b"",
        "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741",
    ),
    "get-unreserved": (
        "GET",
        "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "",
        {},
        b"",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "get-utf8": ("GET", "/ሴ", "", {}, b"", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
}


@pytest.mark.parametrize("case", SUITE)
def test_aws_test_suite_signatures_verify(case: str, at: Any) -> None:
    method, path, query, headers, body, signature = SUITE[case]
    at(datetime(2015, 8, 30, 12, 37, tzinfo=UTC))
    sent = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z", **headers}
    sent["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={';'.join(sorted(sent))}, Signature={signature}"
    )
    check(HttpRequest(method, path, query, sent, body), service="service")


def test_the_example_of_the_iam_user_guide_verifies(at: Any) -> None:
    at(datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    headers = {
        "host": "iam.amazonaws.com",
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-amz-date": "20150830T123600Z",
        "authorization": (
            f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20150830/us-east-1/iam/aws4_request, "
            "SignedHeaders=content-type;host;x-amz-date, "
            "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        ),
    }
    claim = check(HttpRequest("GET", "/", "Action=ListUsers&Version=2010-05-08", headers, b""), service="iam")
    assert (claim.access_key_id, claim.region, claim.service) == (KEY_ID, "us-east-1", "iam")


def test_what_botocore_signs_verifies() -> None:
    claim = check(signed(b'{"KeyId":"x"}', token="a-session-token"))
    assert claim.session_token == "a-session-token"
    assert claim.expires is None


def test_an_unsorted_list_of_signed_headers_and_any_order_on_the_wire_verify() -> None:
    request = signed()
    listed = request.headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    backwards = ";".join(reversed(listed.split(";")))
    request = change(request, authorization=request.headers["authorization"].replace(listed, backwards))
    reordered = HttpRequest("POST", "/", "", dict(reversed(list(request.headers.items()))), request.body)
    check(reordered)


@given(body=st.binary(max_size=200), region=st.sampled_from(["us-east-1", "eu-north-1", "my-lab-1"]))
def test_any_body_in_any_region_verifies_and_no_other_body_does(body: bytes, region: str) -> None:
    request = signed(body, region=region)
    check(request)
    request.body = body + b"\0"
    assert refusal(request).code == "InvalidSignatureException"


def test_presigned_urls_verify_until_they_expire(at: Any) -> None:
    request = signed(
        b"",
        method="GET",
        url="http://localhost:8000/?Action=GetCallerIdentity&Version=2011-06-15",
        headers={},
        service="sts",
        presign=60,
        token="tok/en==",
    )
    claim = check(request, service="sts")
    assert (claim.expires, claim.session_token) == (60, "tok/en==")
    at(datetime.now(UTC) + timedelta(seconds=61))
    error = refusal(request, service="sts")
    assert (error.code, error.message.split(":")[0]) == ("InvalidSignatureException", "Signature expired")


def test_a_presigned_url_with_another_parameter_is_refused() -> None:
    request = signed(b"", method="GET", url="http://h/?Action=GetCallerIdentity", headers={}, service="sts", presign=60)
    request.query_string += "&Extra=1"
    assert refusal(request, service="sts").message == MISMATCH


def test_another_secret_is_refused() -> None:
    error = refusal(signed(), secret="another")
    assert (error.code, error.message) == ("InvalidSignatureException", MISMATCH)


def test_a_changed_secret_never_matches_the_cached_key_of_the_old_one() -> None:
    request = signed()
    check(request)
    assert refusal(request, secret="rotated").message == MISMATCH
    check(request)


def test_the_cache_of_signing_keys_is_bounded() -> None:
    for number in range(20):
        check(signed(region=f"region-{number}"))
    assert len(sigv4._signing_key) <= sigv4._signing_key.entries


def test_no_authorization_is_a_missing_authentication_token() -> None:
    error = refusal(change(signed(), authorization=None))
    assert (error.code, error.message) == (
        "MissingAuthenticationTokenException",
        "Request is missing Authentication Token",
    )


@pytest.mark.parametrize("header", ["Bearer abc", "Basic YTpi", ""])
def test_another_scheme_is_a_missing_authentication_token(header: str) -> None:
    assert refusal(change(signed(), authorization=header)).code == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("name", ["Credential", "Signature", "SignedHeaders"])
def test_each_missing_part_of_the_header_is_named(name: str) -> None:
    parts = signed().headers["authorization"].removeprefix("AWS4-HMAC-SHA256 ").split(", ")
    kept = ", ".join(part for part in parts if not part.startswith(f"{name}="))
    error = refusal(change(signed(), authorization=f"AWS4-HMAC-SHA256 {kept}"))
    assert error.code == "IncompleteSignatureException"
    assert error.message.startswith(f"Authorization header requires '{name}' parameter. (Hashed with SHA-256")
    assert kept not in error.message


def test_all_missing_parts_are_named_at_once() -> None:
    request = HttpRequest("POST", "/", "", {"host": "h", "authorization": "AWS4-HMAC-SHA256"}, b"")
    assert refusal(request).message.startswith(
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
        "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a "
        "'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) Authorization="
    )


def test_a_part_without_an_equals_sign_is_incomplete() -> None:
    error = refusal(change(signed(), authorization="AWS4-HMAC-SHA256 nonsense"))
    assert error.code == "IncompleteSignatureException"
    assert error.message.startswith("Invalid key=value pair (missing equal-sign) in Authorization header (hashed with")


def test_another_algorithm_is_incomplete() -> None:
    header = signed().headers["authorization"].replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA25")
    assert refusal(change(signed(), authorization=header)).message == (
        "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA25' (only AWS4-HMAC-SHA256 for now). "
    )


def test_a_credential_of_four_parts_is_incomplete() -> None:
    header = signed().headers["authorization"].replace("/aws4_request", "")
    error = refusal(change(signed(), authorization=header))
    assert error.code == "IncompleteSignatureException"
    assert error.message.startswith("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/")


@pytest.mark.parametrize(
    "date", ["201", "2015-08-30T12:36:00Z", "20150830T993600Z", "２０１５0830T123600Z", "20150830T12 600Z"]
)
def test_a_date_in_another_format_is_incomplete_and_quoted(date: str) -> None:
    assert refusal(change(signed(), x_amz_date=date)).message == (
        f"Date must be in ISO-8601 'basic format'. Got '{date}'. See http://en.wikipedia.org/wiki/ISO_8601"
    )


def test_a_date_header_serves_where_there_is_no_amz_date() -> None:
    request = signed(headers={"Date": "now", "X-Amz-Target": "TrentService.ListKeys"})
    assert "x-amz-date" not in request.headers
    check(request)
    assert refusal(change(request, date="the day before yesterday")).message.startswith(
        "Date must be in ISO-8601 'basic format'. Got 'the day before yesterday'."
    )


def test_a_signature_of_six_minutes_ago_has_expired(at: Any) -> None:
    request = signed()
    signed_at = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    at(signed_at + timedelta(minutes=5))
    check(request)
    at(signed_at + timedelta(minutes=6))
    basic = "%Y%m%dT%H%M%SZ"
    error = refusal(request)
    assert error.code == "InvalidSignatureException"
    assert error.message == (
        f"Signature expired: {signed_at:{basic}} is now earlier than {signed_at + timedelta(minutes=1):{basic}} "
        f"({signed_at + timedelta(minutes=6):{basic}} - 5 min.)"
    )


def test_a_signature_from_the_future_is_not_yet_current(at: Any) -> None:
    request = signed()
    signed_at = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    at(signed_at - timedelta(minutes=5))
    check(request)
    at(signed_at - timedelta(minutes=6))
    assert refusal(request).message.startswith("Signature not yet current: ")


def test_the_scope_must_name_the_service_called() -> None:
    assert refusal(signed(service="iam")).message == "Credential should be scoped to correct service: 'kms'. "


@pytest.mark.parametrize("region", ["", "US-EAST-1", "us east", "é"])
def test_the_scope_must_name_a_region(region: str) -> None:
    header = signed().headers["authorization"].replace("/eu-west-1/", f"/{region}/")
    error = refusal(change(signed(), authorization=header))
    assert error.message == "Credential should be scoped to a valid region. "


def test_the_scope_must_end_in_its_terminator() -> None:
    header = signed().headers["authorization"].replace("aws4_request", "aws5_request")
    assert refusal(change(signed(), authorization=header)).message == (
        "Credential should be scoped with a valid terminator: 'aws4_request', not 'aws5_request'. "
    )


@pytest.mark.parametrize("date", ["20150830", "2015", ""])
def test_the_scope_must_have_the_date_of_the_request(date: str) -> None:
    request = signed()
    today = request.headers["x-amz-date"][:8]
    header = request.headers["authorization"].replace(f"/{today}/", f"/{date}/")
    error = refusal(change(request, authorization=header))
    assert error.message.startswith("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date")


def test_the_host_must_be_signed() -> None:
    header = signed().headers["authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    assert refusal(change(signed(), authorization=header)).message == (
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."
    )


def test_an_amz_header_that_is_not_signed_is_refused() -> None:
    error = refusal(change(signed(), x_amz_extra="1"))
    assert error.message == "'x-amz-extra' must be a 'SignedHeader' in the AWS Authorization."


def test_the_operation_cannot_be_exchanged() -> None:
    assert refusal(change(signed(), x_amz_target="TrentService.ScheduleKeyDeletion")).message == MISMATCH


def test_a_signed_header_must_be_present() -> None:
    assert refusal(change(signed(), x_amz_target=None)).message == MISMATCH


def test_headers_beside_the_signed_ones_may_change() -> None:
    check(change(signed(), user_agent="a proxy", x_forwarded_for="10.0.0.1", x_amzn_trace_id="Root=1"))


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64])
def test_a_payload_hash_that_is_not_the_bodys_is_refused(declared: str) -> None:
    request = signed(headers={"X-Amz-Target": "TrentService.ListKeys", "X-Amz-Content-SHA256": declared})
    assert refusal(request).message == MISMATCH


def test_whitespace_in_header_values_is_folded() -> None:
    request = signed(headers={"X-Amz-Target": "TrentService.ListKeys", "X-Amz-Note": "a   b"})
    check(change(request, x_amz_note="  a b "))


def test_header_and_presigned_authentication_together_are_refused() -> None:
    request = signed(b"", method="GET", headers={}, presign=60)
    request = change(request, authorization=signed().headers["authorization"])
    assert refusal(request).message == (
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."
    )


def test_each_missing_part_of_a_presigned_url_is_named() -> None:
    request = HttpRequest("GET", "/", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00", {"host": "h"}, b"")
    assert refusal(request).message == (
        "AWS query-string parameters must include 'X-Amz-Credential'. "
        "AWS query-string parameters must include 'X-Amz-SignedHeaders'. "
        "AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."
    )


@pytest.mark.parametrize("lifetime", ["0", "604801", "-1", "x", "９"])
def test_a_presigned_url_lives_at_most_a_week(lifetime: str) -> None:
    request = signed(b"", method="GET", headers={}, presign=60)
    request.query_string = request.query_string.replace("X-Amz-Expires=60", f"X-Amz-Expires={lifetime}")
    assert refusal(request).code == "IncompleteSignatureException"


@given(
    header=st.text(alphabet=st.characters(max_codepoint=255)), query=st.text(alphabet=st.characters(max_codepoint=255))
)
def test_no_authorization_header_and_no_query_is_anything_but_an_aws_error(header: str, query: str) -> None:
    for text in (header, f"AWS4-HMAC-SHA256 {header}"):
        request = HttpRequest("POST", "/", query, {"host": "h", "authorization": text, "x-amz-date": header}, b"")
        assert refusal(request).code
    presigned = HttpRequest("GET", "/", f"X-Amz-Algorithm=AWS4-HMAC-SHA256&{query}", {"host": "h"}, b"")
    assert refusal(presigned).code
