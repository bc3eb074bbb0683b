"""Addresses of the audit pages."""

from __future__ import annotations

from django.urls import include, path

from audit import access_comparison, compare_dates, proof, sinks, state_report, views
from audit.alerts import views as alerts

urlpatterns = [
    path("", views.events, name="audit"),
    path("export/", views.export, name="audit-export"),
    path("newer/", views.newer, name="audit-newer"),
    path("searches/", views.save_search, name="audit-searches"),
    path("keys/", state_report.page, name="audit-keys"),
    path("keys/compare/", compare_dates.page, name="audit-compare-dates"),
    path("keys/compare/<str:key_id>/", access_comparison.page, name="audit-compare-access"),
    path("compliance/", include("audit.compliance.urls")),
    path("alerts/", alerts.index, name="audit-alerts"),
    path("alerts/new/", alerts.rule, name="audit-alert-new"),
    path("alerts/<int:pk>/", alerts.rule, name="audit-alert-rule"),
    path("alerts/<int:pk>/delete/", alerts.delete, name="audit-alert-delete"),
    path("sinks/", sinks.page, name="audit-sinks"),
    path("verify/", proof.page, name="audit-verify"),
    path("verify/checkpoint/", proof.compare, name="audit-compare"),
    path("verify/removal/", proof.decide_removal, name="audit-removal"),
    path("verify/verify_kmsconsole_trail.py", proof.verifier, name="audit-verifier"),
    path("checkpoint/", proof.checkpoint, name="audit-checkpoint"),
    path("consistency/", proof.consistency, name="audit-consistency"),
    path("proof/<uuid:event_id>/", proof.event, name="audit-proof"),
    path("<uuid:event_id>/", views.event, name="audit-event"),
]
