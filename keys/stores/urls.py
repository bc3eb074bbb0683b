"""Addresses of custom key stores. `kind` is cloudhsm or xks."""

from __future__ import annotations

from django.urls import path

from keys.stores import views as stores

urlpatterns = [
    path("", stores.index, {"kind": "cloudhsm"}, name="stores"),
    path("<slug:kind>/", stores.index, name="stores-of"),
    path("<slug:kind>/new/", stores.create, name="store-new"),
    path("<slug:kind>/<str:store_id>/", stores.detail, name="store"),
    path("<slug:kind>/<str:store_id>/edit/", stores.edit, name="store-edit"),
    path("<slug:kind>/<str:store_id>/connect/", stores.connect, name="store-connect"),
    path("<slug:kind>/<str:store_id>/disconnect/", stores.disconnect, name="store-disconnect"),
    path("<slug:kind>/<str:store_id>/delete/", stores.delete, name="store-delete"),
]
