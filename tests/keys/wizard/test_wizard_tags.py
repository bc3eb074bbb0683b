"""Tags in the wizard: a row each, added and removed without a script, with errors at the field they are about."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from tests.conftest import TestAccount


@pytest.fixture
def labels(signed_in: Client) -> str:
    """The address of the labels step of a new draft."""
    draft = signed_in.get("/keys/new/")["Location"].partition("?")[2]
    signed_in.post(f"/keys/new/configure/?{draft}", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"})
    return f"/keys/new/labels/?{draft}"


def rows(answer: Any) -> list[tuple[str, str]]:
    text = answer.content.decode()
    values = {name: re.findall(rf'name="{name}"\s+value="([^"]*)"', text) for name in ("tag_key", "tag_value")}
    return list(zip(values["tag_key"], values["tag_value"], strict=True))


def problems(answer: Any) -> dict[str, str]:
    """ID of a field → its error."""
    return dict(re.findall(r'<p class="field-error" id="([^"]+)-error">([^<]+)</p>', answer.content.decode()))


def test_a_row_is_offered_and_another_added_with_what_was_typed(signed_in: Client, labels: str) -> None:
    assert rows(signed_in.get(labels)) == [("", "")]
    sent = {"alias": "not valid yet!", "description": "kept", "tag_key": ["team"], "tag_value": ["blue"], "more": "1"}
    answer = signed_in.post(labels, sent)
    assert answer.status_code == 200
    assert rows(answer) == [("team", "blue"), ("", "")]
    assert problems(answer) == {}
    assert 'value="not valid yet!"' in answer.content.decode()
    assert "kept" in answer.content.decode()


def test_a_row_is_taken_away(signed_in: Client, labels: str) -> None:
    sent = {"alias": "a", "tag_key": ["one", "two", "three"], "tag_value": ["1", "2", "3"], "less": "2"}
    assert rows(signed_in.post(labels, sent)) == [("one", "1"), ("three", "3")]


def test_each_error_is_beside_its_field_and_the_rows_are_kept(signed_in: Client, labels: str) -> None:
    keys = ["team", "team", "", "aws:mine", "k" * 129, "fine"]
    values = ["1", "2", "no key", "x", "y", "v" * 257]
    answer = signed_in.post(labels, {"alias": "a", "tag_key": keys, "tag_value": values})
    assert answer.status_code == 422
    assert rows(answer) == list(zip(keys, values, strict=True))
    assert problems(answer) == {
        "tags": "Correct the rows that have an error.",
        "tag-key-2": "“team” is a duplicate.",
        "tag-key-3": "A tag needs a key.",
        "tag-key-4": "Keys that begin with aws: are AWS&#x27;s own.",
        "tag-key-5": "128 characters at most.",
        "tag-value-6": "256 characters at most.",
    }
    assert answer.content.decode().count('aria-invalid="true"') == 5


def test_a_key_has_fifty_tags_at_most(signed_in: Client, labels: str) -> None:
    numbers = [str(number) for number in range(51)]
    answer = signed_in.post(labels, {"alias": "a", "tag_key": numbers, "tag_value": numbers})
    assert problems(answer) == {"tags": "A key has 50 tags at most."}


def test_the_key_gets_the_tags_whatever_is_in_them(account: TestAccount, signed_in: Client, labels: str) -> None:
    sent = {"alias": "tagged", "tag_key": ["a=b", " team ", ""], "tag_value": ["c=d", " blue ", ""]}
    assert signed_in.post(labels, sent).status_code == 302
    assert rows(signed_in.get(labels)) == [("a=b", "c=d"), ("team", "blue")]
    signed_in.post(labels.replace("labels", "review"))
    kms = account.client()
    (key,) = kms.list_keys()["Keys"]
    tags = kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]
    assert {each["TagKey"]: each["TagValue"] for each in tags} == {"a=b": "c=d", "team": "blue"}
