"""AWS Signature Version 4: what a request claims, and whether its signature proves it.

`parse_authorization` takes any request and either returns its claim or raises AWS's error for what is missing or stale; `verify`
checks the claim with the secret that the caller of this module has looked up. Nothing here logs, or puts a secret, a signature or an
Authorization header into a message (AWS names the header by its hash).
Source: AWS, "Create a signed AWS API request" and "Troubleshoot Signature Version 4 signing for AWS API requests".
"""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import cast
from urllib.parse import quote, unquote

from engine import clock
from engine.region_names import is_region_name
from engine.remembered import Remembered
from engine.wire.errors import AWSError
from engine.wire.http import HttpRequest

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
SKEW_SECONDS = 5 * 60
LONGEST_PRESIGNED = 7 * 24 * 3600  # seconds
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing "
    "method. Consult the service documentation for details."
)


@dataclass(slots=True)
class Claim:
    """Who a request says it is from. `expires` is the lifetime of a presigned URL in seconds, None for header authentication."""

    access_key_id: str
    date: str  # of the credential scope, YYYYMMDD
    region: str
    service: str
    terminator: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str  # YYYYMMDDTHHMMSSZ
    session_token: str = ""
    expires: int | None = None


def parse_authorization(request: HttpRequest) -> Claim:
    """The claim of a signed request, from its Authorization header or its presigned URL; that it is current is checked here.

    Raises MissingAuthenticationTokenException, IncompleteSignatureException, InvalidSignatureException.
    """
    header = request.headers.get("authorization", "")
    presigned = "X-Amz-Algorithm=" in request.query_string
    if header.startswith("AWS4-"):
        if presigned:
            raise AWSError(
                "InvalidSignatureException",
                "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
            )
        claim = _from_header(request, header)
    elif presigned:
        claim = _from_query(request)
    else:
        raise AWSError("MissingAuthenticationTokenException", "Request is missing Authentication Token")
    _check_current(claim)
    return claim


def _incomplete(message: str) -> AWSError:
    return AWSError("IncompleteSignatureException", message)


def _invalid(message: str = _MISMATCH) -> AWSError:
    return AWSError("InvalidSignatureException", message)


def _from_header(request: HttpRequest, header: str) -> Claim:
    before, _, last = header.rpartition(", Signature=")
    timestamp = request.headers.get("x-amz-date") or _basic_date(request.headers.get("date", ""))
    usual = _usual[before] if timestamp and len(last) == 64 else None
    if usual is not None:  # what stands before the signature is the same in all requests of a client on one day
        return Claim(*usual, last, timestamp, request.headers.get("x-amz-security-token", ""))
    algorithm, _, rest = header.partition(" ")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals and name:
            raise _incomplete(f"Invalid key=value pair (missing equal-sign) in Authorization header {_hashed(header)}.")
        fields[name] = value
    credential, signed, signature = fields.get("Credential"), fields.get("SignedHeaders"), fields.get("Signature")
    if not (credential and signed and signature and timestamp):
        missing = [
            f"Authorization header requires '{name}' parameter."
            for name in ("Credential", "Signature", "SignedHeaders")
            if not fields.get(name)
        ]
        if not timestamp:
            missing.append("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        digest = b64encode(sha256(header.encode()).digest()).decode()
        missing.append(f"(Hashed with SHA-256 and encoded with Base64) Authorization={digest}")
        raise _incomplete(" ".join(missing))
    _check_algorithm(algorithm)
    access_key_id, date, region, service, terminator = _scope(credential)
    return Claim(
        access_key_id,
        date,
        region,
        service,
        terminator,
        _signed_headers[signed],
        signature,
        timestamp,
        request.headers.get("x-amz-security-token", ""),
    )


_USUAL = re.compile(
    rf"{ALGORITHM} Credential=([^,/]+)/([^,/]+)/([^,/]+)/([^,/]+)/([^,/]+), ?SignedHeaders=([^,=]+)", re.ASCII
)


def _read_usual(before: str) -> tuple[str, str, str, str, str, tuple[str, ...]] | None:
    """(access key ID, date, Region, service, terminator, signed headers) of a header as every SDK writes it, else None."""
    found = _USUAL.fullmatch(before)
    return None if found is None else (found[1], found[2], found[3], found[4], found[5], _signed_headers[found[6]])


_usual = Remembered(_read_usual, entries=4096, longest=512)


def _hashed(header: str) -> str:
    digest = b64encode(sha256(header.encode()).digest()).decode()
    return f"(hashed with SHA-256 and encoded with Base64): '{digest}'"


def _from_query(request: HttpRequest) -> Claim:
    parameters = dict(reversed(_query_pairs(request.query_string)))  # of a parameter sent twice the first counts
    missing = [
        f"AWS query-string parameters must include '{name}'."
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date")
        if not parameters.get(name)
    ]
    if missing:
        raise _incomplete(" ".join([*missing, "Re-examine the query-string parameters."]))
    _check_algorithm(parameters["X-Amz-Algorithm"])
    access_key_id, date, region, service, terminator = _scope(parameters["X-Amz-Credential"])
    lifetime = parameters.get("X-Amz-Expires", str(SKEW_SECONDS))
    if not (
        lifetime.isascii() and lifetime.isdigit() and len(lifetime) <= 7 and 0 < int(lifetime) <= LONGEST_PRESIGNED
    ):
        raise _incomplete(f"X-Amz-Expires must be a number of seconds from 1 to {LONGEST_PRESIGNED}.")
    return Claim(
        access_key_id,
        date,
        region,
        service,
        terminator,
        _signed_headers[parameters["X-Amz-SignedHeaders"]],
        parameters["X-Amz-Signature"],
        parameters["X-Amz-Date"],
        parameters.get("X-Amz-Security-Token", "") or request.headers.get("x-amz-security-token", ""),
        int(lifetime),
    )


def _check_algorithm(algorithm: str) -> None:
    if algorithm != ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}' (only {ALGORITHM} for now). ")


def _scope(credential: str) -> list[str]:
    parts = credential.split("/")
    if len(parts) != 5:
        raise _incomplete(
            "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, "
            f"got '{credential}'"
        )
    return parts


def _read_signed_headers(listed: str) -> tuple[str, ...]:
    """Lower-case and sorted, as they are in the canonical request."""
    return tuple(sorted({name.strip().lower() for name in listed.split(";")}))


_signed_headers = Remembered(_read_signed_headers, entries=256, longest=512)


def _basic_date(value: str) -> str:
    """A Date header in ISO 8601's basic format; what is no date at all is returned as it is, to be refused with it quoted."""
    if not value or value.endswith("Z"):
        return value
    try:
        return _basic(parsedate_to_datetime(value).timestamp())
    except (ValueError, OverflowError):
        return value


def _basic(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y%m%dT%H%M%SZ")


def _read_epoch(timestamp: str) -> float | None:
    """Seconds since the epoch of YYYYMMDDTHHMMSSZ, None for anything else."""
    if len(timestamp) != 16 or not timestamp.isascii() or timestamp[8] != "T" or timestamp[15] != "Z":
        return None
    digits = timestamp[:8] + timestamp[9:15]
    if not digits.isdigit():
        return None
    try:
        return datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None


_epoch = Remembered(_read_epoch, entries=256, longest=16)


def _check_current(claim: Claim) -> None:
    signed_at = _epoch[claim.timestamp]
    if signed_at is None:
        raise _incomplete(
            f"Date must be in ISO-8601 'basic format'. Got '{claim.timestamp}'. "
            "See http://en.wikipedia.org/wiki/ISO_8601"
        )
    now = clock.real_now().timestamp()
    lifetime = SKEW_SECONDS if claim.expires is None else claim.expires
    if signed_at + lifetime < now:
        minutes = f"{lifetime // 60} min." if lifetime % 60 == 0 else f"{lifetime} sec."
        raise _invalid(
            f"Signature expired: {claim.timestamp} is now earlier than {_basic(now - lifetime)} ({_basic(now)} - {minutes})"
        )
    if signed_at - SKEW_SECONDS > now:
        raise _invalid(
            f"Signature not yet current: {claim.timestamp} is still later than {_basic(now + SKEW_SECONDS)} "
            f"({_basic(now)} + {SKEW_SECONDS // 60} min.)"
        )


def verify(claim: Claim, request: HttpRequest, secret: str, service: str) -> None:
    """Check that `secret` signed this request for `service` (the signing name of the called service).

    Raises InvalidSignatureException with AWS's sentence for what is wrong.
    """
    _check_scope(claim, service)
    headers = request.headers
    signed = claim.signed_headers
    if "host" not in signed:
        raise _invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    if unsigned := _unsigned[signed, frozenset(headers)]:
        raise _invalid(f"'{unsigned}' must be a 'SignedHeader' in the AWS Authorization.")
    body_hash = sha256(request.body).hexdigest()
    # Nothing that is served takes an unsigned or a chunked payload: whatever the header says must be the hash of this very body.
    if headers.get("x-amz-content-sha256", body_hash) != body_hash:
        raise _invalid()
    canonical = canonical_request(request, signed, body_hash)
    scope = f"{claim.date}/{claim.region}/{claim.service}/{TERMINATOR}"
    to_sign = f"{ALGORITHM}\n{claim.timestamp}\n{scope}\n{sha256(canonical).hexdigest()}"
    key = _signing_key[secret, claim.date, claim.region, claim.service]
    expected = hmac.digest(key, to_sign.encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), claim.signature.encode()):
        raise _invalid()


def _find_unsigned(signed_and_sent: tuple[tuple[str, ...], frozenset[str]]) -> str:
    """A header that has to be signed and is not, or none; a client sends the same names with each request."""
    signed, names = signed_and_sent
    return next((name for name in sorted(names) if name not in signed and name.startswith("x-amz-")), "")


_unsigned = Remembered(_find_unsigned, entries=256, longest=2048)


def _check_scope(claim: Claim, service: str) -> None:
    if (
        claim.service == service
        and claim.terminator == TERMINATOR
        and claim.timestamp.startswith(claim.date)
        and len(claim.date) == 8
        and is_region_name(claim.region)
    ):
        return
    wrong = []
    if not is_region_name(claim.region):
        wrong.append("Credential should be scoped to a valid region. ")
    if claim.service != service:
        wrong.append(f"Credential should be scoped to correct service: '{service}'. ")
    if claim.terminator != TERMINATOR:
        wrong.append(f"Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{claim.terminator}'. ")
    if claim.date != claim.timestamp[:8]:
        wrong.append(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
            f"'{claim.date}' != '{claim.timestamp[:8]}', from '{claim.timestamp}'."
        )
    raise _invalid("".join(wrong))


def canonical_request(request: HttpRequest, signed: tuple[str, ...], body_hash: str) -> bytes:
    """The canonical request. Raises InvalidSignatureException if a signed header is not there."""
    values = tuple(map(request.headers.get, signed))
    if None in values:
        raise _invalid()
    asked = (request.method, request.path, request.query_string, signed, cast(tuple[str, ...], values))
    # A query may hold what none is to keep.
    text = (_canonical_head[asked] if not request.query_string else _write_canonical_head(asked)) + body_hash
    try:
        return text.encode("latin-1")  # header values are octets, each read as one character
    except UnicodeEncodeError:
        return text.encode()


def _write_canonical_head(asked: tuple[str, str, str, tuple[str, ...], tuple[str, ...]]) -> str:
    """All but the body's hash: a client's requests of one second share it."""
    method, path, query, signed, values = asked
    lines = [method, _canonical_path(path), _canonical_query(query)]
    lines += [f"{name}:{' '.join((value or '').split())}" for name, value in zip(signed, values, strict=True)]
    return "\n".join(lines) + f"\n\n{';'.join(signed)}\n"


_canonical_head = Remembered(_write_canonical_head, entries=1024, longest=4096, total=2 << 20)


def _canonical_path(path: str) -> str:
    """Dot segments and repeated slashes removed, then each octet as sent encoded once more (not so in S3, which is not served)."""
    if path in ("/", ""):
        return "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    end = "/" if kept and path.endswith(("/", "/.", "/..")) else ""
    return quote(f"/{'/'.join(kept)}{end}", safe="/~")


def _query_pairs(query: str) -> list[tuple[str, str]]:
    pairs = []
    for part in query.split("&"):
        if part:
            name, _, value = part.partition("=")
            pairs.append((unquote(name.replace("+", " ")), unquote(value.replace("+", " "))))
    return pairs


def _canonical_query(query: str) -> str:
    """Every parameter but the signature, decoded and encoded again by SigV4's rules, in order."""
    if not query:
        return ""
    encoded = [
        (quote(name, safe="~"), quote(value, safe="~"))
        for name, value in _query_pairs(query)
        if name != "X-Amz-Signature"
    ]
    return "&".join(f"{name}={value}" for name, value in sorted(encoded))


def _derive_signing_key(secret_and_scope: tuple[str, str, str, str]) -> bytes:
    secret, date, region, service = secret_and_scope
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


_signing_key = Remembered(_derive_signing_key, entries=4096, longest=256)
