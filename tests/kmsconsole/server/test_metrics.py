"""/metrics, request logs and quotas of a running server: what is counted, who may see it, what is refused."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from prometheus_client.parser import text_string_to_metric_families

from engine import metrics
from tests.support.server import Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("watched") / "data"
    with Server(
        folder, KMSCONSOLE_LOG="json,requests", KMSCONSOLE_QUOTAS="key-pairs=0.5,sts=0.5", KMSCONSOLE_WORKERS="2"
    ) as server:
        yield server


def scrape(server: Server, **headers: str) -> dict[tuple[str, ...], float]:
    """Every sample by its name and the values of its labels, in the order of their names."""
    request = urllib.request.Request(f"{server.url}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        (sample.name, *(sample.labels[label] for label in sorted(sample.labels))): sample.value
        for family in families
        for sample in family.samples
    }


def test_requests_of_all_workers_are_counted_by_operation_and_outcome(watched: Server) -> None:
    before = scrape(watched)
    key_id = watched.client().create_key()["KeyMetadata"]["KeyId"]
    for _ in range(12):  # connections of their own, so that both workers get some
        watched.client().encrypt(KeyId=key_id, Plaintext=b"x")
    with pytest.raises(ClientError):
        watched.client().encrypt(KeyId="alias/not-there", Plaintext=b"x")
    deadline = time.monotonic() + 30  # each worker writes its sums once a second
    while True:
        after = scrape(watched)
        name = ("kmsconsole_requests_total", "Encrypt", "OK", "kms")
        if after.get(name, 0) - before.get(name, 0) >= 12 or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    time.sleep(1.5)
    after = scrape(watched)

    def grown(*sample: str) -> float:
        return after.get(sample, 0) - before.get(sample, 0)

    assert grown("kmsconsole_requests_total", "Encrypt", "OK", "kms") == 12
    assert grown("kmsconsole_requests_total", "Encrypt", "NotFoundException", "kms") == 1
    assert grown("kmsconsole_request_seconds_count", "Encrypt", "kms") == 13
    assert grown("kmsconsole_request_seconds_bucket", "+Inf", "Encrypt", "kms") == 13
    assert grown("kmsconsole_request_seconds_sum", "Encrypt", "kms") > 0
    assert grown("kmsconsole_trail_commit_seconds_count") >= 1
    assert grown("kmsconsole_trail_commit_records_sum") >= 14
    assert grown("kmsconsole_cache_lookups_total", "keys", "hit") > 0
    assert after["kmsconsole_workers",] == 2
    assert after["kmsconsole_requests_waiting",] == 0
    assert after["kmsconsole_resident_bytes",] > 10_000_000


def test_only_this_machine_may_see_the_numbers_without_a_token(watched: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        scrape(watched, **{"X-Forwarded-For": "203.0.113.9"})
    assert refused.value.code == 403


def test_with_a_token_it_is_the_token_that_counts(tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_METRICS_TOKEN="let me see", KMSCONSOLE_WORKERS="1") as server:
        with pytest.raises(urllib.error.HTTPError) as refused:
            scrape(server)
        assert refused.value.code == 403
        assert scrape(server, Authorization="Bearer let me see", **{"X-Forwarded-For": "203.0.113.9"})


def test_each_request_has_a_json_line_with_its_id(watched: Server) -> None:
    answer = watched.client().list_keys()
    request_id = answer["ResponseMetadata"]["RequestId"]
    deadline = time.monotonic() + 5
    found = None
    while found is None and time.monotonic() < deadline:
        lines = [json.loads(line) for line in watched.output().splitlines() if line.startswith("{")]
        found = next((line for line in lines if line.get("request_id") == request_id), None)
    assert found is not None
    assert (found["service"], found["operation"], found["outcome"]) == ("kms", "ListKeys", "OK")
    assert found["milliseconds"] > 0


def refusal(call: Callable[..., Any], **parameters: Any) -> dict[str, Any]:
    """The first refusal of a call that is made again and again."""
    for _ in range(40):
        try:
            call(**parameters)
        except ClientError as error:
            return dict(error.response)
    raise AssertionError("it was never refused")


def test_calls_beyond_the_quota_are_throttled_in_awss_words(watched: Server) -> None:
    kms = watched.client()
    key_id = kms.create_key()["KeyMetadata"]["KeyId"]
    refused = refusal(kms.generate_data_key_pair_without_plaintext, KeyId=key_id, KeyPairSpec="ECC_NIST_P256")
    assert refused["Error"] == {
        "Code": "ThrottlingException",
        "Message": "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls.",
    }
    assert refused["ResponseMetadata"]["HTTPStatusCode"] == 400
    sts = watched.client("sts")
    refused = refusal(sts.get_caller_identity)
    assert (refused["Error"]["Code"], refused["Error"]["Message"]) == (
        "Throttling",
        "Rate exceeded",
    )
    kms.describe_key(KeyId=key_id)  # another family has a quota of its own
    deadline = time.monotonic() + 60
    while True:  # the bucket fills again
        try:
            kms.generate_data_key_pair_without_plaintext(KeyId=key_id, KeyPairSpec="ECC_NIST_P256")
            break
        except ClientError:
            assert time.monotonic() < deadline
            time.sleep(0.5)


def test_a_thread_that_ended_is_still_counted_and_not_kept() -> None:
    import threading

    def total() -> float:
        return sum(metrics.numbers()["requests"].get("test Ended OK", [0.0])[:-1])

    sheets = len(metrics._sheets)
    for _ in range(20):
        thread = threading.Thread(target=lambda: metrics.count("test", "Ended", "OK", 0.001))
        thread.start()
        thread.join()
    assert total() == 20
    assert len(metrics._sheets) <= sheets + 1
