"""Addresses of the playground: one page an operation, and the recipe."""

from __future__ import annotations

from django.urls import path

from playground import views

urlpatterns = [
    path("", views.index, name="playground"),
    path("recipe/", views.show_recipe, name="play-recipe"),
    path("<slug:operation>/", views.operation, name="play"),
]
