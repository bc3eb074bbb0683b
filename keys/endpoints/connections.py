"""Connections to other endpoints: the form, the test that says what is wrong, and what an endpoint was found not to offer.

Managing them, and using one that borrows the server's own credentials, is a permission of the console's own that IAM policies give:
`kmsconsole:ManageConnections` and `kmsconsole:UseConnection` (AdministratorAccess has both).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from botocore import exceptions as botocore_errors
from botocore import xform_name
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, InvalidRegionError
from botocore.model import Shape
from botocore.utils import is_valid_endpoint_url, is_valid_ipv6_endpoint_url
from django import forms
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, gettext_noop

from console.aws_calls import FAILURES
from console.forms import mark_needed, set_choices
from console.request import ConsoleRequest
from engine.public.names import is_region_name
from keys import permissions, service
from keys.endpoints import backends, diagnosis, outbound
from keys.endpoints.diagnosis import Finding
from keys.endpoints.kept_secret import KeptSecret
from keys.models import Connection

MANAGE = "kmsconsole:ManageConnections"
NEW_KEY = "new"
SEALING_ALIAS = "alias/kmsconsole/connections"
_NOBODY = "00000000-0000-4000-8000-000000000000"  # a key ID that no endpoint has, so that asking changes nothing
_NOT_PROBED = (
    "CreateKey",
    "CreateCustomKeyStore",
    "GenerateRandom",
    "ConnectCustomKeyStore",
    "DisconnectCustomKeyStore",
)
_READING = ("Describe", "Get", "List")
_OF_GRANTS = {"CreateGrant", "RetireGrant", "RevokeGrant"}


def may(request: ConsoleRequest, action: str) -> bool:
    return service.visibility.is_allowed(service.viewer(request), action)


class ConnectionForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=64, help_text=gettext_lazy("Shown in the top bar."))
    kind = forms.ChoiceField(
        label=gettext_lazy("Endpoint"),
        choices=[("aws", gettext_lazy("Real AWS")), ("url", gettext_lazy("Another endpoint, by its address"))],
        widget=forms.RadioSelect,
        initial="url",
    )
    url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=400,
        required=False,
        help_text=gettext_lazy("For another endpoint: http://127.0.0.1:4566, https://kms.example.org"),
    )
    region = forms.CharField(
        label=gettext_lazy("Region"),
        max_length=32,
        required=False,
        help_text=gettext_lazy("Empty: the Region chosen in the top bar."),
    )
    method = forms.ChoiceField(
        label=gettext_lazy("Credentials"),
        choices=[
            ("keys", gettext_lazy("Access keys, entered here and encrypted")),
            ("profile", gettext_lazy("A profile of the server's AWS configuration")),
            ("server", gettext_lazy("The server's own (environment, instance or container role)")),
        ],
        widget=forms.RadioSelect,
        initial="keys",
    )
    access_key_id = forms.CharField(label=gettext_lazy("Access key ID"), max_length=128, required=False)
    secret = forms.CharField(
        label=gettext_lazy("Secret access key"),
        max_length=256,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    token = forms.CharField(
        label=gettext_lazy("Session token"),
        max_length=4000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=gettext_lazy("Only with temporary credentials."),
    )
    profile = forms.CharField(label=gettext_lazy("Profile"), max_length=128, required=False)
    role_arn = forms.CharField(
        label=gettext_lazy("Role to assume (ARN)"),
        max_length=2048,
        required=False,
        help_text=gettext_lazy("The credentials above then only assume this role."),
    )
    sealing_key = forms.ChoiceField(
        label=gettext_lazy("Key that encrypts the secret"),
        choices=(),
        help_text=gettext_lazy("Whoever may not decrypt with this key cannot use the connection."),
        required=False,
    )

    def __init__(
        self,
        sealing_keys: list[tuple[str, str]],
        taken: set[str],
        *args: Any,
        kept: KeptSecret | None = None,
        **options: Any,
    ) -> None:
        """`kept`: the secret that counts where none is entered."""
        super().__init__(*args, **options)
        self.taken = taken
        self.keep(kept)
        set_choices(self, "sealing_key", sealing_keys)
        mark_needed(self, "url", "access_key_id", "secret", "profile", "sealing_key")

    def keep(self, kept: KeptSecret | None) -> None:
        self.kept = kept
        if kept is not None:
            # Of the bound field: it was made, and shows what it had then, when the form was validated.
            self["secret"].help_text = _("Empty: the secret that was entered stays, with its session token.")

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"]).strip()
        if name in self.taken:
            raise forms.ValidationError(_("There is a connection of this name."))
        return name

    def clean_url(self) -> str:
        url = str(self.cleaned_data["url"]).strip().rstrip("/")
        if url and not is_endpoint_url(url):
            raise forms.ValidationError(
                _("An address begins with http:// or https:// and a host, and holds no password.")
            )
        return url

    def clean_region(self) -> str:
        region = str(self.cleaned_data["region"]).strip()
        if region and not is_region_name(region):
            raise forms.ValidationError(_("A Region name has lower-case letters, digits and hyphens: eu-central-1."))
        return region

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("kind") == "url" and not data.get("url") and "url" not in self.errors:
            self.add_error("url", _("Enter the endpoint's address."))
        if data.get("method") == "keys":
            if not data.get("access_key_id"):
                self.add_error("access_key_id", _("Enter it, or choose other credentials."))
            if not data.get("secret") and self.kept is None:
                self.add_error("secret", _("Enter it, or choose other credentials."))
            elif not data.get("secret") and self.kept and self.kept.access_key_id != data.get("access_key_id"):
                self.add_error("secret", _("Enter the secret of this access key: the stored one is another key's."))
        if data.get("method") == "profile" and not data.get("profile"):
            self.add_error("profile", _("Enter the profile's name."))
        return data


def is_endpoint_url(url: str) -> bool:
    """http or https, a host, perhaps a port and a path; nothing that another reader of URLs could take for another host."""
    try:
        parts = urlsplit(url)
        _port = parts.port  # raises ValueError for one that is none
    except ValueError:
        return False
    plain = parts.scheme in ("http", "https") and not parts.query and not parts.fragment and "@" not in parts.netloc
    return bool(plain and parts.hostname) and (is_valid_endpoint_url(url) or is_valid_ipv6_endpoint_url(url))


def failure(request: ConsoleRequest, error: Exception) -> Finding:
    """What this request's principal is shown of an endpoint that could not be asked."""
    return diagnosis.for_reader(error, manages=may(request, MANAGE))


def prepared(
    request: ConsoleRequest, data: dict[str, Any], kept: KeptSecret | None, connection: Connection | None = None
) -> Connection:
    """A connection as the form says it, new or changed, and not saved; its secret is sealed by KMS as the signed-in principal, or by
    `seal` later where the key for that is not there yet. A secret that is kept is opened first, so who may not use it does not take it to
    another address. Raises ClientError if that is refused."""
    keys, kms = data["method"] == "keys", service.embedded(request)
    secret = {}
    if keys and not data["secret"] and kept is not None:
        secret = kept.opened(request)
    elif keys:
        secret = {
            "access_key_id": data["access_key_id"],
            "secret_access_key": data["secret"],
            "session_token": data["token"],
        }
    made = connection or Connection(account_id=request.signed_in.account_id, created=timezone.now())
    made.name, made.kind, made.region = data["name"], data["kind"], data["region"]
    made.url = data["url"] if data["kind"] == "url" else ""
    made.method, made.role_arn = data["method"], data["role_arn"]
    made.profile = data["profile"] if data["method"] == "profile" else ""
    made.access_key_id = data["access_key_id"] if keys else ""
    made.sealed, made.sealed_in, made.sealing_key = b"", "", ""
    if keys and (key_id := _sealing_key(kms, data["sealing_key"])):
        backends.seal(kms, made, secret, key_id)
    elif keys:
        made.unsealed = secret
    return made


def seal(request: ConsoleRequest, made: Connection) -> None:
    """What is not sealed yet, under a key that is made for it: only for a connection that is saved. Raises ClientError."""
    if made.unsealed is None:
        return
    kms = service.embedded(request)
    backends.seal(kms, made, made.unsealed, _new_sealing_key(request, kms))
    made.unsealed = None


def initial(connection: Connection) -> dict[str, Any]:
    """What the form of a connection begins with: all but the secret."""
    names = ("name", "kind", "url", "region", "method", "access_key_id", "profile", "role_arn")
    key_id = connection.sealing_key.rpartition("/")[2]
    return {name: getattr(connection, name) for name in names} | {"sealing_key": key_id or NEW_KEY}


def _sealing_key(kms: Any, chosen: str) -> str:
    """Empty where it is to be made."""
    if chosen and chosen != NEW_KEY:
        return chosen
    try:
        return str(kms.describe_key(KeyId=SEALING_ALIAS)["KeyMetadata"]["KeyId"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
    return ""


def _new_sealing_key(request: ConsoleRequest, kms: Any) -> str:
    """Whether its alias may be made is asked first: no key is left without one. Where only the call tells, the error names the key."""
    alias = f"arn:aws:kms:{request.signed_in.region}:{request.signed_in.account_id}:{SEALING_ALIAS}"
    if refused := permissions.embedded_refusal(request, "kms:CreateAlias", alias):
        raise permissions.as_error(refused, "kms:CreateAlias")
    made = kms.create_key(Description="Encrypts the credentials of kmsconsole's connections to other endpoints")
    key_id = str(made["KeyMetadata"]["KeyId"])
    try:
        kms.create_alias(AliasName=SEALING_ALIAS, TargetKeyId=key_id)
    except ClientError as error:
        left = _("The key %(key)s was made and has no alias: create its alias %(alias)s, or schedule its deletion.")
        words = left % {"key": key_id, "alias": SEALING_ALIAS}
        answered = error.response["Error"]
        told = {"Code": answered["Code"], "Message": f"{answered['Message']} {words}"}
        raise ClientError({"Error": told}, error.operation_name) from error
    return key_id


def sealing_keys(request: ConsoleRequest) -> list[tuple[str, str]]:
    """The account's own keys by alias, for the form. The first is made where it is not there yet; the others are left out if they may not
    be listed."""
    kms = service.embedded(request)
    new_key = (NEW_KEY, _("A new key, %(alias)s") % {"alias": SEALING_ALIAS})
    try:
        aliases = service.pages(kms, "list_aliases", "Aliases")
    except ClientError:
        return [new_key]
    listed = [
        (each["TargetKeyId"], each["AliasName"])
        for each in aliases
        if each and each.get("TargetKeyId") and not each["AliasName"].startswith("alias/aws/")
    ]
    if any(alias == SEALING_ALIAS for _key_id, alias in listed):
        new_key = (NEW_KEY, SEALING_ALIAS)
    return [new_key, *[each for each in listed if each[1] != SEALING_ALIAS][:200]]


def test(request: ConsoleRequest, connection: Connection) -> list[Finding]:
    """Step by step until one fails; what is found is put into the connection, which is not saved."""
    findings = list(_steps(request, connection))
    connection.facts = {
        "when": timezone.now().isoformat(),
        "findings": [asdict(finding) for finding in findings],
        "good": all(finding.good for finding in findings),
    }
    return findings


def last_findings(connection: Connection) -> list[Finding]:
    """What the last test found, which may have been another person's."""
    return [Finding(**each) for each in connection.facts.get("findings", [])]


def _steps(request: ConsoleRequest, connection: Connection) -> Iterator[Finding]:
    region = connection.region or request.signed_in.region
    backend = backends.of_connection(connection)
    try:
        if not is_region_name(region):
            raise InvalidRegionError(region_name=region)
        url, bundle = backends.address(backend, region), outbound.ca_bundle(connection.profile)
    except BotoCoreError as error:
        yield diagnosis.of_exception(error)
        return
    if not (backends.may_go_by_proxy(backend) and outbound.goes_by_proxy(url)):
        reached = diagnosis.reach(url, bundle=bundle)
        yield reached
        if not reached.good:
            return
    connection.unsupported_operations = []  # to be asked anew
    try:
        kms = backends.remote_client(backend, "kms", region, lambda: service.opened(request, backend), backends.ONCE)
    except (ClientError, *FAILURES) as error:
        finding = diagnosis.of_exception(error)
        if isinstance(error, ClientError) and error.operation_name == "Decrypt":
            finding = Finding("denied", gettext_noop("The stored secret cannot be opened"), service.sentence(error))
        yield finding
        return
    yield Finding("ok", gettext_noop("There are credentials"))
    try:
        listed = kms.list_keys(Limit=1)["Keys"]
        yield Finding("ok", gettext_noop("The endpoint takes the signature and lists keys"))
        if listed:
            kms.describe_key(KeyId=listed[0]["KeyId"])
            yield Finding("ok", gettext_noop("It describes keys"))
    except (ClientError, *FAILURES) as error:
        yield diagnosis.of_exception(error)
        return
    if connection.kind == backends.URL:
        connection.unsupported_operations = sorted(_not_offered(kms, listed[0]["KeyId"] if listed else ""))
        words = (
            gettext_noop("It offers every operation")
            if not connection.unsupported_operations
            else gettext_noop("It does not offer every operation")
        )
        yield Finding("ok", words, ", ".join(connection.unsupported_operations))


def _not_offered(kms: Any, key_id: str) -> set[str]:
    """Operations that the endpoint does not know: asked about a key that does not exist, which one that knows them refuses.

    Some endpoints fail at such a key as they do at what they do not know: what only reads is asked once more about a key that is there, and
    who tells grants takes them.
    """
    found = {name for name in kms.meta.service_model.operation_names if _is_unknown(kms, name, _NOBODY)}
    if key_id:
        found -= {name for name in found if name.startswith(_READING) and not _is_unknown(kms, name, key_id)}
    else:
        found.discard("ListGrants")
    return found if "ListGrants" in found else found - _OF_GRANTS


def _is_unknown(kms: Any, name: str, key_id: str) -> bool:
    """Whether the endpoint answers this operation, of this key, as none that it knows. That it could not be asked tells nothing."""
    shape = kms.meta.service_model.operation_model(name).input_shape
    if shape is None or "KeyId" not in shape.members or name in _NOT_PROBED:
        return False
    given = {member: _sample_value(member, shape.members[member]) for member in shape.required_members}
    if "KeyId" in given:
        given["KeyId"] = key_id
    try:
        getattr(kms, xform_name(name))(**given)
    except ClientError as error:
        return service.unknown_operation(error) or error.response["Error"]["Code"] == "UnsupportedOperationException"
    except (HTTPClientError, botocore_errors.ConnectionError):
        return False
    except FAILURES:
        return True
    return False


def _sample_value(member: str, shape: Shape) -> Any:
    """A value of a shape that passes validation."""
    if "KeyId" in member:
        return _NOBODY
    if shape.type_name == "blob":
        return b"0" * 16
    if shape.type_name == "list":
        return [_sample_value(member, shape.member)]
    if shape.type_name == "structure":
        return {name: _sample_value(name, shape.members[name]) for name in shape.required_members}
    if shape.type_name in ("integer", "long"):
        return int(shape.metadata.get("min", 1))
    if shape.type_name == "boolean":
        return False
    if enum := getattr(shape, "enum", None):
        return enum[0]
    return {"AliasName": "alias/kmsconsole-asks", "PolicyName": "default", "Policy": "{}"}.get(
        member, "kmsconsole-asks"
    )


def not_offered(request: ConsoleRequest, operation: str) -> str:
    """Why this page's endpoint cannot do an operation; empty if nothing is known against it."""
    connection = service.backend(request).connection
    if connection is None or operation not in connection.unsupported_operations:
        return ""
    return _("%(name)s does not offer %(operation)s.") % {"name": connection.name, "operation": operation}
