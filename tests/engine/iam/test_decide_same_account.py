"""Within one account: key policy, IAM policies, boundary and session policies, in all combinations that tell rules apart.

Sources: KMS Developer Guide, "Key policies" and "Determining access"; IAM User Guide, "Policy evaluation for requests within a single
account" with its table of what an implicit deny limits, and "Permissions boundaries for IAM entities".
"""

from __future__ import annotations

import pytest

from tests.engine.iam.tables import (
    ALICE,
    ALLOW,
    ANYBODY,
    CAROL,
    DENY,
    EVERYONE,
    NAMES_ALICE,
    NAMES_ROLE,
    NAMES_SESSION,
    NOBODY,
    ROLE,
    ROOT,
    ROOT_USER,
    S3,
    SILENT,
    TRUST,
    Row,
    allow,
    aws,
    deny,
    told,
)

DENY_ALICE, DENY_ACCOUNT = deny("DenyAlice", **aws(ALICE.arn)), deny("DenyAccount", **aws(ROOT))
DENY_ROLE, DENY_SESSION = deny("DenyRole", **aws(ROLE.session.issuer_arn)), deny("DenySession", **aws(ROLE.arn))
S3_MAY = allow("S3", Principal={"Service": "s3.amazonaws.com"})

# fmt: off
KEY_AND_IAM = [
    Row("the account is trusted and IAM allows", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW]),
    Row("the account is trusted, IAM says nothing", ALICE, "not allowed by identity", [TRUST]),
    Row("the account is trusted, IAM allows another action", ALICE, "not allowed by identity", [TRUST], [SILENT]),
    Row("the account is trusted, IAM denies", ALICE, "denied by identity: Deny", [TRUST], [ALLOW, DENY]),
    Row("the account is trusted for another action", ALICE, "not allowed by resource", [allow(Action="kms:Sign", **aws(ROOT))], [ALLOW]),
    Row("the account is not trusted: IAM alone does not count", ALICE, "not allowed by resource", [NOBODY], [ALLOW]),
    Row("neither side says anything", ALICE, "not allowed by resource", [NOBODY]),
    Row("a user named in the key policy needs no IAM policy", ALICE, "allowed by resource: NamesAlice", [NAMES_ALICE]),
    Row("a user named beside the account needs no IAM policy", ALICE, "allowed by resource: NamesAlice", [TRUST, NAMES_ALICE]),
    Row("which statement comes first means nothing", ALICE, "allowed by resource: NamesAlice", [NAMES_ALICE, TRUST]),
    Row("another user than the one named", CAROL, "not allowed by resource", [NAMES_ALICE], [ALLOW]),
    Row("another user, where the account is trusted", CAROL, "not allowed by identity", [TRUST, NAMES_ALICE]),
    Row("everyone is named", ALICE, "allowed by resource: Everyone", [EVERYONE]),
    Row("everyone is named as AWS *", ALICE, "allowed by resource: Star", [allow("Star", **aws("*"))]),
    Row("IAM denies what the key policy allows", ALICE, "denied by identity: Deny", [NAMES_ALICE], [DENY]),
    Row("the key policy denies what IAM allows", ALICE, "denied by resource: DenyAlice", [TRUST, DENY_ALICE], [ALLOW]),
    Row("the key policy denies the account: its users too", ALICE, "denied by resource: DenyAccount", [TRUST, DENY_ACCOUNT], [ALLOW]),
    Row("the key policy denies another user", CAROL, "allowed by identity: Trust, Allow", [TRUST, DENY_ALICE], [ALLOW]),
    Row("the key policy allows and denies the same user", ALICE, "denied by resource: DenyAlice", [NAMES_ALICE, DENY_ALICE]),
    Row("no key takes part: IAM decides", ALICE, "allowed by identity: Allow", None, [ALLOW], action="kms:ListKeys", resource="*"),
    Row("no key takes part, IAM says nothing", ALICE, "not allowed by identity", None, [], action="kms:ListKeys", resource="*"),
    Row("no key takes part, IAM denies", ALICE, "denied by identity: Deny", None, [ALLOW, DENY], action="kms:ListKeys"),
    Row("the account's root needs the key policy only", ROOT_USER, "allowed by identity: Trust", [TRUST]),
    Row("the account's root is not let in by itself", ROOT_USER, "not allowed by resource", [NAMES_ALICE]),
    Row("the account's root without a key", ROOT_USER, "allowed by root", None, action="kms:ListKeys", resource="*"),
    Row("the account's root is denied", ROOT_USER, "denied by resource: DenyAccount", [TRUST, DENY_ACCOUNT]),
    Row("a service that is named", S3, "allowed by resource: S3", [S3_MAY]),
    Row("a service that is not", S3, "not allowed by resource", [TRUST]),
    Row("a service, everyone named", S3, "allowed by resource: Everyone", [EVERYONE]),
    Row("a service denied", S3, "denied by resource: Deny", [S3_MAY, deny(Principal="*")]),
    Row("a service and no policy at all", S3, "not allowed by resource", None),
    Row("somebody unknown, everyone named", ANYBODY, "allowed by resource: Everyone", [EVERYONE]),
    Row("somebody unknown", ANYBODY, "not allowed by resource", [TRUST]),
]

USERS_BOUNDARY = [
    Row("both allow", ALICE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW], [ALLOW]),
    Row("the boundary is silent", ALICE, "not allowed by boundary", [TRUST], [ALLOW], [SILENT]),
    Row("the boundary denies", ALICE, "denied by boundary: Deny", [TRUST], [ALLOW], [ALLOW, DENY]),
    Row("the boundary allows, IAM is silent: it gives nothing", ALICE, "not allowed by identity", [TRUST], [], [ALLOW]),
    Row("the key policy names the user, the boundary is silent", ALICE, "allowed by resource: NamesAlice", [NAMES_ALICE], [], [SILENT]),
    Row("the key policy names the user, the boundary denies", ALICE, "denied by boundary: Deny", [NAMES_ALICE], [], [DENY]),
    Row("the key policy names everyone, the boundary is silent", ALICE, "allowed by resource: Everyone", [EVERYONE], [], [SILENT]),
    Row("no key, the boundary is silent", ALICE, "not allowed by boundary", None, [ALLOW], [SILENT]),
    Row("no key, the boundary allows", ALICE, "allowed by identity: Allow", None, [ALLOW], [ALLOW]),
    Row("no key, boundary and IAM are silent", ALICE, "not allowed by identity", None, [SILENT], [SILENT]),
]

SESSIONS = [
    Row("a role is named and its session calls", ROLE, "allowed by resource: NamesRole", [NAMES_ROLE]),
    Row("a session is named", ROLE, "allowed by resource: NamesSession", [NAMES_SESSION]),
    Row("another session is named", ROLE, "not allowed by resource", [allow(**aws(ROLE.arn.replace("one", "two")))], [ALLOW]),
    Row("the account is trusted and the role's policy allows", ROLE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW]),
    Row("the role's policy denies what its name is given", ROLE, "denied by identity: Deny", [NAMES_ROLE], [DENY]),
    Row("the role is denied: its sessions too", ROLE, "denied by resource: DenyRole", [EVERYONE, DENY_ROLE], [ALLOW]),
    Row("one session is denied", ROLE, "denied by resource: DenySession", [NAMES_ROLE, DENY_SESSION]),
    # Named by the role's ARN: limited by an implicit deny of boundary or session policy, not of the identity policy.
    Row("role named, boundary silent", ROLE, "not allowed by boundary", [NAMES_ROLE], [], [SILENT]),
    Row("role named, boundary allows", ROLE, "allowed by resource: NamesRole", [NAMES_ROLE], [], [ALLOW]),
    Row("role named, boundary denies", ROLE, "denied by boundary: Deny", [NAMES_ROLE], [], [ALLOW, DENY]),
    Row("role named, session policy silent", ROLE, "not allowed by session", [NAMES_ROLE], [], None, [[SILENT]]),
    Row("role named, session policy allows", ROLE, "allowed by resource: NamesRole", [NAMES_ROLE], [], None, [[ALLOW]]),
    Row("role named, session policy denies", ROLE, "denied by session: Deny", [NAMES_ROLE], [], None, [[ALLOW, DENY]]),
    Row("role named, both narrow and allow", ROLE, "allowed by resource: NamesRole", [NAMES_ROLE], [], [ALLOW], [[ALLOW]]),
    Row("role named, the boundary alone is silent", ROLE, "not allowed by boundary", [NAMES_ROLE], [], [SILENT], [[ALLOW]]),
    Row("role named, the session policy alone is silent", ROLE, "not allowed by session", [NAMES_ROLE], [], [ALLOW], [[SILENT]]),
    # Named by the session's ARN, or by "*": the permission is the session's own, which no implicit deny limits.
    Row("session named, boundary silent", ROLE, "allowed by resource: NamesSession", [NAMES_SESSION], [], [SILENT]),
    Row("session named, boundary denies", ROLE, "denied by boundary: Deny", [NAMES_SESSION], [], [DENY]),
    Row("session named, session policy silent", ROLE, "allowed by resource: NamesSession", [NAMES_SESSION], [], None, [[SILENT]]),
    Row("session named, session policy denies", ROLE, "denied by session: Deny", [NAMES_SESSION], [], None, [[DENY]]),
    Row("session named, both are silent", ROLE, "allowed by resource: NamesSession", [NAMES_SESSION], [], [SILENT], [[SILENT]]),
    Row("everyone named, boundary silent", ROLE, "allowed by resource: Everyone", [EVERYONE], [], [SILENT]),
    Row("everyone named, session policy silent", ROLE, "allowed by resource: Everyone", [EVERYONE], [], None, [[SILENT]]),
    Row("role and session named: the session's counts", ROLE, "allowed by resource: NamesSession", [NAMES_ROLE, NAMES_SESSION], [], [SILENT]),
    Row("session and role named, the other order", ROLE, "allowed by resource: NamesSession", [NAMES_SESSION, NAMES_ROLE], [], [SILENT]),
    # Through the account: identity policy, boundary and session policy must all allow.
    Row("through IAM, boundary silent", ROLE, "not allowed by boundary", [TRUST], [ALLOW], [SILENT]),
    Row("through IAM, session policy silent", ROLE, "not allowed by session", [TRUST], [ALLOW], None, [[SILENT]]),
    Row("through IAM, session policy allows more than the role", ROLE, "not allowed by identity", [TRUST], [SILENT], None, [[ALLOW]]),
    Row("through IAM, all three allow", ROLE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW], [ALLOW], [[ALLOW]]),
    Row("through IAM, one of two session policies allows", ROLE, "allowed by identity: Trust, Allow", [TRUST], [ALLOW], None, [[SILENT], [ALLOW]]),
    Row("through IAM, one of two session policies denies", ROLE, "denied by session: Deny", [TRUST], [ALLOW], None, [[ALLOW], [DENY]]),
    Row("through IAM, both session policies are silent", ROLE, "not allowed by session", [TRUST], [ALLOW], None, [[SILENT], [SILENT]]),
    Row("no key, session policy silent", ROLE, "not allowed by session", None, [ALLOW], None, [[SILENT]]),
    Row("no key, session policy allows", ROLE, "allowed by identity: Allow", None, [ALLOW], None, [[ALLOW]]),
]
# fmt: on


@pytest.mark.parametrize("row", KEY_AND_IAM, ids=str)
def test_key_policy_and_iam_policies(row: Row) -> None:
    assert told(row.ask()) == row.answer


@pytest.mark.parametrize("row", USERS_BOUNDARY, ids=str)
def test_a_users_permissions_boundary(row: Row) -> None:
    assert told(row.ask()) == row.answer


@pytest.mark.parametrize("row", SESSIONS, ids=str)
def test_sessions_of_a_role(row: Row) -> None:
    assert told(row.ask()) == row.answer
