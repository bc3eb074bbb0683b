"""Where a form leads back to."""

from __future__ import annotations

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

_LONGEST = 2048  # characters


def safe(request: HttpRequest, address: str, otherwise: str = "/") -> str:
    """`address` if it is a path of this console, else what stands for it: the overview."""
    if len(address) > _LONGEST:
        return otherwise  # what looks at it remembers it, however long it is
    ours = url_has_allowed_host_and_scheme(address, {request.get_host()}, require_https=request.is_secure())
    return address if ours and address.startswith("/") else otherwise
