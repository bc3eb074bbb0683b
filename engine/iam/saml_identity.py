"""SAML 2.0 responses of an identity provider: for whom one is, until when, and what it asks for. Which assertion counts: saml_assertion.

Source: IAM User Guide, "Configure SAML assertions for the authentication response", "Available keys for SAML-based AWS STS
federation" and "Troubleshoot SAML federation with IAM" (the sentences); SAML 2.0 Core, section 2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from engine import clock
from engine.iam import identity_providers, saml_assertion, saml_keys, saml_metadata
from engine.iam.models import SAMLProvider
from engine.iam.principal import Principal
from engine.iam.saml_assertion import invalid
from engine.iam.saml_metadata import NAMES, IdentityProvider, NotSaml
from engine.wire.errors import AWSError

ATTRIBUTES = "https://aws.amazon.com/SAML/Attributes/"
_TAG = f"{ATTRIBUTES}PrincipalTag:"
_SESSION_NAME = re.compile(r"[a-zA-Z_0-9+=,.@-]{2,64}")
_AUDIENCE = re.compile(r"urn:amazon:webservices(:[a-z-]+)?|https://([a-z0-9-]+\.)?signin\.(aws\.amazon\.com|amazonaws\.cn|amazonaws-us-gov\.com)/saml(/.*)?")  # fmt: skip
_REDEEMED = timedelta(minutes=5)
_FORMAT = "urn:oasis:names:tc:SAML:2.0:nameid-format:"
# Attributes that are condition keys, by their object identifiers.
_KEYS = {
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.1": "edupersonaffiliation",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.2": "edupersonnickname",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.3": "edupersonorgdn",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.4": "edupersonorgunitdn",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.5": "edupersonprimaryaffiliation",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.6": "edupersonprincipalname",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.7": "edupersonentitlement",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.8": "edupersonprimaryorgunitdn",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.9": "edupersonscopedaffiliation",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.10": "edupersontargetedid",
    "urn:oid:1.3.6.1.4.1.5923.1.1.1.11": "edupersonassurance",
    "urn:oid:2.5.4.3": "cn",
    "urn:oid:0.9.2342.19200300.100.1.3": "mail",
    "urn:oid:0.9.2342.19200300.100.1.1": "uid",
}


@dataclass(frozen=True, eq=False)
class Identity:
    """Who a response that was checked is about. `assertion` is the signed element."""

    provider: SAMLProvider
    issuer: str
    assertion: Any

    @cached_property
    def _attributes(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for each in self.assertion.iterfind("saml:AttributeStatement/saml:Attribute", NAMES):
            values = tuple(_text(value) for value in each.iterfind("saml:AttributeValue", NAMES))
            found[each.get("Name", "")] = (*found.get(each.get("Name", ""), ()), *values)
        return found

    def _attribute(self, name: str) -> str:
        return next(iter(self._attributes.get(ATTRIBUTES + name, ())), "")

    @property
    def _name_id(self) -> Any:
        return self.assertion.find("saml:Subject/saml:NameID", NAMES)

    @property
    def subject(self) -> str:
        return _text(self._name_id) if self._name_id is not None else ""

    @property
    def person(self) -> str:
        """Who it is from one sign-in to the next: the subject, unless the provider makes up another one each time."""
        return self.session_name if self.subject_type == "transient" else self.subject

    @property
    def subject_type(self) -> str:
        form: str = self._name_id.get("Format", "") if self._name_id is not None else ""
        short = form.removeprefix(_FORMAT)
        return short if short in ("persistent", "transient") else form

    @property
    def issued(self) -> datetime:
        """When the provider made it."""
        moment = _moment(self.assertion.get("IssueInstant"))
        assert moment is not None  # `check` has looked
        return moment

    @property
    def recipient(self) -> str:
        data = self.assertion.find("saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData", NAMES)
        return data.get("Recipient", "") if data is not None else ""

    @property
    def name_qualifier(self) -> str:
        """Names the provider where subjects of several are told apart. Source: API Reference, AssumeRoleWithSAML."""
        named = f"{self.issuer}{self.provider.account_id}/{self.provider.name}"
        return base64.b64encode(hashlib.sha1(named.encode(), usedforsecurity=False).digest()).decode()

    @property
    def session_name(self) -> str:
        return self._attribute("RoleSessionName")

    @property
    def session_seconds(self) -> int:
        """The longest that the provider lets the session last; 0 if it does not say."""
        given = self._attribute("SessionDuration")
        return int(given) if given.isascii() and given.isdigit() and len(given) < 7 else 0

    @property
    def source_identity(self) -> str:
        return self._attribute("SourceIdentity")

    @property
    def tags(self) -> dict[str, str]:
        named = {name.removeprefix(_TAG): values for name, values in self._attributes.items() if name.startswith(_TAG)}
        return {name: values[0] for name, values in named.items() if values}

    @property
    def transitive(self) -> tuple[str, ...]:
        return self._attributes.get(f"{ATTRIBUTES}TransitiveTagKeys", ())

    @property
    def conditions(self) -> dict[str, str | tuple[str, ...]]:
        known: dict[str, str | tuple[str, ...]] = {
            "saml:aud": self.recipient,
            "saml:doc": f"{self.provider.account_id}/{self.provider.name}",
            "saml:iss": self.issuer,
            **self.session_conditions,
        }
        for name, values in self._attributes.items():
            if name in _KEYS:
                known[f"saml:{_KEYS[name]}"] = values
        return known

    @property
    def session_conditions(self) -> dict[str, str | tuple[str, ...]]:
        return {
            "saml:namequalifier": self.name_qualifier,
            "saml:sub": self.subject,
            "saml:sub_type": self.subject_type,
        }

    @property
    def roles(self) -> set[tuple[str, ...]]:
        """The pairs of a role and a provider that the response lets be had, each in either order."""
        values = self._attributes.get(f"{ATTRIBUTES}Role", ())
        return {tuple(sorted(part.strip() for part in value.split(","))) for value in values}

    def principal(self) -> Principal:
        return Principal(
            kind="saml",
            account_id=str(self.provider.account_id),
            arn="",
            unique_id=f"{self.name_qualifier}:{self.subject}",
            name=self.subject,
            provider=self.provider.arn,
        )


def _text(element: Any) -> str:
    return "".join(element.itertext()).strip()


def check(account_id: str, provider_arn: str, role_arn: str, response: str) -> Identity:
    """Who a response is about, by this provider of the account. Raises AWSError: InvalidIdentityToken, ExpiredTokenException, AccessDenied."""
    provider = identity_providers.by_arn(identity_providers.SAML, account_id, provider_arn)
    if provider is None:
        raise invalid("Specified provider doesn't exist")
    try:
        document = base64.b64decode("".join(response.split()), validate=True)
    except (binascii.Error, ValueError) as reason:
        raise invalid("Invalid base64 SAMLResponse") from reason
    metadata = metadata_of(provider)
    assertion = assertion_of(provider, metadata, document)
    issuer = assertion.find("saml:Issuer", NAMES)
    if issuer is None or _text(issuer) != metadata.entity_id:
        raise invalid("Issuer not present in specified provider")
    _check_times(assertion)
    identity = Identity(provider, metadata.entity_id, assertion)
    if not identity.recipient:
        raise invalid("Invalid Recipient in SAML response")
    audiences = [
        _text(each) for each in assertion.iterfind("saml:Conditions/saml:AudienceRestriction/saml:Audience", NAMES)
    ]
    if not any(_AUDIENCE.fullmatch(each) for each in audiences):
        raise invalid("Response does not contain the required audience")
    if not identity.session_name:
        raise invalid("RoleSessionName is required in AuthnResponse")
    if not _SESSION_NAME.fullmatch(identity.session_name):
        raise invalid("RoleSessionName in AuthnResponse must match [a-zA-Z_0-9+=,.@-]{2,64}")
    if tuple(sorted((role_arn, provider_arn))) not in identity.roles:
        raise AWSError("AccessDenied", "Not authorized to perform sts:AssumeRoleWithSAML")
    return identity


def metadata_of(provider: SAMLProvider) -> IdentityProvider:
    try:
        return saml_metadata.read(provider.metadata)
    except NotSaml as reason:  # of before metadata was looked at as it is now
        raise invalid("Response signature invalid") from reason


def assertion_of(provider: SAMLProvider, metadata: IdentityProvider, document: bytes) -> Any:
    """The assertion of a response that the provider has signed, of which nothing else is checked. Raises AWSError."""
    required = provider.encryption_mode == saml_keys.REQUIRED
    return saml_assertion.signed(document, metadata, saml_keys.of(provider), encrypted_only=required)


def _check_times(assertion: Any) -> None:
    now = clock.real_now()
    issued = _moment(assertion.get("IssueInstant"))
    if issued is None or now - issued > _REDEEMED:
        raise _expired("Token must be redeemed within 5 minutes of issuance")
    places = [
        assertion.find("saml:Conditions", NAMES),
        assertion.find("saml:Subject/saml:SubjectConfirmation/saml:SubjectConfirmationData", NAMES),
    ]
    for place in places:
        if place is None:
            continue
        begins, ends = _moment(place.get("NotBefore")), _moment(place.get("NotOnOrAfter"))
        if ends is not None and now >= ends:
            raise _expired("SAML Assertion is expired")
        if begins is not None and now < begins:
            raise invalid("SAML Assertion is not valid yet")


def _expired(message: str) -> AWSError:
    return AWSError("ExpiredTokenException", message, declared=True)


def _moment(text: str | None) -> datetime | None:
    """SAML's times are in UTC (SAML 2.0 Core, section 1.3.3)."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as reason:
        raise invalid("Invalid SAMLResponse") from reason
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
