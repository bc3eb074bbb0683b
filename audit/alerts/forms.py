"""The form of an alert rule."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator, validate_email
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.alerts.kinds import KINDS, Kind
from audit.alerts.models import AlertRule
from console.forms import mark_needed
from engine.public import member_accounts

_MOST_ADDRESSES = 10
_webhook = URLValidator(schemes=["https", "http"])


def _number() -> forms.TextInput:
    """No number field of the browser's: while another kind is chosen it is not shown, and a browser would refuse the form for it."""
    return forms.TextInput(attrs={"inputmode": "numeric"})


class RuleForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Name"), max_length=80)
    kind = forms.ChoiceField(
        label=gettext_lazy("What it looks for"),
        choices=[(each.name, each.title) for each in KINDS.values()],
        widget=forms.RadioSelect,
    )
    denials = forms.IntegerField(
        label=gettext_lazy("Denied calls"), required=False, min_value=2, max_value=1000, widget=_number()
    )
    minutes = forms.IntegerField(
        label=gettext_lazy("Within minutes"), required=False, min_value=1, max_value=1440, widget=_number()
    )
    emails = forms.CharField(
        label=gettext_lazy("E-mail addresses"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=gettext_lazy("One a line."),
    )
    webhook = forms.CharField(
        label=gettext_lazy("Webhook URL"),
        required=False,
        max_length=400,
        help_text=gettext_lazy("Gets each alert by POST, signed as Standard Webhooks say."),
    )
    enabled = forms.BooleanField(label=gettext_lazy("Enabled"), required=False)

    def __init__(self, *args: Any, account_id: str, rule: AlertRule | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._account_id, self._rule = account_id, rule
        for name, value in {number: value for kind in KINDS.values() for number, value in kind.numbers.items()}.items():
            self.fields[name].initial = value
            mark_needed(self, name)
        if rule is not None:
            self.fields["kind"].disabled = True

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        others = AlertRule.objects.filter(account_id=self._account_id, name=name)
        if self._rule is not None:
            others = others.exclude(pk=self._rule.pk)
        if others.exists():
            raise ValidationError(_("Another rule has this name."))
        return name

    def clean_emails(self) -> str:
        addresses = list(dict.fromkeys(str(self.cleaned_data["emails"]).split()))
        self._sent(bool(addresses))
        if addresses and not settings.EMAIL_HOST:
            raise ValidationError(_("This installation sends no e-mail: KMSCONSOLE_SMTP_URL is not set."))
        if len(addresses) > _MOST_ADDRESSES:
            raise ValidationError(_("At most %(number)d addresses.") % {"number": _MOST_ADDRESSES})
        for address in addresses:
            validate_email(address)
        return "\n".join(addresses)

    def clean_webhook(self) -> str:
        url = str(self.cleaned_data["webhook"])
        self._sent(bool(url))
        if url:
            _webhook(url)
        return url

    def _sent(self, wanted: bool) -> None:
        """What another account manages, a student's account, connects to nothing. Raises ValidationError."""
        if wanted and member_accounts.is_member(self._account_id):
            raise ValidationError(_("The account of a class sends nothing: its alerts are shown on the page Alerts."))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        kind = KINDS.get(data.get("kind", ""))
        for name in {name for each in KINDS.values() for name in each.numbers}:
            if kind is None or name not in kind.numbers:
                self.errors.pop(name, None)  # it is not asked for
            elif data.get(name) is None and name not in self.errors:
                self.add_error(name, _("This field is required."))
        return data

    def kinds(self) -> list[tuple[Any, Kind]]:
        """Each radio button with what its kind looks for."""
        return list(zip(self["kind"], KINDS.values(), strict=True))

    def numbers(self) -> dict[str, int]:
        """The settings of the chosen kind."""
        return {name: self.cleaned_data[name] for name in KINDS[self.cleaned_data["kind"]].numbers}
