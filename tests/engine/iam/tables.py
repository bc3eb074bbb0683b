"""What the tables of decisions share: principals, statements with their names, and how a row is asked and its answer told.

A row's answer is one phrase: "allowed by identity: Trust, Allow" (reason, then the statements that decided), "denied by resource: Deny"
(an explicit deny and where it stands) or "not allowed by boundary" (the kind of policy that did not allow).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from engine.iam.decide import Decision, Policies, Request, decide
from engine.iam.grant_matching import GrantView
from engine.iam.policy import CompiledPolicy, compile_policy
from engine.iam.principal import Principal, SessionFacts

ACCOUNT, OTHER = "111122223333", "444455556666"
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROOT, OTHER_ROOT = f"arn:aws:iam::{ACCOUNT}:root", f"arn:aws:iam::{OTHER}:root"
ALICE_ARN, BOB_ARN = f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{OTHER}:user/bob"
ROLE_ARN, OTHER_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/app", f"arn:aws:iam::{OTHER}:role/app"
SESSION_ARN = f"arn:aws:sts::{ACCOUNT}:assumed-role/app/one"
OTHER_SESSION_ARN = f"arn:aws:sts::{OTHER}:assumed-role/app/one"
ALICE_ID, ROLE_ID = "AIDAALICE0000000000AA", "AROAAPP000000000000AA"
_NOW = datetime(2026, 1, 1, tzinfo=UTC)


def session_of(account: str, *policies: CompiledPolicy) -> Principal:
    facts = SessionFacts("one", f"arn:aws:iam::{account}:role/app", ROLE_ID, _NOW, _NOW, policies=policies)
    arn = f"arn:aws:sts::{account}:assumed-role/app/one"
    return Principal("assumed-role", account, arn, f"{ROLE_ID}:one", "one", session=facts)


ALICE = Principal("user", ACCOUNT, ALICE_ARN, ALICE_ID, "alice", {"team": "blue"})
CAROL = Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/carol", "AIDACAROL0000000000AA", "carol")
BOB = Principal("user", OTHER, BOB_ARN, "AIDABOB000000000000AA", "bob")
ROLE, OTHER_ROLE = session_of(ACCOUNT), session_of(OTHER)
ROOT_USER = Principal("root", ACCOUNT, ROOT, ACCOUNT)
OTHER_ROOT_USER = Principal("root", OTHER, OTHER_ROOT, OTHER)
S3 = Principal("service", "", "", "", invoked_by="s3.amazonaws.com")
ANYBODY = Principal("anonymous", "", "", "")

Statement = dict[str, Any]


def allow(sid: str = "Allow", **members: Any) -> Statement:
    return _statement("Allow", sid, members)


def deny(sid: str = "Deny", **members: Any) -> Statement:
    return _statement("Deny", sid, members)


def _statement(effect: str, sid: str, members: dict[str, Any]) -> Statement:
    made = {"Sid": sid, "Effect": effect, **members}
    if "NotAction" not in made:
        made.setdefault("Action", "kms:*")
    if "NotResource" not in made:
        made.setdefault("Resource", "*")
    return made


def aws(*names: str) -> dict[str, Any]:
    """A statement's Principal of AWS accounts, users and roles."""
    return {"Principal": {"AWS": list(names)}}


TRUST, TRUST_OTHER = allow("Trust", **aws(ROOT)), allow("TrustOther", **aws(OTHER_ROOT))
NAMES_ALICE, NAMES_BOB = allow("NamesAlice", **aws(ALICE_ARN)), allow("NamesBob", **aws(BOB_ARN))
NAMES_ROLE, NAMES_SESSION = allow("NamesRole", **aws(ROLE_ARN)), allow("NamesSession", **aws(SESSION_ARN))
NAMES_OTHER_ROLE = allow("NamesOtherRole", **aws(OTHER_ROLE_ARN))
EVERYONE = allow("Everyone", Principal="*")
NOBODY = allow("Nobody", **aws(f"arn:aws:iam::{ACCOUNT}:user/nobody"))
ALLOW, DENY, SILENT = allow(), deny(), allow("Silent", Action="kms:Sign")


def compiled(
    *statements: Statement, kind: Any = "identity", version: str = "2012-10-17", name: str = ""
) -> CompiledPolicy:
    document = json.dumps({"Version": version, "Statement": list(statements)})
    return compile_policy(document, name=name or kind, kind=kind)


@dataclass(frozen=True)
class Row:
    """`key`, `identity`, `boundary` are statements; `session` a list of session policies, each a list of statements."""

    name: str
    who: Principal
    answer: str
    key: list[Statement] | None = None
    identity: list[Statement] = field(default_factory=list)
    boundary: list[Statement] | None = None
    session: list[list[Statement]] | None = None
    grants: list[GrantView] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)
    action: str = "kms:Encrypt"
    resource: str = KEY
    encryption_context: dict[str, str] | None = None

    def __str__(self) -> str:
        return self.name

    def ask(self) -> Decision:
        who = self.who
        if self.session is not None:
            narrowing = tuple(compiled(*each, kind="session") for each in self.session)
            who = session_of(who.account_id, *narrowing)
        policies = Policies(
            identity=(compiled(*self.identity),) if self.identity else (),
            resource=compiled(*self.key, kind="resource") if self.key is not None else None,
            boundary=compiled(*self.boundary, kind="boundary") if self.boundary is not None else None,
            grants=tuple(self.grants),
        )
        request = Request(who, self.action, self.resource, ACCOUNT, self.context, self.encryption_context)
        return decide(request, policies)


def told(decision: Decision) -> str:
    """A decision as the tables write it."""
    statements = ", ".join(ref.statement.sid for ref in decision.deciding)
    if decision.reason == "explicit-deny":
        return f"denied by {decision.lacking}: {statements}"
    if not decision.allowed:
        return f"not allowed by {decision.lacking}"
    reason = decision.reason.removeprefix("allowed-by-")
    return f"allowed by {reason}: {statements}" if statements else f"allowed by {reason}"


def grant(grantee: str, *operations: str, grantee_id: str = "", **constraints: Any) -> GrantView:
    return GrantView("g1", grantee, frozenset(operations or ("Encrypt",)), constraints, grantee_id=grantee_id)
