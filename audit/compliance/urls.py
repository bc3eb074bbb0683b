"""Addresses of the compliance pages."""

from __future__ import annotations

from django.urls import path

from audit.compliance import report_views, views

urlpatterns = [
    path("", views.page, name="compliance"),
    path("report/", report_views.page, name="compliance-report"),
    path("run/", views.run, name="compliance-run"),
    path("exceptions/<int:number>/end/", views.exception_end, name="compliance-exception-end"),
    path("<slug:check_id>/", views.check, name="compliance-check"),
    path("<slug:check_id>/except/", views.exception_new, name="compliance-exception-new"),
]
