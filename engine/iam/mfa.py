"""Second factors: the codes of virtual MFA devices (TOTP, RFC 6238), each taken once, and recovery codes.

Times are the real clock's, whatever an account's clock shows: a telephone knows no other.
"""

from __future__ import annotations

import base64
import hmac
import io
import secrets
from collections.abc import Iterable
from datetime import timedelta
from hashlib import sha256
from urllib.parse import quote, urlencode

import segno
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from engine import clock
from engine.iam.credentials import GLOBAL
from engine.iam.models import MFADevice, RecoveryCode, SignInAttempt, User
from engine.store import transaction
from engine.vault import domain_keys

SEED_BYTES = 40  # 64 characters of base 32, as AWS's
STEP = 30  # seconds
DIGITS = 6
ATTEMPTS = 10  # wrong codes of a device
WINDOW = timedelta(minutes=5)
RECOVERY_CODES = 10
_QR_SCALE = 5
_SLACK = 1  # steps that a code may be older or newer than the clock
_FAR = 120  # steps within which activation and synchronisation look for the device's clock: an hour


def new_seed() -> bytes:
    return secrets.token_bytes(SEED_BYTES)


def base32(seed: bytes) -> str:
    return base64.b32encode(seed).decode().rstrip("=")


def uri(seed: bytes, label: str) -> str:
    """What the QR code says. Source: IAM API Reference, VirtualMFADevice."""
    return f"otpauth://totp/{quote(label, safe='@')}?{urlencode({'secret': base32(seed), 'issuer': 'kmsconsole'})}"


def picture(seed: bytes, label: str) -> bytes:
    """The QR code, a PNG."""
    out = io.BytesIO()
    segno.make(uri(seed, label), micro=False).save(out, kind="png", scale=_QR_SCALE)
    return out.getvalue()


def seal(device: MFADevice, seed: bytes) -> bytes:
    return domain_keys.seal("mfa", device.account_id, GLOBAL, device.serial_number, "", seed)


def _totp(device: MFADevice) -> TOTP:
    seed = domain_keys.open_("mfa", device.account_id, GLOBAL, device.serial_number, "", bytes(device.wrapped_seed))
    return TOTP(seed, DIGITS, SHA1(), STEP)  # noqa: S303 (what authenticator apps compute)


def current_step() -> int:
    return int(clock.real_now().timestamp()) // STEP


def _match(totp: TOTP, code: str, steps: Iterable[int]) -> int | None:
    """The step whose code this is. All steps are looked at, so that the time it takes tells nothing."""
    found = None
    for step in steps:
        if hmac.compare_digest(totp.generate(step * STEP), code.encode()):
            found = step
    return found


def synchronise(device: MFADevice, first: str, second: str) -> bool:
    """Whether these are two codes in a row that were not used yet; then the device's drift is known. Not saved."""
    now, totp = current_step(), _totp(device)
    for step in sorted(range(now - _FAR, now + _FAR + 1), key=lambda each: abs(each - now)):
        if step <= device.last_step or not hmac.compare_digest(totp.generate(step * STEP), first.encode()):
            continue
        if hmac.compare_digest(totp.generate((step + 1) * STEP), second.encode()):
            drift = step + 1 - now
            device.drift, device.last_step = (drift if abs(drift) > _SLACK else 0), step + 1
            return True
    return False


def verify(device: MFADevice, code: str) -> bool:
    """Whether the code is the device's now; it is taken once. Too many wrong ones shut the device for some minutes."""
    if not device.wrapped_seed or not (len(code) == DIGITS and code.isascii() and code.isdigit()):
        return False
    if not _counted(device.serial_number):
        return False
    middle = current_step() + device.drift
    step = _match(_totp(device), code, range(middle - _SLACK, middle + _SLACK + 1))
    # Compared and set at once: of two calls with the same code one is refused, in whichever worker they are.
    taken = step is not None and MFADevice.objects.filter(pk=device.pk, last_step__lt=step).update(last_step=step)
    if taken:
        SignInAttempt.objects.filter(who=_who(device.serial_number)).delete()
        return True
    return False


def _who(serial_number: str) -> str:
    return f"mfa/{serial_number}"[:255]


def _counted(serial_number: str) -> bool:
    """Count an attempt before it is looked at, so that nobody guesses many at once; False if there were too many."""
    now = clock.real_now()
    this = SignInAttempt.objects.create(who=_who(serial_number), when=now)
    if SignInAttempt.objects.filter(who=_who(serial_number), when__gt=now - WINDOW).count() > ATTEMPTS:
        this.delete()
        return False
    return True


def device_of(user: User, serial_number: str) -> MFADevice | None:
    return user.mfa_devices.filter(serial_number=serial_number).first()


def new_recovery_codes(user: User) -> list[str]:
    """New codes in place of all before. They are shown once; what is kept are their hashes (each has 80 random bits)."""
    made = [base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES)]
    with transaction.write():
        user.recovery_codes.all().delete()
        RecoveryCode.objects.bulk_create(RecoveryCode(user=user, digest=_digest(user, code)) for code in made)
    return ["-".join(code[at : at + 4] for at in range(0, 16, 4)) for code in made]


def use_recovery_code(user: User, code: str) -> bool:
    """Whether it is one of the user's; it is gone then."""
    plain = "".join(code.split()).replace("-", "").lower()
    if not _counted(user.unique_id):
        return False
    number, _each = RecoveryCode.objects.filter(user=user, digest=_digest(user, plain)).delete()
    if number:
        SignInAttempt.objects.filter(who=_who(user.unique_id)).delete()
    return bool(number)


def _digest(user: User, code: str) -> str:
    return sha256(f"{user.unique_id}:{code}".encode()).hexdigest()
