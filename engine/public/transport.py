"""The in-process transport: boto3 clients whose requests the embedded engine answers here, and its errors."""

from __future__ import annotations

from engine.inprocess import attach
from engine.wire.errors import AWSError

__all__ = [
    "AWSError",
    "attach",
]
