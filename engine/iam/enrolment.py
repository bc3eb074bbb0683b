"""Setting up a second factor during a sign-in, for who is asked for one and has none: there is no session before.

It is made for the person who has shown the password, whatever policies allow: they ask for it. It is in the trail (RegisterSecondFactor).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine import clock
from engine.iam import mfa, passkeys, signin
from engine.iam.models import MFADevice, User
from engine.iam.signin import Client, Progress, SignedIn, SignInRefused
from engine.store import transaction

_WRONG_CODES = "These are not two codes in a row of this device. Wait for the next ones."


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the page shows: the secret of a new device, as text and as a picture, and what a browser is asked to make a passkey."""

    secret: str
    picture: bytes
    required: bool
    options: dict[str, Any]
    state: passkeys.State


@dataclass(frozen=True, slots=True)
class Enrolled:
    """The session, and recovery codes that are shown this once."""

    signed_in: SignedIn
    recovery_codes: list[str]


def begin(token: str, site: passkeys.Site) -> Enrolment:
    """Raises SignInRefused."""
    progress = _open(token)
    user = progress.user
    account = user.account
    options, state = passkeys.ask_to_register(user, site)
    label = f"{user.name}@{account.alias or account.account_id}"
    return Enrolment(mfa.base32(progress.seed), mfa.picture(progress.seed, label), progress.required, options, state)


def _open(token: str) -> Progress:
    progress = signin.opened(token)
    if not progress.seed or progress.user.mfa_devices.exists():
        raise SignInRefused(signin.OVER)
    return progress


def by_codes(token: str, first: str, second: str, *, source_ip: str, user_agent: str) -> Enrolled:
    """With a virtual device that gave these two codes in a row. Raises SignInRefused."""
    progress = _open(token)
    return _enrol(progress, lambda: _device(progress, first, second), Client(source_ip, user_agent))


def by_passkey(
    token: str,
    site: passkeys.Site,
    state: passkeys.State,
    answer: Mapping[str, Any],
    *,
    source_ip: str,
    user_agent: str,
) -> Enrolled:
    """Raises SignInRefused."""
    progress = _open(token)

    def register() -> MFADevice:
        try:
            return passkeys.register(progress.user, site, state, answer)
        except passkeys.PasskeyRefused as reason:
            raise SignInRefused(str(reason)) from reason

    return _enrol(progress, register, Client(source_ip, user_agent))


def _device(progress: Progress, first: str, second: str) -> MFADevice:
    user = progress.user
    made = MFADevice(account_id=user.account_id, serial_number=_serial_number(user), created=clock.now(user.account_id))
    made.wrapped_seed = mfa.seal(made, progress.seed)
    if not mfa.synchronise(made, first, second):
        raise SignInRefused(_WRONG_CODES)
    made.user, made.enabled = user, made.created
    made.save()
    return made


def _serial_number(user: User) -> str:
    """As the user is named, with a number where there is such a device already."""
    named = f"arn:aws:iam::{user.account_id}:mfa/{'root-account-mfa-device' if user.is_root else user.name}"
    taken = set(MFADevice.objects.filter(serial_number__istartswith=named).values_list("serial_number", flat=True))
    lower = {each.lower() for each in taken}
    number, serial_number = 1, named
    while serial_number.lower() in lower:
        number += 1
        serial_number = f"{named}-{number}"
    return serial_number


def _enrol(progress: Progress, make: Callable[[], MFADevice], client: Client) -> Enrolled:
    user = progress.user
    with transaction.write():
        if user.mfa_devices.exists():  # another page of the same sign-in was quicker
            raise SignInRefused(signin.OVER)
        device = make()
        codes = mfa.new_recovery_codes(user)
        parameters = {"userName": user.name, "serialNumber": device.serial_number}
        signin.record_change(user.account_id, user, "RegisterSecondFactor", parameters, client)
    return Enrolled(signin.enter(user, client, with_mfa=True), codes)


def later(token: str, *, source_ip: str, user_agent: str) -> SignedIn:
    """The session without a second factor, of whom policies only advise to have one. Raises SignInRefused."""
    progress = _open(token)
    if progress.required:
        raise SignInRefused("A second factor is required here.")
    return signin.enter(progress.user, Client(source_ip, user_agent), with_mfa=False)
