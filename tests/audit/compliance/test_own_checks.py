"""Own checks: what the file takes, what each operator means, and errors with their line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from audit.compliance import own_checks
from audit.compliance.own_checks import OwnCheckError, parse
from tests.conftest import TestAccount, new_account, sign_in_browser

HEAD = '[[check]]\nid = "a"\ntitle = "A"\n'


def requiring(condition: str) -> str:
    return f"{HEAD}requires = [{{ {condition} }}]\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("[[check]\n", 1, "Expected"),
        ('x = 1\n[[check]]\nid = "a"', 1, "“x” is not known"),
        ("[check]\nid = 1", 1, "write each check as [[check]]"),
        ('[[check]]\n\ntitle = "A"\nrequires = []', 1, "no “id”"),
        (f"{HEAD}", 1, "no “requires”"),
        (f"{HEAD}requires = 7", 4, "“requires” must be a list"),
        (f"{HEAD}severity = 'bad'\nrequires = [{{ field = 'state', operator = 'is', value = 'x' }}]", 4, "one of low"),
        (f"{HEAD}serious = 'bad'", 4, "“serious” is not known"),
        (requiring("field = 'colour', operator = 'is', value = 'x'"), 4, "no field “colour”"),
        (requiring("field = 'state', operator = 'likes', value = 'x'"), 4, "no operator “likes”"),
        (requiring("field = 'state', operator = 'within days', value = 3"), 4, "is not for “state”"),
        (requiring("field = 'created', operator = 'within days', value = '3'"), 4, "takes a number of days"),
        (requiring("field = 'state', operator = 'one of', value = 'x'"), 4, "takes a list of texts"),
        (requiring("field = 'state', operator = 'is', value = 3"), 4, "takes a text"),
        (requiring("field = 'state', operator = 'is there', value = 'x'"), 4, "takes no value"),
        (requiring("field = 'state'"), 4, "must be {field, operator, value}"),
        (requiring("field = 'state', operator = 'is there'") * 2, 6, "there is a check “a” before"),
        (HEAD.replace('"a"', '"A b"') + "requires = [1]", 2, "small letters"),
        (HEAD + 'what_to_do = """\n[[check]]\n"""\nreferences = [1]\nrequires = [1]', 7, "list of texts"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(OwnCheckError) as found:
        parse(text)
    assert found.value.line == line
    assert words in str(found.value)


def test_the_form_of_the_documentation_is_taken() -> None:
    text = (Path(__file__).parents[3] / "docs/howto/compliance.md").read_text()
    example = text.partition("```toml\n")[2].partition("```")[0]
    assert [each.id for each in parse(example)]
    for name in (*own_checks.FIELDS, *own_checks.OPERATORS):
        assert f"`{name}`" in text, name


@pytest.fixture(scope="module")
def keys(prepared: object) -> tuple[TestAccount, Client, dict[str, str]]:
    account = new_account()
    kms = account.client()
    old = account.create_key(Description="ledger of 2020", Tags=[{"TagKey": "stage", "TagValue": "prod"}])
    account.move_clock(days=50)
    new = account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Tags=[{"TagKey": "stage", "TagValue": "test"}])
    kms.create_alias(AliasName="alias/app/new", TargetKeyId=new)
    kms.enable_key_rotation(KeyId=old)
    kms.schedule_key_deletion(KeyId=new, PendingWindowInDays=10)
    return account, sign_in_browser(account.administrator), {"old": old, "new": new}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("field = 'state', operator = 'is', value = 'Enabled'", "old"),
        ("field = 'state', operator = 'is not', value = 'Enabled'", "new"),
        ("field = 'spec', operator = 'one of', value = ['RSA_2048', 'RSA_4096']", "new"),
        ("field = 'spec', operator = 'none of', value = ['RSA_2048', 'RSA_4096']", "old"),
        ("field = 'alias', operator = 'starts with', value = 'app/'", "new"),
        ("field = 'description', operator = 'contains', value = 'ledger'", "old"),
        ("field = 'alias', operator = 'is missing'", "old"),
        ("field = 'custom_key_store', operator = 'is there'", ""),
        ("field = 'rotation', operator = 'is', value = '365 days'", "old"),
        ("field = 'created', operator = 'more days ago than', value = 40", "old"),
        ("field = 'created', operator = 'at most days ago', value = 40", "new"),
        ("field = 'deletion_date', operator = 'is there'", "new"),
        ("field = 'deletion_date', operator = 'is missing'", "old"),
        ("field = 'deletion_date', operator = 'within days', value = 11", "new"),
        ("field = 'deletion_date', operator = 'not within days', value = 11", "old"),
        ("field = 'tag:stage', operator = 'is', value = 'prod'", "old"),
        ("field = 'tag:stage', operator = 'is not', value = 'prod'", "new"),
        ("field = 'tag:stage', operator = 'one of', value = ['prod', 'test']", "new old"),
        ("field = 'tag:stage', operator = 'none of', value = ['prod', 'test']", ""),
        ("field = 'tag:stage', operator = 'is there'", "new old"),
        ("field = 'tag:team', operator = 'is missing'", "new old"),
    ],
)
def test_what_each_operator_means(keys: Any, condition: str, holds: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _account, browser, named = keys
    monkeypatch.setattr(own_checks, "of_data_folder", lambda: parse(requiring(condition)))
    rows = browser.get("/audit/compliance/own-a/").context["rows"]
    failing = {each.name for each, _exception in rows}
    assert {name for name, key_id in named.items() if key_id not in failing} == set(holds.split())


def test_a_check_is_about_the_keys_that_it_applies_to(keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    text = requiring("field = 'tag:team', operator = 'is there'")
    text += "applies = [{ field = 'tag:stage', operator = 'is', value = 'prod' }]\n"
    monkeypatch.setattr(own_checks, "of_data_folder", lambda: parse(text))
    page = keys[1].get("/audit/compliance/own-a/").context
    assert page["result"].examined == 1
    assert [each.name for each, _exception in page["rows"]] == [keys[2]["old"]]


def test_what_may_not_be_read_fulfils_no_condition(keys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    account, _browser, _ids = keys
    statements = [
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        {"Effect": "Deny", "Action": ["kms:ListAliases", "kms:ListResourceTags"], "Resource": "*"},
    ]
    user = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": statements}))
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    user.password = "long enough"
    ann = sign_in_browser(user)
    for condition in ("field = 'alias', operator = 'is missing'", "field = 'tag:stage', operator = 'is missing'"):
        required = requiring(condition)
        applying = f"{HEAD}applies = [{{ {condition} }}]\nrequires = [{{ field = 'state', operator = 'is', value = 'Enabled' }}]"
        for text in (required, applying):
            monkeypatch.setattr(own_checks, "of_data_folder", lambda text=text: parse(text))
            page = ann.get("/audit/compliance/own-a/").context
            assert (page["result"].status, page["result"].failing) == ("unknown", 0), text
