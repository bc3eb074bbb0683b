"""Show the call: what this page sends, at the endpoint that it speaks to, as programs would send it (console.calls)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from console import calls as programs
from console.calls import Call, CallExample
from console.request import ConsoleRequest
from keys import service

__all__ = ["Call", "CallExample", "show", "show_all"]


def show(request: ConsoleRequest, operation: str, parameters: dict[str, Any], service_name: str = "kms") -> CallExample:
    return show_all(request, [(operation, parameters)], service_name)


def show_all(request: ConsoleRequest, calls: Sequence[Call], service_name: str = "kms") -> CallExample:
    """Several requests to one service in the order they are sent, as one script each."""
    signed_in = request.signed_in
    return programs.call_example(
        service_name, calls, signed_in.region, service.endpoint_url(request), signed_in.account_id
    )
