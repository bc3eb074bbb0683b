"""What an event is searched by: its terms, pairs of a field and a value, read from its CloudTrail record. Pure.

One table for the search index and for records that are looked at one by one, so that both find the same events. An event has a term for
each way of naming a thing: a role session is found by its name, its ARN and its access key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from engine.kms_operations import READ, WRITE, kind_of_call
from engine.trail.indexed_fields import user_name

Record = Mapping[str, Any]
DENIED_KIND = "denied"  # the kind of a call that policies did not allow
DENIED = "AccessDenied"  # how the error codes of those begin
ANY_ERROR = "any"  # beside an event's error code: what every refused call has in common
# How a page that asks whether a name is free is told that it is: no failure of whoever is at the page.
_NOT_THERE = ("NotFoundException", "NoSuchEntity", "NoSuchEntityException", "ReportNotPresent", "ReportExpired")
_MAKES_A_READING = (
    "GenerateCredentialReport",
)  # what a page has made only to read it; its access level is Read in IAM
LONGEST = 200  # characters of a value that is kept as it is; a longer one is kept as its hash
_WORD = re.compile(r"\w+")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LONGEST_WORD = 40
_IDENTIFIER = re.compile(r"(?=.*[0-9])(?:[0-9a-f]{8,}|[0-9]{8,})|(?:akia|asia|aroa|aida)[0-9a-z]{12,}")


def kind(record: Record) -> str:
    if record.get("errorCode", "").startswith(DENIED):
        return DENIED_KIND
    return kind_of_call(record["eventName"], read_only=bool(record.get("readOnly")))


def is_read_by_console(record: Record) -> bool:
    """What a page asked to show itself: answered, or told that there is no such thing, changed nothing, and used no key."""
    if record.get("sessionCredentialFromConsole") != "true":
        return False
    what = kind(record)
    if what != READ and not (what == WRITE and record["eventName"] in _MAKES_A_READING):
        return False
    return record.get("errorCode", "") in ("", *_NOT_THERE)


def moment(record: Record) -> int:
    return int(datetime.fromisoformat(record["eventTime"]).timestamp())


def _elements(record: Record) -> Iterator[Record]:
    for name in ("requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"):
        if found := record.get(name):
            yield found


def keys(record: Record) -> Iterator[str]:
    """The ARNs of the keys that a record is about, roles are not among them."""
    return (each["ARN"] for each in record.get("resources") or () if "ARN" in each and each.get("type", _KEY) == _KEY)


_KEY = "AWS::KMS::Key"


def _aliases(record: Record) -> Iterator[str]:
    """Aliases as the call named them, without what stands before the name."""
    for name, value in (record.get("requestParameters") or {}).items():
        if isinstance(value, str) and "alias/" in value and name.lower().endswith(("keyid", "aliasname")):
            yield value[value.index("alias/") :]


def _issuer(record: Record) -> Record:
    found: Record = record["userIdentity"].get("sessionContext", {}).get("sessionIssuer", {})
    return found


def _principals(record: Record) -> Iterator[str]:
    """The principal by its ARN and by its name, and the role of a session."""
    identity = record["userIdentity"]
    yield identity.get("arn", "")
    yield identity.get("userName", "")
    yield identity.get("invokedBy", "")
    yield _issuer(record).get("arn", "")
    yield _issuer(record).get("userName", "")


def _sessions(record: Record) -> Iterator[str]:
    """A session of temporary credentials: by ARN, by role and session name, by session name, and by its access key."""
    identity = record["userIdentity"]
    arn = identity.get("arn", "")
    if identity.get("type") in ("AssumedRole", "FederatedUser"):
        yield arn
        yield arn.partition("/")[2]
        yield arn.rpartition("/")[2]
    if "sessionContext" in identity:
        yield identity.get("accessKeyId", "")


def _errors(record: Record) -> Iterator[str]:
    if code := record.get("errorCode"):
        yield code
        yield ANY_ERROR


def contexts(record: Record) -> Iterator[tuple[str, str]]:
    """The pairs of every encryption context that a call was given."""
    for name, value in (record.get("requestParameters") or {}).items():
        if isinstance(value, dict) and name.lower().endswith("encryptioncontext"):
            for field, each in value.items():
                yield str(field), str(each)


def _context_terms(record: Record) -> Iterator[str]:
    for field, value in contexts(record):
        yield field
        yield f"{field}={value}"


def _members(*endings: str) -> Callable[[Record], Iterator[str]]:
    def found(record: Record) -> Iterator[str]:
        for element in _elements(record):
            for name, value in element.items():
                if isinstance(value, str) and name.lower().endswith(endings):
                    yield value

    return found


def _requests(record: Record) -> Iterator[str]:
    yield record.get("requestID", "")


def _events(record: Record) -> Iterator[str]:
    yield record["eventID"]
    yield record.get("sharedEventID", "")


# Field → an event's values of it.
FIELDS: dict[str, Callable[[Record], Iterable[str]]] = {
    "kind": lambda record: (kind(record),),
    "user": lambda record: (user_name(record["userIdentity"]),),
    "key": keys,
    "alias": _aliases,
    "principal": _principals,
    "session": _sessions,
    "operation": lambda record: (record["eventName"],),
    "service": lambda record: (record["eventSource"].partition(".")[0],),
    "error": _errors,
    "source": lambda record: (record.get("sourceIPAddress", ""),),
    "context": _context_terms,
    "grant": _members("grantid"),
    "material": _members("keymaterialid"),
}
# Values that hardly two events share: the index keeps short hashes of them, and a finding is checked against the record.
IDENTIFIERS: dict[str, Callable[[Record], Iterable[str]]] = {"request": _requests, "event": _events}
TEXT = "text"


def values(record: Record, field: str) -> list[str]:
    """An event's values of a field."""
    return [value for value in FIELDS[field](record) if value]


def stored(value: str) -> str:
    """A value as the index keeps it. A lone surrogate, which JSON can hold, is no text that a database takes."""
    if len(value) <= LONGEST and value.isascii():
        return value
    value = value.encode(errors="replace").decode()
    return value if len(value) <= LONGEST else f"{value[:32]}#{sha256(value.encode()).hexdigest()}"


def of(record: Record) -> set[tuple[str, str]]:
    """All terms of an event but those of its text and its identifiers."""
    return {(field, stored(value)) for field, values in FIELDS.items() for value in values(record) if value}


def identifiers(record: Record) -> set[str]:
    return {value.lower() for values in IDENTIFIERS.values() for value in values(record) if value}


def words_of(text: str) -> list[str]:
    """The words of a text, small: letters, digits and low lines."""
    return _WORD.findall(text.lower())


def is_indexed(word: str) -> bool:
    """Whether the index has this word. It leaves out identifiers, which fields of their own find, and what is longer than any word."""
    return len(word) <= _LONGEST_WORD and not _IDENTIFIER.fullmatch(word)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            if type(each) is str:
                yield each
            else:
                yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def texts(record: Record) -> Iterator[str]:
    """What a search for text looks through: the whole record."""
    return _strings({name: value for name, value in record.items() if name != "voided"})


_TEXTS = ("eventSource", "eventName", "sourceIPAddress", "userAgent", "errorCode", "errorMessage")
_OF_IDENTITY = ("arn", "userName", "invokedBy")


def indexed_texts(record: Record) -> Iterator[str]:
    """The strings of a record that words are taken from: who, what, from where, and all that was asked and answered."""
    for name in _TEXTS:
        if name in record:
            yield record[name]
    identity = record["userIdentity"]
    for name in _OF_IDENTITY:
        if name in identity:
            yield identity[name]
    for element in _elements(record):
        yield from _strings(element)


def indexed_words(text: str) -> tuple[str, ...]:
    """The words of one string that the index has."""
    small = text.lower()
    if "-" in small:
        small = _UUID.sub(" ", small)
    return tuple({stored(word) for word in _WORD.findall(small) if is_indexed(word)})


def words(record: Record) -> set[str]:
    """The words of an event that the index has."""
    return {word for text in indexed_texts(record) for word in indexed_words(text)}
