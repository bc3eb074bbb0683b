"""A denial is told in AWS's words, and the trace tells what stood in the way.

Sources: IAM User Guide, "Troubleshoot access denied error messages"; KMS answers of other accounts' keys as users have published them.
"""

from __future__ import annotations

import pytest

from engine.iam.access_denied import access_denied_message
from engine.iam.decision_trace import trace
from tests.engine.iam.tables import (
    ALICE,
    ALICE_ARN,
    ALLOW,
    ANYBODY,
    BOB,
    BOB_ARN,
    DENY,
    EVERYONE,
    KEY,
    NAMES_BOB,
    NAMES_ROLE,
    NOBODY,
    ROLE,
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
)

ON_KEY = f" on resource: {KEY}"
HIDDEN = (
    " on this resource because the resource does not exist in this Region, no resource-based policies allow access, "
    "or a resource-based policy explicitly denies access"
)
DENY_BOB = deny("DenyBob", **aws(BOB_ARN))

# fmt: off
WORDS = [
    (Row("IAM says nothing", ALICE, "", [TRUST]), ALICE_ARN, f"{ON_KEY} because no identity-based policy allows the kms:Encrypt action"),
    (Row("the key policy says nothing", ALICE, "", [NOBODY], [ALLOW]), ALICE_ARN, f"{ON_KEY} because no resource-based policy allows the kms:Encrypt action"),
    (Row("neither says anything", ALICE, "", [NOBODY]), ALICE_ARN, f"{ON_KEY} because no resource-based policy allows the kms:Encrypt action"),
    (Row("the boundary is silent", ALICE, "", [TRUST], [ALLOW], [SILENT]), ALICE_ARN, f"{ON_KEY} because no permissions boundary allows the kms:Encrypt action"),
    (Row("the session policy is silent", ROLE, "", [NAMES_ROLE], [ALLOW], None, [[SILENT]]), SESSION_ARN, f"{ON_KEY} because no session policy allows the kms:Encrypt action"),
    (Row("the key policy denies", ALICE, "", [TRUST, deny(**aws(ALICE_ARN))], [ALLOW]), ALICE_ARN, f"{ON_KEY} with an explicit deny in a resource-based policy"),
    (Row("IAM denies", ALICE, "", [TRUST], [DENY]), ALICE_ARN, f"{ON_KEY} with an explicit deny in an identity-based policy"),
    (Row("the boundary denies", ALICE, "", [TRUST], [ALLOW], [DENY]), ALICE_ARN, f"{ON_KEY} with an explicit deny in a permissions boundary"),
    (Row("the session policy denies", ROLE, "", [NAMES_ROLE], [], None, [[DENY]]), SESSION_ARN, f"{ON_KEY} with an explicit deny in a session policy"),
    (Row("another account, IAM there says nothing", BOB, "", [NAMES_BOB]), BOB_ARN, f"{ON_KEY} because no identity-based policy allows the kms:Encrypt action"),
    (Row("another account, IAM there denies", BOB, "", [NAMES_BOB], [DENY]), BOB_ARN, f"{ON_KEY} with an explicit deny in an identity-based policy"),
    (Row("another account, the key policy says nothing", BOB, "", [TRUST], [ALLOW]), BOB_ARN, HIDDEN),
    (Row("another account, the key policy denies", BOB, "", [TRUST_OTHER, DENY_BOB], [ALLOW]), BOB_ARN, HIDDEN),
    (Row("a service", S3, "", [TRUST]), "s3.amazonaws.com", f"{ON_KEY} because no resource-based policy allows the kms:Encrypt action"),
    (Row("nobody known", ANYBODY, "", [TRUST]), "anonymous", f"{ON_KEY} because no resource-based policy allows the kms:Encrypt action"),
    (Row("no resource", ALICE, "", None, [], action="kms:ListKeys", resource="*"), ALICE_ARN, " on resource: * because no identity-based policy allows the kms:ListKeys action"),
]

# A statement or grant that does not match, and why.
REASONS = [
    (Row("principal", ALICE, "", [NOBODY]), f"does not match {ALICE_ARN}"),
    (Row("a service", S3, "", [NOBODY]), "does not match s3.amazonaws.com"),
    (Row("action", ALICE, "", None, [SILENT]), "does not match kms:Encrypt"),
    (Row("resource", ALICE, "", None, [allow(Resource="arn:aws:s3:::b")]), f"does not match {KEY}"),
    (Row("condition", ALICE, "", None, [allow(Condition={"Bool": {"aws:SecureTransport": "true"}})], context={"aws:securetransport": "false"}), "condition Bool on aws:securetransport wants ['true'], and it is 'false'"),
    (Row("condition without the key", ALICE, "", None, [allow(Condition={"Bool": {"aws:SecureTransport": "true"}})]), "condition Bool on aws:securetransport wants ['true'], and it is not in the request"),
    (Row("match in an identity policy", ALICE, "", None, [ALLOW]), "action, resource and conditions match"),
    (Row("match by name", ALICE, "", [EVERYONE]), "it names the principal"),
    (Row("match by account", ALICE, "", [TRUST]), "it trusts the principal's account, whose identity policies decide"),
    (Row("deny in a key policy", ALICE, "", [deny(Principal="*")]), "action, resource and conditions match"),
    (Row("grant", ALICE, "", None, grants=[grant(ALICE_ARN)]), "the grant allows it"),
    (Row("grant to another", ALICE, "", None, grants=[grant(BOB_ARN)]), f"its grantee is {BOB_ARN}"),
    (Row("grant for another operation", ALICE, "", None, grants=[grant(ALICE_ARN, "Sign")]), "it does not allow Encrypt"),
    (Row("grant with a constraint", ALICE, "", None, grants=[grant(ALICE_ARN, EncryptionContextEquals={"a": "b"})]), "its constraint does not hold"),
]
# fmt: on


@pytest.mark.parametrize(("row", "who", "words"), WORDS, ids=[each[0].name for each in WORDS])
def test_a_denial_is_told_in_awss_words(row: Row, who: str, words: str) -> None:
    asked = row.ask()
    assert not asked.allowed
    message = access_denied_message(asked, asked.request)
    assert message == f"User: {who} is not authorized to perform: {row.action}{words}"


@pytest.mark.parametrize(("row", "reason"), REASONS, ids=[each[0].name for each in REASONS])
def test_the_trace_tells_the_first_thing_that_does_not_match(row: Row, reason: str) -> None:
    (line,) = trace(row.ask())
    assert line.reason == reason


def test_a_statement_is_called_by_its_sid_or_its_place() -> None:
    (ref,) = Row("", ALICE, "", None, [allow("ByName")]).ask().deciding
    assert str(ref) == "ByName of identity-based policy identity"
    (ref,) = Row("", ALICE, "", None, [SILENT, {**ALLOW, "Sid": ""}]).ask().deciding
    assert str(ref) == "statement 2 of identity-based policy identity"
