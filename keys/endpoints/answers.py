"""Whether another endpoint's answer is one of AWS's, looked at once, before botocore and the pages read it.

What may come in is any bytes. What `check` lets through has the types of botocore's output shape at every depth, the members that AWS
always answers (`_ALWAYS`), and texts that a page can show and link. The embedded engine's answers do not come by here.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.model import OperationModel, Shape
from botocore.parsers import ResponseParserError, create_parser
from botocore.utils import parse_timestamp

from console.aws_calls import unexpected

# An endpoint that answers these with a bare HTTP error page speaks no KMS; other operations it may only not offer.
_EVERYWHERE = ("ListKeys", "ListAliases", "DescribeKey")
LARGEST = 8 * 1024 * 1024  # bytes of an answer
MOST_ITEMS = 10_000  # of one list or map
_FIRST, _LAST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)  # room to add days to either

# Structure → members that AWS always answers, beyond those that the model requires.
_ALWAYS: dict[str, tuple[str, ...]] = {
    "AliasListEntry": ("AliasName",),
    "AssumeRoleResponse": ("Credentials",),
    "CreateCustomKeyStoreResponse": ("CustomKeyStoreId",),
    "CreateGrantResponse": ("GrantId", "GrantToken"),
    "CreateKeyResponse": ("KeyMetadata",),
    "DescribeCustomKeyStoresResponse": ("CustomKeyStores",),
    "DescribeKeyResponse": ("KeyMetadata",),
    "Event": ("CloudTrailEvent", "EventId", "EventName", "EventTime"),
    "EncryptResponse": ("CiphertextBlob", "KeyId"),
    "GetCallerIdentityResponse": ("Account", "Arn"),
    "GetKeyPolicyResponse": ("Policy",),
    "GetKeyRotationStatusResponse": ("KeyRotationEnabled",),
    "GetParametersForImportResponse": ("ImportToken", "KeyId", "ParametersValidTo", "PublicKey"),
    "GetPublicKeyResponse": ("PublicKey",),
    "GrantListEntry": ("GrantId", "Operations"),
    "KeyListEntry": ("KeyId",),
    "KeyMetadata": ("Arn", "CreationDate", "KeyState"),
    "ListAliasesResponse": ("Aliases",),
    "ListGrantsResponse": ("Grants",),
    "ListKeyPoliciesResponse": ("PolicyNames",),
    "ListKeyRotationsResponse": ("Rotations",),
    "ListKeysResponse": ("Keys",),
    "ListResourceTagsResponse": ("Tags",),
    "LookupEventsResponse": ("Events",),
    "MultiRegionConfiguration": ("MultiRegionKeyType", "PrimaryKey"),
    "MultiRegionKey": ("Arn", "Region"),
    "ReplicateKeyResponse": ("ReplicaKeyMetadata",),
}
_DEFAULTS = {"KeyManager": "CUSTOMER", "KeyUsage": "ENCRYPT_DECRYPT", "Origin": "AWS_KMS"}
# (structure, member) → what its text looks like, where pages take it apart or make an address of it.
_FORMS: dict[tuple[str, str], re.Pattern[str]] = {
    ("KeyMetadata", "KeyId"): re.compile(r"[A-Za-z0-9_-]{1,256}"),
    ("KeyListEntry", "KeyId"): re.compile(r"[A-Za-z0-9_-]{1,256}"),
    ("AliasListEntry", "AliasName"): re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}"),
    ("GrantListEntry", "GrantId"): re.compile(r"[A-Za-z0-9_-]{1,128}"),
    ("MultiRegionKey", "Region"): re.compile(r"[a-z0-9-]{1,32}"),
}
_ARN = re.compile(r"arn:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[a-z0-9-]*:[^\s]{1,2000}")
_ARNS = ("ArnType", "arnType")  # shapes


class _MisfitError(Exception):
    """The path of what does not fit."""


def check(model: OperationModel, status: int, headers: Any, content: bytes) -> None:
    """Raises UnexpectedAnswerError for an answer that botocore or a page could not read. `content` is an answer's body."""
    try:
        if model.service_model.resolved_protocol != "json":
            _check_xml(model, status, headers, content)
        elif status < 300:
            _check_json(model.output_shape, content)
        else:
            _check_json_error(headers, content, bare=status >= 500 or model.name not in _EVERYWHERE)
    except _MisfitError as misfit:
        raise unexpected(model, str(misfit)) from misfit


def complete(parsed: dict[str, Any]) -> None:
    """What older implementations leave out of a key's metadata, as AWS says it has been by default."""
    for metadata in (parsed.get("KeyMetadata"), parsed.get("ReplicaKeyMetadata")):
        if metadata is not None:
            spec = metadata.get("CustomerMasterKeySpec", "SYMMETRIC_DEFAULT")
            defaults = {**_DEFAULTS, "KeySpec": spec, "AWSAccountId": metadata["Arn"].split(":")[4]}
            for name, value in defaults.items():
                metadata.setdefault(name, value)


def _check_json(shape: Shape | None, content: bytes) -> None:
    if shape is None:  # an operation that answers nothing: botocore reads no body, and moto sends "null"
        return
    try:
        found = json.loads(content.decode() or "{}")
    except (ValueError, RecursionError) as reason:
        raise _MisfitError("JSON") from reason
    if not isinstance(found, dict):
        raise _MisfitError("JSON")
    _structure(shape, found, "")


def _check_json_error(headers: Any, content: bytes, *, bare: bool) -> None:
    """An error names itself in texts. `bare`: it may be no JSON, and is told by its HTTP status then (keys.endpoints.diagnosis)."""
    try:
        text = content.decode()
    except ValueError as reason:
        raise _MisfitError("JSON") from reason
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError) as reason:
        if bare:
            return
        raise _MisfitError("JSON") from reason
    if not isinstance(found, dict):
        raise _MisfitError("JSON")
    for name in ("__type", "message", "Message"):
        if name in found:
            _text(found[name], name)
    if ";" not in headers.get("x-amzn-query-error", ";"):
        raise _MisfitError("x-amzn-query-error")


def _check_xml(model: OperationModel, status: int, headers: Any, content: bytes) -> None:
    """As botocore's parser reads it; it has no rule for what it raises over other elements than the model's."""
    parser = create_parser(model.service_model.resolved_protocol)
    answer = {"status_code": status, "headers": headers, "body": content}
    try:
        found = parser.parse(answer, model.output_shape)
    except (ResponseParserError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as reason:
        raise _MisfitError("XML") from reason
    if status >= 301:
        error = found.get("Error")
        if not isinstance(error, dict):
            raise _MisfitError("Error")
        for name in ("Code", "Message"):
            if name in error or name == "Code":
                _text(error.get(name), name)
    elif model.output_shape is not None:
        _structure(model.output_shape, found, "")


def _structure(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict):
        raise _MisfitError(path)
    wanted = {*shape.required_members, *_ALWAYS.get(shape.name, ())}
    if value.get("Truncated") and "NextMarker" in shape.members:
        wanted.add("NextMarker")
    if value.get("MultiRegion"):
        wanted.add("MultiRegionConfiguration")
    for name, member in shape.members.items():
        inner = f"{path}.{name}" if path else name
        found = value.get(name)
        if found is None:  # null is as absent
            if name in wanted:
                raise _MisfitError(inner)
            continue
        _KINDS[member.type_name](member, found, inner)
        if name == "Policy":
            _policy(found, inner)
        if name == "CloudTrailEvent":
            _record(found, inner)
        form = _FORMS.get((shape.name, name)) or (_ARN if member.name in _ARNS else None)
        if form is not None and not form.fullmatch(found):
            raise _MisfitError(inner)


def _policy(text: str, path: str) -> None:
    """A policy of AWS's types. What its words mean, and whether this version knows them, is for engine.iam to say."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise _MisfitError(path) from reason
    if not isinstance(document, dict):
        raise _MisfitError(path)
    statements = document.get("Statement", [])
    for each in statements if isinstance(statements, list) else [statements]:
        if not (isinstance(each, dict) and all(_POLICY.get(name, _is_texts)(value) for name, value in each.items())):
            raise _MisfitError(f"{path}.Statement")


def _record(text: str, path: str) -> None:
    """A CloudTrail record whose members have the types that pages take apart. Source: CloudTrail User Guide, "Record contents"."""
    try:
        record = json.loads(text)
        datetime.fromisoformat(record["eventTime"])
        fits = all(_RECORD.get(name, _is_anything)(value) for name, value in record.items())
        fits = fits and all(_is_text(record[name]) for name in ("eventID", "eventName", "eventSource"))
        fits = fits and isinstance(record["userIdentity"], dict)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as reason:
        raise _MisfitError(path) from reason
    if not fits:
        raise _MisfitError(path)


def _is_anything(_value: Any) -> bool:
    return True


def _is_identity(value: Any) -> bool:
    texts = ("arn", "accountId", "userName", "accessKeyId", "invokedBy", "principalId", "type")
    return isinstance(value, dict) and all(_is_text(value[name]) for name in texts if name in value)


def _are_resources(value: Any) -> bool:
    return value is None or (
        isinstance(value, list) and all(isinstance(each, dict) and _is_text(each.get("ARN")) for each in value)
    )


def _is_request(value: Any) -> bool:
    """Parameters of a call: an encryption context has texts, tags are objects, and lists of names are texts."""
    if value is None:
        return True
    if not isinstance(value, dict):
        return False
    for name, each in value.items():
        if name.lower().endswith("encryptioncontext") and each is not None:
            if not (isinstance(each, dict) and all(map(_is_text, each.values()))):
                return False
        elif name == "tags" and each is not None:
            if not (isinstance(each, list) and all(isinstance(tag, dict) for tag in each)):
                return False
        elif name in ("operations", "tagKeys") and each is not None:
            if not (isinstance(each, list) and all(map(_is_text, each))):
                return False
        elif name == "policy" and each is not None and not _is_text(each):
            return False
    return True


def _is_response(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and isinstance(value.get("keyMetadata", {}), dict))


_RECORD: dict[str, Callable[[Any], bool]] = {
    "userIdentity": _is_identity,
    "requestParameters": _is_request,
    "responseElements": _is_response,
    "resources": _are_resources,
    "errorCode": lambda value: value is None or _is_text(value),
    "sourceIPAddress": lambda value: _is_text(value),
}


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _is_principal(value: Any) -> bool:
    return _is_texts(value) or (isinstance(value, dict) and all(map(_is_texts, value.values())))


def _is_condition(value: Any) -> bool:
    operators = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(keys, dict) and all(map(_is_scalars, keys.values())) for keys in operators)


def _is_scalars(value: Any) -> bool:
    return all(isinstance(each, str | bool | int | float) for each in (value if isinstance(value, list) else [value]))


# Element of a statement → whether a value is of its type; all others are a text or a list of texts.
_POLICY: dict[str, Callable[[Any], bool]] = {
    "Sid": _is_text,
    "Effect": _is_text,
    "Principal": _is_principal,
    "NotPrincipal": _is_principal,
    "Condition": _is_condition,
}


def _list(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, list) or len(value) > MOST_ITEMS:
        raise _MisfitError(path)
    check_one = _KINDS[shape.member.type_name]
    for number, each in enumerate(value):
        check_one(shape.member, each, f"{path}[{number}]")


def _map(shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, dict) or len(value) > MOST_ITEMS:
        raise _MisfitError(path)
    for name, each in value.items():
        _string(shape.key, name, path)
        _KINDS[shape.value.type_name](shape.value, each, f"{path}.{name}"[:200])


def _string(shape: Any, value: Any, path: str) -> None:
    _text(value, path)
    if len(value) > shape.metadata.get("max", LARGEST):
        raise _MisfitError(path)


def _text(value: Any, path: str) -> None:
    """A text that a page and a database take: no NUL, and no half of a surrogate pair."""
    if not isinstance(value, str) or "\0" in value or (not value.isascii() and _SURROGATE.search(value)):
        raise _MisfitError(path)


_SURROGATE = re.compile("[\ud800-\udfff]")


def _boolean(_shape: Any, value: Any, path: str) -> None:
    if not isinstance(value, bool):
        raise _MisfitError(path)


def _integer(shape: Any, value: Any, path: str) -> None:
    bits = 31 if shape.type_name == "integer" else 63
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**bits) <= value < 2**bits:
        raise _MisfitError(path)


def _float(_shape: Any, value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _MisfitError(path)


def _timestamp(_shape: Any, value: Any, path: str) -> None:
    """Seconds since 1970 or a text, of the centuries that dates are reckoned with; a datetime where botocore has read it."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str | datetime):
            raise _MisfitError(path)
        moment = value if isinstance(value, datetime) else parse_timestamp(value)
        if not _FIRST <= (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) <= _LAST:
            raise _MisfitError(path)
    except (ValueError, OverflowError, RuntimeError, TypeError, OSError) as reason:
        raise _MisfitError(path) from reason


def _blob(_shape: Any, value: Any, path: str) -> None:
    if isinstance(value, bytes):
        return
    try:
        base64.b64decode(_ascii(value, path))
    except ValueError as reason:
        raise _MisfitError(path) from reason


def _ascii(value: Any, path: str) -> bytes:
    _text(value, path)
    return str(value).encode()


_KINDS: dict[str, Callable[[Any, Any, str], None]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "character": _string,
    "boolean": _boolean,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "timestamp": _timestamp,
    "blob": _blob,
}
