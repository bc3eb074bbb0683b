"""Addresses of the drills."""

from __future__ import annotations

from django.urls import path

from learn.drills import views as drills

urlpatterns = [
    path("", drills.page, name="drills"),
    path("end/", drills.end, name="drill-end"),
]
