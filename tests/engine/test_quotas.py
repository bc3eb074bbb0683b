"""Request quotas: which family a call counts to, how settings are read, what a bucket holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine import throttling
from engine.wire import services
from engine.wire.errors import AWSError


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    yield
    throttling.configure("")


def taken(service: str, operation: str, account: str = "111122223333", region: str = "us-east-1") -> int:
    """How many calls pass at once before one is refused (at most 1,000)."""
    for number in range(1000):
        try:
            throttling.take(account, region, service, operation)
        except AWSError:
            return number
    return 1000


def test_an_account_may_make_one_seconds_worth_at_once_in_each_region_and_family() -> None:
    throttling.configure("aws")
    assert taken("kms", "CreateKey") == 5
    assert taken("kms", "EnableKey") == 0  # the same family: administration
    assert taken("kms", "CreateGrant") == 50
    assert taken("kms", "CreateKey", region="eu-west-1") == 5
    assert taken("kms", "CreateKey", account="444455556666") == 5
    assert taken("kms", "Encrypt") == 1000
    with pytest.raises(AWSError) as refused:
        throttling.take("111122223333", "us-east-1", "kms", "CreateKey")
    assert refused.value.code == "ThrottlingException"


def test_a_bucket_fills_again_at_the_workers_share_of_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(throttling, "monotonic", lambda: now)
    throttling.configure("sts=10", workers=2)
    assert taken("sts", "GetCallerIdentity") == 10
    now += 1
    assert taken("sts", "GetCallerIdentity") == 5
    now += 60
    assert taken("sts", "GetCallerIdentity") == 10


@pytest.mark.parametrize("setting", ["off", "symmetric=0"])
def test_a_rate_of_nothing_means_no_limit(setting: str) -> None:
    throttling.configure(setting)
    assert taken("kms", "Encrypt") == 1000


@pytest.mark.parametrize("setting", ["fast", "symmetric=many", "unknown=5", "aws=5", "symmetric=-1"])
def test_a_setting_that_cannot_be_read_is_refused(setting: str) -> None:
    with pytest.raises(throttling.QuotaError, match="KMSCONSOLE_QUOTAS"):
        throttling.configure(setting)


def test_every_operation_a_family_names_is_one_of_its_service() -> None:
    for service, families in throttling.FAMILIES.items():
        if service in (
            throttling.EXTERNAL_KEY_STORE,
            throttling.CLOUDHSM_KEY_STORE,
        ):  # no service of AWS's: what a proxy is asked
            continue
        known = set(services.model(service).operation_names)
        named = [operation for family in families for operation in family.operations]
        assert set(named) <= known
        assert len(named) == len(set(named))


def test_many_regions_of_one_caller_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttling, "_MOST", 50)
    for number in range(200):
        throttling.take("111122223333", f"region-{number}", "kms", "Encrypt")
    assert len(throttling._buckets) <= 52


def test_who_has_used_up_its_own_rate_fills_no_memory_and_so_resets_none(monkeypatch: pytest.MonkeyPatch) -> None:
    throttling.configure("")
    monkeypatch.setattr(throttling, "_rate_of_account", lambda _account: 2.0)
    monkeypatch.setattr(throttling, "_MOST", 10)
    passed = sum(taken("kms", "ListKeys", region=f"region-{number}") for number in range(40))
    assert passed < 4
