"""What hangs on a user, group or role: managed policies, a boundary, tags."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.conftest import TestAccount
from tests.support.answers import text
from tests.support.principals import make_policy, make_role


@pytest.mark.parametrize("kind", ["users", "groups", "roles"])
def test_a_managed_policy_is_attached_and_detached(account: TestAccount, signed_in: Client, kind: str) -> None:
    iam = account.client("iam")
    iam.create_user(UserName="who")
    iam.create_group(GroupName="who")
    make_role(signed_in, "who")
    arn = make_policy(account)
    page = f"/principals/{kind}/who/"
    assert arn in text(signed_in.get(page))
    signed_in.post(f"{page}attached/", {"attach": arn})
    entities = iam.list_entities_for_policy(PolicyArn=arn)
    assert [len(entities[f"Policy{name}"]) for name in ("Users", "Groups", "Roles")] == [
        int(kind == each) for each in ("users", "groups", "roles")
    ]
    signed_in.post(f"{page}attached/", {"detach": arn})
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 0
