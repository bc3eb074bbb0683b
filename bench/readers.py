"""Who reads the lists of `bench.lists`: principals who may read less than an administrator, each in another way."""

from __future__ import annotations

import json
import time
from typing import Any

_EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_READS = ["kms:GetKeyLastUsage", "kms:ListResourceTags", "kms:GetKeyRotationStatus"]
_LISTS = {"Effect": "Allow", "Action": ["kms:ListKeys", "kms:ListAliases", "kmsconsole:*"], "Resource": "*"}


def _denied(**condition: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": _READS, "Resource": "*", **({"Condition": condition} if condition else {})}


def _tagged(name: str, value: str) -> dict[str, str]:
    return {f"aws:ResourceTag/{name}": value}


# Name → what it may read, and its policy's statements. Of a twentieth of the keys the team is team-7, of a half the stage is production.
READERS: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "none": ("denied last use, tags and rotation of all keys", [_EVERYTHING, _denied()]),
    "few": (
        "denied these of all keys but a twentieth, by tag",
        [_EVERYTHING, _denied(StringNotEquals=_tagged("team", "team-7"))],
    ),
    "half": ("denied these of a half", [_EVERYTHING, _denied(StringEquals=_tagged("stage", "production"))]),
    "most": ("denied these of a twentieth", [_EVERYTHING, _denied(StringEquals=_tagged("team", "team-7"))]),
    "describes": (
        "may list keys and describe a twentieth, nothing else",
        [
            {"Effect": "Allow", "Action": ["kms:ListKeys", "kmsconsole:*"], "Resource": "*"},
            {
                "Effect": "Allow",
                "Action": "kms:DescribeKey",
                "Resource": "*",
                "Condition": {"StringEquals": _tagged("team", "team-7")},
            },
        ],
    ),
    "own": (
        "may do everything with a twentieth, nothing with the others",
        [
            _LISTS,
            {
                "Effect": "Allow",
                "Action": "kms:*",
                "Resource": "*",
                "Condition": {"StringEquals": _tagged("team", "team-7")},
            },
        ],
    ),
    "nameless": (
        "denied the aliases",
        [_EVERYTHING, {"Effect": "Deny", "Action": "kms:ListAliases", "Resource": "*"}],
    ),
    "by alias": (
        "denied these by the key's alias, which no two share",
        [
            _EVERYTHING,
            _denied(**{"ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/service-7*"}}),
        ],
    ),
}


def signed_in(account: Any, name: str) -> Any:
    """A browser of a new user with this reader's policy."""
    from tests.conftest import sign_in_browser

    user_name = name.replace(" ", "-")
    document = json.dumps({"Version": "2012-10-17", "Statement": READERS[name][1]})
    user = account.create_user(user_name, document)
    account.client("iam").create_login_profile(UserName=user_name, Password="long enough")
    user.password = "long enough"
    return sign_in_browser(user)


def first_look(get: Any) -> tuple[float, float]:
    """Seconds until the first page of a reader whose permissions nothing was decided of is there, and until it is whole."""
    began = time.perf_counter()
    answer = get("/keys/")
    shown = time.perf_counter() - began
    assert answer.status_code == 200
    while b"so far" in get("/keys/progress/").content:
        time.sleep(0.05)
    return shown, time.perf_counter() - began
