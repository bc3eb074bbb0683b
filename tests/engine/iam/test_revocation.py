"""What was taken away is gone with the very next request, in every worker: no request begun after the answer is let through.

A server with three workers; several connections ask without pause while the permission is taken away.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.server import ACCOUNT, Server

CONNECTIONS = 6
REQUESTS = 10  # of each connection, before and after


def document(effect: str, *actions: str, **more: Any) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": "*", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ENCRYPT, DENY = document("Allow", "kms:Encrypt"), document("Deny", "kms:*")
TRUSTS_ROOT = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("workers") / "data", KMSCONSOLE_WORKERS="3") as running:
        yield running


@dataclass
class Scene:
    """A fresh user with an access key, a fresh key, and the administrator's clients."""

    server: Server
    name: str
    iam: Any = field(init=False)
    kms: Any = field(init=False)
    key: str = field(init=False)
    credentials: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.iam, self.kms = self.server.client("iam"), self.server.client("kms")
        self.iam.create_user(UserName=self.name)
        made = self.iam.create_access_key(UserName=self.name)["AccessKey"]
        self.credentials = {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}
        self.key = self.kms.create_key()["KeyMetadata"]["KeyId"]

    @property
    def arn(self) -> str:
        return f"arn:aws:iam::{ACCOUNT}:user/{self.name}"

    def allow(self) -> None:
        self.iam.put_user_policy(UserName=self.name, PolicyName="use", PolicyDocument=ENCRYPT)

    def client(self) -> Any:
        return self.server.client("kms", **self.credentials)


Change = Callable[[], Any]


def of_inline_policy(scene: Scene) -> Change:
    scene.allow()
    return lambda: scene.iam.delete_user_policy(UserName=scene.name, PolicyName="use")


def by_an_inline_deny(scene: Scene) -> Change:
    scene.allow()
    return lambda: scene.iam.put_user_policy(UserName=scene.name, PolicyName="stop", PolicyDocument=DENY)


def of_a_managed_policy(scene: Scene) -> Change:
    arn = scene.iam.create_policy(PolicyName=scene.name, PolicyDocument=ENCRYPT)["Policy"]["Arn"]
    scene.iam.attach_user_policy(UserName=scene.name, PolicyArn=arn)
    return lambda: scene.iam.detach_user_policy(UserName=scene.name, PolicyArn=arn)


def by_another_default_version(scene: Scene) -> Change:
    arn = scene.iam.create_policy(PolicyName=scene.name, PolicyDocument=ENCRYPT)["Policy"]["Arn"]
    scene.iam.attach_user_policy(UserName=scene.name, PolicyArn=arn)
    return lambda: scene.iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY, SetAsDefault=True)


def of_a_groups_membership(scene: Scene) -> Change:
    scene.iam.create_group(GroupName=scene.name)
    scene.iam.put_group_policy(GroupName=scene.name, PolicyName="use", PolicyDocument=ENCRYPT)
    scene.iam.add_user_to_group(GroupName=scene.name, UserName=scene.name)
    return lambda: scene.iam.remove_user_from_group(GroupName=scene.name, UserName=scene.name)


def by_a_boundary(scene: Scene) -> Change:
    scene.allow()
    boundary = "arn:aws:iam::aws:policy/IAMReadOnlyAccess"
    return lambda: scene.iam.put_user_permissions_boundary(UserName=scene.name, PermissionsBoundary=boundary)


def by_the_access_key(scene: Scene) -> Change:
    scene.allow()
    key = scene.credentials["access_key_id"]
    return lambda: scene.iam.update_access_key(UserName=scene.name, AccessKeyId=key, Status="Inactive")


def by_deleting_the_access_key(scene: Scene) -> Change:
    scene.allow()
    key = scene.credentials["access_key_id"]
    return lambda: scene.iam.delete_access_key(UserName=scene.name, AccessKeyId=key)


def by_the_key_policy(scene: Scene) -> Change:
    trust = {"Effect": "Allow", "Principal": TRUSTS_ROOT, "Action": "kms:*", "Resource": "*"}
    named = {"Effect": "Allow", "Principal": {"AWS": scene.arn}, "Action": "kms:Encrypt", "Resource": "*"}
    policies = [json.dumps({"Version": "2012-10-17", "Statement": each}) for each in ([trust, named], [trust])]
    scene.kms.put_key_policy(KeyId=scene.key, Policy=policies[0])
    return lambda: scene.kms.put_key_policy(KeyId=scene.key, Policy=policies[1])


def of_a_grant(scene: Scene) -> Change:
    made = scene.kms.create_grant(KeyId=scene.key, GranteePrincipal=scene.arn, Operations=["Encrypt"])
    return lambda: scene.kms.revoke_grant(KeyId=scene.key, GrantId=made["GrantId"])


def of_a_tag(scene: Scene) -> Change:
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    only_blue = document("Allow", "kms:Encrypt", Condition=condition)
    scene.iam.put_user_policy(UserName=scene.name, PolicyName="use", PolicyDocument=only_blue)
    scene.iam.tag_user(UserName=scene.name, Tags=[{"Key": "team", "Value": "blue"}])
    return lambda: scene.iam.untag_user(UserName=scene.name, TagKeys=["team"])


def of_a_role(scene: Scene) -> Change:
    """The session's token stays what it is; the role's policy counts."""
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": TRUSTS_ROOT, "Action": "sts:AssumeRole"}],
        }
    )
    arn = scene.iam.create_role(RoleName=scene.name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    scene.iam.put_role_policy(RoleName=scene.name, PolicyName="use", PolicyDocument=ENCRYPT)
    made = scene.server.client("sts").assume_role(RoleArn=arn, RoleSessionName="one")["Credentials"]
    scene.credentials = {
        "access_key_id": made["AccessKeyId"],
        "secret_access_key": made["SecretAccessKey"],
        "session_token": made["SessionToken"],
    }
    return lambda: scene.iam.delete_role_policy(RoleName=scene.name, PolicyName="use")


def by_deleting_the_role(scene: Scene) -> Change:
    of_a_role(scene)
    other = document("Allow", "kms:Encrypt")
    scene.iam.delete_role_policy(RoleName=scene.name, PolicyName="use")
    named = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:role/{scene.name}"}}
    trust = {"Effect": "Allow", "Principal": TRUSTS_ROOT, "Action": "kms:*", "Resource": "*"}
    statements = [trust, {**named, **json.loads(other)["Statement"][0]}]
    scene.kms.put_key_policy(KeyId=scene.key, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return lambda: scene.iam.delete_role(RoleName=scene.name)


CHANGES = [
    of_inline_policy,
    by_an_inline_deny,
    of_a_managed_policy,
    by_another_default_version,
    of_a_groups_membership,
    by_a_boundary,
    by_the_access_key,
    by_deleting_the_access_key,
    by_the_key_policy,
    of_a_grant,
    of_a_tag,
    of_a_role,
    by_deleting_the_role,
]


class Asking:
    """Connections that ask without pause; each has its own list of answers: (begun, let through)."""

    def __init__(self, scene: Scene) -> None:
        self.key = scene.key
        self.stopped = threading.Event()
        self.answers: list[list[tuple[float, bool]]] = [[] for _ in range(CONNECTIONS)]
        clients = [scene.client() for _ in range(CONNECTIONS)]
        self.threads = [
            threading.Thread(target=self._ask, args=pair) for pair in zip(clients, self.answers, strict=True)
        ]

    def _ask(self, kms: Any, answers: list[tuple[float, bool]]) -> None:
        while not self.stopped.is_set():
            begun = time.monotonic()
            try:
                kms.encrypt(KeyId=self.key, Plaintext=b"x")
                answers.append((begun, True))
            except ClientError:
                answers.append((begun, False))

    def __enter__(self) -> Asking:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped.set()
        for thread in self.threads:
            thread.join()

    def wait(self, since: float) -> list[bool]:
        """What every connection was answered to requests begun after `since`, once each has had a few."""
        deadline = time.monotonic() + 60
        while True:
            found = [[through for begun, through in list(each) if begun > since] for each in self.answers]
            if all(len(each) >= REQUESTS for each in found):
                return [through for each in found for through in each]
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.slow
@pytest.mark.parametrize("prepare", CHANGES, ids=lambda each: each.__name__)
def test_no_request_begun_after_a_revocation_is_let_through(
    workers: Server, prepare: Callable[[Scene], Change]
) -> None:
    scene = Scene(workers, prepare.__name__.replace("_", "-"))
    revoke = prepare(scene)
    with Asking(scene) as asking:
        assert all(asking.wait(since=0.0))
        revoke()
        after = asking.wait(since=time.monotonic())
    assert after.count(True) == 0


def test_a_deleted_users_session_ends_with_it(workers: Server, tmp_path: Path) -> None:
    scene = Scene(workers, "leaver")
    scene.allow()
    made = workers.client("sts", **scene.credentials).get_session_token()["Credentials"]
    session = workers.client(
        "kms",
        access_key_id=made["AccessKeyId"],
        secret_access_key=made["SecretAccessKey"],
        session_token=made["SessionToken"],
    )
    assert session.encrypt(KeyId=scene.key, Plaintext=b"x")
    scene.iam.delete_user_policy(UserName="leaver", PolicyName="use")
    scene.iam.delete_access_key(UserName="leaver", AccessKeyId=scene.credentials["access_key_id"])
    scene.iam.delete_user(UserName="leaver")
    for _ in range(12):
        with pytest.raises(ClientError, match="UnrecognizedClientException"):
            session.encrypt(KeyId=scene.key, Plaintext=b"x")
