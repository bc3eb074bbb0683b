"""The form field with a browser's answer about a passkey, as PublicKeyCredential.toJSON writes it."""

from __future__ import annotations

from typing import Any

from django import forms

_LONGEST = 20_000  # characters


class PasskeyField(forms.JSONField):
    """An object, or None. What is in it the engine looks at."""

    widget = forms.HiddenInput

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and len(value) > _LONGEST:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        found = super().to_python(value)
        if found is not None and not isinstance(found, dict):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return found
