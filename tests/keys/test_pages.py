"""The key pages through Django's test client: what is shown, what is refused, and that forms keep what was typed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from keys import policies
from keys.call import cli
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.server import Server

ALICE, BOB = "arn:aws:iam::111122223333:user/alice", "arn:aws:iam::111122223333:user/bob"


def text(answer: Any) -> str:
    return answer.content.decode()


def test_the_list_filters_sorts_and_counts(account: TestAccount, signed_in: Client) -> None:
    kms = account.client()
    for name in ("apple", "pear"):
        kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=account.create_key(Description=f"about {name}"))
    account.create_key(KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Tags=[{"TagKey": "team", "TagValue": "blue"}])
    assert "(3)" in text(signed_in.get("/keys/"))
    assert [row.alias for row in signed_in.get("/keys/?q=PEAR").context["rows"]] == ["pear"]
    assert [row.spec for row in signed_in.get("/keys/?q=team").context["rows"]] == ["RSA_2048"]
    assert [row.spec for row in signed_in.get("/keys/?spec=RSA_2048").context["rows"]] == ["RSA_2048"]
    assert [row.alias for row in signed_in.get("/keys/?sort=alias").context["rows"]] == ["apple", "pear", ""]
    assert [row.alias for row in signed_in.get("/keys/?sort=-alias").context["rows"]] == ["pear", "apple", ""]


def test_the_list_pages(account: TestAccount, signed_in: Client) -> None:
    for _ in range(27):
        account.create_key()
    assert len(signed_in.get("/keys/").context["rows"]) == 25
    assert len(signed_in.get("/keys/?page=2").context["rows"]) == 2


def test_a_change_by_a_program_is_in_the_list_at_once(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    assert signed_in.get("/keys/").context["rows"][0].state == "Enabled"
    account.client().disable_key(KeyId=key_id)
    assert signed_in.get("/keys/").context["rows"][0].state == "Disabled"
    (state,) = [facet for facet in signed_in.get("/keys/?state=Disabled").context["facets"] if facet.name == "state"]
    assert [(each.value, each.number, each.chosen) for each in state.values] == [("Disabled", 1, True)]


def test_who_may_not_list_keys_gets_awss_error_and_not_the_inventory(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    iam = account.client("iam")
    iam.create_user(UserName="ann")
    iam.create_login_profile(UserName="ann", Password="long enough")
    browser = sign_in_browser(TestUser(account, "ann", "", "", "", "long enough"))
    answer = browser.get("/keys/")
    assert answer.status_code == 403
    assert "is not authorized to perform: kms:ListKeys" in text(answer)
    assert "a secret project" not in text(answer)


def test_a_key_that_may_not_be_described_shows_its_id_only(account: TestAccount, signed_in: Client) -> None:
    account.create_key(Description="a secret project")
    signed_in.get("/keys/")
    user = account.create_user(
        "ann",
        json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": ["kms:ListKeys", "kms:ListAliases"], "Resource": "*"}],
            }
        ),
    )
    account.client("iam").create_login_profile(UserName="ann", Password="long enough")
    user.password = "long enough"
    (row,) = sign_in_browser(user).get("/keys/?cols=alias&cols=key_id&cols=state").context["rows"]
    assert (row.readable, row.description, row.spec) == (False, "", "")


def test_a_key_page_shows_each_tab(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Description="what it is for")
    for tab, shown in (
        ("policy", "Key administrators"),
        ("policy/?view=json", "key-default-1"),
        ("crypto", "SYMMETRIC_DEFAULT"),
        ("material", "CURRENT"),
        ("grants", "No grants"),
    ):
        answer = signed_in.get(f"/keys/{key_id}/tab/{tab}" + ("" if "?" in tab else "/"))
        assert answer.status_code == 200
        assert shown in text(answer).replace("&quot;", '"')


def test_deletion_is_scheduled_only_when_it_is_confirmed(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    address = f"/keys/{key_id}/do/delete/"
    refused = signed_in.post(address, {"days": "12"})
    assert refused.status_code == 422
    assert 'value="12"' in text(refused)
    signed_in.post(address, {"days": "12", "confirmed": "on"})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_a_refused_policy_keeps_what_was_typed_with_awss_error_beside_it(
    account: TestAccount, signed_in: Client
) -> None:
    answer = signed_in.post(f"/keys/{account.create_key()}/policy/edit/", {"policy": '{"Version": "2012-10-17"'})
    assert answer.status_code == 422
    assert "MalformedPolicyDocumentException" in text(answer)
    assert "2012-10-17" in text(answer)


def test_a_disabled_action_says_the_error_it_would_give(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    account.client().disable_key(KeyId=key_id)
    page = text(signed_in.get(f"/keys/{key_id}/"))
    assert "DisabledException: arn:aws:kms:" in page


def test_imported_material_is_wrapped_for_training(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Origin="EXTERNAL")
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "material": "00" * 32})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"


def test_many_keys_are_disabled_after_a_preview(account: TestAccount, signed_in: Client) -> None:
    one, two = account.create_key(), account.create_key()
    account.client().schedule_key_deletion(KeyId=two)
    preview = text(signed_in.post("/keys/bulk/", {"action": "disable", "key": [one, two]}))
    assert "is pending deletion." in preview
    signed_in.post("/keys/bulk/", {"action": "disable", "key": [one], "confirmed": "1"})
    assert account.client().describe_key(KeyId=one)["KeyMetadata"]["KeyState"] == "Disabled"


def test_the_playground_explains_what_went_wrong(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    blob = account.client().encrypt(KeyId=key_id, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
    answer = signed_in.post("/play/decrypt/", {"CiphertextBlob": blob.hex(), "CiphertextBlob_as": "hex"})
    assert "InvalidCiphertextException" in text(answer)
    assert "encryption context" in text(answer)
    assert "no-store" in answer["Cache-Control"]
    wrong = signed_in.post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "xyz", "Plaintext_as": "hex"})
    assert wrong.status_code == 422
    assert "This is not hexadecimal" in text(wrong)


def test_a_file_too_large_to_encrypt_directly_is_refused(account: TestAccount, signed_in: Client) -> None:
    upload = SimpleUploadedFile("large.bin", b"x" * 4097)
    answer = signed_in.post(
        "/play/encrypt/", {"KeyId": account.create_key(), "Plaintext_as": "text", "Plaintext_file": upload}
    )
    assert "4,097 bytes; this operation takes 4,096 at most" in text(answer)


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


def test_the_shown_call_runs_as_printed(server: Server) -> None:
    key_id = server.client().create_key()["KeyMetadata"]["KeyId"]
    parameters = {"KeyId": key_id, "Plaintext": b"it's \n bytes", "EncryptionContext": {"it's": "a $test"}}
    command = cli("kms", "Encrypt", parameters, "us-east-1", server.url)
    aws = Path(sys.executable).parent
    environment = {**server.cli_environment(), "PATH": f"{aws}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    blob = base64.b64decode(json.loads(done.stdout)["CiphertextBlob"])
    opened = server.client().decrypt(CiphertextBlob=blob, EncryptionContext=parameters["EncryptionContext"])
    assert opened["Plaintext"] == parameters["Plaintext"]


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
