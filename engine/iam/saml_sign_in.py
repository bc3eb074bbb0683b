"""Signing in to the console by SAML: the identity provider has the browser post its signed response here, as it would to AWS's sign-in.

The response says which roles it lets be had, one of which is chosen; that role's trust policy decides as for AssumeRoleWithSAML. It counts
once, and only if it is made out to this console. Every sign-in is in the trail (ConsoleLogin), a refused one too.
Source: IAM User Guide, "Enabling SAML 2.0 federated principals to access the AWS Management Console"; SAML 2.0 Profiles, section 4.1.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from engine import clock
from engine.iam import federated_sign_in, federation, saml_assertion, saml_identity, saml_metadata
from engine.iam.federated_sign_in import REFUSED
from engine.iam.models import Role, SAMLProvider, SignInAttempt
from engine.iam.saml_metadata import NAMES, NotSaml
from engine.iam.session_parameters import role_of
from engine.iam.signin import ATTEMPTS, WINDOW, SignedIn, SignInRefused, record_login
from engine.wire.client_address import address_of
from engine.wire.errors import AWSError

LONGEST = 100_000  # characters, as AssumeRoleWithSAML takes
_MOST_ROLES = 100
_ARN = re.compile(r"arn:aws:iam::(\d{12}):(role|saml-provider)/[\w+=,.@/-]{1,600}", re.ASCII)
_ROLES = f"{saml_identity.ATTRIBUTES}Role"
_NONE = "The answer of the identity provider cannot be read, or gives no role."
_NOT_TRUSTED = "The role does not trust this sign-in. Ask an administrator."


@dataclass(frozen=True, slots=True)
class Choice:
    """A role that a response lets be had, by a provider of the role's account."""

    role_arn: str
    provider_arn: str

    @property
    def account_id(self) -> str:
        return self.role_arn.split(":")[4]

    @property
    def role_name(self) -> str:
        return self.role_arn.rpartition("/")[2]


def choices(response: str, provider_id: str) -> list[Choice]:
    """What a response says before anything of it is checked, which `finish` does. Raises SignInRefused for what says nothing.

    `provider_id`: of the provider that opens it if it is encrypted, as the address says that it was posted to.
    """
    try:
        if len(response) > LONGEST:
            raise NotSaml("too long")
        document = base64.b64decode("".join(response.split()), validate=True)
        root = saml_metadata.parse_xml(document)
    except (binascii.Error, ValueError) as reason:
        raise SignInRefused(_NONE) from reason
    if saml_assertion.is_encrypted(root):
        root = _opened(provider_id, document)
    found: dict[Choice, None] = {}
    for attribute in root.iterfind(".//saml:AttributeStatement/saml:Attribute", NAMES):
        if attribute.get("Name") == _ROLES:
            for value in attribute.iterfind("saml:AttributeValue", NAMES):
                if (choice := _choice("".join(value.itertext()))) is not None:
                    found[choice] = None
    if not found:
        raise SignInRefused(_NONE)
    return list(found)[:_MOST_ROLES]


def _opened(provider_id: str, document: bytes) -> Any:
    """The assertion of an encrypted response: whose it is, is said inside."""
    provider = SAMLProvider.objects.filter(unique_id=provider_id).first()
    if provider is None:
        raise SignInRefused(_NONE)
    try:
        return saml_identity.assertion_of(provider, saml_identity.metadata_of(provider), document)
    except AWSError as reason:
        raise SignInRefused(REFUSED.format(reason.message)) from reason


def _choice(text: str) -> Choice | None:
    """Of a pair of ARNs, in either order; None for what is none, or is of two accounts."""
    matches = [_ARN.fullmatch(part.strip()) for part in text.split(",")]
    named = {match[2]: match for match in matches if match is not None}
    role, provider = named.get("role"), named.get("saml-provider")
    if len(matches) != 2 or role is None or provider is None or role[1] != provider[1]:
        return None
    return Choice(role[0], provider[0])


def finish(response: str, choice: Choice, *, recipient: str, source_ip: str, user_agent: str) -> SignedIn:
    """The session of who brings the response, which has to be made out to `recipient`. Raises SignInRefused; why is in the trail too."""
    role = role_of(choice.role_arn)
    try:
        identity = _identity(response, choice, recipient)
        return _enter(identity, role, source_ip, user_agent)
    except SignInRefused as reason:
        # Nobody guesses a signature: what is bounded is the record of what anybody may send. So a sound response never waits, for many
        # people have one address.
        who, now = f"saml/{choice.account_id}/{address_of(source_ip)}"[:255], clock.real_now()
        if SignInAttempt.objects.filter(who=who, when__gt=now - WINDOW).count() >= ATTEMPTS:
            raise SignInRefused("Too many attempts. Wait five minutes, then try again.") from reason
        if SAMLProvider.objects.filter(account_id=choice.account_id).exists():
            SignInAttempt.objects.create(who=who, when=now)
            record_login(choice.account_id, None, source_ip, user_agent, str(reason), provider=choice.provider_arn)
        raise


def _identity(response: str, choice: Choice, recipient: str) -> saml_identity.Identity:
    try:
        identity = saml_identity.check(choice.account_id, choice.provider_arn, choice.role_arn, response)
    except AWSError as reason:
        raise SignInRefused(REFUSED.format(reason.message)) from reason
    if identity.recipient != recipient:
        raise SignInRefused(REFUSED.format("it is for another service"))
    return identity


def _take(identity: saml_identity.Identity) -> None:
    """A response counts once. Part of the caller's transaction, in which no other takes the same one."""
    said = f"{identity.provider.arn}\n{identity.assertion.get('ID', '')}"
    who = f"saml/{hashlib.sha256(said.encode()).hexdigest()}"
    if SignInAttempt.objects.filter(who=who).exists():
        raise SignInRefused(REFUSED.format("it was used before"))
    # Kept until nobody takes it any more, however far the provider's clock is ahead.
    SignInAttempt.objects.create(who=who, when=max(clock.real_now(), identity.issued) + WINDOW)


def _enter(identity: saml_identity.Identity, role: Role | None, source_ip: str, user_agent: str) -> SignedIn:
    most = min(settings.SESSION_HOURS * 3600, identity.session_seconds or settings.SESSION_HOURS * 3600)
    try:
        if role is None:
            raise AWSError("AccessDenied", "")
        return federated_sign_in.enter(
            role,
            federation.of_saml(identity),
            seconds=min(role.max_session_duration, most),
            subject=identity.person,
            provider=identity.provider.arn,
            label=identity.provider.name,
            source_ip=source_ip,
            user_agent=user_agent,
            take=lambda: _take(identity),
        )
    except AWSError as reason:
        raise SignInRefused(_NOT_TRUSTED) from reason
