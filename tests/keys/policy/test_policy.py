"""A key's policy on its pages: the default view in step with the JSON, the editor that checks, the preview, the history."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from keys.policy import policies
from keys.policy.policy_document import read_default_view
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import text
from tests.support.policies import allow, document, person, trusting


def wizard(account: TestAccount, administrators: list[str], users: list[str], accounts: list[str] | None = None) -> str:
    return policies.wizard_policy(
        account.account_id,
        spec="SYMMETRIC_DEFAULT",
        usage="ENCRYPT_DECRYPT",
        origin="AWS_KMS",
        multi_region=False,
        administrators=administrators,
        users=users,
        other_accounts=accounts or [],
        administrators_delete=True,
    )


def policy_of(account: TestAccount, key_id: str) -> dict[str, Any]:
    return json.loads(account.client().get_key_policy(KeyId=key_id)["Policy"])


def statement(policy: dict[str, Any], sid: str) -> dict[str, Any]:
    return next(each for each in policy["Statement"] if each["Sid"] == sid)


# The default view


def test_the_default_view_shows_administrators_users_and_accounts(account: TestAccount, signed_in: Client) -> None:
    ann, bob = account.create_user("ann"), account.create_user("bob")
    key_id = account.create_key(Policy=wizard(account, [ann.arn], [bob.arn], ["444455556666"]))
    view = signed_in.get(f"/keys/{key_id}/").context["default_view"]
    assert (view.administrators, view.users, view.accounts) == ((ann.arn,), (bob.arn,), ("444455556666",))
    assert view.administrators_delete


def test_nobody_is_said_to_be_of_no_account_by_who_may_not_list_users(account: TestAccount, signed_in: Client) -> None:
    """A user that is gone is, to who may list them."""
    ann, bob = account.create_user("ann"), account.create_user("bob")
    reader = person(account, "reader", document(allow(["kms:*"])))
    key_id = account.create_key(Policy=wizard(account, [ann.arn], [bob.arn]))
    iam = account.client("iam")
    iam.delete_access_key(UserName="bob", AccessKeyId=bob.access_key_id)
    iam.delete_user(UserName="bob")
    assert text(signed_in.get(f"/keys/{key_id}/")).count("not in this account") == 1
    shown = text(sign_in_browser(reader).get(f"/keys/{key_id}/"))
    assert ann.arn in shown
    assert "not in this account" not in shown


def test_who_may_list_users_and_no_roles_chooses_among_users_and_is_told_why(account: TestAccount) -> None:
    ann = account.create_user("ann")
    reader = person(account, "reader", document(allow(["kms:*", "iam:ListUsers"])))
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.root_arn}}
    role = account.client("iam").create_role(RoleName="reviewer", AssumeRolePolicyDocument=document(trust))["Role"][
        "Arn"
    ]
    key_id = account.create_key(Policy=wizard(account, [role], []))
    page = sign_in_browser(reader).get(f"/keys/{key_id}/").content.decode()
    assert f'<option value="{ann.arn}">ann (user)</option>' in page
    assert "is not authorized to perform: iam:ListRoles" in page
    assert "not in this account" not in page


def test_somebody_is_added_and_removed_without_json(account: TestAccount, signed_in: Client) -> None:
    ann, bob = account.create_user("ann"), account.create_user("bob")
    key_id = account.create_key()
    change = f"/keys/{key_id}/policy/change/"
    signed_in.post(change, {"add": "administrators", "who": ann.arn})
    signed_in.post(change, {"add": "users", "who": bob.arn})
    signed_in.post(change, {"add": "accounts", "who": "444455556666"})
    assert policy_of(account, key_id) == json.loads(wizard(account, [ann.arn], [bob.arn], ["444455556666"]))
    assert bob.client().encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    signed_in.post(change, {"remove": "users", "who": bob.arn})
    signed_in.post(change, {"remove": "accounts", "who": "444455556666"})
    assert policy_of(account, key_id) == json.loads(wizard(account, [ann.arn], []))


def test_administrators_lose_and_regain_deletion(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    key_id = account.create_key(Policy=wizard(account, [ann.arn], []))
    sid = "Allow access for Key Administrators"
    signed_in.post(f"/keys/{key_id}/policy/change/", {"deletion": "no"})
    assert "kms:ScheduleKeyDeletion" not in statement(policy_of(account, key_id), sid)["Action"]
    assert "They may not delete this key." in text(signed_in.get(f"/keys/{key_id}/"))
    signed_in.post(f"/keys/{key_id}/policy/change/", {"deletion": "yes"})
    assert "kms:ScheduleKeyDeletion" in statement(policy_of(account, key_id), sid)["Action"]


@pytest.mark.parametrize("who", ["4444", "arn:aws:iam::444455556666:root", ""])
def test_what_is_no_account_id_is_not_added(account: TestAccount, signed_in: Client, who: str) -> None:
    key_id = account.create_key()
    before = policy_of(account, key_id)
    answer = signed_in.post(f"/keys/{key_id}/policy/change/", {"add": "accounts", "who": who}, follow=True)
    assert policy_of(account, key_id) == before
    assert 'role="alert"' in text(answer)


def test_a_policy_changed_as_json_is_in_the_default_view_at_once(account: TestAccount, signed_in: Client) -> None:
    ann, key_id = account.create_user("ann"), account.create_key()
    account.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [], [ann.arn]))
    assert signed_in.get(f"/keys/{key_id}/").context["default_view"].users == (ann.arn,)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (
            [
                allow(
                    "kms:Decrypt",
                    Principal={"AWS": "*"},
                    Condition={"Bool": {"aws:SecureTransport": "true"}},
                    Sid="Mine",
                )
            ],
            "“Mine” is no statement",
        ),
        ([allow("kms:Decrypt", Principal={"Service": "logs.amazonaws.com"})], "“statement 2” is no statement"),
    ],
)
def test_a_policy_of_another_shape_is_shown_as_json_with_the_reason(
    account: TestAccount, signed_in: Client, more: list[Any], reason: str
) -> None:
    root = {**allow("kms:*", Principal={"AWS": account.root_arn}), "Sid": "Enable IAM User Permissions"}
    key_id = account.create_key(Policy=document(root, *more))
    answer = signed_in.get(f"/keys/{key_id}/")
    assert reason in text(answer)
    assert answer.context["default_view"] is None


def test_a_wizard_statement_with_another_action_is_told_by_name(account: TestAccount, kms: Any) -> None:
    ann = account.create_user("ann")
    policy = json.loads(wizard(account, [], [ann.arn]))
    policy["Statement"][1]["Action"].append("kms:CreateGrant")
    key = kms.describe_key(KeyId=account.create_key())["KeyMetadata"]
    assert "“Allow use of the key” says something else" in read_default_view(json.dumps(policy), key)[1]


def test_order_and_single_values_make_no_other_shape(account: TestAccount, kms: Any) -> None:
    ann = account.create_user("ann")
    policy = json.loads(wizard(account, [], [ann.arn]))
    policy["Statement"].reverse()
    policy["Statement"][1]["Action"].reverse()
    policy["Statement"][1]["Principal"] = {"AWS": [ann.arn]}
    key = kms.describe_key(KeyId=account.create_key())["KeyMetadata"]
    view, reason = read_default_view(json.dumps(policy), key)
    assert (reason, view.users if view else ()) == ("", (ann.arn,))


# The editor


def test_the_editor_is_checked_while_typing(account: TestAccount, signed_in: Client) -> None:
    typed = trusting(account, allow("kms:Decypt", Principal={"AWS": account.administrator.arn}))
    answer = signed_in.post("/access/check/resource/?field=policy", {"policy": typed})
    assert "There is no action “kms:Decypt”." in text(answer)
    assert "<code>kms:Decrypt</code>" in text(answer)
    assert "<html" not in text(answer)


def test_a_principal_that_does_not_exist_is_found_while_typing(account: TestAccount, signed_in: Client) -> None:
    account.create_user("ann")
    typed = trusting(
        account, allow(Principal={"AWS": f"arn:aws:iam::{account.account_id}:user/an"}, action="kms:Decrypt")
    )
    answer = signed_in.post("/access/check/resource/?field=policy", {"policy": typed})
    assert "There is no such user or role in this account." in text(answer)
    assert f"{account.account_id}:user/ann</code>" in text(answer)


def test_locking_oneself_out_is_told_before_saving(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    typed = document(allow("kms:*", Principal={"AWS": ann.arn}))
    answer = signed_in.post("/access/check/resource/?field=policy", {"policy": typed})
    assert "You yourself could not change this policy afterwards" in text(answer)
    key_id = account.create_key()
    assert "MalformedPolicyDocumentException" in text(signed_in.post(f"/keys/{key_id}/policy/edit/", {"policy": typed}))


def test_a_json_error_shows_its_place_when_submitted_without_scripts(account: TestAccount, signed_in: Client) -> None:
    answer = signed_in.post(
        f"/keys/{account.create_key()}/policy/edit/", {"policy": '{\n"Version": "2012-10-17"\n"Statement": []}'}
    )
    assert answer.status_code == 422
    assert "line 3, column 1" in text(answer)
    assert "MalformedPolicyDocumentException" in text(answer)


def test_an_unknown_kind_of_policy_is_not_checked(signed_in: Client) -> None:
    assert signed_in.post("/access/check/other/?field=policy", {"policy": "{}"}).status_code == 404


def test_a_preview_tells_who_gains_and_who_loses_and_saves_nothing(account: TestAccount, signed_in: Client) -> None:
    ann, bob = account.create_user("ann"), account.create_user("bob")
    key_id = account.create_key(Policy=wizard(account, [], [ann.arn]))
    before = policy_of(account, key_id)
    answer = signed_in.post(f"/keys/{key_id}/policy/edit/", {"policy": wizard(account, [], [bob.arn]), "preview": "1"})
    changes = {
        subject.name: {action: (old, new) for action, old, new in each} for subject, each in answer.context["changes"]
    }
    assert changes["ann"]["kms:Decrypt"] == ("yes", "no")
    assert changes["bob"]["kms:Decrypt"] == ("no", "yes")
    assert changes["bob"]["kms:CreateGrant"] == ("no", "depends")
    assert "admin" not in changes
    assert policy_of(account, key_id) == before


def test_a_preview_says_when_nobody_is_concerned(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    same = json.dumps(policy_of(account, key_id))
    answer = signed_in.post(f"/keys/{key_id}/policy/edit/", {"policy": same, "preview": "1"})
    assert "Nobody's access changes." in text(answer)


# The history


def test_the_history_has_every_version_with_who_and_when(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann", document(allow("kms:*")))
    key_id = account.create_key()
    account.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [], [ann.arn]))
    ann.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [ann.arn], [ann.arn]))
    other = account.create_key()
    account.client().put_key_policy(KeyId=other, Policy=wizard(account, [], []))
    history = signed_in.get(f"/keys/{key_id}/policy/history/").context["history"]
    assert [(v.operation, v.who.rpartition("/")[2], v.current) for v in history.versions] == [
        ("PutKeyPolicy", "ann", True),
        ("PutKeyPolicy", "admin", False),
        ("CreateKey", "admin", False),
    ]
    assert history.complete
    assert json.loads(history.versions[-1].policy)["Id"] == "key-default-1"


def test_the_history_is_paged_counts_all_and_compares_across_pages(
    account: TestAccount, signed_in: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("keys.policy.views._PAGE", 2)
    key_id = account.create_key()
    for users in ([], [account.administrator.arn], []):
        account.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [], users))
    address = f"/keys/{key_id}/policy/history/"
    first = signed_in.get(address)
    versions = first.context["history"].versions
    assert len(versions) == 4
    assert [row[0] for row in first.context["rows"]] == versions[:2]
    assert '<span class="count">(4)</span>' in text(first)
    assert "?page=2" in text(first)
    older = signed_in.get(f"{address}?page=2&to={versions[0].event_id}&from={versions[3].event_id}")
    assert [row[0] for row in older.context["rows"]] == versions[2:]
    assert (older.context["newer"], older.context["older"]) == (versions[0], versions[3])
    assert f'<input type="hidden" name="to" value="{versions[0].event_id}">' in text(older)


def test_a_refused_policy_is_no_version(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key()
    with pytest.raises(account.client().exceptions.ClientError):
        account.client().put_key_policy(KeyId=key_id, Policy="{}")
    assert len(signed_in.get(f"/keys/{key_id}/policy/history/").context["history"].versions) == 1


def test_any_two_versions_are_compared(account: TestAccount, signed_in: Client) -> None:
    ann, bob = account.create_user("ann"), account.create_user("bob")
    key_id = account.create_key(Policy=wizard(account, [], [ann.arn]))
    for users in ([ann.arn, bob.arn], [bob.arn]):
        account.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [], users))
    address = f"/keys/{key_id}/policy/history/"
    versions = signed_in.get(address).context["history"].versions
    answer = signed_in.get(f"{address}?from={versions[2].event_id}&to={versions[0].event_id}")
    changed = [(line.mark, line.text.strip()) for line in answer.context["diff"] if line.mark != " "]
    assert ("-", f'"AWS": "{ann.arn}"') in changed
    assert ("+", f'"AWS": "{bob.arn}"') in changed


def test_an_earlier_version_is_restored_through_the_editor(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    key_id = account.create_key()
    first = policy_of(account, key_id)
    account.client().put_key_policy(KeyId=key_id, Policy=wizard(account, [], [ann.arn]))
    version = signed_in.get(f"/keys/{key_id}/policy/history/").context["history"].versions[-1]
    answer = signed_in.get(f"/keys/{key_id}/policy/edit/?restore={version.event_id}")
    assert "ann" in {subject.name for subject, _changes in answer.context["changes"]}
    assert policy_of(account, key_id) != first
    signed_in.post(f"/keys/{key_id}/policy/edit/", {"policy": answer.context["form"].initial["policy"]})
    assert policy_of(account, key_id) == first


def test_who_may_not_read_the_trail_gets_the_error(account: TestAccount) -> None:
    key_id = account.create_key()
    ann = person(account, "ann", document(allow(["kms:DescribeKey", "kms:GetKeyPolicy"])))
    answer = sign_in_browser(ann).get(f"/keys/{key_id}/policy/history/")
    assert (answer.status_code, "cloudtrail:LookupEvents" in text(answer)) == (403, True)


def test_a_refused_policy_keeps_what_was_typed_with_awss_error_beside_it(
    account: TestAccount, signed_in: Client
) -> None:
    answer = signed_in.post(f"/keys/{account.create_key()}/policy/edit/", {"policy": '{"Version": "2012-10-17"'})
    assert answer.status_code == 422
    assert "MalformedPolicyDocumentException" in text(answer)
    assert "2012-10-17" in text(answer)
