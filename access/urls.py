"""Addresses of the access explorer and of the policy checker that every policy editor asks."""

from __future__ import annotations

from django.urls import path

from access import views as explorer
from keys.policy import policy_editor

urlpatterns = [
    path("", explorer.explore, name="access"),
    path("check/<slug:kind>/", policy_editor.check_typed, name="policy-check"),
]
