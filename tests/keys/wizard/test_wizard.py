"""The create-key wizard: every usage and spec of the service model makes its key, answers are kept, drafts do not meet."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.session import get_session
from django.test import Client

from keys.policy import policies
from keys.wizard import forms as wizard_forms
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
