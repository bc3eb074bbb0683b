"""Addresses of the key pages. Tabs and wizard steps are addresses of their own."""

from __future__ import annotations

from django.urls import path

from keys.detail import views as key
from keys.grants import views as grant
from keys.inventory.views import bulk, export, facets, listing, picker
from keys.lifecycle.views import actions, approvals, deletion
from keys.material import views as material
from keys.policy import views as key_policy
from keys.wizard import views as wizard

urlpatterns = [
    path("", listing.customer, name="keys"),
    path("aws/", listing.aws, name="aws-keys"),
    path("bulk/", bulk.confirm, name="keys-bulk"),
    path("bulk/<int:pk>/", bulk.job, name="keys-bulk-job"),
    path("export/", export.export, name="keys-export"),
    path("values/", facets.values, name="keys-values"),
    path("options/", picker.options, name="keys-options"),
    path("views/", listing.save_view, name="keys-views"),
    path("progress/", listing.progress, name="keys-progress"),
    path("new/", wizard.begin, name="wizard"),
    path("new/<slug:step>/", wizard.step, name="wizard-step"),
    path("approvals/", approvals.page, name="key-approvals"),
    path("<str:key_id>/", key.page, name="key"),
    path("<str:key_id>/tab/<slug:tab>/", key.page, name="key-tab"),
    path("<str:key_id>/policy/edit/", key_policy.edit, name="key-policy-edit"),
    path("<str:key_id>/policy/change/", key_policy.change, name="key-policy-change"),
    path("<str:key_id>/policy/history/", key_policy.history, name="key-policy-history"),
    path("<str:key_id>/public-key.pem", key.public_key_pem, name="key-public-key"),
    path("<str:key_id>/public-key.der", key.public_key_pem, {"form": "der"}, name="key-public-key-der"),
    path("<str:key_id>/delete/", deletion.page, name="key-delete"),
    path("<str:key_id>/do/delete/", deletion.page),
    path("<str:key_id>/do/grant-add/", grant.create, name="key-grant"),
    path("<str:key_id>/import/", material.import_page, name="key-import"),
    path("<str:key_id>/import/parameters/", material.parameters, name="key-import-parameters"),
    path("<str:key_id>/do/<slug:action>/", actions.perform, name="key-action"),
    path("<str:key_id>/policy/diff/", key.elsewhere, {"name": "policy/history"}, name="key-policy-diff"),
    path("<str:key_id>/<slug:name>/", key.elsewhere, name="key-elsewhere"),
]
