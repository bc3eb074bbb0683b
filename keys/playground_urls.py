"""Addresses of the playground: one page an operation."""

from __future__ import annotations

from django.urls import path

from keys import playground

urlpatterns = [
    path("", playground.index, name="playground"),
    path("<slug:operation>/", playground.operation, name="play"),
]
