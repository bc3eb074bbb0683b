"""Mixed load on a server that will be killed, and the questions afterwards: is all that was acknowledged there, in the state and in
the trail, and do state and trail tell the same story of every key and user, to the last change?
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
from botocore.exceptions import BotoCoreError, ClientError

from engine.trail.journal_reader import read
from tests.support.server import ACCOUNT, Server

THREADS = 4


def key_policy(sid: str) -> str:
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def user_policy(sid: str) -> str:
    statement = {"Sid": sid, "Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


@dataclass
class Acknowledged:
    """What the server said yes to: request IDs of all calls, ciphertexts with their plaintexts."""

    requests: list[str] = field(default_factory=list)
    ciphertexts: list[tuple[bytes, bytes]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


class Load:
    """Threads that create, encrypt, rotate, disable, describe, change key policies and IAM, each with keys of its own."""

    def __init__(self, server: Server, seed: str) -> None:
        self.server, self.said = server, Acknowledged()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(f"{seed}-{number}",)) for number in range(THREADS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=60)
            assert not thread.is_alive()

    def wait_for(self, requests: int) -> None:
        """Until so many calls were acknowledged. Fails when none is for a minute."""
        seen, since = 0, time.monotonic()
        while len(self.said.requests) < requests:
            if len(self.said.requests) > seen:
                seen, since = len(self.said.requests), time.monotonic()
            assert time.monotonic() < since + 60, (
                f"nothing is acknowledged after {seen} calls: {self.said.refused[-3:]}"
            )
            time.sleep(0.005)

    def _work(self, seed: str) -> None:
        chance = random.Random(seed)
        clients = self.server.client(), self.server.client("iam")
        keys: list[str] = []
        users: list[str] = []
        turn = 0
        while not self._stop.is_set():
            turn += 1
            try:
                answer = self._call(chance, *clients, keys, users, f"{seed}-{turn}")
                self.said.requests.append(answer["ResponseMetadata"]["RequestId"])
            except ClientError as error:
                self.said.refused.append(str(error))
            except BotoCoreError:
                time.sleep(0.02)  # the server is gone, or the worker: what was not answered is not acknowledged

    def _call(self, chance: random.Random, kms: Any, iam: Any, keys: list[str], users: list[str], name: str) -> Any:
        if not keys or chance.random() < 0.08:
            answer = kms.create_key(Description=name, Policy=key_policy("first"))
            keys.append(answer["KeyMetadata"]["KeyId"])
            return answer
        key_id = keys[-1]
        kind = chance.choice(("encrypt", "encrypt", "encrypt", "describe", "rotate", "state", "policy", "text", "user"))
        if kind == "encrypt":
            answer = kms.encrypt(KeyId=key_id, Plaintext=name.encode())
            self.said.ciphertexts.append((answer["CiphertextBlob"], name.encode()))
            return answer
        if kind == "describe":
            return kms.describe_key(KeyId=key_id)
        if kind == "rotate":
            return kms.rotate_key_on_demand(KeyId=key_id)
        if kind == "state":
            return chance.choice((kms.disable_key, kms.enable_key, kms.enable_key))(KeyId=key_id)
        if kind == "policy":
            return kms.put_key_policy(KeyId=key_id, Policy=key_policy(name.replace("-", "")))
        if kind == "text":
            return kms.update_key_description(KeyId=key_id, Description=name)
        if not users or chance.random() < 0.3:
            answer = iam.create_user(UserName=name)
            users.append(name)
            return answer
        return iam.put_user_policy(
            UserName=users[-1], PolicyName="use", PolicyDocument=user_policy(name.replace("-", ""))
        )


class Trail:
    """The trail as it lies on disk or in the database, read on from where the last look ended."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._position = 0
        self.requests: set[str] = set()
        self.changes: list[dict[str, Any]] = []
        self.voided: set[str] = set()

    def look(self) -> None:
        for record in self._records():
            event = json.loads(record)
            if "requestID" in event:
                self.requests.add(event["requestID"])
            if event["eventName"] == "EventVoided":
                self.voided.add(event["serviceEventDetails"]["voidedEventID"])
            elif not event["readOnly"] and "errorCode" not in event and event["eventType"] == "AwsApiCall":
                self.changes.append(event)

    def _records(self) -> Iterator[bytes]:
        url = self._server.environment.get("KMSCONSOLE_DATABASE_URL")
        if url:
            with psycopg.connect(url) as connection:
                rows = connection.execute(
                    "SELECT sequence, record FROM trail_event WHERE account = %s AND sequence > %s ORDER BY sequence",
                    (ACCOUNT, self._position),
                ).fetchall()
            for self._position, record in rows:
                yield record.encode()
            return
        for entry in read(self._server.folder / "trail" / "journal", self._position):
            self._position = entry.end
            yield entry.record

    def story(self) -> tuple[dict[str, dict[str, Any]], dict[str, str]]:
        """What the changes that stand make of every key, and of every user's policy."""
        keys: dict[str, dict[str, Any]] = {}
        users: dict[str, str] = {}
        for event in self.changes:
            if event["eventID"] in self.voided:
                continue
            asked, name = event["requestParameters"] or {}, event["eventName"]
            if name == "CreateKey":
                made = event["responseElements"]["keyMetadata"]["keyId"]
                keys[made] = {"enabled": True, "text": asked["description"], "policy": asked["policy"], "rotations": 0}
            elif name in ("EnableKey", "DisableKey"):
                keys[asked["keyId"]]["enabled"] = name == "EnableKey"
            elif name == "UpdateKeyDescription":
                keys[asked["keyId"]]["text"] = asked["description"]
            elif name == "PutKeyPolicy":
                keys[asked["keyId"]]["policy"] = asked["policy"]
            elif name == "RotateKeyOnDemand":
                keys[asked["keyId"]]["rotations"] += 1
            elif name == "CreateUser":
                users[asked["userName"]] = ""
            elif name == "PutUserPolicy":
                users[asked["userName"]] = asked["policyDocument"]
        return keys, users


def check(server: Server, trail: Trail, said: Acknowledged, chance: random.Random) -> None:
    """After the restart, before anything else changes."""
    trail.look()
    missing = set(said.requests) - trail.requests
    assert not missing, f"{len(missing)} acknowledged calls are not in the trail"
    acknowledged = set(said.requests)
    taken_back = [
        each for each in trail.changes if each["requestID"] in acknowledged and each["eventID"] in trail.voided
    ]
    assert not taken_back, f"{len(taken_back)} acknowledged changes are voided"

    kms, iam = server.client(), server.client("iam")
    keys, users = trail.story()
    pages = kms.get_paginator("list_keys").paginate()
    assert {key["KeyId"] for page in pages for key in page["Keys"]} == set(keys)
    newest = list(keys)[-3 * THREADS :]
    for key_id in {*newest, *chance.sample(list(keys), min(5, len(keys)))}:
        told = keys[key_id]
        found = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        rotations = kms.list_key_rotations(KeyId=key_id)["Rotations"]
        state = {
            "enabled": found["Enabled"],
            "text": found["Description"],
            "policy": json.loads(kms.get_key_policy(KeyId=key_id)["Policy"]),
            "rotations": len(rotations),
        }
        assert state == {**told, "policy": json.loads(told["policy"])}, f"state and trail of {key_id} differ"
    found_users = iam.get_paginator("list_users").paginate()
    assert {user["UserName"] for page in found_users for user in page["Users"]} == {*users, "admin"}
    for name in list(users)[-THREADS:]:
        if users[name]:
            document = iam.get_user_policy(UserName=name, PolicyName="use")["PolicyDocument"]
            assert document == json.loads(users[name])
    enabled = {key_id for key_id, told in keys.items() if told["enabled"]}
    for ciphertext, plaintext in chance.sample(said.ciphertexts, min(30, len(said.ciphertexts))):
        try:
            assert kms.decrypt(CiphertextBlob=ciphertext)["Plaintext"] == plaintext
        except ClientError as error:
            assert error.response["Error"]["Code"] == "DisabledException"  # noqa: PT017
            assert error.response["Error"]["Message"].split("/")[1].split(" ")[0] not in enabled  # noqa: PT017


def workers(server: Server) -> list[int]:
    assert server.process is not None
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(server.process.pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


def kill_a_worker(server: Server, chance: random.Random) -> None:
    os.kill(chance.choice(workers(server)), signal.SIGKILL)
