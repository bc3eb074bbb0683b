"""The life of an installation's older records, by its commands: sealed while it runs, moved to a bucket, backed up and restored, asked to be
removed, approved on the page, removed; and all the while the API, the search, the proofs and the verification tell the same."""

from __future__ import annotations

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import orjson
import pytest
from moto.server import ThreadedMotoServer
from prometheus_client.parser import text_string_to_metric_families

from tests.support.bare_verifier import verifier
from tests.support.server import ACCOUNT, PASSWORD, Server

pytestmark = pytest.mark.slow
BUCKET = {"AWS_ACCESS_KEY_ID": "of-the-bucket", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Where moto's S3 listens; it has a bucket `trail`."""
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    s3(endpoint).create_bucket(Bucket="trail")
    yield endpoint
    moto.stop()


def s3(endpoint: str) -> Any:
    return boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="x", aws_secret_access_key="y", region_name="us-east-1"
    )


def objects(endpoint: str) -> list[str]:
    return [each["Key"] for each in s3(endpoint).list_objects_v2(Bucket="trail").get("Contents", ())]


class Page:
    """A browser's session with a server, by HTTP."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar())).open
        self.post("/principals/sign-in/", account=ACCOUNT, user_name="admin", password=PASSWORD)

    def get(self, address: str) -> str:
        with self._open(self._server.url + address, timeout=30) as answer:
            return str(answer.read().decode())

    def events(self, operation: str) -> int:
        """How many of an operation the event history finds."""
        return len(set(re.findall(r'href="/audit/([0-9a-f-]{36})/', self.get(f"/audit/?operation={operation}"))))

    def post(self, address: str, **values: str) -> str:
        page = self.get("/audit/verify/" if address.startswith("/audit/") else address)
        found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
        assert found is not None
        data = urlencode({**values, "csrfmiddlewaretoken": found[1]}).encode()
        request = urllib.request.Request(self._server.url + address, data, {"Referer": self._server.url + address})
        with self._open(request, timeout=30) as answer:
            return str(answer.read().decode())

    def verified(self) -> str:
        """The page when a verification of every record has ended."""
        shown, until = self.post("/audit/verify/", all="on"), time.monotonic() + 60
        while 'hx-trigger="every 1s"' in shown and time.monotonic() < until:
            time.sleep(0.2)
            shown = self.get("/audit/verify/")
        return shown


def run(server: Server, *arguments: str) -> str:
    done = server.manage(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def events(server: Server, **attribute: str) -> list[str]:
    attributes = [{"AttributeKey": name, "AttributeValue": value} for name, value in attribute.items()]
    pages = server.client("cloudtrail").get_paginator("lookup_events").paginate(LookupAttributes=attributes)
    return [each["EventName"] for page in pages for each in page["Events"]]


def gauges(server: Server) -> dict[str, float]:
    with urllib.request.urlopen(f"{server.url}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def make_older(server: Server) -> None:
    """The segments are as if they had been sealed years ago."""
    path = server.folder / "trail" / "segments.json"
    document = orjson.loads(path.read_bytes())
    for each in document["segments"]:
        each["ends"] = "2020-01-01T00:00:00Z"
    path.write_bytes(orjson.dumps(document))


def test_older_records_are_sealed_moved_backed_up_and_removed_and_known_all_the_while(
    tmp_path: Path, bucket: str
) -> None:
    server = Server(
        tmp_path / "data",
        KMSCONSOLE_WORKERS="1",
        KMSCONSOLE_TRAIL_ARCHIVE="s3://trail/of/here",
        KMSCONSOLE_TRAIL_ARCHIVE_ENDPOINT=bucket,
        **BUCKET,
    )
    with server:
        kms = server.client()
        arn = kms.create_key()["KeyMetadata"]["Arn"]
        kms.put_key_policy(KeyId=arn, Policy=kms.get_key_policy(KeyId=arn)["Policy"])
        for _ in range(30):
            kms.encrypt(KeyId=arn, Plaintext=b"x")
        before = events(server, ResourceName=arn)
        page = Page(server)
        assert page.events("Encrypt") == 30

        # sealed, while it runs
        assert "sealed: records 1 to " in run(server, "trail_segments", "seal", "--now")
        kms.encrypt(KeyId=arn, Plaintext=b"y")
        assert events(server, ResourceName=arn)[-len(before) :] == before

        # moved, and found where it is
        assert "moved to s3://trail/of/here: records 1 to " in run(server, "trail_segments", "move")
        (key,) = objects(bucket)
        assert re.fullmatch(r"of/here/0{11}1-[0-9]+\.gz", key)
        assert not list((server.folder / "trail" / "segments").glob("*.gz"))
        assert events(server, ResourceName=arn)[-len(before) :] == before
        first = json.loads(
            server.client("cloudtrail").lookup_events(
                LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "CreateKey"}]
            )["Events"][0]["CloudTrailEvent"]
        )
        assert json.loads(page.get(f"/audit/proof/{first['eventID']}/"))["index"] >= 0
        assert "s3://trail/of/here/" in page.get("/audit/verify/")
        assert "The chain is whole." in page.verified()
        found = gauges(server)
        assert found["kmsconsole_trail_segments"] == 1
        assert found["kmsconsole_trail_moved_bytes"] > 100

        # a backup holds what is here, and knows where the rest is
        run(server, "trail_segments", "seal", "--now")
        run(server, "backup", str(tmp_path / "backup.tar"))
        other = Server(
            tmp_path / "restored" / "data",
            **{**server.environment, "KMSCONSOLE_DATA": str(tmp_path / "restored" / "data")},
        )
        other.folder.mkdir(parents=True)
        shutil.copy(server.folder / "root.key", other.folder / "root.key")
        run(other, "restore", str(tmp_path / "backup.tar"))
        assert "whole: " in run(other, "verify_trail", "--all")

        # asked for, approved by another, removed
        make_older(server)
        assert "to be removed: records 1 to " in run(
            server, "trail_segments", "remove", "--older-than", "30", "--dry-run"
        )
        assert server.manage("trail_segments", "remove", "--older-than", "30").returncode == 1  # no reason
        run(server, "trail_segments", "remove", "--older-than", "30", "--reason", "the rule of the house")
        waits = server.manage("trail_segments", "remove")
        assert f"it waits for the approval of account {ACCOUNT}" in waits.stderr
        shown = page.get("/audit/verify/")
        assert "the rule of the house" in shown
        asked = re.search(r'name="removal" value="([^"]+)"', shown)
        assert asked is not None
        assert "Approved by arn:aws:iam::" in page.post("/audit/verify/removal/", removal=asked[1], do="approve")
        said = run(server, "trail_segments", "remove")
        assert re.match(r"records 1 to [0-9]+ were removed by the retention rule on ", said)
        assert f"approved by arn:aws:iam::{ACCOUNT}:user/" in said

        # known to be gone
        assert objects(bucket) == []
        assert not {"CreateKey", "PutKeyPolicy"} & set(events(server, ResourceName=arn))
        assert {"RemoveTrailSegments", "ApproveTrailRemoval"} <= set(events(server, EventSource="kmsconsole"))
        verified = run(server, "verify_trail", "--all")
        assert said.strip() in verified
        assert "whole but for what was removed: " in verified
        assert "were removed by the retention rule" in page.verified()
        export = tmp_path / "trail.jsonl"
        run(server, "export_trail", str(export))
        assert export.stat().st_mode & 0o777 == 0o600
        assert server.manage("export_trail", str(export)).returncode == 1  # it is there already
        done = verifier(export, "--key", json.loads(page.get("/audit/checkpoint/"))["publicKey"])
        assert done.returncode == 0, done.stderr
        assert re.search(r"records 1–[0-9]+ were removed by the retention rule \(older than 30 days: the rule of the house\)", done.stdout)  # fmt: skip
        assert "; the rest whole: records " in done.stdout
        assert page.events("Encrypt") == 0
        # What changed the key stays known, though its records are gone.
        moment = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        assert arn.rpartition("/")[2] in page.get(f"/audit/keys/?as_of={moment}")
    # and a start goes on from there
    with server:
        assert server.client().encrypt(KeyId=arn, Plaintext=b"z")["CiphertextBlob"]
        assert "whole but for what was removed: " in run(server, "verify_trail")
