"""Who may do what with a key: the Access tab, the explorer, and the explanation behind every refusal."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.exceptions import ClientError
from django.test import Client

from keys.evaluator import explanation, key_policy_cache
from tests.conftest import TestAccount, sign_in_browser
from tests.support.answers import joined, text
from tests.support.policies import allow, document, person, trusting


def ask(browser: Client, **question: Any) -> Any:
    return browser.get(f"/access/?{urlencode(question, doseq=True)}")


# The Access tab


# The explorer


def test_a_decision_names_the_statement_that_decided(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    policy = trusting(account, allow("kms:Decrypt", Principal={"AWS": ann.arn}, Sid="Ann may decrypt"))
    answer = ask(signed_in, principal=ann.arn, action="kms:Decrypt", key=account.create_key(Policy=policy))
    assert answer.context["decision"].allowed
    deciding = [line for line in answer.context["lines"] if line.outcome == "decides"]
    assert [(line.statement, line.policy) for line in deciding] == [("Ann may decrypt", "key policy")]
    assert "the key policy names the principal" in joined(answer)


def test_the_trace_tells_of_each_other_statement_why_it_did_not_match(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann", document(allow("kms:Encrypt", Sid="Encrypts")))
    answer = ask(signed_in, principal=ann.arn, action="kms:Decrypt", key=account.create_key())
    (line,) = [line for line in answer.context["lines"] if line.statement == "Encrypts"]
    assert (line.outcome, line.reason, line.policy) == ("", "does not match kms:Decrypt", "test (user ann)")


def test_encryption_context_and_condition_keys_change_the_answer(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    condition = {"StringEquals": {"kms:EncryptionContext:class": "one", "kms:ViaService": "s3.us-east-1.amazonaws.com"}}
    key_id = account.create_key(
        Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": ann.arn}, Condition=condition))
    )
    question = {"principal": ann.arn, "action": "kms:Decrypt", "key": key_id}
    answer = ask(signed_in, **question)
    assert not answer.context["decision"].allowed
    assert answer.context["asked_for"] == ["kms:encryptioncontext:class", "kms:viaservice"]
    brought = {
        "ec_name": "class",
        "ec_value": "one",
        "ck_name": "kms:ViaService",
        "ck_value": "s3.us-east-1.amazonaws.com",
    }
    assert ask(signed_in, **question, **brought).context["decision"].allowed


def test_the_smallest_statement_makes_the_call_work(account: TestAccount, signed_in: Client) -> None:
    """It is put where it is said to go, and then the call is allowed."""
    ann, key_id = account.create_user("ann"), account.create_key()
    answer = ask(signed_in, principal=ann.arn, action="kms:Encrypt", key=key_id)
    (suggestion,) = answer.context["suggestions"]
    assert suggestion.kind == "identity"
    assert suggestion.statement["Action"] == "kms:Encrypt"
    account.client("iam").put_user_policy(
        UserName="ann", PolicyName="found", PolicyDocument=document(suggestion.statement)
    )
    assert ann.client().encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]


def test_where_the_key_policy_is_silent_the_statement_goes_there(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann", document(allow("kms:Encrypt")))
    admin = allow("kms:*", Principal={"AWS": account.administrator.arn})
    key_id = account.create_key(Policy=document(admin))
    answer = ask(signed_in, principal=ann.arn, action="kms:Encrypt", key=key_id)
    (suggestion,) = answer.context["suggestions"]
    assert (suggestion.kind, suggestion.statement["Principal"]) == ("resource", {"AWS": ann.arn})
    account.client().put_key_policy(KeyId=key_id, Policy=document(admin, suggestion.statement))
    assert ann.client().encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]


def test_a_boundary_that_stands_in_the_way_is_widened_too(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    account.client("iam").put_user_permissions_boundary(
        UserName="ann", PermissionsBoundary="arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    )
    answer = ask(signed_in, principal=ann.arn, action="iam:CreateUser", key="*")
    assert {each.kind for each in answer.context["suggestions"]} == {"identity", "boundary"}


def test_an_explicit_deny_is_not_answered_with_an_allow(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann", document({**allow("kms:*"), "Effect": "Deny"}))
    answer = ask(signed_in, principal=ann.arn, action="kms:Encrypt", key=account.create_key())
    assert answer.context["suggestions"] == []
    assert "Only a change of the statement that denies" in joined(answer)


def test_who_can_decrypt_with_this_key(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    account.create_user("bob")
    key_id = account.create_key(Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": ann.arn})))
    answer = ask(signed_in, action="kms:Decrypt", key=key_id)
    assert {subject.name for subject, _cells in answer.context["rows"]} == {"root", "admin", "ann"}


def test_which_keys_a_principal_can_use(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    mine = account.create_key(Policy=trusting(account, allow("kms:Decrypt", Principal={"AWS": ann.arn})))
    account.create_key()
    answer = ask(signed_in, principal=ann.arn)
    assert [(key.key_id, [action for action, _c, _a in cells]) for key, cells in answer.context["key_rows"]] == [
        (mine, ["kms:Decrypt"])
    ]
    account.client().put_key_policy(KeyId=mine, Policy=trusting(account))
    assert ask(signed_in, principal=ann.arn).context["key_rows"] == []


def test_a_key_whose_policy_may_not_be_read_is_left_out_of_which_keys(account: TestAccount, signed_in: Client) -> None:
    """Although the administrator asked first and it is known by then."""
    ann = account.create_user("ann")
    grant_all = allow("kms:Decrypt", Principal={"AWS": ann.arn})
    shown, _secret = (account.create_key(Policy=trusting(account, grant_all)) for _ in range(2))
    assert len(ask(signed_in, principal=ann.arn).context["key_rows"]) == 2
    read = ["iam:Get*", "kms:ListKeys", "kms:ListAliases", "kms:DescribeKey", "kms:ListGrants"]
    policy = document(allow(read), allow("kms:GetKeyPolicy", f"arn:aws:kms:*:*:key/{shown}"))
    answer = ask(sign_in_browser(person(account, "carl", policy)), principal=ann.arn)
    assert [key.key_id for key, _cells in answer.context["key_rows"]] == [shown]
    assert answer.context["held"].hidden == 1


def test_everything_a_principal_may_do_with_a_key(account: TestAccount, signed_in: Client) -> None:
    ann, key_id = account.create_user("ann", document(allow("kms:Describe*"))), account.create_key()
    answers = {action: cell for action, cell, _a in ask(signed_in, principal="ann", key=key_id).context["answers"]}
    assert [action for action, cell in answers.items() if cell == "yes"] == ["kms:DescribeKey"]
    assert "kms:Sign" not in answers
    assert ann.arn.endswith("ann")


def test_a_role_is_asked_about_by_its_session_too(account: TestAccount, signed_in: Client) -> None:
    iam, key_id = account.client("iam"), account.create_key()
    trust = document({"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="reader", Path="/people/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName="reader", PolicyName="p", PolicyDocument=document(allow("kms:Decrypt")))
    session = f"arn:aws:sts::{account.account_id}:assumed-role/reader/lesson"
    for principal in (role, session):
        assert ask(signed_in, principal=principal, action="kms:Decrypt", key=key_id).context["decision"].allowed
    denied = ask(signed_in, principal=session, action="kms:Encrypt", key=key_id)
    assert denied.context["decision"].request.principal.arn == session


def test_assuming_a_role_is_decided_by_its_trust_policy(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    trust = document({"Effect": "Allow", "Principal": {"AWS": ann.arn}, "Action": "sts:AssumeRole"})
    role = account.client("iam").create_role(RoleName="reader", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    bob = account.create_user("bob")
    assert ask(signed_in, principal=ann.arn, action="sts:AssumeRole", key=role).context["decision"].allowed
    denied = ask(signed_in, principal=bob.arn, action="sts:AssumeRole", key=role)
    assert not denied.context["decision"].allowed
    assert [each.kind for each in denied.context["suggestions"]] == ["trust"]


def test_an_unknown_principal_is_said_to_be_none(account: TestAccount, signed_in: Client) -> None:
    arn = f"arn:aws:iam::{account.account_id}:user/nobody"
    assert "There is no principal" in joined(
        ask(signed_in, principal=arn, action="kms:Decrypt", key=account.create_key())
    )


def test_an_unknown_key_is_awss_error(account: TestAccount, signed_in: Client) -> None:
    answer = ask(signed_in, principal="admin", action="kms:Decrypt", key="alias/none")
    assert (answer.status_code, "NotFoundException" in joined(answer)) == (404, True)


# From a refusal to its explanation


def test_a_refused_page_leads_to_its_explanation_with_the_missing_statement(account: TestAccount) -> None:
    ann = person(account, "ann")
    answer = sign_in_browser(ann).get("/keys/")
    assert answer.status_code == 403
    question = urlencode({"principal": ann.arn, "action": "kms:ListKeys", "key": "*"})
    assert f"/access/?{question}" in joined(answer).replace("&amp;", "&")
    assert "&quot;kms:ListKeys&quot;" in joined(answer)


def test_a_refused_page_of_iam_leads_there_too(account: TestAccount) -> None:
    answer = sign_in_browser(person(account, "ann")).get("/principals/users/")
    assert answer.status_code == 403
    assert "iam%3AListUsers" in joined(answer)


def test_the_playground_leads_there_too(account: TestAccount) -> None:
    ann = person(account, "ann", document(allow(["kms:ListKeys", "kms:ListAliases", "kms:DescribeKey"])))
    key_id = account.create_key()
    answer = sign_in_browser(ann).post("/play/encrypt/", {"KeyId": key_id, "Plaintext": "x", "Plaintext_as": "text"})
    assert "kms%3AEncrypt" in joined(answer), joined(answer)[:3000]
    assert "The smallest statement that would allow it" in joined(answer)


@pytest.mark.parametrize(
    ("message", "kind", "statement"),
    [
        (
            "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kms:Decrypt on resource: "
            "arn:aws:kms:us-east-1:111122223333:key/k because no identity-based policy allows the kms:Decrypt action",
            "identity",
            {"Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:us-east-1:111122223333:key/k"},
        ),
        (
            "User: arn:aws:sts::111122223333:assumed-role/reader/s is not authorized to perform: kms:Decrypt on resource: "
            "arn:aws:kms:us-east-1:111122223333:key/k because no resource-based policy allows the kms:Decrypt action",
            "resource",
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::111122223333:role/reader"},
                "Action": "kms:Decrypt",
                "Resource": "*",
            },
        ),
        (
            "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: iam:ListUsers on resource: * "
            "because no permissions boundary allows the iam:ListUsers action",
            "boundary",
            {"Effect": "Allow", "Action": "iam:ListUsers", "Resource": "*"},
        ),
    ],
)
def test_awss_sentence_tells_which_statement_is_missing(message: str, kind: str, statement: dict[str, Any]) -> None:
    denial = explanation.denial(f"AccessDeniedException: {message}")
    assert denial is not None
    assert denial.suggestion is not None
    assert (denial.suggestion.kind, denial.suggestion.statement) == (kind, statement)


def test_an_explicit_deny_is_read_from_awss_sentence() -> None:
    denial = explanation.denial(
        "User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kms:Decrypt on resource: k "
        "with an explicit deny in a resource-based policy"
    )
    assert denial is not None
    assert (denial.explicit, denial.suggestion) == (True, None)


def test_other_errors_are_no_denials() -> None:
    assert explanation.denial("NotFoundException: Key 'x' does not exist") is None


def test_keys_that_may_not_be_read_take_no_more_of_a_page_than_others(
    account: TestAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_policy_cache, "_AT_LEAST", 2)
    monkeypatch.setattr(key_policy_cache, "BUDGET", 0.0)
    for _ in range(5):
        account.create_key()
    sees = document(
        allow(["kms:*", "iam:*", "tag:*"]), {"Effect": "Deny", "Action": "kms:GetKeyPolicy", "Resource": "*"}
    )
    browser = sign_in_browser(person(account, "blind-bo", sees))
    held = ask(browser, principal=account.administrator.arn).context["held"]
    assert (held.unread, held.hidden) == (3, 2)


def test_many_keys_at_once_are_answered_as_each_by_itself(account: TestAccount, signed_in: Client) -> None:
    """Keys of one policy share an answer only where the ARN does not matter."""
    keys = [account.create_key() for _ in range(3)]
    ann = account.create_user("ann", document(allow("kms:Decrypt", f"arn:aws:kms:*:*:key/{keys[1]}")))
    account.client().create_grant(KeyId=keys[2], GranteePrincipal=ann.arn, Operations=["Encrypt"])
    found = ask(signed_in, principal=ann.arn).context["key_rows"]
    assert {key.key_id: [action for action, _cell, _address in cells] for key, cells in found} == {
        keys[1]: ["kms:Decrypt"],
        keys[2]: ["kms:Encrypt"],
    }


def test_what_leads_to_an_explanation_looks_like_it_does(account: TestAccount, signed_in: Client) -> None:
    key_id, bob = account.create_key(), account.create_user("bob")
    with pytest.raises(ClientError, match="AccessDenied"):
        bob.client().describe_key(KeyId=key_id)
    user = [{"AttributeKey": "Username", "AttributeValue": "bob"}]
    (refused,) = account.client("cloudtrail").lookup_events(LookupAttributes=user)["Events"]
    question = {"action": "kms:Decrypt", "key": key_id}
    for address in (
        f"/keys/{key_id}/tab/access/",
        f"/access/?{urlencode(question)}",
        f"/access/?{urlencode({**question, 'action': '', 'principal': bob.arn})}",
        f"/audit/{refused['EventId']}/",
    ):
        links = re.findall(r'<a [^>]*href="/access/\?[^"]*principal=[^>]*>', text(signed_in.get(address)))
        assert links, address
        assert [link for link in links if "explains" not in link] == [], address


def test_a_name_that_a_user_and_a_role_have_is_asked_for_as_an_arn(account: TestAccount, signed_in: Client) -> None:
    ann = account.create_user("ann")
    trust = document({"Effect": "Allow", "Principal": {"AWS": account.root_arn}, "Action": "sts:AssumeRole"})
    role = account.client("iam").create_role(RoleName="ann", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    page = text(ask(signed_in, principal="ann"))
    assert "Say which by its ARN" in page
    assert f"{ann.arn} · {role}" in page or f"{role} · {ann.arn}" in page
