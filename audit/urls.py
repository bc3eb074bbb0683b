"""Addresses of the audit pages."""

from __future__ import annotations

from django.urls import include, path

from audit import state_report, views
from audit.alerts import views as alerts

urlpatterns = [
    path("", views.events, name="audit"),
    path("export/", views.export, name="audit-export"),
    path("keys/", state_report.page, name="audit-keys"),
    path("compliance/", include("audit.compliance.urls")),
    path("alerts/", alerts.index, name="audit-alerts"),
    path("alerts/new/", alerts.rule, name="audit-alert-new"),
    path("alerts/<int:pk>/", alerts.rule, name="audit-alert-rule"),
    path("alerts/<int:pk>/delete/", alerts.delete, name="audit-alert-delete"),
    path("verify/", views.verify, name="audit-verify"),
    path("<uuid:event_id>/", views.event, name="audit-event"),
]
