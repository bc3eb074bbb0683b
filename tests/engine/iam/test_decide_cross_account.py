"""Across accounts: the key's account and the caller's must both allow; and what a grant gives, in either.

Sources: KMS Developer Guide, "Allowing users in other accounts to use a KMS key" and "Grants in AWS KMS"; IAM User Guide, "Cross-account
policy evaluation logic"; EC2 Auto Scaling User Guide, "Required AWS KMS key policy" (a grant is enough for a role of another account).
"""

from __future__ import annotations

import pytest

from tests.engine.iam.tables import (
    ALICE,
    ALICE_ARN,
    ALICE_ID,
    ALLOW,
    ANYBODY,
    BOB,
    BOB_ARN,
    CAROL,
    DENY,
    EVERYONE,
    NAMES_BOB,
    NAMES_OTHER_ROLE,
    NOBODY,
    OTHER,
    OTHER_ROLE,
    OTHER_ROLE_ARN,
    OTHER_ROOT,
    OTHER_ROOT_USER,
    OTHER_SESSION_ARN,
    ROLE,
    ROLE_ARN,
    ROLE_ID,
    ROOT,
    ROOT_USER,
    S3,
    SESSION_ARN,
    SILENT,
    TRUST,
    TRUST_OTHER,
    Row,
    allow,
    aws,
    deny,
    grant,
    told,
)

TRUST_OTHER_BY_ID = allow("TrustOther", **aws(OTHER))
NAMES_OTHER_SESSION = allow("NamesOtherSession", **aws(OTHER_SESSION_ARN))
DENY_OTHER, DENY_BOB = deny("DenyOther", **aws(OTHER_ROOT)), deny("DenyBob", **aws(BOB_ARN))

# fmt: off
CROSS_ACCOUNT = [
    Row("the account is trusted, IAM there allows", BOB, "allowed by identity: TrustOther, Allow", [TRUST_OTHER], [ALLOW]),
    Row("the account is trusted by its number", BOB, "allowed by identity: TrustOther, Allow", [TRUST_OTHER_BY_ID], [ALLOW]),
    Row("the user is named, IAM there allows", BOB, "allowed by identity: NamesBob, Allow", [NAMES_BOB], [ALLOW]),
    Row("everyone is named, IAM there allows", BOB, "allowed by identity: Everyone, Allow", [EVERYONE], [ALLOW]),
    Row("the key policy alone is not enough", BOB, "not allowed by identity", [TRUST_OTHER]),
    Row("being named is not enough", BOB, "not allowed by identity", [NAMES_BOB]),
    Row("everyone named is not enough", BOB, "not allowed by identity", [EVERYONE]),
    Row("IAM there allows another action", BOB, "not allowed by identity", [NAMES_BOB], [SILENT]),
    Row("IAM alone is not enough", BOB, "not allowed by resource", [TRUST], [ALLOW]),
    Row("another account is trusted", BOB, "not allowed by resource", [NOBODY], [ALLOW]),
    Row("neither allows", BOB, "not allowed by identity", [TRUST]),
    Row("IAM there denies", BOB, "denied by identity: Deny", [NAMES_BOB], [ALLOW, DENY]),
    Row("the key policy denies the account", BOB, "denied by resource: DenyOther", [NAMES_BOB, DENY_OTHER], [ALLOW]),
    Row("the key policy denies the user", BOB, "denied by resource: DenyBob", [TRUST_OTHER, DENY_BOB], [ALLOW]),
    Row("the boundary there is silent", BOB, "not allowed by boundary", [NAMES_BOB], [ALLOW], [SILENT]),
    Row("the boundary there allows", BOB, "allowed by identity: NamesBob, Allow", [NAMES_BOB], [ALLOW], [ALLOW]),
    Row("the boundary there denies", BOB, "denied by boundary: Deny", [NAMES_BOB], [ALLOW], [DENY]),
    Row("the other account's root", OTHER_ROOT_USER, "allowed by identity: TrustOther", [TRUST_OTHER]),
    Row("the other account's root, not trusted", OTHER_ROOT_USER, "not allowed by resource", [TRUST]),
    Row("a role there is named", OTHER_ROLE, "not allowed by identity", [NAMES_OTHER_ROLE]),
    Row("a role there is named and allowed", OTHER_ROLE, "allowed by identity: NamesOtherRole, Allow", [NAMES_OTHER_ROLE], [ALLOW]),
    Row("a session there is named", OTHER_ROLE, "not allowed by identity", [NAMES_OTHER_SESSION]),
    Row("a session there is named and allowed", OTHER_ROLE, "allowed by identity: NamesOtherSession, Allow", [NAMES_OTHER_SESSION], [ALLOW]),
    Row("a session there, boundary silent", OTHER_ROLE, "not allowed by boundary", [NAMES_OTHER_SESSION], [ALLOW], [SILENT]),
    Row("a session there, session policy silent", OTHER_ROLE, "not allowed by session", [NAMES_OTHER_SESSION], [ALLOW], None, [[SILENT]]),
    Row("a session there, session policy allows", OTHER_ROLE, "allowed by identity: NamesOtherRole, Allow", [NAMES_OTHER_ROLE], [ALLOW], None, [[ALLOW]]),
    Row("a session there, session policy denies", OTHER_ROLE, "denied by session: Deny", [NAMES_OTHER_ROLE], [ALLOW], None, [[DENY]]),
    Row("the role of the same name here is named", OTHER_ROLE, "not allowed by resource", [allow(**aws(ROLE_ARN))], [ALLOW]),
    Row("a role here and a user there: each its own rules", ROLE, "allowed by identity: Trust, Allow", [TRUST, NAMES_BOB], [ALLOW]),
]

CONTEXT = {"Tenant": "t1", "purpose": "test"}
GRANTS = [
    Row("a user's grant is enough", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN)]),
    Row("with its unique ID", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, grantee_id=ALICE_ID)]),
    Row("of the user that had the name before", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, grantee_id="AIDAOTHER")]),
    Row("of another user", CAROL, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN)]),
    Row("for another operation", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, "Decrypt")]),
    Row("for this operation and others", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, "Decrypt", "Encrypt")]),
    Row("the second of two", ALICE, "allowed by grant", [NOBODY], grants=[grant(ROLE_ARN), grant(ALICE_ARN)]),
    Row("a key policy that allows comes first", ALICE, "allowed by resource: Everyone", [EVERYONE], grants=[grant(ALICE_ARN)]),
    Row("the key policy denies", ALICE, "denied by resource: Deny", [deny(Principal="*")], grants=[grant(ALICE_ARN)]),
    Row("IAM denies", ALICE, "denied by identity: Deny", [NOBODY], [DENY], grants=[grant(ALICE_ARN)]),
    Row("the boundary denies", ALICE, "denied by boundary: Deny", [NOBODY], [], [DENY], grants=[grant(ALICE_ARN)]),
    Row("the boundary is silent", ALICE, "not allowed by boundary", [NOBODY], [], [SILENT], grants=[grant(ALICE_ARN)]),
    Row("the session policy is silent", ROLE, "not allowed by session", [NOBODY], [], None, [[SILENT]], [grant(ROLE_ARN)]),
    Row("the session policy allows", ROLE, "allowed by grant", [NOBODY], [], None, [[ALLOW]], [grant(ROLE_ARN)]),
    Row("a role's, by its session", ROLE, "allowed by grant", [NOBODY], grants=[grant(ROLE_ARN)]),
    Row("a role's with its unique ID", ROLE, "allowed by grant", [NOBODY], grants=[grant(ROLE_ARN, grantee_id=ROLE_ID)]),
    Row("of the role that had the name before", ROLE, "not allowed by resource", [NOBODY], grants=[grant(ROLE_ARN, grantee_id="AROAOLD")]),
    Row("a session's", ROLE, "allowed by grant", [NOBODY], grants=[grant(SESSION_ARN)]),
    Row("another session's", ROLE, "not allowed by resource", [NOBODY], grants=[grant(SESSION_ARN + "2")]),
    Row("the account's, by a user", ALICE, "allowed by grant", [NOBODY], grants=[grant(ROOT)]),
    Row("the account's, by its root", ROOT_USER, "allowed by grant", [NOBODY], grants=[grant(ROOT)]),
    Row("a service's", S3, "allowed by grant", [NOBODY], grants=[grant("s3.amazonaws.com")]),
    Row("another service's", S3, "not allowed by resource", [NOBODY], grants=[grant("ebs.amazonaws.com")]),
    Row("a user of another account, without IAM there", BOB, "allowed by grant", [NOBODY], grants=[grant(BOB_ARN)]),
    Row("a role of another account, without IAM there", OTHER_ROLE, "allowed by grant", [NOBODY], grants=[grant(OTHER_ROLE_ARN)]),
    Row("the other account's", BOB, "allowed by grant", [NOBODY], grants=[grant(OTHER_ROOT)]),
    Row("another account's user denied by IAM there", BOB, "denied by identity: Deny", [NOBODY], [DENY], grants=[grant(BOB_ARN)]),
    Row("another account's user, boundary silent", BOB, "not allowed by identity", [NOBODY], [], [SILENT], grants=[grant(BOB_ARN)]),
    Row("nobody known", ANYBODY, "not allowed by resource", [NOBODY], grants=[grant(ROOT)]),
    Row("no operation of IAM", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN)], action="iam:Encrypt"),
    Row("equal context", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextEquals=CONTEXT)], encryption_context=CONTEXT),
    Row("equal context, keys in another case", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextEquals=CONTEXT)], encryption_context={"tenant": "t1", "Purpose": "test"}),
    Row("equal context, value in another case", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextEquals=CONTEXT)], encryption_context={"Tenant": "T1", "purpose": "test"}),
    Row("equal context, one pair more", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextEquals=CONTEXT)], encryption_context={**CONTEXT, "more": "x"}),
    Row("equal context, none given", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextEquals=CONTEXT)]),
    Row("subset, one pair more", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextSubset={"Tenant": "t1"})], encryption_context=CONTEXT),
    Row("subset, pair missing", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextSubset=CONTEXT)], encryption_context={"Tenant": "t1"}),
    Row("subset, another value", ALICE, "not allowed by resource", [NOBODY], grants=[grant(ALICE_ARN, EncryptionContextSubset={"Tenant": "t1"})], encryption_context={"Tenant": "t2"}),
    Row("constraints do not count where there is no context", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, "DescribeKey", EncryptionContextEquals=CONTEXT)], action="kms:DescribeKey"),
    Row("for the resource named", S3, "allowed by grant", [NOBODY], grants=[grant("s3.amazonaws.com", SourceArn="arn:aws:s3:::b")], context={"aws:sourcearn": "arn:aws:s3:::b"}),
    Row("for another resource", S3, "not allowed by resource", [NOBODY], grants=[grant("s3.amazonaws.com", SourceArn="arn:aws:s3:::b")], context={"aws:sourcearn": "arn:aws:s3:::c"}),
    Row("for no resource", S3, "not allowed by resource", [NOBODY], grants=[grant("s3.amazonaws.com", SourceArn="arn:aws:s3:::b")]),
    Row("one that holds among those that do not", ALICE, "allowed by grant", [NOBODY], grants=[grant(ALICE_ARN, "Sign"), grant(ALICE_ARN, EncryptionContextEquals=CONTEXT), grant(ALICE_ARN)]),
]
# fmt: on


@pytest.mark.parametrize("row", CROSS_ACCOUNT, ids=str)
def test_across_accounts(row: Row) -> None:
    assert told(row.ask()) == row.answer


@pytest.mark.parametrize("row", GRANTS, ids=str)
def test_grants(row: Row) -> None:
    assert told(row.ask()) == row.answer
