"""Addresses of the audit pages."""

from __future__ import annotations

from django.urls import path

from audit import views

urlpatterns = [
    path("", views.events, name="audit"),
    path("verify/", views.verify, name="audit-verify"),
    path("<uuid:event_id>/", views.event, name="audit-event"),
]
