"""Addresses of the labs: one page each."""

from __future__ import annotations

from django.urls import path

from learn.labs.views import ciphertext, direct, envelope, index, services

urlpatterns = [
    path("", index.page, name="labs"),
    path("envelope/", envelope.page, name="lab-envelope"),
    path("direct/", direct.page, name="lab-direct"),
    path("ciphertext/", ciphertext.page, name="lab-ciphertext"),
    path("services/", services.page, name="lab-services"),
    path("services/<slug:slug>/", services.explain, name="lab-service"),
]
