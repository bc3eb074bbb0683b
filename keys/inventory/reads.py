"""The calls that tell of a key what a list shows, as bits: of what a principal may not read, or an endpoint does not tell (`unread`)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from operator import or_

READS = ("DescribeKey", "ListResourceTags", "GetKeyRotationStatus", "GetKeyPolicy", "GetKeyLastUsage")
DESCRIBE, TAGS, ROTATION, POLICY, LAST_USE = (1 << number for number in range(len(READS)))
ALL = (1 << len(READS)) - 1
ALIASES = 1 << len(READS)  # asked of the account, not of a key
ACTIONS = (*READS, "ListAliases")  # in the order of their bits: they are stored
FACET_NEEDS = {"rotation": ROTATION, "public": POLICY}  # what a facet takes beyond describing the key


def rotates(spec: str, origin: str) -> bool:
    """Whether such a key may have automatic rotation; of others nothing is asked, and they have none."""
    return spec == "SYMMETRIC_DEFAULT" and origin == "AWS_KMS"


def action(bit: int) -> str:
    return ACTIONS[bit.bit_length() - 1]


def actions(bits: int) -> list[str]:
    """What has to be allowed to read what the bits name, as policies name it."""
    return [f"kms:{name}" for number, name in enumerate(ACTIONS) if bits >> number & 1]


def mask(names: Iterable[str]) -> int:
    """The bits of these actions."""
    return together(1 << ACTIONS.index(name) for name in names)


def together(masks: Iterable[int]) -> int:
    """The bits that any of the masks has."""
    return reduce(or_, masks, 0)
