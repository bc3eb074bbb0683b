"""Actions of the console's own: decided by policies, recorded, and known to whoever writes a policy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine import console_actions, visibility
from engine.iam import vocabulary
from engine.trail import query
from engine.wire.errors import AWSError
from tests.conftest import TestAccount, TestUser

CHANGES = next(each.action for each in console_actions.ACTIONS if not each.reads)
READS = "kmsconsole:ListConnections"


def perform(user: TestUser, action: str, what: Any = lambda: "done", **more: Any) -> Any:
    viewer = visibility.viewer(user.access_key_id, "", "us-east-1", "127.0.0.1", secure=False)
    return console_actions.perform(viewer.context, action, what, **more)


def recorded(account: TestAccount, action: str) -> dict[str, Any]:
    (event,) = query.lookup(account.account_id, query.Lookup(region="us-east-1", name=action.partition(":")[2])).events
    return event


@pytest.mark.parametrize("action", [each.action for each in console_actions.ACTIONS])
def test_each_is_allowed_by_its_name_and_by_what_it_requires_alone(account: TestAccount, action: str) -> None:
    requires = console_actions.BY_ACTION[action].requires
    statement = {"Effect": "Allow", "Action": [action, requires] if requires else action, "Resource": "*"}
    ann = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert perform(ann, action, parameters={"name": "x"}) == "done"
    event = recorded(account, action)
    assert (event["eventSource"], event["userIdentity"]["userName"]) == ("kmsconsole", "ann")
    assert (event["readOnly"], event["requestParameters"]) == (console_actions.BY_ACTION[action].reads, {"name": "x"})


@pytest.mark.parametrize("action", [each.action for each in console_actions.ACTIONS])
def test_a_refusal_does_nothing_and_is_recorded(account: TestAccount, action: str) -> None:
    done: list[str] = []
    with pytest.raises(AWSError, match=f"not authorized to perform: {action}"):
        perform(account.create_user("ann"), action, lambda: done.append("done"))
    assert not done
    assert recorded(account, action)["errorCode"] == "AccessDenied"


@pytest.mark.parametrize("row", [each for each in console_actions.ACTIONS if each.requires], ids=lambda row: row.name)
def test_what_an_action_requires_has_to_be_allowed_too(
    account: TestAccount, row: console_actions.ConsoleAction
) -> None:
    statement = {"Effect": "Allow", "Action": row.action, "Resource": "*"}
    ann = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    with pytest.raises(AWSError, match=f"not authorized to perform: {row.requires}"):
        perform(ann, row.action)
    assert recorded(account, row.action)["errorCode"] == "AccessDenied"


def test_a_change_that_fails_is_recorded_with_its_error(account: TestAccount) -> None:
    def fail() -> None:
        raise AWSError("ConflictException", "Someone was quicker.")

    with pytest.raises(AWSError, match="Someone was quicker"):
        perform(account.administrator, CHANGES, fail)
    assert recorded(account, CHANGES)["errorCode"] == "Conflict"


def test_a_policy_may_name_the_resource(account: TestAccount) -> None:
    mine = console_actions.arn(account.account_id, "connection", "mine")
    statement = {"Effect": "Allow", "Action": READS, "Resource": mine}
    ann = account.create_user("ann", json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    assert perform(ann, READS, resource=mine) == "done"
    with pytest.raises(AWSError, match="AccessDenied"):
        perform(ann, READS, resource=console_actions.arn(account.account_id, "connection", "another"))


def test_the_linter_knows_them_all() -> None:
    assert vocabulary.actions("kmsconsole") == tuple(sorted(each.action for each in console_actions.ACTIONS))


def test_the_documentation_lists_them_all() -> None:
    words = (Path(__file__).parents[2] / "docs" / "roles-in-practice.md").read_text()
    for each in console_actions.ACTIONS:
        assert f"| `{each.action}` | {each.description} |" in words
