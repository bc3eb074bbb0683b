"""Passkeys (WebAuthn): a key pair in a device, of which the public half is kept here. What is verified, the fido2 package verifies.

A passkey is for one host name, the relying party's; a browser names the origin it is on, which has to be the console's own.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fido2.server import Fido2Server
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from engine import clock
from engine.iam import quotas
from engine.iam.models import MFADevice, User

State = dict[str, Any]  # what a browser's answer is compared with: the challenge
_LONGEST = 1400  # characters of a credential ID: WebAuthn allows 1,023 bytes
# What a browser's answer can be that is none: its JSON and CBOR are read by the package.
_NO_ANSWER = (ValueError, KeyError, TypeError, AttributeError, IndexError)


class PasskeyRefused(Exception):
    """The browser's answer is not that of a passkey to the question that was asked."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where the browser is: its origin (`https://console.example:8443`) and the host name that passkeys are for."""

    origin: str
    host: str


def _server(site: Site) -> Fido2Server:
    verify: Callable[[str], bool] = lambda origin: origin == site.origin  # noqa: E731
    return Fido2Server(PublicKeyCredentialRpEntity(id=site.host, name="kmsconsole"), verify_origin=verify)


def _of(user: User) -> list[MFADevice]:
    return list(user.mfa_devices.exclude(credential_id="").order_by("pk"))


def _credentials(user: User) -> list[AttestedCredentialData]:
    return [AttestedCredentialData(bytes(each.public_key)) for each in _of(user)]


def _encoded(credential_id: bytes) -> str:
    return base64.urlsafe_b64encode(credential_id).decode().rstrip("=")


def ask_to_register(user: User, site: Site) -> tuple[dict[str, Any], State]:
    """(options for navigator.credentials.create as JSON, state)."""
    entity = PublicKeyCredentialUserEntity(id=user.unique_id.encode(), name=user.name, display_name=user.name)
    options, state = _server(site).register_begin(
        entity,
        _credentials(user),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    return dict(options["publicKey"]), state


def register(user: User, site: Site, state: State, answer: Mapping[str, Any]) -> MFADevice:
    """Keep the passkey that the browser made. Raises PasskeyRefused, and LimitExceeded."""
    try:
        made = _server(site).register_complete(state, answer)
        credential = made.credential_data
    except _NO_ANSWER as reason:
        raise PasskeyRefused("This is not the answer of a passkey.") from reason
    if credential is None:
        raise PasskeyRefused("This is not the answer of a passkey.")
    credential_id = _encoded(credential.credential_id)
    if len(credential_id) > _LONGEST or MFADevice.objects.filter(credential_id=credential_id).exists():
        raise PasskeyRefused("This passkey is registered already.")
    quotas.hold("MFADevicesPerUser", user.mfa_devices.count() + 1)
    now = clock.now(user.account_id)
    return MFADevice.objects.create(
        account_id=user.account_id,
        serial_number=f"arn:aws:iam::{user.account_id}:u2f/{_owner(user)}/passkey-{secrets.token_hex(10).upper()}",
        user=user,
        created=now,
        enabled=now,
        credential_id=credential_id,
        public_key=bytes(credential),
        sign_count=made.counter,
    )


def _owner(user: User) -> str:
    return "root" if user.is_root else f"user/{user.name}"


def ask_to_sign_in(user: User, site: Site) -> tuple[dict[str, Any], State]:
    """(options for navigator.credentials.get as JSON, state)."""
    options, state = _server(site).authenticate_begin(
        _credentials(user), user_verification=UserVerificationRequirement.PREFERRED
    )
    return dict(options["publicKey"]), state


def verify(user: User, site: Site, state: State, answer: Mapping[str, Any]) -> bool:
    """Whether it is the answer of one of the user's passkeys to this challenge, and no copy of the passkey: its counter goes up."""
    try:
        found = _server(site).authenticate_complete(state, _credentials(user), answer)
        counter = AuthenticationResponse.from_dict(answer).response.authenticator_data.counter
    except _NO_ANSWER:
        return False
    rows = user.mfa_devices.filter(credential_id=_encoded(found.credential_id))
    if counter:
        return bool(rows.filter(sign_count__lt=counter).update(sign_count=counter))
    return rows.filter(sign_count=0).exists()  # passkeys that are synchronised between devices count nothing
