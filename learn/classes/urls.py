"""Addresses of the classes."""

from __future__ import annotations

from django.urls import path

from learn.classes.views import class_closing, classes

urlpatterns = [
    path("", classes.index, name="classes"),
    path("new/", classes.new, name="class-new"),
    path("new/hand-out.csv", classes.hand_out_csv, name="class-hand-out"),
    path("<slug:slug>/", classes.detail, name="class"),
    path("<slug:slug>/students/", classes.add, name="class-students"),
    path("<slug:slug>/students/<str:student>/password/", classes.password, name="class-password"),
    path("<slug:slug>/students/<str:student>/remove/", classes.remove, name="class-remove"),
    path("<slug:slug>/close/", class_closing.page, name="class-close"),
]
