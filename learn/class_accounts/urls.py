"""Addresses of classes whose students have an account each."""

from __future__ import annotations

from django.urls import path

from learn.class_accounts.views import board, create, manage

urlpatterns = [
    path("new/", create.new, name="class-accounts-new"),
    path("credentials.txt", create.cards_file, name="class-cards"),
    path("notice/", board.notice, name="class-notice"),
    path("<slug:slug>/", board.board, name="class-board"),
    path("<slug:slug>/present/", board.presentation, name="class-presentation"),
    path("<slug:slug>/bring/", board.bring, name="class-bring"),
    path("<slug:slug>/results.csv", board.results, name="class-results"),
    path("<slug:slug>/archive.zip", board.archive, name="class-archive"),
    path("<slug:slug>/add/", create.add, name="class-accounts-add"),
    path("<slug:slug>/manage/", manage.manage, name="class-manage"),
    path("<slug:slug>/links/<int:pk>.svg", manage.qr, name="class-link-qr"),
    path("<slug:slug>/links/<int:pk>/revoke/", manage.revoke, name="class-link-revoke"),
    path("<slug:slug>/close/", manage.close, name="class-accounts-close"),
    path("<slug:slug>/students/<str:user_name>/", manage.student, name="class-student"),
]
