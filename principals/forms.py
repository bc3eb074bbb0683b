"""Forms of the principals' pages. What IAM checks, IAM answers; here is only what helps while filling in."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.awsmodel import service_model
from console.forms import set_choices
from keys.policy import policy_editor


def legal_name(name: str) -> str:
    """The nearest name that IAM accepts: "MY KMS GROUP" becomes "MY-KMS-GROUP", "Jürgen" becomes "Jurgen"."""
    if not re.fullmatch(r"[\w+=,.@-]+", name, flags=re.ASCII):
        plain = unicodedata.normalize("NFKD", name.replace("ß", "ss"))
        name = "".join(each for each in plain if not unicodedata.combining(each))
    return re.sub(r"[^\w+=,.@-]+", "-", name.strip(), flags=re.ASCII).strip("-")


def name_limit(shape: str) -> int:
    """The longest name of a kind, from the service model."""
    return int(service_model("iam").shape_for(shape).metadata["max"])


class NameField(forms.CharField):
    """A name of IAM's; an illegal one is refused with the characters that are allowed and a name that would do."""

    def __init__(self, shape: str, **options: Any) -> None:
        super().__init__(
            max_length=name_limit(shape),
            help_text=_("Letters, digits and + = , . @ _ - without spaces."),
            **options,
        )

    def validate(self, value: str) -> None:
        super().validate(value)
        offered = legal_name(value)
        if value and offered != value:
            raise forms.ValidationError(
                _("A name may hold letters, digits and + = , . @ _ - only. “%(offered)s” would do."),
                params={"offered": offered},
                code="illegal",
            )


class SignInForm(forms.Form):
    account = forms.CharField(label=_("Account ID or alias"), max_length=63, required=False)
    user_name = forms.CharField(
        label=_("User name"), max_length=64, widget=forms.TextInput(attrs={"autocomplete": "username"})
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=128,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # After a refusal the name stays and the password is typed anew.
        self.fields["password" if self.is_bound else "user_name"].widget.attrs["autofocus"] = True


class UserForm(forms.Form):
    name = NameField("userNameType", label=_("User name"))
    password = forms.CharField(
        label=_("Console password"),
        required=False,
        strip=False,
        help_text=_("Leave empty for a user who works with programs only."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    groups = forms.MultipleChoiceField(label=_("Groups"), required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, groups: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        set_choices(self, "groups", [(name, name) for name in groups])


class GroupForm(forms.Form):
    name = NameField("groupNameType", label=_("Group name"))


class PasswordForm(forms.Form):
    password = forms.CharField(
        label=_("New console password"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class OwnPasswordForm(forms.Form):
    old = forms.CharField(
        label=_("Password until now"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new = forms.CharField(
        label=_("New password"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )
    again = forms.CharField(
        label=_("New password again"), strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "new-password"})
    )

    def clean_again(self) -> str:
        again = str(self.cleaned_data["again"])
        if "new" in self.cleaned_data and again != self.cleaned_data["new"]:
            raise forms.ValidationError(_("This is not the same as above."))
        return again


class PolicyForm(forms.Form):
    name = NameField("policyNameType", label=_("Policy name"))
    document = forms.CharField(
        label=_("Policy document (JSON)"),
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "code"}),
    )


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


class RoleForm(forms.Form):
    name = NameField("roleNameType", label=_("Role name"))
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    trusted = forms.ChoiceField(
        label=_("Who may take the role"),
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
    policies = forms.MultipleChoiceField(
        label=_("Permissions policies"), required=False, widget=forms.CheckboxSelectMultiple
    )
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
        label=_("Longest session in minutes"), min_value=60, max_value=720, help_text=_("60 to 720.")
    )


class ManagedPolicyForm(forms.Form):
    name = NameField("policyNameType", label=_("Policy name"))
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    document = policy_editor.field(_("Policy document (JSON)"), rows=18, maximum=131072)


class PolicyVersionForm(forms.Form):
    document = policy_editor.field(_("Policy document (JSON)"), rows=22, maximum=131072)
