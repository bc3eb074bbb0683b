"""Forms of identity providers, and role mapping rules as lines of text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from engine.public.identity_providers import Rule
from keys.call import Call

_ROLE = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_MOST_RULES = 100
_LONGEST_KEY = 16_384  # as AddPrivateKey takes


class LinesField(forms.CharField):
    """Several values, one a line."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false"})

    def clean(self, value: Any) -> Any:
        return [each.strip() for each in super().clean(value).splitlines() if each.strip()]


def rules_text(rules: Sequence[Rule]) -> str:
    return "\n".join(f"{rule.claim} = {rule.pattern} -> {rule.role_name}" for rule in rules)


class RulesField(LinesField):
    """Raises ValidationError, with the number of the line, for what is no rule."""

    def clean(self, value: Any) -> Any:
        found = []
        for number, line in enumerate(super().clean(value), 1):
            rule = _rule(line)
            if rule is None:
                raise forms.ValidationError(
                    _("Line %(number)d is not of the form: claim = pattern -> role"), params={"number": number}
                )
            found.append(rule)
        if len(found) > _MOST_RULES:
            raise forms.ValidationError(_("There may be 100 rules."))
        return found


def _rule(line: str) -> Rule | None:
    """None for what is none. A role's name has no ">", so the last arrow is the rule's."""
    claim, _equals, rest = line.partition("=")
    pattern, _arrow, role = (each.strip() for each in rest.rpartition("->"))
    claim = claim.strip()
    if not claim or claim.split() != [claim] or len(claim) > 128 or not 0 < len(pattern) <= 256:
        return None
    return Rule(claim, pattern, role) if _ROLE.fullmatch(role) else None


class AudiencesForm(forms.Form):
    clients = LinesField(
        label=_("Audiences"),
        required=False,
        max_length=26_000,
        help_text=_("Client IDs, one a line: sts.amazonaws.com"),
    )
    thumbprints = LinesField(
        label=_("Thumbprints"),
        required=False,
        max_length=256,
        help_text=_("SHA-1 of the certificate, one a line; only where no known certificate authority has signed it."),
    )


class OpenIDConnectForm(AudiencesForm):
    url = forms.CharField(
        label=_("Provider URL"),
        max_length=255,
        help_text=_("The issuer, as its tokens say it: https://token.actions.githubusercontent.com"),
    )
    field_order = ("url",)

    def parameters(self) -> dict[str, Any]:
        """CreateOpenIDConnectProvider's parameters."""
        given = self.cleaned_data
        parameters = {"Url": given["url"], "ClientIDList": given["clients"], "ThumbprintList": given["thumbprints"]}
        return {name: value for name, value in parameters.items() if value}


class OpenIDConnectEditForm(AudiencesForm):
    action = "AddClientIDToOpenIDConnectProvider"

    def calls(self, arn: str, found: dict[str, Any]) -> list[Call]:
        """What makes of the provider that was `found` the one that the form says."""
        which, given, before = {"OpenIDConnectProviderArn": arn}, self.cleaned_data, found["ClientIDList"]
        made: list[Call] = [
            (self.action, {**which, "ClientID": each}) for each in dict.fromkeys(given["clients"]) if each not in before
        ]
        made += [
            ("RemoveClientIDFromOpenIDConnectProvider", {**which, "ClientID": each})
            for each in before
            if each not in given["clients"]
        ]
        if given["thumbprints"] != found["ThumbprintList"]:
            thumbprints = {**which, "ThumbprintList": given["thumbprints"]}
            made.append(("UpdateOpenIDConnectProviderThumbprint", thumbprints))
        return made


class SamlForm(forms.Form):
    name = forms.RegexField(
        r"^[\w._-]+$",
        label=_("Provider name"),
        max_length=128,
        help_text=_("Letters, digits and . _ -"),
    )
    metadata = forms.CharField(
        label=_("Metadata document (XML)"),
        min_length=1000,
        max_length=900_000,
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false"}),
        help_text=_("What the identity provider gives out about itself."),
    )


class SamlEditForm(forms.Form):
    action = "UpdateSAMLProvider"
    metadata = forms.CharField(
        label=_("Metadata document (XML)"),
        min_length=1000,
        max_length=900_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text=_("Empty keeps the present one."),
    )
    required = forms.BooleanField(
        label=_("Require encryption"),
        required=False,
        help_text=_("Responses whose assertion is not encrypted are refused."),
    )
    key = forms.FileField(
        label=_("Add a private key (PEM)"),
        required=False,
        help_text=_(
            "RSA, for assertions that the provider encrypts. Two at most, for a change of keys; it is never shown."
        ),
        widget=forms.FileInput(attrs={"accept": ".pem,.key"}),
    )

    def clean_key(self) -> str:
        """The file's text; of what is none, or is too long to be a key, IAM says that it is invalid."""
        given = self.cleaned_data["key"]
        return str(given.read(_LONGEST_KEY).decode("latin-1")) if given else ""

    def calls(self, arn: str, found: dict[str, Any]) -> list[Call]:
        given = self.cleaned_data
        mode = "Required" if given["required"] else "Allowed"
        asked = {
            "SAMLMetadataDocument": given["metadata"],
            "AssertionEncryptionMode": mode if mode != found["AssertionEncryptionMode"] else "",
            "AddPrivateKey": given["key"],
        }
        changed = {name: value for name, value in asked.items() if value}
        return [(self.action, {"SAMLProviderArn": arn, **changed})] if changed else []


class SignInSettingsForm(forms.Form):
    label = forms.CharField(label=_("Name on the sign-in page"), max_length=64)
    client_id = forms.CharField(
        label=_("Client ID"), max_length=255, help_text=_("As the provider knows this console.")
    )
    secret = forms.CharField(
        label=_("Client secret"),
        max_length=512,
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Empty keeps the present one; a public client has none."),
    )
    scopes = forms.CharField(
        label=_("Scopes"), max_length=255, required=False, help_text=_("Beside openid, such as: profile email groups")
    )
    rules = RulesField(
        label=_("Role mapping"),
        max_length=50_000,
        required=False,
        help_text=_(
            "One a line, claim = pattern -> role, such as: groups = key-* -> KeyAdministrators. The first that matches counts."
        ),
    )


class KeysForm(forms.Form):
    document = forms.CharField(
        label=_("Keys (JWKS)"),
        max_length=100_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 10, "spellcheck": "false"}),
        help_text=_("For a provider that this console cannot reach. With nothing here they are fetched from it."),
    )


class PreviewForm(forms.Form):
    given = forms.CharField(
        label=_("ID token, or claims as JSON"),
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "autocomplete": "off"}),
    )
