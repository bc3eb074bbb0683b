"""What an authenticator app does: codes of a device's secret, at the real clock's time."""

from __future__ import annotations

import base64
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from engine import clock
from engine.iam.models import MFADevice


def code(seed: bytes, ahead: int = 0) -> str:
    """The code of now, or of some steps of 30 seconds later. `seed`: as CreateVirtualMFADevice answers it."""
    padded = seed + b"=" * (-len(seed) % 8)
    moment = clock.real_now().timestamp() + 30 * ahead
    return TOTP(base64.b32decode(padded), 6, SHA1(), 30).generate(int(moment)).decode()


def assign(iam: Any, user_name: str, device_name: str = "phone") -> tuple[str, bytes]:
    """(serial number, seed) of a new virtual device of the user."""
    made = iam.create_virtual_mfa_device(VirtualMFADeviceName=device_name)["VirtualMFADevice"]
    serial_number, seed = made["SerialNumber"], made["Base32StringSeed"]
    iam.enable_mfa_device(
        UserName=user_name,
        SerialNumber=serial_number,
        AuthenticationCode1=code(seed, -1),
        AuthenticationCode2=code(seed),
    )
    rest(serial_number)
    return serial_number, seed


def rest(serial_number: str) -> None:
    """As if the next code had come: what was used before is not the newest one any more. Tests do not wait half a minute."""
    MFADevice.objects.filter(serial_number=serial_number).update(last_step=0)
