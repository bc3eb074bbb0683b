"""The forms of custom key stores, one for each type: what is asked for, why, and the members of the call that come of it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.stores import proxy_configuration
from keys.stores.connection_words import CONNECTED, DISCONNECTED
from keys.stores.stores import AWS_CLOUDHSM, EXTERNAL_KEY_STORE, Store

PUBLIC_ENDPOINT, VPC_ENDPOINT_SERVICE = "PUBLIC_ENDPOINT", "VPC_ENDPOINT_SERVICE"
_KEEP = gettext_lazy("Leave it empty to keep the one that is stored.")
_WHILE_CONNECTED = gettext_lazy("Can be changed while the store is connected.")
_DISCONNECT_FIRST = gettext_lazy("Disconnect the store to change it.")


def _secret(**attributes: str) -> forms.PasswordInput:
    return forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password", **attributes})


class StoreForm(forms.Form):
    """With `store` the form that changes it: secrets may stay as they are, and only what differs is sent."""

    # Field → member of the call; what is empty is not sent.
    MEMBERS: dict[str, str] = {}
    SECRETS: tuple[str, ...] = ()
    # What UpdateCustomKeyStore takes of a connected store, too; the rest only of one that is disconnected.
    WHILE_CONNECTED: tuple[str, ...] = ("name",)
    type = ""

    name = forms.CharField(
        label=gettext_lazy("Custom key store name"),
        max_length=256,
        help_text=gettext_lazy("A name that no other custom key store of the account has in this Region."),
    )

    def __init__(self, *args: Any, store: Store | None = None, **options: Any) -> None:
        if store is not None:
            options["initial"] = self.values(store)
        super().__init__(*args, **options)
        self.store = store
        if store is not None:
            for name in self.SECRETS:
                self.fields[name].required = False
                self.fields[name].help_text = f"{self.fields[name].help_text} {_KEEP}"
            if store.state != DISCONNECTED:
                for name, field in self.fields.items():
                    changes = store.state == CONNECTED and name in self.WHILE_CONNECTED
                    field.disabled = not changes
                    field.help_text = f"{field.help_text} {_WHILE_CONNECTED if changes else _DISCONNECT_FIRST}".strip()

    @classmethod
    def values(cls, store: Store) -> dict[str, str]:
        """What the fields hold of a store."""
        raise NotImplementedError

    @property
    def shown(self) -> dict[str, str]:
        """What the fields held when the page was opened, which sends it along: what somebody else has changed since is not changed back."""
        now = self.values(self.store) if self.store is not None else {}
        return {name: self.data.get(f"before_{name}", value) for name, value in now.items()}

    def clean(self) -> dict[str, Any]:
        """What was typed before the store was connected is refused, not passed over."""
        given: dict[str, Any] = super().clean() or {}
        shown = self.shown
        for name, field in self.fields.items():
            sent = field.widget.value_from_datadict(self.data, self.files, self.add_prefix(name))
            if field.disabled and sent and sent != shown.get(name):
                self.add_error(name, str(_DISCONNECT_FIRST))
        return given

    def parameters(self) -> dict[str, Any]:
        """The members of CreateCustomKeyStore, or those of UpdateCustomKeyStore that change something."""
        before = self.shown
        given = {
            member: self.cleaned_data[name]
            for name, member in self.MEMBERS.items()
            if self.cleaned_data.get(name) and self.cleaned_data[name] != before.get(name)
        }
        if self.store is None:
            return {"CustomKeyStoreName": self.cleaned_data["name"], "CustomKeyStoreType": self.type, **given}
        if self.cleaned_data["name"] != before["name"]:
            given = {"NewCustomKeyStoreName": self.cleaned_data["name"], **given}
        return given


class CloudHsmForm(StoreForm):
    MEMBERS = {"cluster": "CloudHsmClusterId", "certificate": "TrustAnchorCertificate", "password": "KeyStorePassword"}
    SECRETS = ("password",)
    type = AWS_CLOUDHSM

    cluster = forms.RegexField(
        r"^cluster-[2-7a-zA-Z]{11,16}$",
        label=gettext_lazy("Cluster ID"),
        help_text=gettext_lazy(
            "An administrator of the installation registers a token as a cluster and gets this ID: kmsconsole register_cluster, or "
            "create_training_token for SoftHSM."
        ),
        error_messages={"invalid": gettext_lazy("A cluster ID is cluster- and 11 to 16 letters or digits 2 to 7.")},
        widget=forms.TextInput(attrs={"placeholder": "cluster-…", "spellcheck": "false"}),
    )
    certificate = forms.CharField(
        label=gettext_lazy("Trust anchor certificate"),
        max_length=5000,
        help_text=gettext_lazy(
            "The content of customerCA.crt, the certificate that the cluster was registered with: from BEGIN CERTIFICATE to END CERTIFICATE."
        ),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
    )
    password = forms.CharField(
        label=gettext_lazy("kmsuser password"),
        min_length=7,
        max_length=32,
        strip=False,
        help_text=gettext_lazy(
            "The PIN of the token's user, 7 to 32 characters. It is tried when the store is connected."
        ),
        widget=_secret(),
    )

    def __init__(self, *args: Any, store: Store | None = None, **options: Any) -> None:
        super().__init__(*args, store=store, **options)
        if store is not None:
            del self.fields["certificate"]  # AWS does not change it

    @classmethod
    def values(cls, store: Store) -> dict[str, str]:
        return {"name": store.name, "cluster": store.place}


class ExternalForm(StoreForm):
    MEMBERS = {
        "endpoint": "XksProxyUriEndpoint",
        "path": "XksProxyUriPath",
        "connectivity": "XksProxyConnectivity",
        "vpc_service": "XksProxyVpcEndpointServiceName",
        "vpc_owner": "XksProxyVpcEndpointServiceOwner",
    }
    SECRETS = ("access_key_id", "secret")
    WHILE_CONNECTED = ("name", "configuration", "path", "access_key_id", "secret")
    type = EXTERNAL_KEY_STORE
    use_required_attribute = False  # a browser knows nothing of what the configuration file fills in

    connectivity = forms.ChoiceField(
        label=gettext_lazy("Proxy connectivity"),
        choices=[
            (PUBLIC_ENDPOINT, gettext_lazy("Public endpoint")),
            (VPC_ENDPOINT_SERVICE, gettext_lazy("VPC endpoint service")),
        ],
        initial=PUBLIC_ENDPOINT,
        widget=forms.RadioSelect,
    )
    vpc_service = forms.CharField(
        label=gettext_lazy("VPC endpoint service name"),
        required=False,
        max_length=64,
        help_text=gettext_lazy("Only with a VPC endpoint service: com.amazonaws.vpce.REGION.vpce-svc-ID."),
    )
    vpc_owner = forms.RegexField(
        r"^\d{12}$",
        label=gettext_lazy("VPC endpoint service owner"),
        required=False,
        help_text=gettext_lazy("The account ID of its owner, where that is another account."),
    )
    endpoint = forms.RegexField(
        r"^https://[a-zA-Z0-9.-]+$",
        label=gettext_lazy("Proxy URI endpoint"),
        max_length=128,
        help_text=gettext_lazy("https:// and the host of the external key store proxy; no port, no path."),
        error_messages={"invalid": gettext_lazy("An endpoint is https:// and a host name, without port and path.")},
        widget=forms.TextInput(attrs={"placeholder": "https://xks.example.com", "spellcheck": "false"}),
    )
    configuration = forms.FileField(
        label=gettext_lazy("Proxy configuration file"),
        required=False,
        help_text=gettext_lazy(
            "JSON with the path and the credential, if the proxy's administrator gave you one. It takes the place of the next three fields."
        ),
        widget=forms.FileInput(attrs={"accept": "application/json,.json"}),
    )
    path = forms.RegexField(
        r"^(/[a-zA-Z0-9/_-]+)?/kms/xks/v\d{1,2}$",
        label=gettext_lazy("Proxy URI path"),
        max_length=128,
        initial="/kms/xks/v1",
        help_text=gettext_lazy("As the proxy's documentation says: an optional prefix, then /kms/xks/v1."),
        error_messages={"invalid": gettext_lazy("A path ends with /kms/xks/v and a version.")},
    )
    access_key_id = forms.RegexField(
        r"^[A-Z2-7]{20,30}$",
        label=gettext_lazy("Proxy credential: access key ID"),
        help_text=gettext_lazy("The proxy's administrator makes the credential: it signs each request to the proxy."),
        error_messages={"invalid": gettext_lazy("20 to 30 capital letters and digits 2 to 7.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "data-no-draft": ""}),
    )
    secret = forms.RegexField(
        r"^[a-zA-Z0-9/+=]{43,64}$",
        label=gettext_lazy("Proxy credential: secret access key"),
        help_text=gettext_lazy("43 to 64 characters. It is stored encrypted and never shown."),
        error_messages={"invalid": gettext_lazy("43 to 64 letters, digits, /, + and =.")},
        widget=_secret(),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        uploaded = self.files.get("configuration")
        self._file_is_wrong = False
        if uploaded is not None and not self.fields["configuration"].disabled:
            try:
                self.data = {
                    **dict(self.data.items()),
                    **proxy_configuration.read(uploaded.read(proxy_configuration.LARGEST)),
                }
            except proxy_configuration.ConfigurationFileError:
                self._file_is_wrong = True

    def clean_configuration(self) -> None:
        if self._file_is_wrong:
            raise forms.ValidationError(
                _(
                    "It must be JSON with XksProxyUriPath and XksProxyAuthenticationCredential, as the XKS proxy API has it."
                )
            )

    @classmethod
    def values(cls, store: Store) -> dict[str, str]:
        named = {
            "endpoint": "UriEndpoint",
            "path": "UriPath",
            "connectivity": "Connectivity",
            "vpc_service": "VpcEndpointServiceName",
            "vpc_owner": "VpcEndpointServiceOwner",
        }
        return {"name": store.name, **{field: str(store.proxy.get(member, "")) for field, member in named.items()}}

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if given.get("connectivity") == VPC_ENDPOINT_SERVICE and not given.get("vpc_service"):
            self.add_error("vpc_service", _("A VPC endpoint service has a name."))
        if not self.errors and bool(given.get("access_key_id")) != bool(given.get("secret")):
            missing = "secret" if given.get("access_key_id") else "access_key_id"
            self.add_error(missing, _("A credential is an access key ID and its secret access key: enter both."))
        return given

    def parameters(self) -> dict[str, Any]:
        found = super().parameters()
        if self.cleaned_data.get("connectivity") == PUBLIC_ENDPOINT:
            found.pop("XksProxyVpcEndpointServiceName", None)
            found.pop("XksProxyVpcEndpointServiceOwner", None)
        if self.cleaned_data.get("secret"):
            found["XksProxyAuthenticationCredential"] = {
                "AccessKeyId": self.cleaned_data["access_key_id"],
                "RawSecretAccessKey": self.cleaned_data["secret"],
            }
        return found


FORMS: dict[str, type[StoreForm]] = {form.type: form for form in (CloudHsmForm, ExternalForm)}

# AWS's error → the field it is about.
FIELD_OF_ERROR = {
    "CustomKeyStoreNameInUseException": "name",
    "CloudHsmClusterNotFoundException": "cluster",
    "CloudHsmClusterInUseException": "cluster",
    "CloudHsmClusterNotActiveException": "cluster",
    "CloudHsmClusterNotRelatedException": "cluster",
    "CloudHsmClusterInvalidConfigurationException": "cluster",
    "IncorrectTrustAnchorException": "certificate",
    "XksProxyUriInUseException": "path",
    "XksProxyUriEndpointInUseException": "endpoint",
    "XksProxyUriUnreachableException": "endpoint",
    "XksProxyInvalidConfigurationException": "endpoint",
    "XksProxyInvalidResponseException": "path",
    "XksProxyIncorrectAuthenticationCredentialException": "access_key_id",
    "XksProxyVpcEndpointServiceInUseException": "vpc_service",
    "XksProxyVpcEndpointServiceInvalidConfigurationException": "vpc_service",
    "XksProxyVpcEndpointServiceNotFoundException": "vpc_service",
}
