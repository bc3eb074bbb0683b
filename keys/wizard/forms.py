"""The forms of the create-key wizard, one a step, and what may be chosen with what: usages, key specs, origins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import tag_rows
from console.awsmodel import service_model
from console.forms import set_choices
from keys.policy import policies
from keys.stores.stores import AWS_CLOUDHSM, EXTERNAL_KEY_STORE

USAGES = {
    "symmetric": ("ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC"),
    "asymmetric": ("ENCRYPT_DECRYPT", "SIGN_VERIFY", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"),
}
USAGE_WORDS = {
    "ENCRYPT_DECRYPT": gettext_lazy("Encrypt and decrypt"),
    "GENERATE_VERIFY_MAC": gettext_lazy("Generate and verify MAC"),
    "SIGN_VERIFY": gettext_lazy("Sign and verify"),
    "KEY_AGREEMENT": gettext_lazy("Key agreement"),
    "ENCAPSULATE_DECAPSULATE": gettext_lazy("Key encapsulation"),
}
# Which specs of botocore's model go with a usage: by the start of their names.
_SPECS = {
    ("symmetric", "ENCRYPT_DECRYPT"): ("SYMMETRIC_DEFAULT",),
    ("symmetric", "GENERATE_VERIFY_MAC"): ("HMAC_",),
    ("asymmetric", "ENCRYPT_DECRYPT"): ("RSA_", "SM2"),
    ("asymmetric", "SIGN_VERIFY"): ("RSA_", "ECC_", "ML_DSA_", "SM2"),
    ("asymmetric", "KEY_AGREEMENT"): ("ECC_NIST_P", "SM2"),
    ("asymmetric", "ENCAPSULATE_DECAPSULATE"): ("ML_KEM_",),
}


def specs_for(kind: str, usage: str, region: str) -> list[str]:
    names = service_model("kms").shape_for("KeySpec").enum
    found = [name for name in names if name.startswith(_SPECS.get((kind, usage), ()))]
    return [name for name in found if name != "SM2" or region.startswith("cn-")]


KINDS = {
    "symmetric": (
        gettext_lazy("Symmetric"),
        gettext_lazy(
            "One secret key, which never leaves the service: encrypts and decrypts, or makes and verifies MACs."
        ),
    ),
    "asymmetric": (
        gettext_lazy("Asymmetric"),
        gettext_lazy("A key pair: the private key never leaves the service, the public key may go anywhere."),
    ),
}
_USAGE_HELP = {
    "ENCRYPT_DECRYPT": gettext_lazy("Data of up to 4,096 bytes, and data keys for larger data."),
    "GENERATE_VERIFY_MAC": gettext_lazy("Tell whether a message is from someone who may use the key."),
    "SIGN_VERIFY": gettext_lazy("Anyone with the public key can verify."),
    "KEY_AGREEMENT": gettext_lazy("Derive a shared secret with the owner of another key pair."),
    "ENCAPSULATE_DECAPSULATE": gettext_lazy("Pass on a secret, safe from quantum computers (ML-KEM)."),
}
_ORIGINS = (
    ("AWS_KMS", gettext_lazy("KMS"), gettext_lazy("The service makes the key material and keeps it.")),
    (
        "EXTERNAL",
        gettext_lazy("External (import key material)"),
        gettext_lazy("You make the key material, import it, and keep a copy."),
    ),
    (
        AWS_CLOUDHSM,
        gettext_lazy("AWS CloudHSM key store"),
        gettext_lazy("The key material is made in your hardware security module and never leaves it."),
    ),
    (
        EXTERNAL_KEY_STORE,
        gettext_lazy("External key store"),
        gettext_lazy("A key of your external key manager, which is asked for each use."),
    ),
)
STORE_ORIGINS = (AWS_CLOUDHSM, EXTERNAL_KEY_STORE)
ONLY_SYMMETRIC = gettext_lazy("Only symmetric encryption keys can be in a custom key store.")
ONLY_SINGLE_REGION = gettext_lazy("A key in a custom key store stays in its Region.")
_REGIONALITIES = (
    ("single", gettext_lazy("Single-Region key"), gettext_lazy("Stays in this Region.")),
    (
        "multi",
        gettext_lazy("Multi-Region key"),
        gettext_lazy("Can be replicated: what one Region encrypts another opens."),
    ),
)
# What cannot be imported, with the reason; by the start of the spec's name.
_NOT_IMPORTED = (("ML_", gettext_lazy("Material of ML-DSA and ML-KEM keys cannot be imported.")),)


def not_imported(spec: str) -> str:
    """Why material of this spec cannot be imported; empty where it can."""
    return next((str(why) for start, why in _NOT_IMPORTED if spec.startswith(start)), "")


class ConfigureForm(forms.Form):
    """Each type has its own choice of usages and each usage its own choice of specs, so that whatever is chosen goes together; the
    style sheet shows those that go with what is chosen, with or without scripts. `usage` and `spec` are what comes of it."""

    kind = forms.ChoiceField(choices=[(name, words) for name, (words, _help) in KINDS.items()], initial="symmetric")
    origin = forms.ChoiceField(choices=[(name, words) for name, words, _help in _ORIGINS], initial="AWS_KMS")
    acknowledged = forms.BooleanField(
        label=gettext_lazy("I understand that I keep the durability and security of the imported key material."),
        required=False,
    )
    regionality = forms.ChoiceField(choices=[(name, words) for name, words, _help in _REGIONALITIES], initial="single")

    def __init__(self, *args: Any, region: str, no_store: Mapping[str, str], **options: Any) -> None:
        """`no_store`: origin of custom key stores → why it cannot be chosen, for those that cannot."""
        super().__init__(*args, **options)
        self.region = region
        self.no_store = no_store
        for kind, usages in USAGES.items():
            self.fields[f"usage_{kind}"] = forms.ChoiceField(
                choices=[(each, USAGE_WORDS[each]) for each in usages], required=False, initial=usages[0]
            )
            for usage in usages:
                specs = specs_for(kind, usage, region)
                self.fields[f"spec_{kind}_{usage}"] = forms.ChoiceField(
                    choices=[(each, each) for each in specs],
                    required=False,
                    initial=_DEFAULT_SPECS.get((kind, usage), specs[0]),
                )

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        kind = given.get("kind", "")
        usage = given.get(f"usage_{kind}") or USAGES.get(kind, ("",))[0]
        spec = given.get(f"spec_{kind}_{usage}") or self.fields[f"spec_{kind}_{usage}"].initial if kind else ""
        if given.get("origin") == "EXTERNAL":
            if why := not_imported(spec):
                self.add_error("origin", why)
            if not given.get("acknowledged"):
                self.add_error("acknowledged", _("Tick this to bring your own key material."))
        origin = given.get("origin")
        if origin in STORE_ORIGINS:
            if origin in self.no_store:
                self.add_error("origin", self.no_store[origin])
            elif spec != "SYMMETRIC_DEFAULT":
                self.add_error("origin", ONLY_SYMMETRIC)
            if given.get("regionality") == "multi":
                self.add_error("regionality", ONLY_SINGLE_REGION)
        return {**given, "usage": usage, "spec": spec}

    def _options(self, name: str, words: list[tuple[str, Any, Any]]) -> list[dict[str, Any]]:
        chosen = self[name].value()
        return [
            {
                "id": f"{name}-{value}",
                "name": name,
                "value": value,
                "label": label,
                "help": text,
                "checked": value == chosen,
            }
            for value, label, text in words
        ]

    def shown(self) -> dict[str, Any]:
        """The choices for the template: types, then usages of each type, specs of each usage, origins, Regionality."""
        specs = []
        for kind, usages in USAGES.items():
            for usage in usages:
                names = specs_for(kind, usage, self.region)
                options = self._options(
                    f"spec_{kind}_{usage}", [(each, each, SPEC_HELP.get(each, "")) for each in names]
                )
                stuck = next((not_imported(each) for each in names if not_imported(each)), "")
                specs.append({"kind": kind, "usage": usage, "options": options, "imported": not stuck, "why": stuck})
        return {
            "kinds": self._options("kind", [(name, *words) for name, words in KINDS.items()]),
            "usages": [
                (
                    kind,
                    self._options(f"usage_{kind}", [(each, USAGE_WORDS[each], _USAGE_HELP[each]) for each in usages]),
                )
                for kind, usages in USAGES.items()
            ],
            "specs": specs,
            "origins": [
                {**each, "store": each["value"] in STORE_ORIGINS, "why": self.no_store.get(each["value"], "")}
                for each in self._options("origin", list(_ORIGINS))
            ],
            "only_symmetric": ONLY_SYMMETRIC,
            "only_single_region": ONLY_SINGLE_REGION,
            "regionalities": self._options("regionality", list(_REGIONALITIES)),
        }


_DEFAULT_SPECS = {
    ("symmetric", "GENERATE_VERIFY_MAC"): "HMAC_256",
    ("asymmetric", "ENCAPSULATE_DECAPSULATE"): "ML_KEM_768",
}
SPEC_HELP = {
    "SYMMETRIC_DEFAULT": gettext_lazy("AES-256-GCM"),
    "ECC_SECG_P256K1": gettext_lazy("as cryptocurrencies use it"),
    "ECC_NIST_EDWARDS25519": "Ed25519",
    "ML_DSA_44": gettext_lazy("post-quantum, level 2"),
    "ML_DSA_65": gettext_lazy("post-quantum, level 3"),
    "ML_DSA_87": gettext_lazy("post-quantum, level 5"),
}


class StoreForm(forms.Form):
    """The connected store that the key is to be in, and for an external one the key of the key manager."""

    store = forms.ChoiceField(label=gettext_lazy("Custom key store"), widget=forms.RadioSelect)
    xks_key_id = forms.RegexField(
        r"^[a-zA-Z0-9_.-]+$",
        label=gettext_lazy("External key ID"),
        max_length=128,
        help_text=gettext_lazy(
            "How the proxy calls the key of the external key manager: an AES-256 key that exists there."
        ),
        error_messages={"invalid": gettext_lazy("An external key ID holds letters, digits, -, _ and . only.")},
        widget=forms.TextInput(attrs={"spellcheck": "false"}),
    )

    def __init__(self, *args: Any, stores: list[tuple[str, str]], origin: str, **options: Any) -> None:
        super().__init__(*args, **options)
        set_choices(self, "store", stores)
        if not stores:
            self.fields["store"].help_text = _("No key store of this type is connected now: connect one, and reload.")
        if len(stores) == 1:
            self.fields["store"].initial = stores[0][0]
        if origin != EXTERNAL_KEY_STORE:
            del self.fields["xks_key_id"]


class LabelsForm(forms.Form):
    alias = forms.RegexField(
        r"^[a-zA-Z0-9/_-]+$",
        label=gettext_lazy("Alias"),
        max_length=250,
        help_text=gettext_lazy("Letters, digits, / _ and -. “alias/” is put before it."),
        error_messages={"invalid": gettext_lazy("An alias holds letters, digits, / _ and - only.")},
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, max_length=8192, widget=forms.Textarea(attrs={"rows": 2})
    )
    tags = tag_rows.TagsField(label=gettext_lazy("Tags"), required=False)

    @property
    def rows(self) -> list[tag_rows.Row]:
        """The rows to show, with their errors where the form was sent; an empty one where there is none."""
        pairs = [(key, value) for key, value in self["tags"].value() or []] or [("", "")]
        return tag_rows.checked(pairs) if self.is_bound else [tag_rows.Row(*pair) for pair in pairs]

    def clean_alias(self) -> str:
        alias = str(self.cleaned_data["alias"]).removeprefix("alias/")
        if not alias:
            raise forms.ValidationError(self.fields["alias"].error_messages["required"])
        if alias.startswith("aws/"):
            raise forms.ValidationError(_("Aliases that begin with aws/ are AWS's own."))
        return alias


SHOWN_PRINCIPALS = 60


class PrincipalsForm(forms.Form):
    """Users and roles of the account to choose from."""

    chosen = forms.MultipleChoiceField(
        label=gettext_lazy("Users and roles"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, principals: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        given = self.data.getlist("chosen") if isinstance(self.data, QueryDict) else self.initial.get("chosen", ())
        picked = set(given)
        first = [each for each in principals if each[0] in picked]
        others = [each for each in principals if each[0] not in picked]
        self.left_out = max(0, len(others) - SHOWN_PRINCIPALS)
        if self.is_bound:
            self.left_out = 0  # whoever was chosen may be among all of them
        set_choices(self, "chosen", first + (others if self.is_bound else others[:SHOWN_PRINCIPALS]))


class AdministratorsForm(PrincipalsForm):
    deletion = forms.BooleanField(
        label=gettext_lazy("Allow key administrators to delete this key."), required=False, initial=True
    )


class UsersForm(PrincipalsForm):
    accounts = forms.CharField(
        label=gettext_lazy("Other AWS accounts"),
        required=False,
        help_text=gettext_lazy(
            "Account IDs of 12 digits, separated by spaces. Their administrators decide who may use the key."
        ),
        # Not a field of one line: Enter is the search's on this step.
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def clean_accounts(self) -> str:
        text = str(self.cleaned_data["accounts"])
        _found, wrong = policies.account_ids(text)
        if wrong:
            raise forms.ValidationError(_("“%(wrong)s” is no account ID."), params={"wrong": wrong[0]})
        return text


class PolicyForm(forms.Form):
    policy = forms.CharField(
        label=gettext_lazy("Key policy (JSON)"),
        max_length=32768,
        widget=forms.Textarea(attrs={"rows": 26, "spellcheck": "false", "class": "code"}),
    )

    def clean_policy(self) -> str:
        text = str(self.cleaned_data["policy"])
        try:
            json.loads(text)
        except json.JSONDecodeError as reason:
            raise forms.ValidationError(
                _("This is not valid JSON: %(what)s, line %(line)d, column %(column)d."),
                params={"what": reason.msg, "line": reason.lineno, "column": reason.colno},
            ) from reason
        except RecursionError as reason:
            raise forms.ValidationError(_("This is nested too deeply.")) from reason
        except ValueError as reason:
            raise forms.ValidationError(_("A number is too long.")) from reason
        return text
