"""The create-key wizard: every usage and spec of the service model makes its key, answers are kept, drafts do not meet."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from django.test import Client

from engine.public import record
from keys.policy import policies
from keys.wizard import forms as wizard_forms
from keys.wizard import views
from tests.conftest import TestAccount
from tests.support.answers import text

REGION = "us-east-1"


def begin(browser: Client) -> str:
    """The query string of a new draft."""
    return str(browser.get("/keys/new/")["Location"]).partition("?")[2]


def go_through(browser: Client, configure: dict[str, str], alias: str) -> Any:
    draft = begin(browser)
    steps = [
        ("configure", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single", **configure}),
        ("labels", {"alias": alias, "description": "", "tag_key": "team", "tag_value": "blue"}),
        ("administrators", {"deletion": "on"}),
        ("users", {}),
    ]
    for step, answers in steps:
        answer = browser.post(f"/keys/new/{step}/?{draft}", answers)
        assert answer.status_code == 302, (step, text(answer))
    policy = browser.get(f"/keys/new/policy/?{draft}").context["form"]["policy"].value()
    browser.post(f"/keys/new/policy/?{draft}", {"policy": policy})
    review = browser.get(f"/keys/new/review/?{draft}")
    assert "aws_kms_" in text(review) or configure.get("origin") == "EXTERNAL"
    return browser.post(f"/keys/new/review/?{draft}")


COMBINATIONS = [
    (kind, usage, spec)
    for kind, usages in wizard_forms.USAGES.items()
    for usage in usages
    for spec in wizard_forms.specs_for(kind, usage, REGION)
    if spec != "ML_KEM_512"  # not in the cryptography package; the engine says so
]


def test_every_spec_of_the_model_is_offered_with_some_usage() -> None:
    offered = {
        spec
        for kind, usages in wizard_forms.USAGES.items()
        for usage in usages
        for spec in wizard_forms.specs_for(kind, usage, REGION)
    }
    assert offered == set(get_session().get_service_model("kms").shape_for("KeySpec").enum) - {"SM2"}
    assert "SM2" in wizard_forms.specs_for("asymmetric", "SIGN_VERIFY", "cn-north-1")


@pytest.mark.parametrize(("kind", "usage", "spec"), COMBINATIONS)
def test_each_combination_makes_its_key(
    account: TestAccount, signed_in: Client, kind: str, usage: str, spec: str
) -> None:
    go_through(signed_in, {"kind": kind, f"usage_{kind}": usage, f"spec_{kind}_{usage}": spec}, "made")
    key = account.client().describe_key(KeyId="alias/made")["KeyMetadata"]
    assert (key["KeySpec"], key["KeyUsage"]) == (spec, usage)


@pytest.mark.parametrize("spec", sorted({spec for _k, _u, spec in COMBINATIONS}))
def test_what_cannot_be_imported_is_what_the_engine_refuses(account: TestAccount, spec: str) -> None:
    usage = next(usage for _kind, usage, name in COMBINATIONS if name == spec)
    try:
        account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)
        refused = False
    except ClientError:
        refused = True
    assert bool(wizard_forms.not_imported(spec)) == refused


def test_an_external_multi_region_key_goes_on_to_the_import_page(account: TestAccount, signed_in: Client) -> None:
    chosen = {"origin": "EXTERNAL", "acknowledged": "on", "regionality": "multi"}
    answer = go_through(signed_in, chosen, "brought")
    key = account.client().describe_key(KeyId="alias/brought")["KeyMetadata"]
    assert (key["Origin"], key["MultiRegion"], key["KeyState"]) == ("EXTERNAL", True, "PendingImport")
    assert answer["Location"] == f"/keys/{key['KeyId']}/import/"


def test_bringing_material_needs_the_acknowledgement(signed_in: Client) -> None:
    sent = {"kind": "symmetric", "origin": "EXTERNAL", "regionality": "single"}
    answer = signed_in.post(f"/keys/new/configure/?{begin(signed_in)}", sent)
    assert answer.status_code == 422
    assert "Tick this to bring your own key material." in text(answer)
    assert re.search(r'value="EXTERNAL"[^>]* checked', text(answer))


def test_going_back_keeps_every_answer(signed_in: Client) -> None:
    draft = begin(signed_in)
    sent = {"kind": "asymmetric", "usage_asymmetric": "KEY_AGREEMENT", "spec_asymmetric_KEY_AGREEMENT": "ECC_NIST_P521",
            "origin": "AWS_KMS", "regionality": "multi"}  # fmt: skip
    signed_in.post(f"/keys/new/configure/?{draft}", sent)
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "kept", "tag_key": "a", "tag_value": "b"})
    page = text(signed_in.get(f"/keys/new/configure/?{draft}"))
    for value in ("asymmetric", "KEY_AGREEMENT", "ECC_NIST_P521", "multi"):
        assert re.search(f'value="{value}"[^>]* checked', page), value
    assert 'value="kept"' in text(signed_in.get(f"/keys/new/labels/?{draft}"))


def test_two_drafts_do_not_meet(signed_in: Client) -> None:
    one, two = begin(signed_in), begin(signed_in)
    for draft, alias in ((one, "first"), (two, "second")):
        signed_in.post(
            f"/keys/new/configure/?{draft}", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"}
        )
        signed_in.post(f"/keys/new/labels/?{draft}", {"alias": alias})
    assert 'value="first"' in text(signed_in.get(f"/keys/new/labels/?{one}"))
    assert 'value="second"' in text(signed_in.get(f"/keys/new/labels/?{two}"))


@pytest.mark.parametrize("alias", ["with space", "aws/mine", "ünïcode", "x" * 251, ""])
def test_an_illegal_alias_is_said_beside_its_field(signed_in: Client, alias: str) -> None:
    draft = begin(signed_in)
    signed_in.post(f"/keys/new/configure/?{draft}", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"})
    answer = signed_in.post(f"/keys/new/labels/?{draft}", {"alias": alias, "description": "kept"})
    assert answer.status_code == 422
    assert answer.context["form"].errors["alias"]
    assert "kept" in text(answer)


def test_principals_are_searched_and_the_chosen_stay(account: TestAccount, signed_in: Client) -> None:
    arns = {name: account.create_user(name).arn for name in ("ann", "bob", "carol")}
    draft = begin(signed_in)
    signed_in.post(f"/keys/new/configure/?{draft}", {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"})
    answer = signed_in.post(f"/keys/new/administrators/?{draft}", {"search": "1", "q": "car", "chosen": [arns["ann"]]})
    shown = [value for value, _words in answer.context["form"].fields["chosen"].choices]
    assert shown == [arns["ann"], arns["carol"]]
    assert re.search(f'value="{arns["ann"]}"[^>]* checked', text(answer))
    done = signed_in.post(
        f"/keys/new/administrators/?{draft}", {"chosen": [arns["ann"], arns["carol"]], "deletion": "on"}
    )
    assert done.status_code == 302


ALICE, BOB = "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/bob"


def test_the_wizards_policy_is_statement_by_statement_the_consoles() -> None:
    made = json.loads(
        policies.wizard_policy(
            "111122223333",
            spec="SYMMETRIC_DEFAULT",
            usage="ENCRYPT_DECRYPT",
            origin="AWS_KMS",
            multi_region=False,
            administrators=[ALICE],
            users=[BOB],
            other_accounts=["444455556666"],
            administrators_delete=False,
        )
    )
    assert made["Id"] == "key-consolepolicy-3"
    root, administer, use, attach = made["Statement"]
    assert root["Action"] == "kms:*"
    assert "kms:ScheduleKeyDeletion" not in administer["Action"]
    assert "kms:Delete*" in administer["Action"]
    assert use["Principal"]["AWS"] == [BOB, "arn:aws:iam::444455556666:root"]
    assert use["Action"] == ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]
    assert attach["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_a_statement_without_principals_is_left_out() -> None:
    made = json.loads(
        policies.wizard_policy(
            "111122223333",
            spec="HMAC_256",
            usage="GENERATE_VERIFY_MAC",
            origin="AWS_KMS",
            multi_region=False,
            administrators=[],
            users=[BOB],
            other_accounts=[],
            administrators_delete=True,
        )
    )
    assert [statement["Sid"] for statement in made["Statement"]] == [
        "Enable IAM User Permissions",
        "Allow use of the key",
    ]


def test_whether_an_alias_is_free_is_a_read_of_the_console_and_no_failed_call(
    account: TestAccount, signed_in: Client
) -> None:
    labels = signed_in.post(
        signed_in.get("/keys/new/")["Location"],
        {"kind": "symmetric", "usage": "ENCRYPT_DECRYPT", "spec": "SYMMETRIC_DEFAULT", "origin": "AWS_KMS", "regionality": "single"},
    )["Location"]  # fmt: skip
    assert signed_in.post(labels, {"alias": "free"}).status_code == 302
    found = account.client("cloudtrail").lookup_events()["Events"]
    events = [json.loads(each["CloudTrailEvent"]) for each in found if each["EventName"] == "DescribeKey"]
    asked = [each for each in events if each.get("errorCode") == "NotFoundException"]
    assert asked
    assert all(record.is_read_by_console(event) for event in asked)
    assert "NotFoundException" not in signed_in.get("/audit/").content.decode()


def test_the_wizard_says_at_once_that_an_alias_is_taken(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().create_alias(AliasName="alias/taken", TargetKeyId=key_id)
    labels = signed_in.post(
        signed_in.get("/keys/new/")["Location"],
        {"kind": "symmetric", "usage": "ENCRYPT_DECRYPT", "spec": "SYMMETRIC_DEFAULT", "origin": "AWS_KMS", "regionality": "single"},
    )["Location"]  # fmt: skip
    for typed, words in (
        ("taken", f"Key {key_id} has this alias already."),
        ("alias/taken", f"Key {key_id} has this alias already."),
        ("alias/", "This field is required."),
    ):
        answer = signed_in.post(labels, {"alias": typed, "description": "kept"})
        assert answer.status_code == 422
        assert answer.context["form"].errors["alias"] == [words]
        assert "kept</textarea>" in text(answer)
    assert signed_in.post(labels, {"alias": "free", "description": ""}).status_code == 302
    assert (
        signed_in.post(labels.replace("labels", "store")).headers["Location"] == labels
    )  # a step that is not shown yet
    assert len(account.client().list_keys()["Keys"]) == 1


CONFIGURED = {"kind": "symmetric", "origin": "AWS_KMS", "regionality": "single"}


def configured(browser: Client) -> str:
    """The query string of a draft whose key is configured."""
    draft = begin(browser)
    browser.post(f"/keys/new/configure/?{draft}", CONFIGURED)
    return draft


def edit_links(review: Any) -> dict[str, str]:
    """Step → the address of the review's *Edit* beside it."""
    found = re.findall(r'href="(/keys/new/(\w+)/\?[^"]*then=review)"', text(review))
    return {step: html.unescape(address) for address, step in found}


def test_skip_to_review_takes_the_defaults_and_says_which(account: TestAccount, signed_in: Client) -> None:
    draft = configured(signed_in)
    step = text(signed_in.get(f"/keys/new/labels/?{draft}"))
    assert "no key administrators (the account&#x27;s IAM policies decide)" in step
    answer = signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "skipped", "skip": "1"})
    assert answer["Location"] == f"/keys/new/review/?{draft}"
    review = signed_in.get(answer["Location"])
    assert text(review).count("Default:") == 3
    for words in views.DEFAULTS.values():
        assert html.escape(str(words)) in text(review)
    signed_in.post(answer["Location"])
    (key,) = account.client().list_keys()["Keys"]
    policy = account.client().get_key_policy(KeyId=key["KeyId"])["Policy"]
    assert [each["Sid"] for each in json.loads(policy)["Statement"]] == ["Enable IAM User Permissions"]


@pytest.mark.parametrize("step", [name for name in views.STEPS if name not in ("store", "review")])
def test_every_step_has_skip_to_review(signed_in: Client, step: str) -> None:
    page = text(signed_in.get(f"/keys/new/{step}/?{configured(signed_in)}"))
    assert re.search(r'name="skip"[^>]*>\s*Skip to review', page)


def test_what_has_no_default_is_asked_for_before_the_review(signed_in: Client) -> None:
    draft = begin(signed_in)
    review = signed_in.post(f"/keys/new/configure/?{draft}", {**CONFIGURED, "skip": "1"})["Location"]
    labels = signed_in.get(review)["Location"]
    assert labels == f"/keys/new/labels/?{draft}&then=review"
    assert "A key needs an alias." in text(signed_in.get(labels))
    assert signed_in.post(labels, {"alias": ""}).status_code == 422
    assert signed_in.post(labels, {"alias": "asked-for"})["Location"] == review


def test_a_wrong_answer_is_not_skipped(signed_in: Client) -> None:
    draft = configured(signed_in)
    assert signed_in.post(f"/keys/new/users/?{draft}", {"accounts": "12", "skip": "1"}).status_code == 422


def test_every_part_of_the_review_is_edited_and_leads_back_to_it(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann").arn
    draft = configured(signed_in)
    review = f"/keys/new/review/?{draft}"
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "kept", "description": "told", "skip": "1"})
    links = edit_links(signed_in.get(review))
    assert set(links) == set(views.STEPS) - {"store", "review"}
    changes = {
        "administrators": {"chosen": [ann]},
        "users": {"chosen": [ann], "accounts": "444455556666"},
        "configure": {**CONFIGURED, "regionality": "multi"},
        "labels": {"alias": "kept", "description": "told again"},
    }
    for step, sent in changes.items():
        page = text(signed_in.get(links[step]))
        assert "Save changes" in page
        assert "Skip to review" not in page
        assert signed_in.post(links[step], sent)["Location"] == review
    page = text(signed_in.get(review))
    for kept in ("alias/kept", "told again", "Multi-Region key", ann, "444455556666", "They may not delete this key."):
        assert kept in page, kept
    policy = json.loads(signed_in.get(links["policy"]).context["form"]["policy"].value())
    policy["Id"] = "my-own"
    assert signed_in.post(links["policy"], {"policy": json.dumps(policy)})["Location"] == review
    assert "my-own" in text(signed_in.get(review))


def test_a_changed_policy_that_is_written_anew_is_said(signed_in: Client) -> None:
    draft = configured(signed_in)
    review = f"/keys/new/review/?{draft}"
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "a"})
    made = signed_in.get(f"/keys/new/policy/?{draft}").context["form"]["policy"].value()
    gone = "your changes to it are gone"
    signed_in.post(f"/keys/new/policy/?{draft}", {"policy": made})
    signed_in.post(f"/keys/new/users/?{draft}", {"accounts": "444455556666", "skip": "1"})
    assert gone not in text(signed_in.get(review))  # nothing of one's own was in it
    signed_in.post(f"/keys/new/policy/?{draft}", {"policy": json.dumps({**json.loads(made), "Id": "my-own"})})
    signed_in.post(f"/keys/new/users/?{draft}", {"accounts": "", "skip": "1"})
    assert gone in text(signed_in.get(review))


def test_a_key_that_was_begun_is_offered_where_the_next_one_begins(signed_in: Client) -> None:
    draft = configured(signed_in)
    assert "Continue with it" not in text(signed_in.get(f"/keys/new/configure/?{draft}"))
    signed_in.post(f"/keys/new/labels/?{draft}", {"alias": "begun"})
    page = text(signed_in.get(f"/keys/new/configure/?{begin(signed_in)}"))
    assert "You began to create a key with alias begun." in page
    assert f'<a href="/keys/new/review/?{draft}">Continue with it</a>' in page
    signed_in.post(f"/keys/new/review/?{draft}")
    assert "Continue with it" not in text(signed_in.get(f"/keys/new/configure/?{begin(signed_in)}"))
