"""What a Region name may be. It becomes part of host names, ARNs and the key hierarchy, so nothing else is taken for one, anywhere.

Any well-formed name is served by the embedded engine, not only those that AWS has. AWS's Regions are in botocore's endpoint data.
"""

from __future__ import annotations

import re

from engine.remembered import Remembered

LONGEST = 32
_FORM = re.compile(r"(?![0-9]+\Z)[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", re.ASCII)  # a host label, as botocore asks for


_known: Remembered[str, bool] = Remembered(lambda text: _FORM.fullmatch(text) is not None, entries=256, longest=LONGEST)


def is_region_name(text: str) -> bool:
    return len(text) <= LONGEST and _known[text]


def partition(region: str) -> str:
    """The AWS partition of a Region, as in ARNs: China's and the US government's Regions are apart."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"
