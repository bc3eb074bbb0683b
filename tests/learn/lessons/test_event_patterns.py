"""Patterns of events match as Amazon EventBridge's do."""

from __future__ import annotations

from typing import Any

import pytest

from learn.lessons.event_patterns import first_mismatch, mistakes

EVENT: dict[str, Any] = {
    "eventName": "CreateKey",
    "readOnly": False,
    "requestParameters": {
        "keySpec": "RSA_2048",
        "pendingWindowInDays": 7,
        "tags": [{"tagKey": "team", "tagValue": "sam"}, {"tagKey": "owner", "tagValue": "eve"}],
        "encryptionContext": {},
        "operations": ["Encrypt", "Decrypt"],
    },
}


def asks(**parameters: Any) -> dict[str, Any]:
    return {"requestParameters": parameters}


@pytest.mark.parametrize(
    "pattern",
    [
        {},
        {"eventName": ["Encrypt", "CreateKey"], "readOnly": [False]},
        asks(keySpec=[{"prefix": "RSA_"}]),
        asks(keySpec=[{"suffix": "_2048"}]),
        asks(keySpec=[{"wildcard": "R*_20?8*"}, {"wildcard": "R*2048"}]),
        asks(keySpec=[{"equals-ignore-case": "rsa_2048"}]),
        asks(keySpec=[{"anything-but": ["SYMMETRIC_DEFAULT", {"prefix": "ECC"}]}]),
        asks(pendingWindowInDays=[{"numeric": [">=", 7, "<", 8]}]),
        asks(tags={"tagKey": ["owner"], "tagValue": ["{user}"]}),
        asks(operations=["Decrypt"]),
        asks(encryptionContext=[{"exists": False}], keySpec=[{"exists": True}]),
        {"$or": [{"eventName": ["Sign"]}, {"eventName": ["CreateKey"]}]},
    ],
)
def test_what_matches(pattern: dict[str, Any]) -> None:
    assert list(mistakes(pattern)) == ([] if pattern else ["a pattern must be a table of fields"])
    assert first_mismatch(pattern, EVENT, {"user": "eve"}) is None


@pytest.mark.parametrize(
    ("pattern", "path"),
    [
        ({"eventName": ["Encrypt"]}, "eventName"),
        ({"readOnly": [0]}, "readOnly"),
        (asks(tags={"tagKey": ["owner"], "tagValue": ["sam"]}), "requestParameters.tags.tagKey"),
        (asks(tags={"tagKey": ["owner"], "tagValue": ["{region}"]}), "requestParameters.tags.tagKey"),
        (asks(keySpec=[{"wildcard": "RSA_204?"}]), "requestParameters.keySpec"),
        (asks(origin=[{"anything-but": "EXTERNAL"}]), "requestParameters.origin"),
        (asks(pendingWindowInDays=[{"numeric": [">", 7]}]), "requestParameters.pendingWindowInDays"),
        ({"responseElements": {"keyId": ["x"]}}, "responseElements.keyId"),
    ],
)
def test_what_differs_is_told_by_its_field(pattern: dict[str, Any], path: str) -> None:
    assert first_mismatch(pattern, EVENT, {"user": "eve"}) == path


@pytest.mark.parametrize(
    ("pattern", "mistake"),
    [
        ({"eventName": "Encrypt"}, "eventName must be a list of values, such as ['Encrypt']"),
        ({"eventName": [{"begins": "E"}]}, "eventName compares by one of"),
        ({"a": {"b": [{"exists": "yes"}]}}, "a.b: exists takes true or false"),
        ({"a": [{"numeric": [">"]}]}, "a: numeric takes signs and numbers"),
        ({"a": [{"prefix": 1}]}, "a: prefix takes a text"),
        ({"a": [["x"]]}, "a holds a list inside its list"),
        ({"$or": [{"a": ["x"]}]}, "$or must be a list of two or more patterns"),
        ({"a": {}}, "a must be a table of fields"),
    ],
)
def test_a_pattern_with_a_mistake_says_where_it_is(pattern: dict[str, Any], mistake: str) -> None:
    (said,) = mistakes(pattern)
    assert said.startswith(mistake)
