"""The form of a group."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from principals.names import NameField


class GroupForm(forms.Form):
    name = NameField("groupNameType", label=_("Group name"))
