"""Which addresses may be connected to, and connections that keep to them."""

from __future__ import annotations

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
    "Deadline",
    "ExchangeTimeout",
    "HeldConnection",
    "SocketOption",
    "connect",
    "is_allowed",
]
