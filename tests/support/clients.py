"""boto3 clients for tests: one session for all, since a session reads botocore's service models anew (a tenth of a second a client)."""

from __future__ import annotations

import threading
from typing import Any

import boto3

_session = boto3.Session()
_making = threading.Lock()  # a session may be used by one thread at a time, a client by many


def make(service: str, **parameters: Any) -> Any:
    """`boto3.client`'s parameters."""
    with _making:
        return _session.client(service, **parameters)
