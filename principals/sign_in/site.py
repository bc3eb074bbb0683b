"""Where the browser is, as passkeys are made for it: an origin and its host name."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.http import HttpRequest

from console import public_address
from engine.public.mfa import Site


def of(request: HttpRequest) -> Site:
    parts = urlsplit(public_address.of(request))
    return Site(f"{parts.scheme}://{parts.netloc}", parts.hostname or "")


def takes_passkeys(site: Site) -> bool:
    """Browsers make passkeys for host names alone, over HTTPS or on this machine."""
    try:
        ipaddress.ip_address(site.host)
    except ValueError:
        return site.origin.startswith("https://") or site.host == "localhost" or site.host.endswith(".localhost")
    return False
