"""The in-process transport: boto3 clients whose requests the embedded engine answers here, and its errors."""

from __future__ import annotations

from engine.inprocess import BY_ITSELF, attach, by_itself
from engine.wire.errors import AWSError

__all__ = [
    "BY_ITSELF",
    "AWSError",
    "attach",
    "by_itself",
]
