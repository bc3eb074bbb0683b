"""Forms of roles, and the trust policy that they make."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext_lazy as _

from keys.policy import policy_editor
from principals.names import NameField


def trust_policy(
    account_id: str, trusted: str, *, other: str = "", external_id: str = "", aws_service: str = ""
) -> str:
    """A trust policy as JSON text: `trusted` is "this" account, an "other" account or a "service"."""
    principal = {
        "this": {"AWS": f"arn:aws:iam::{account_id}:root"},
        "other": {"AWS": f"arn:aws:iam::{other}:root"},
        "service": {"Service": aws_service},
    }[trusted]
    statement: dict[str, Any] = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    if trusted == "other" and external_id:
        statement["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


class ManyCheckboxes(forms.CheckboxSelectMultiple):
    """Looks like Django's, and is made without a template for each box: AWS has more than 1,500 managed policies."""

    def render(self, name: str, value: Any, attrs: dict[str, Any] | None = None, renderer: Any = None) -> SafeString:
        chosen, attributes = set(value or ()), self.build_attrs(self.attrs, attrs)
        shown = sorted(self.choices, key=lambda choice: choice[0] not in chosen)  # the chosen ones first
        identifier = attributes.pop("id", f"id_{name}")
        rest = flatatt({"name": name, **attributes})
        boxes = format_html_join(
            "",
            '<div><label for="{0}_{1}"><input type="checkbox"{2} value="{3}" id="{0}_{1}"{5}> {4}</label></div>',
            (
                (identifier, number, rest, each, label, mark_safe(" checked") if each in chosen else "")
                for number, (each, label) in enumerate(shown)
            ),
        )
        return format_html('<div id="{}" class="many">{}</div>', identifier, boxes)


class RoleForm(forms.Form):
    name = NameField("roleNameType", label=_("Role name"))
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    trusted = forms.ChoiceField(
        label=_("Trusted entities"),
        choices=[
            ("this", _("Principals of this account, as its policies allow")),
            ("other", _("Another AWS account")),
            ("service", _("An AWS service")),
            ("json", _("As the trust policy below says")),
        ],
        initial="this",
        widget=forms.RadioSelect,
    )
    other = forms.RegexField(
        r"^\d{12}$",
        label=_("Account ID"),
        required=False,
        help_text=_("12 digits; for another account."),
        error_messages={"invalid": _("An account ID has 12 digits.")},
    )
    external_id = forms.CharField(
        label=_("External ID"), max_length=1224, required=False, help_text=_("What the other account must send along.")
    )
    aws_service = forms.CharField(
        label=_("Service"), max_length=128, required=False, help_text=_("For a service: such as ec2.amazonaws.com.")
    )
    policies = forms.MultipleChoiceField(label=_("Permissions policies"), required=False, widget=ManyCheckboxes)
    document = policy_editor.field(_("Trust policy (JSON)"), rows=14, maximum=131072)

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        for trusted, member, words in (
            ("other", "other", _("Which account?")),
            ("service", "aws_service", _("Which service?")),
        ):
            if given.get("trusted") == trusted and not given.get(member) and member not in self.errors:
                self.add_error(member, words)
        return given

    def parameters(self, account_id: str) -> dict[str, Any]:
        """CreateRole's parameters."""
        given = self.cleaned_data
        document = given["document"]
        if given["trusted"] != "json":
            document = trust_policy(
                account_id,
                given["trusted"],
                other=given["other"],
                external_id=given["external_id"],
                aws_service=given["aws_service"],
            )
        parameters = {"RoleName": given["name"], "AssumeRolePolicyDocument": document}
        if given["description"]:
            parameters["Description"] = given["description"]
        return parameters


class TrustForm(forms.Form):
    document = policy_editor.field(_("Trust policy (JSON)"), rows=18, maximum=131072)


class RoleSettingsForm(forms.Form):
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    max_session = forms.IntegerField(
        label=_("Maximum session duration in minutes"), min_value=60, max_value=720, help_text=_("60 to 720.")
    )
