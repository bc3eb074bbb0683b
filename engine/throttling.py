"""Request quotas: how many calls of one family an account may make in a Region each second. Beyond it: AWS's ThrottlingException.

Families follow AWS's quota table; the numbers are generous by default, AWS's own with `aws` (for lessons and tests of clients).
An account that another one manages may have a rate of its own besides, of all its calls together (engine.iam.account_limits).
Each worker has a token bucket for each account, Region and family that fills at its share of the rate and holds one second's worth.
Source: AWS KMS Developer Guide, "Request quotas"; STS and CloudTrail: their "quotas" pages; IAM publishes none, 20 is a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic

from engine.kms_operations import of_quota
from engine.wire.errors import AWSError


@dataclass(frozen=True, slots=True)
class Family:
    """Calls per second, by default and as AWS has it (in its largest Regions)."""

    name: str
    default: float
    aws: float
    operations: frozenset[str]  # empty: what no other family of the service names


def _family(name: str, default: float, aws: float, *operations: str) -> Family:
    return Family(name, default, aws, frozenset(operations))


def _kms(name: str, default: float, aws: float) -> Family:
    return _family(name, default, aws, *of_quota(name))


# What is asked of a proxy, or of a cluster: each store for itself, in place of the Region.
EXTERNAL_KEY_STORE = "external key store"
CLOUDHSM_KEY_STORE = "CloudHSM key store"

FAMILIES: Mapping[str, tuple[Family, ...]] = {
    "kms": (
        _kms("symmetric", 50_000, 50_000),
        _kms("asymmetric", 10_000, 500),
        _kms("key-pairs", 1_000, 25),
        _kms("describe", 20_000, 2_000),
        _kms("read", 10_000, 1_000),
        _kms("grants", 5_000, 50),
        _family("administration", 5_000, 5),
    ),
    "iam": (_family("iam", 5_000, 20),),
    "sts": (_family("sts", 10_000, 600),),
    "cloudtrail": (_family("lookup-events", 1_000, 2, "LookupEvents"), _family("trails", 1_000, 10)),
    "tagging": (_family("tagging", 1_000, 15),),
    "ec2": (_family("describe-regions", 1_000, 20),),
    "organizations": (_family("organizations", 1_000, 10),),
    EXTERNAL_KEY_STORE: (_family("external-key-store", 1_800, 1_800),),
    CLOUDHSM_KEY_STORE: (_family("cloudhsm-key-store", 1_800, 1_800),),
}

KMS_WORDS = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
_WORDS = "Rate exceeded"
_OF_STORES = (EXTERNAL_KEY_STORE, CLOUDHSM_KEY_STORE)
_OF_KMS = ("kms", *_OF_STORES)

Rates = dict[str, tuple[Family, float]]  # by operation name, and "" for the rest of a service
_rates: dict[str, Rates] = {}
_share = 1.0
_buckets: dict[tuple[str, str, str], list[float]] = {}  # [tokens, when they were counted]


def _unlimited(_account_id: str) -> float | None:
    return None


_rate_of_account: Callable[[str], float | None] = _unlimited  # until the accounts are there to be asked
_EVERY_CALL = "every call"  # a family's name, for what counts all calls of an account, in all Regions


def rates_from(rate_of_account: Callable[[str], float | None]) -> None:
    """Have accounts' own rates looked up by `rate_of_account`. Called once for each call, so it answers from memory."""
    global _rate_of_account
    _rate_of_account = rate_of_account


class QuotaError(ValueError):
    """The setting cannot be read; the message is one line for whoever starts the server."""


def configure(setting: str, workers: int = 1) -> None:
    """`setting`: "" or "default", "aws", "off", and NAME=RATE for single families, comma-separated. Raises QuotaError."""
    global _share
    families = {family.name: family for service in FAMILIES.values() for family in service}
    rates = {name: family.default for name, family in families.items()}
    for part in filter(None, (each.strip() for each in setting.split(","))):
        name, equals, value = part.partition("=")
        if not equals and name in ("default", "aws", "off"):
            rates = {
                each: {"default": family.default, "aws": family.aws, "off": 0.0}[name]
                for each, family in families.items()
            }
        elif name in families and value.replace(".", "", 1).isdigit():
            rates[name] = float(value)
        else:
            raise QuotaError(
                f"KMSCONSOLE_QUOTAS: {part!r} is not default, aws, off or NAME=RATE with NAME one of {', '.join(families)}"
            )
    _share = 1 / workers
    _rates.clear()
    _buckets.clear()
    for service, members in FAMILIES.items():
        _rates[service] = {
            operation: (family, rates[family.name]) for family in members for operation in (family.operations or ("",))
        }


def take(account_id: str, region: str, service: str, operation: str, *, unsigned: bool = False) -> None:
    """Count one call. Raises ThrottlingException in AWS's words. Those that nobody has signed count by themselves: anybody may send them,
    and would else use up what the account may call."""
    own = _rate_of_account(account_id)
    if unsigned:
        account_id = f"{account_id} unsigned"
    rates = _rates[service]
    family, rate = rates.get(operation) or rates.get("") or _UNLIMITED
    if own and service not in _OF_STORES:  # first: what it refuses is nothing to remember of a Region
        _take((account_id, "", _EVERY_CALL), own, service)
    if rate:
        _take((account_id, region, family.name), rate, service)


def _take(key: tuple[str, str, str], rate: float, service: str) -> None:
    now = monotonic()
    bucket = _buckets.get(key)
    if bucket is None:
        if len(_buckets) > _MOST:
            _buckets.clear()  # Region names are the callers' to choose
        bucket = _buckets[key] = [max(rate, 1.0), now]
    tokens = min(max(rate, 1.0), bucket[0] + (now - bucket[1]) * rate * _share)
    bucket[1] = now
    if tokens < 1:
        bucket[0] = tokens
        raise AWSError("ThrottlingException", KMS_WORDS if service in _OF_KMS else _WORDS)
    bucket[0] = tokens - 1


def put_back(account_id: str, region: str, service: str, operation: str) -> None:
    """A call that was counted begins anew, and will be counted then."""
    rates = _rates[service]
    family, _rate = rates.get(operation) or rates.get("") or _UNLIMITED
    for key in ((account_id, region, family.name), (account_id, "", _EVERY_CALL)):
        bucket = _buckets.get(key)
        if bucket is not None:
            bucket[0] += 1


_MOST = 20_000
_UNLIMITED = (_family("", 0, 0), 0.0)
configure("")
