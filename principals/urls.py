"""Addresses of sign-in, users and groups."""

from __future__ import annotations

from django.urls import path

from principals.views import access_keys, groups, policies, sign_in, users

urlpatterns = [
    path("sign-in/", sign_in.sign_in, name="sign-in"),
    path("sign-out/", sign_in.sign_out, name="sign-out"),
    path("users/", users.index, name="users"),
    path("users/new/", users.create, name="user-new"),
    path("users/<str:name>/", users.detail, name="user"),
    path("users/<str:name>/delete/", users.delete, name="user-delete"),
    path("users/<str:name>/password/", users.password, name="user-password"),
    path("users/<str:name>/groups/", users.join, name="user-groups"),
    path("users/<str:name>/access-keys/new/", access_keys.create, name="access-key-new"),
    path("users/<str:name>/access-keys/<str:key_id>/", access_keys.change, name="access-key"),
    path("groups/", groups.index, name="groups"),
    path("groups/new/", groups.create, name="group-new"),
    path("groups/<str:name>/", groups.detail, name="group"),
    path("groups/<str:name>/delete/", groups.delete, name="group-delete"),
    path("groups/<str:name>/users/", groups.members, name="group-users"),
    path("<str:kind>/<str:name>/policies/new/", policies.edit, name="inline-policy-new"),
    path("<str:kind>/<str:name>/policies/<str:policy>/", policies.edit, name="inline-policy"),
    path("<str:kind>/<str:name>/policies/<str:policy>/delete/", policies.delete, name="inline-policy-delete"),
]
