"""The key list on PostgreSQL: text search, facets, sorting and changes, as on SQLite."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.forms import Browser
from tests.support.server import PASSWORD, Server

pytestmark = pytest.mark.slow


def listed(page: str) -> list[str]:
    return re.findall(r'name="key"\s+value="([^"]+)"', page)


def test_the_list_is_searched_sorted_and_followed(postgres: Any, tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_DATABASE_URL=postgres.database()) as server:
        kms = server.client()
        made = {}
        for name in ("walnut", "hazel", "almond"):
            tags = [{"TagKey": "nut", "TagValue": name}]
            made[name] = kms.create_key(Description=f"about {name}s", Tags=tags)["KeyMetadata"]["KeyId"]
            kms.create_alias(AliasName=f"alias/{name}", TargetKeyId=made[name])
        browser = Browser(server.url)
        browser.get("/principals/sign-in/")
        browser.post(account="", user_name="admin", password=PASSWORD, next="/keys/")
        assert listed(browser.get("/keys/?sort=alias")) == [made["almond"], made["hazel"], made["walnut"]]
        assert listed(browser.get("/keys/?sort=-description")) == [made["walnut"], made["hazel"], made["almond"]]
        assert listed(browser.get("/keys/?sort=tags")) == [made["almond"], made["hazel"], made["walnut"]]
        assert listed(browser.get("/keys/?sort=-last_used&q=ALMOND")) == [made["almond"]]
        assert listed(browser.get("/keys/?tag=nut%3Dhazel")) == [made["hazel"]]
        kms.disable_key(KeyId=made["walnut"])
        kms.encrypt(KeyId=made["hazel"], Plaintext=b"x")
        assert listed(browser.get("/keys/?state=Disabled")) == [made["walnut"]]
        assert listed(browser.get("/keys/?sort=-last_used"))[0] == made["hazel"]
        assert made["walnut"] in browser.get("/audit/keys/?state=Disabled")

        # A reader who may not read the tags of all: decided by tags, left out by the same queries.
        hidden = {"StringEquals": {"aws:ResourceTag/nut": ["hazel", "walnut"]}}
        tags = {"Effect": "Deny", "Action": "kms:ListResourceTags", "Resource": "*", "Condition": hidden}
        statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}, tags]
        document = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam = server.client("iam")
        iam.create_user(UserName="reader")
        iam.put_user_policy(UserName="reader", PolicyName="test", PolicyDocument=document)
        iam.create_login_profile(UserName="reader", Password="long enough")
        browser = Browser(server.url)
        browser.get("/principals/sign-in/")
        browser.post(account="", user_name="reader", password="long enough", next="/keys/")
        assert len(listed(browser.get("/keys/"))) == 3
        assert listed(browser.get("/keys/?q=nut")) == [
            made["almond"],
            made["walnut"],
        ]  # of the other only its tag has it
        assert listed(browser.get("/keys/?q=enabled+nut")) == [made["almond"]]
        assert listed(browser.get("/keys/?tag=nut")) == [made["almond"]]
        assert listed(browser.get("/keys/?sort=-tags")) == [
            made["almond"],
            *sorted([made["hazel"], made["walnut"]], reverse=True),
        ]
        kms.tag_resource(KeyId=made["hazel"], Tags=[{"TagKey": "nut", "TagValue": "none"}])
        assert set(listed(browser.get("/keys/?tag=nut"))) == {made["almond"], made["hazel"]}
