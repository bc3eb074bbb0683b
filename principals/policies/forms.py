"""Forms of policies. What IAM checks, IAM answers."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from keys.policy import policy_editor
from principals.names import NameField


class PolicyForm(forms.Form):
    name = NameField("policyNameType", label=_("Policy name"))
    document = forms.CharField(
        label=_("Policy document (JSON)"),
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "code"}),
    )


class ManagedPolicyForm(forms.Form):
    name = NameField("policyNameType", label=_("Policy name"))
    description = forms.CharField(label=_("Description"), max_length=1000, required=False)
    document = policy_editor.field(_("Policy document (JSON)"), rows=18, maximum=131072)


class PolicyVersionForm(forms.Form):
    document = policy_editor.field(_("Policy document (JSON)"), rows=22, maximum=131072)
