"""Names of IAM's: what it accepts, and the nearest one that it would."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from console.awsmodel import service_model


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


def is_passkey(serial_number: str) -> bool:
    """Of an MFA device: whether it is a passkey (AWS: FIDO security key), and no virtual device."""
    return ":u2f/" in serial_number
