"""The address at which others reach this console, for what is handed out: students' papers, access keys, commands."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest


def of(request: HttpRequest) -> str:
    """KMSCONSOLE_PUBLIC_URL, or else the address by which the reader's own browser came."""
    return settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"


def of_this_machine(request: HttpRequest) -> str:
    """`of`, where it leads every machine to itself; empty otherwise."""
    found = of(request)
    return found if is_local(found) else ""


def is_local(address: str) -> bool:
    """Whether an address leads every machine to itself: what is handed out with it works here alone."""
    host = (urlsplit(address).hostname or "").rstrip(".")
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return found.is_loopback or found.is_unspecified
