"""Every form of Principal and NotPrincipal in a resource policy, and what a policy may not name.

Sources: IAM User Guide, "AWS JSON policy elements: Principal" and "NotPrincipal".
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.iam.policy import MalformedPolicy, compile_policy
from engine.iam.principal import Principal
from tests.engine.iam.tables import (
    ACCOUNT,
    ALICE,
    ALICE_ARN,
    ALICE_ID,
    ALLOW,
    ANYBODY,
    BOB,
    BOB_ARN,
    CAROL,
    EVERYONE,
    OTHER,
    OTHER_ROOT,
    ROLE,
    ROLE_ARN,
    ROLE_ID,
    ROOT,
    ROOT_USER,
    S3,
    SESSION_ARN,
    Row,
    allow,
    aws,
    compiled,
    deny,
    told,
)

CHINA = Principal("user", ACCOUNT, f"arn:aws-cn:iam::{ACCOUNT}:user/li", "AIDALI00000000000000A", "li")
BY_SERVICE = Principal("user", ACCOUNT, ALICE_ARN, ALICE_ID, "alice", invoked_by="s3.amazonaws.com")
S3_NAMED = {"Service": "s3.amazonaws.com"}

# A statement's Principal, who calls, and whether and how the statement is about the caller.
NAMED, DELEGATED, NOT = "named", "delegated", "not"
# fmt: off
FORMS: list[tuple[str, Any, Principal, str]] = [
    ("*", "*", ALICE, NAMED),
    ("*, of another account", "*", BOB, NAMED),
    ("*, a service", "*", S3, NAMED),
    ("*, anonymous", "*", ANYBODY, NAMED),
    ("AWS *", {"AWS": "*"}, ALICE, NAMED),
    ("AWS * in a list", {"AWS": ["*"]}, ROLE, NAMED),
    ("the account's number", {"AWS": ACCOUNT}, ALICE, DELEGATED),
    ("another account's number", {"AWS": OTHER}, ALICE, NOT),
    ("the account's root", {"AWS": ROOT}, ALICE, DELEGATED),
    ("the account's root, a session", {"AWS": ROOT}, ROLE, DELEGATED),
    ("the account's root, root itself", {"AWS": ROOT}, ROOT_USER, DELEGATED),
    ("another account's root", {"AWS": OTHER_ROOT}, ALICE, NOT),
    ("the account's root, a service", {"AWS": ROOT}, S3, NOT),
    ("a root of another partition", {"AWS": f"arn:aws-cn:iam::{ACCOUNT}:root"}, CHINA, DELEGATED),
    ("a user", {"AWS": ALICE_ARN}, ALICE, NAMED),
    ("a user among others", {"AWS": [BOB_ARN, ALICE_ARN]}, ALICE, NAMED),
    ("another user", {"AWS": ALICE_ARN}, CAROL, NOT),
    ("a user of the same name in another account", {"AWS": ALICE_ARN.replace(ACCOUNT, OTHER)}, ALICE, NOT),
    ("a user with a path, not the one without", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/staff/alice"}, ALICE, NOT),
    ("a user in another case", {"AWS": ALICE_ARN.replace("alice", "Alice")}, ALICE, NOT),
    ("a user, root calls", {"AWS": ALICE_ARN}, ROOT_USER, NOT),
    ("a user, for whom a service calls", {"AWS": ALICE_ARN}, BY_SERVICE, NAMED),
    ("the user's unique ID", {"AWS": ALICE_ID}, ALICE, NAMED),
    ("another's unique ID", {"AWS": "AIDAOTHER00000000000A"}, ALICE, NOT),
    ("a user of another partition", {"AWS": CHINA.arn}, CHINA, NAMED),
    ("a role", {"AWS": ROLE_ARN}, ROLE, NAMED),
    ("another role", {"AWS": ROLE_ARN + "2"}, ROLE, NOT),
    ("the role's unique ID", {"AWS": ROLE_ID}, ROLE, NAMED),
    ("the session's unique ID is no principal's form", {"AWS": ROLE_ARN}, ALICE, NOT),
    ("a session", {"AWS": SESSION_ARN}, ROLE, NAMED),
    ("another session of the role", {"AWS": SESSION_ARN + "2"}, ROLE, NOT),
    ("a session, a user calls", {"AWS": SESSION_ARN}, ALICE, NOT),
    ("a federated user's session", {"AWS": f"arn:aws:sts::{ACCOUNT}:federated-user/ann"}, ALICE, NOT),
    ("a service", S3_NAMED, S3, NAMED),
    ("a service among others", {"Service": ["ec2.amazonaws.com", "s3.amazonaws.com"]}, S3, NAMED),
    ("another service", {"Service": "ec2.amazonaws.com"}, S3, NOT),
    ("a service, a user calls", S3_NAMED, ALICE, NOT),
    ("a service that calls for a user is the user", S3_NAMED, BY_SERVICE, NOT),
    ("service and user", {**S3_NAMED, "AWS": ALICE_ARN}, ALICE, NAMED),
    ("service and user, the service calls", {**S3_NAMED, "AWS": ALICE_ARN}, S3, NAMED),
    ("an identity provider", {"Federated": "cognito-identity.amazonaws.com"}, ALICE, NOT),
    ("a canonical user", {"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}, ALICE, NOT),
    ("anonymous, the account trusted", {"AWS": ROOT}, ANYBODY, NOT),
]

# Deny with NotPrincipal: excepted only if the account and, within it, the very user or role is listed.
EXCEPTIONS = [
    Row("user and account listed", ALICE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ROOT]})]),
    Row("the account's number will do", ALICE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ACCOUNT]})]),
    Row("the user alone is listed", ALICE, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": ALICE_ARN})]),
    Row("the account alone is listed", ALICE, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": ROOT})]),
    Row("the account alone is listed, root calls", ROOT_USER, "allowed by identity: Everyone", [allow("Everyone", **aws(ROOT)), deny(NotPrincipal={"AWS": ROOT})]),
    Row("another user is listed", CAROL, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ROOT]})]),
    Row("the user's unique ID and account listed", ALICE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ID, ROOT]})]),
    Row("role and account listed", ROLE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [ROLE_ARN, ROOT]})]),
    Row("role, session and account listed", ROLE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [SESSION_ARN, ROLE_ARN, ROOT]})]),
    Row("session and account listed, not the role", ROLE, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": [SESSION_ARN, ROOT]})]),
    Row("a user of another account", BOB, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ROOT]})], [ALLOW]),
    Row("a service listed", S3, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal=S3_NAMED)]),
    Row("another service listed", S3, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"Service": "ec2.amazonaws.com"})]),
    Row("everyone is excepted", ALICE, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal="*")]),
    Row("for another action", CAROL, "allowed by resource: Everyone", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ROOT]}, Action="kms:Sign")]),
    Row("a caller with a boundary is denied whatever is listed", ALICE, "denied by resource: Deny", [EVERYONE, deny(NotPrincipal={"AWS": [ALICE_ARN, ROOT]})], [], [ALLOW]),
    Row("an allow with NotPrincipal that was stored before", CAROL, "allowed by resource: Allow", [allow(NotPrincipal={"AWS": [ALICE_ARN, ROOT]})]),
]

REFUSED: list[tuple[str, Any]] = [
    ("part of a name with a wildcard", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/*"}),
    ("all sessions of a role", {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/app/*"}),
    ("a name alone", {"AWS": "alice"}),
    ("a number that is no account's", {"AWS": "12345"}),
    ("an empty list", {"AWS": []}),
    ("nothing", {}),
    ("a text that is not *", ALICE_ARN),
    ("an unknown type", {"Google": "accounts.google.com"}),
    ("a number", {"AWS": 111122223333}),
]
# fmt: on


@pytest.mark.parametrize(("name", "principal", "who", "how"), FORMS, ids=[row[0] for row in FORMS])
def test_a_principal_is_named_or_its_account_is_or_neither(name: str, principal: Any, who: Principal, how: str) -> None:
    statement = allow("Named", Principal=principal)
    (found,) = compiled(statement, kind="resource").statements
    assert found.principals is not None
    assert {"direct": NAMED, "account": DELEGATED, "": NOT}[found.principals.match(who)] == how
    answer = told(Row(name, who, "", [statement]).ask())
    assert answer.startswith("allowed by resource") == (how == NAMED and who.account_id in (ACCOUNT, ""))


@pytest.mark.parametrize("row", EXCEPTIONS, ids=str)
def test_not_principal(row: Row) -> None:
    assert told(row.ask()) == row.answer


@pytest.mark.parametrize("principal", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_no_principal_is_refused(principal: Any) -> None:
    with pytest.raises(MalformedPolicy):
        compiled(allow(Principal=principal), kind="resource")


def test_a_resource_policy_must_say_whom_it_is_about() -> None:
    with pytest.raises(MalformedPolicy, match="must contain a principal"):
        compiled(ALLOW, kind="resource")
    with pytest.raises(MalformedPolicy, match="both Principal and NotPrincipal"):
        compiled(allow(Principal="*", NotPrincipal="*"), kind="resource")


def test_a_stored_policy_is_about_who_it_was_pinned_to() -> None:
    text = json.dumps({"Version": "2012-10-17", "Statement": [allow(**aws(ALICE_ARN))]})
    pinned = compile_policy(text, name="", kind="resource", pins=((ALICE_ARN, "AIDAOLD"),)).statements[0].principals
    assert pinned is not None
    assert not pinned.match(ALICE)
    assert pinned.match(Principal("user", ACCOUNT, ALICE_ARN + "-renamed", "AIDAOLD", "x"))
