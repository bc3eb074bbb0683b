"""Addresses of the labs: one page each."""

from __future__ import annotations

from django.urls import path

from labs.views import envelope, index

urlpatterns = [
    path("", index.page, name="labs"),
    path("envelope/", envelope.page, name="lab-envelope"),
]
