"""Links by which students make their accounts themselves: for a time, for a number of students, until they are revoked.

The code in a link is an HMAC of its row's nonce under the console's secret: the database alone makes no link that works.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from reportlab.graphics.barcode.qrencoder import QRCode, QRErrorCorrectLevel

from console import public_address
from learn.models import AccountClass, JoinLink

_QUIET = 4  # modules around a QR code that stay white, as ISO/IEC 18004 wants it


def make(of_class: AccountClass, minutes: int, places: int) -> JoinLink:
    now = timezone.now()
    return JoinLink.objects.create(
        of_class=of_class,
        nonce=secrets.token_hex(8),
        created=now,
        expires=now + timedelta(minutes=minutes),
        places=places,
    )


def code(link: JoinLink) -> str:
    return f"{link.nonce}{_mac(link.nonce)}"


def _mac(nonce: str) -> str:
    return salted_hmac("kmsconsole join link", nonce, algorithm="sha256").hexdigest()[:24]


def address(request: HttpRequest, link: JoinLink) -> str:
    """As others reach it."""
    return f"{public_address.of(request)}{reverse('class-join', args=[code(link)])}"


def find(given: str) -> JoinLink | None:
    """The link of a code; None where the code was made up."""
    nonce, mac = given[:16], given[16:]
    if not constant_time_compare(mac, _mac(nonce)):
        return None
    return JoinLink.objects.select_related("of_class").filter(nonce=nonce).first()


def is_open(link: JoinLink, now: datetime | None = None) -> bool:
    now = now or timezone.now()
    of_class = link.of_class
    ended = of_class.closed is not None or (of_class.ends is not None and of_class.ends <= now)
    return not ended and link.revoked is None and link.expires > now and link.used < link.places


def qr_code(text: str) -> str:
    """A QR code as an SVG document, dark on white in every theme: scanners need it so."""
    made = QRCode(None, QRErrorCorrectLevel.M)
    made.addData(text)
    made.make()
    number = made.getModuleCount()
    dark = "".join(
        f"M{column + _QUIET} {row + _QUIET}h1v1h-1z"
        for row in range(number)
        for column in range(number)
        if made.isDark(row, column)
    )
    size = number + 2 * _QUIET
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{dark}"/></svg>'
    )
