"""What counts as one address of those who connect, where something is counted by address."""

from __future__ import annotations

import ipaddress


def address_of(host: str) -> str:
    """With IPv6 a network of 64 bits, since a host can have all of its addresses."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host
