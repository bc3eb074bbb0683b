"""Addresses of the endpoint settings."""

from __future__ import annotations

from django.urls import path

from keys.endpoints import views as endpoints

urlpatterns = [
    path("", endpoints.index, name="endpoints"),
    path("new/", endpoints.new, name="endpoint-new"),
    path("switch/", endpoints.switch, name="endpoint-switch"),
    path("refresh/", endpoints.refresh, name="endpoint-refresh"),
    path("<int:pk>/", endpoints.detail, name="endpoint"),
    path("<int:pk>/edit/", endpoints.edit, name="endpoint-edit"),
    path("<int:pk>/delete/", endpoints.delete, name="endpoint-delete"),
]
