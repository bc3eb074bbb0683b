"""Which addresses may be connected to, and connections that keep to them."""

from __future__ import annotations

from engine.bounded_session import BoundedSession, as_configured, ca_bundle, send_by
from engine.outbound import (
    AddressNotAllowedError,
    Deadline,
    ExchangeTimeout,
    HeldConnection,
    SocketOption,
    connect,
    is_allowed,
)

__all__ = [
    "AddressNotAllowedError",
    "BoundedSession",
    "Deadline",
    "ExchangeTimeout",
    "HeldConnection",
    "SocketOption",
    "as_configured",
    "ca_bundle",
    "connect",
    "is_allowed",
    "send_by",
]
