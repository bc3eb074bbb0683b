"""Addresses of the lessons."""

from __future__ import annotations

from django.urls import path

from learn.lessons import views as learn

urlpatterns = [
    path("", learn.index, name="learn"),
    path("<slug:lesson>/", learn.page, name="lesson"),
    path("<slug:lesson>/lesson.zip", learn.download, name="lesson-zip"),
]
