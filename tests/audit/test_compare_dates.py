"""Keys at two moments: created, deleted, changed, by the record; what time alone did counts as any change."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from engine import clock
from tests.conftest import TestAccount
from tests.support.policies import allow, trusting


def compared(browser: Client, before: Any, after: Any = None) -> dict[str, Any]:
    asked = {"before": before.isoformat(), **({"after": after.isoformat()} if after else {})}
    page = browser.get("/audit/keys/compare/", asked).context["page"]
    return {each.key.key_id: each for each in page.object_list}


def facts(change: Any) -> dict[str, tuple[str, str]]:
    return {str(each.name): (each.before, each.after) for each in change.facts}


def test_what_came_went_and_changed_is_told(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    changed, doomed, same = (account.create_key(Description=name) for name in ("one", "two", "three"))
    kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
    first = clock.now(account.account_id)
    account.move_clock(days=1)
    created = account.create_key()
    kms.update_key_description(KeyId=changed, Description="uno")
    kms.create_alias(AliasName="alias/one", TargetKeyId=changed)
    kms.tag_resource(KeyId=changed, Tags=[{"TagKey": "owner", "TagValue": "payments"}])
    kms.enable_key_rotation(KeyId=changed, RotationPeriodInDays=100)
    kms.disable_key(KeyId=changed)
    policy = trusting(account, allow("kms:Decrypt", Sid="More", Principal={"AWS": account.root_arn}))
    kms.put_key_policy(KeyId=changed, Policy=policy)
    account.move_clock(days=8)
    found = compared(signed_in, first)
    assert {key: each.mark for key, each in found.items()} == {
        changed: "changed",
        doomed: "deleted",
        created: "created",
    }
    assert same not in found
    assert facts(found[changed]) == {
        "Status": ("Enabled", "Disabled"),
        "Description": ("one", "uno"),
        "Aliases": ("", "one"),
        "Tags": ("", "owner=payments"),
        "Automatic rotation (days)": ("", "100"),
    }
    assert [each.sid for each in found[changed].policy.statements if each.mark == "added"] == ["More"]
    text = signed_in.get("/audit/keys/compare/", {"before": first.isoformat()}).content.decode()
    assert "Statement added" in text


def test_grants_and_two_moments_of_the_past_are_compared(account: TestAccount, signed_in: Client) -> None:
    kms, key = account.client(), account.create_key()
    first = clock.now(account.account_id)
    account.move_clock(days=1)
    kms.create_grant(KeyId=key, GranteePrincipal=account.root_arn, Operations=["Decrypt"])
    second = clock.now(account.account_id) + timedelta(seconds=1)
    account.move_clock(days=1)
    kms.disable_key(KeyId=key)
    assert facts(compared(signed_in, first, second)[key]) == {"Grants": ("", f"{account.root_arn}: Decrypt")}


@pytest.mark.parametrize(
    ("address", "asked", "field", "said"),
    [
        ("/audit/keys/compare/", {"before": "soon"}, "before", "field-error"),
        ("/audit/keys/compare/", {"before": "2999-01-01"}, "before", "in the future"),
        ("/audit/keys/compare/", {"after": "2026-01-01"}, "before", "This field is required"),
        ("/audit/keys/compare/", {"before": "2026-02-01", "after": "2026-01-01"}, "after", "before the beginning"),
        ("/audit/keys/compare/1234abcd-12ab-34cd-56ef-1234567890ab/", {"before": "soon"}, "before", "field-error"),
        ("/audit/keys/", {"as_of": "soon"}, "as_of", "field-error"),
        ("/audit/compliance/report/", {"as_of": "soon"}, "as_of", "field-error"),
    ],
)
def test_what_is_no_moment_is_told_beside_the_field(
    signed_in: Client, address: str, asked: dict[str, str], field: str, said: str
) -> None:
    answer = signed_in.get(address, asked)
    assert answer.status_code in (400, 422)
    page = answer.content.decode()
    label = re.search(rf'<label for="id_{field}">.*?</label>', page, re.DOTALL)
    assert label is not None
    assert said in label[0]
    assert page.count('class="field-error"') == 1


def test_nothing_that_changed_is_said(account: TestAccount, signed_in: Client) -> None:
    account.create_key()
    moment = clock.now(account.account_id) + timedelta(seconds=1)
    account.move_clock(days=1)
    text = signed_in.get("/audit/keys/compare/", {"before": moment.isoformat()}).content.decode()
    assert "Nothing of any key changed" in text
