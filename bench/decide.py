"""`python -m bench.decide`: what one decision costs, and who may use a key, and which keys one may use. Pure; no server, no database.

The typical policy set: a key policy of three statements, a user with one inline policy, two managed and one of a group. With conditions
each asks for an encryption context, a tag, an address and a date. `table()` is part of what `make bench` writes.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from engine.iam import starter_policies
from engine.iam.decide import Policies, Request, decide
from engine.iam.grant_matching import GrantView
from engine.iam.policy import CompiledPolicy, compile_policy
from engine.iam.principal import Principal
from engine.iam.variables import Values

ACCOUNT = "111122223333"
ROOT = f"arn:aws:iam::{ACCOUNT}:root"
PRINCIPALS, KEYS = 1_000, 10_000
DECISIONS = 20_000
ROUNDS = 5

CONTEXT: Values = {
    "aws:username": "user0007",
    "aws:principaltag/team": "team07",
    "aws:resourcetag/team": "team07",
    "aws:sourceip": "203.0.113.7",
    "aws:currenttime": "2026-01-01T00:00:00Z",
    "kms:encryptioncontext:tenant": "t1",
    "kms:encryptioncontextkeys": ("tenant",),
    "kms:calleraccount": ACCOUNT,
}
CONDITIONS = (
    {"StringEquals": {"kms:EncryptionContext:tenant": ["t0", "t1"]}},
    {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
    {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "203.0.113.0/24"]}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
)
USE = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"]


def compiled(kind: Any, name: str, *statements: dict[str, Any]) -> CompiledPolicy:
    return compile_policy(json.dumps({"Version": "2012-10-17", "Statement": list(statements)}), name=name, kind=kind)


def statement(actions: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": resource, **more}


def user(number: int) -> Principal:
    name = f"user{number:04}"
    tags = {"team": f"team{number % 100:02}"}
    return Principal("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/{name}", f"AIDA{number:017}", name, tags)


def key_arn(number: int) -> str:
    return f"arn:aws:kms:us-east-1:{ACCOUNT}:key/{number:08}-0000-0000-0000-000000000000"


def key_policy(number: int, *, named: int = 3) -> CompiledPolicy:
    administrators = [user(number % 7).arn, user(number % 11).arn]
    users = [user((number * 13 + each) % PRINCIPALS).arn for each in range(named)]
    return compiled(
        "resource",
        "default",
        statement("kms:*", Principal={"AWS": ROOT}),
        statement(["kms:Create*", "kms:Put*", "kms:Get*", "kms:List*"], Principal={"AWS": administrators}),
        statement(USE, Principal={"AWS": users}),
    )


def identity(number: int, *, conditional: bool) -> tuple[CompiledPolicy, ...]:
    """One inline policy of the user's own, two managed policies and one of a group, the last two shared by many."""
    more: list[dict[str, Any]] = [{"Condition": each} if conditional else {} for each in CONDITIONS]
    some_keys = [key_arn(each) for each in range(number % 50, number % 50 + 5)]
    operator, auditor = starter_policies.POLICIES[1], starter_policies.POLICIES[2]
    return (
        compiled("identity", "own", statement(["kms:Decrypt", "kms:Encrypt"], some_keys, **more[0])),
        compile_policy(operator.document, name=operator.name, kind="identity")
        if number % 3
        else compile_policy(auditor.document, name=auditor.name, kind="identity"),
        compiled("identity", "list", statement(["kms:List*", "kms:Describe*"], **more[2])),
        compiled(
            "identity",
            "group",
            statement(["kms:Encrypt", "kms:GenerateDataKey*"], f"arn:aws:kms:*:{ACCOUNT}:key/*", **more[1]),
            {**statement("kms:ScheduleKeyDeletion", **more[3]), "Effect": "Deny"},
        ),
    )


def microseconds(run: Callable[[], object], times: int) -> float:
    """The median of some rounds, per call."""
    rounds = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            run()
        rounds.append((time.perf_counter() - begun) / times * 1e6)
    return statistics.median(rounds)


def seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def one_decision() -> dict[str, float]:
    """µs of each kind of decision on the request path."""
    who = user(7)
    grant = GrantView("g", who.arn, frozenset({"Decrypt"}), {"EncryptionContextSubset": {"tenant": "t1"}})
    plain = Policies(identity=identity(7, conditional=False), resource=key_policy(3))
    conditional = Policies(identity=identity(7, conditional=True), resource=key_policy(3))
    with_grants = Policies(
        resource=key_policy(3, named=1),
        grants=(*[GrantView(str(n), user(n).arn, frozenset({"Decrypt"}), {}) for n in range(20, 70)], grant),
    )
    bounded = Policies(conditional.identity, conditional.resource, compiled("boundary", "b", statement("kms:*")))
    cases = {
        "allowed through IAM, no conditions": (plain, "kms:Encrypt"),
        "not allowed, no conditions": (plain, "kms:Sign"),
        "allowed through IAM, with conditions": (conditional, "kms:Encrypt"),
        "with conditions and a boundary": (bounded, "kms:Encrypt"),
        "by the last of 51 grants": (with_grants, "kms:Decrypt"),
    }
    figures = {}
    for name, (policies, action) in cases.items():
        request = Request(who, action, key_arn(3), ACCOUNT, CONTEXT, {"tenant": "t1"})
        figures[name] = microseconds(lambda: decide(request, policies), DECISIONS)  # noqa: B023
    return figures


def who_may_use_a_key() -> tuple[float, int]:
    """Seconds for all principals on one key, and how many may."""
    everyone = [(user(number), identity(number, conditional=True)) for number in range(PRINCIPALS)]
    policy, arn = key_policy(3), key_arn(3)

    def run() -> list[Principal]:
        return [
            who
            for who, policies in everyone
            if decide(Request(who, "kms:Decrypt", arn, ACCOUNT, CONTEXT), Policies(policies, policy)).allowed
        ]

    return seconds(run), len(run())


def which_keys_may_be_used() -> tuple[float, int]:
    """Seconds for one principal on all keys, each with a policy of its own, and how many it may use."""
    keys = [(key_arn(number), key_policy(number)) for number in range(KEYS)]
    who, policies = user(7), identity(7, conditional=True)

    def run() -> list[str]:
        return [
            arn
            for arn, policy in keys
            if decide(Request(who, "kms:Decrypt", arn, ACCOUNT, CONTEXT), Policies(policies, policy)).allowed
        ]

    return seconds(run), len(run())


def table() -> str:
    lines = [
        "## Decisions",
        "",
        "One decision, pure (`python -m bench.decide`): a key policy of three statements, four identity policies.",
        "",
        "| decision | µs |",
        "|---|---:|",
        *(f"| {name} | {figure:.1f} |" for name, figure in one_decision().items()),
        "",
        "| question | seconds | may |",
        "|---|---:|---:|",
    ]
    for question, (figure, count) in (
        (f"who of {PRINCIPALS:,} principals may decrypt with one key", who_may_use_a_key()),
        (f"with which of {KEYS:,} keys may one principal decrypt", which_keys_may_be_used()),
    ):
        lines.append(f"| {question} | {figure:.3f} | {count:,} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table())
