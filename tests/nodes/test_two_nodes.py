"""Two servers (nodes) with folders of their own and one PostgreSQL database: one service, one trail, revocation at once."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.forms import Browser
from tests.support.postgres import Postgres
from tests.support.server import ACCOUNT, PASSWORD, Server

pytestmark = pytest.mark.slow


def node(folder: Path, url: str, root_key_of: Server | None = None) -> Server:
    """A server that is not started yet; a further node gets the first one's root key, as docs/scaling.md says."""
    folder.mkdir()
    if root_key_of is not None:
        shutil.copy(root_key_of.folder / "root.key", folder / "root.key")
    return Server(folder, KMSCONSOLE_DATABASE_URL=url, KMSCONSOLE_WORKERS="2")


@pytest.fixture(scope="module")
def nodes(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    folder, url = tmp_path_factory.mktemp("nodes"), postgres.database()
    with node(folder / "a", url) as first, node(folder / "b", url, first) as second:
        yield first, second


def attempt(server: Server) -> subprocess.CompletedProcess[str]:
    return server.manage("serve")


def test_what_one_node_makes_the_other_serves(nodes: tuple[Server, Server]) -> None:
    first, second = nodes
    key_id = first.client().create_key(Description="shared")["KeyMetadata"]["KeyId"]
    sealed = second.client().encrypt(KeyId=key_id, Plaintext=b"over there")["CiphertextBlob"]
    assert first.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"over there"
    assert second.client().describe_key(KeyId=key_id)["KeyMetadata"]["Description"] == "shared"


def test_any_node_answers_for_the_whole_trail(nodes: tuple[Server, Server]) -> None:
    first, second = nodes
    key = first.client().create_key()["KeyMetadata"]
    asked = [first, second] * 5
    requests = [each.client().describe_key(KeyId=key["KeyId"])["ResponseMetadata"]["RequestId"] for each in asked]
    for each in nodes:
        found = each.client("cloudtrail").lookup_events(
            LookupAttributes=[{"AttributeKey": "ResourceName", "AttributeValue": key["Arn"]}]
        )["Events"]
        recorded = [json.loads(event["CloudTrailEvent"])["requestID"] for event in found]
        assert recorded[: len(requests)] == requests[::-1]  # newest first, in one order
        assert [event["EventName"] for event in found] == ["DescribeKey"] * 10 + ["CreateKey"]
    usage = second.client().get_key_last_usage(KeyId=key["KeyId"])
    assert not usage["KeyLastUsage"]
    first.client().encrypt(KeyId=key["KeyId"], Plaintext=b"x")
    assert second.client().get_key_last_usage(KeyId=key["KeyId"])["KeyLastUsage"]["Operation"] == "Encrypt"


def test_a_clock_moved_on_one_node_is_moved_on_the_other_with_the_next_request(nodes: tuple[Server, Server]) -> None:
    first, second = nodes
    key_id = second.client().create_key()["KeyMetadata"]["KeyId"]
    second.client().enable_key_rotation(KeyId=key_id, RotationPeriodInDays=90)
    sealed = second.client().encrypt(KeyId=key_id, Plaintext=b"before")["CiphertextBlob"]
    browser = Browser(first.url)
    browser.get("/principals/sign-in/")
    browser.post(account=ACCOUNT, user_name="admin", password=PASSWORD, next="/")
    browser.get("/settings/clock/?by=100&unit=days")
    asked = dict(re.findall(r'<input type="hidden" name="(begin|seconds)" value="([^"]+)"', browser.page))
    browser.post("/settings/clock/", **asked)
    for each in (second, first):
        assert len(each.client().list_key_rotations(KeyId=key_id)["Rotations"]) == 1
        assert each.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"before"


def user_with_key(server: Server, name: str, policy: dict[str, Any] | None) -> dict[str, str]:
    iam = server.client("iam")
    iam.create_user(UserName=name)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    if policy is not None:
        iam.put_user_policy(UserName=name, PolicyName="use", PolicyDocument=json.dumps(policy))
    return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}


def let_through_after(call: Callable[[], object], revoke: Callable[[], object]) -> int:
    """How many calls that began after `revoke` had returned were still answered. Four callers never pause."""
    log: list[tuple[float, bool]] = []
    stop = threading.Event()

    def caller() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                call()
                log.append((began, True))
            except ClientError:
                log.append((began, False))

    def wait_for(more: int, since: float) -> None:
        deadline = time.monotonic() + 60
        while sum(began > since for began, _ in log) < more:
            assert time.monotonic() < deadline, "the callers do not get going"
            time.sleep(0.01)

    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(caller) for _ in range(4)]
        try:
            wait_for(8, 0)
            revoke()
            revoked = time.monotonic()
            wait_for(8, revoked)
        finally:
            stop.set()
        for each in done:
            each.result(timeout=60)
    assert any(ok for began, ok in log if began < revoked), "nothing was let through before the revocation"
    after = [ok for began, ok in log if began > revoked]
    return sum(after)


USE = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}]}


def test_a_revoke_on_one_node_holds_on_the_other_with_the_next_request(nodes: tuple[Server, Server]) -> None:
    first, second = nodes
    kms, iam = first.client(), first.client("iam")
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    for turn in range(3):
        by_policy = user_with_key(first, f"by-policy-{turn}", USE)
        by_grant = user_with_key(first, f"by-grant-{turn}", None)
        by_key = user_with_key(first, f"by-key-{turn}", USE)
        grant = kms.create_grant(
            KeyId=key_id, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:user/by-grant-{turn}", Operations=["Encrypt"]
        )["GrantId"]
        for credentials, revoke in (
            (by_policy, lambda t=turn: iam.delete_user_policy(UserName=f"by-policy-{t}", PolicyName="use")),
            (by_grant, lambda g=grant: kms.revoke_grant(KeyId=key_id, GrantId=g)),
            (
                by_key,
                lambda t=turn, c=by_key: iam.update_access_key(
                    UserName=f"by-key-{t}", AccessKeyId=c["access_key_id"], Status="Inactive"
                ),
            ),
        ):
            client = second.client(**credentials)
            assert let_through_after(lambda c=client: c.encrypt(KeyId=key_id, Plaintext=b"x"), revoke) == 0, (
                "a revoked right was still used on the other node"
            )
    client = second.client()
    assert (
        let_through_after(lambda: client.encrypt(KeyId=key_id, Plaintext=b"x"), lambda: kms.disable_key(KeyId=key_id))
        == 0
    )


def test_records_of_both_nodes_make_one_chain_without_a_gap(nodes: tuple[Server, Server], postgres: Postgres) -> None:
    first, second = nodes
    key_id = first.client().create_key()["KeyMetadata"]["KeyId"]
    clients = [each.client() for each in nodes for _ in range(4)]

    def work(client: Any) -> None:
        for turn in range(25):
            client.encrypt(KeyId=key_id, Plaintext=b"x")
            if turn % 10 == 0:
                client.update_key_description(KeyId=key_id, Description=str(turn))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, clients))
    name = first.environment["KMSCONSOLE_DATABASE_URL"].rpartition("/")[2]
    with postgres.connect(name) as connection:
        numbers = [row[0] for row in connection.execute("SELECT sequence FROM trail_event ORDER BY sequence")]
    assert numbers == list(range(1, len(numbers) + 1))
    checked = second.manage("verify_trail")
    assert checked.stdout.startswith(f"whole: {len(numbers)} records"), checked.stdout + checked.stderr


def test_a_node_without_the_root_key_does_not_start(nodes: tuple[Server, Server], tmp_path: Path) -> None:
    stranger = node(tmp_path / "c", nodes[0].environment["KMSCONSOLE_DATABASE_URL"])
    done = attempt(stranger)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "copy it from the first" in done.stderr
    assert not (stranger.folder / "root.key").exists()


def test_a_node_with_another_root_key_does_not_start(nodes: tuple[Server, Server], tmp_path: Path) -> None:
    with Server(tmp_path / "other"):
        pass
    stranger = node(tmp_path / "d", nodes[0].environment["KMSCONSOLE_DATABASE_URL"])
    shutil.copy(tmp_path / "other" / "root.key", stranger.folder / "root.key")
    done = attempt(stranger)
    assert done.returncode != 0
    assert len(done.stderr.strip().splitlines()) == 1
    assert "is not the one that this data was made with" in done.stderr


DAMAGES = (
    ("UPDATE trail_event SET record = replace(record, 'DescribeKey', 'ListKeys') WHERE sequence = 3", "at record 3"),
    ("DELETE FROM trail_event WHERE sequence = 2", "at record 2"),
    ("DELETE FROM trail_event WHERE sequence >= (SELECT max(sequence) FROM trail_event)", "record is missing"),
)


def test_damage_to_the_trail_in_the_database_is_found(postgres: Postgres, tmp_path: Path) -> None:
    url = postgres.database()
    with node(tmp_path / "n", url) as server:
        kms = server.client()
        key_id = kms.create_key()["KeyMetadata"]["KeyId"]
        for _ in range(4):
            kms.describe_key(KeyId=key_id)
    with postgres.connect(url.rpartition("/")[2]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT * FROM trail_event")
        for damage, said in DAMAGES:
            connection.execute(damage)
            checked = server.manage("verify_trail")
            assert checked.returncode != 0
            assert said in checked.stderr
            connection.execute("DELETE FROM trail_event")
            connection.execute("INSERT INTO trail_event SELECT * FROM kept")


def test_what_protects_the_root_key_is_changed_on_all_nodes_while_they_run(postgres: Postgres, tmp_path: Path) -> None:
    """As docs/operations.md says: prepare on one, copy, change on one, finish on the other."""
    url, passphrase = postgres.database(), "a long enough passphrase"
    first = node(tmp_path / "a", url)
    first.environment |= {"KMSCONSOLE_NEW_ROOT_SECRET": passphrase, "KMSCONSOLE_ROOT_SECRET": passphrase}
    with first:
        second = node(tmp_path / "b", url, first)
        second.environment["KMSCONSOLE_ROOT_SECRET"] = passphrase
        with second:
            key_id = first.client().create_key()["KeyMetadata"]["KeyId"]
            sealed = second.client().encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
            assert first.manage("change_root_provider", "passphrase", "--prepare").returncode == 0
            for name in ("root.json.next", "root.handover"):
                shutil.copy(first.folder / name, second.folder / name)
            done = first.manage("change_root_provider", "passphrase")
            assert done.returncode == 0, done.stderr
            for region, server in (("eu-west-1", second), ("eu-west-2", first)):
                server.client(region=region).create_key()  # a domain key that is made by the new root key
                assert server.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
            assert second.manage("rotate_root").returncode == 0
    for server in (first, second):
        assert not (server.folder / "root.key").exists()
        with server:
            assert server.client().decrypt(CiphertextBlob=sealed)["Plaintext"] == b"kept"
