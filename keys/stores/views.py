"""Custom key stores: the lists of each type, create, one store with its keys, change, connect, disconnect, delete."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from console.addresses import filter_text
from console.aws_calls import optional, sentence
from console.request import ConsoleRequest
from keys import call, service
from keys.changes import Change, carry_out, previews
from keys.common import problem_page
from keys.inventory import inventory, reads
from keys.stores import stores
from keys.stores.forms import FIELD_OF_ERROR, FORMS, StoreForm
from keys.stores.prerequisites import PREREQUISITES
from keys.stores.stores import KINDS, Kind


def index(request: ConsoleRequest, kind: str) -> HttpResponse:
    chosen = _kind(kind)
    try:
        found = [store for store in stores.listed(request) if store.type == chosen.type]
    except ClientError as error:
        return problem_page(request, chosen.many, error)
    wanted = filter_text(request.GET)
    text = wanted.text.lower()
    return render(
        request,
        "keys/stores/list.html",
        {
            "kind": chosen,
            "kinds": KINDS.values(),
            "stores": [store for store in found if text in store.name.lower()],
            "total": len(found),
            "filter": wanted,
        },
    )


@never_cache
@sensitive_post_parameters("password", "secret")
def create(request: ConsoleRequest, kind: str) -> HttpResponse:
    chosen = _kind(kind)
    form, shown = FORMS[chosen.type](request.POST or None, request.FILES or None), None
    if request.method == "POST" and form.is_valid():
        parameters = form.parameters()
        shown = call.show(request, "CreateCustomKeyStore", parameters)
        if not previews(request) and (made := _send(request, form, "CreateCustomKeyStore", parameters)) is not None:
            messages.success(
                request,
                _("The key store %(name)s was created. Connect it to make keys in it.")
                % {"name": parameters["CustomKeyStoreName"]},
            )
            return redirect("store", kind=kind, store_id=made["CustomKeyStoreId"])
    return render(
        request,
        "keys/stores/create.html",
        {"form": form, "kind": chosen, "call": shown, "prerequisites": PREREQUISITES[chosen.type]},
        status=422 if form.errors else 200,
    )


def _send(
    request: ConsoleRequest, form: StoreForm, operation: str, parameters: dict[str, Any]
) -> dict[str, Any] | None:
    """The answer, or AWS's error beside the field it is about."""
    kms = service.client(request)
    method = {"CreateCustomKeyStore": kms.create_custom_key_store, "UpdateCustomKeyStore": kms.update_custom_key_store}
    try:
        found: dict[str, Any] = method[operation](**parameters)
    except ClientError as error:
        field = FIELD_OF_ERROR.get(error.response["Error"]["Code"])
        form.add_error(field if field in form.fields else None, sentence(error))
        return None
    return found


def detail(request: ConsoleRequest, kind: str, store_id: str) -> HttpResponse:
    _kind(kind)
    try:
        store = stores.find(request, store_id)
    except ClientError as error:
        return problem_page(request, store_id, error)
    if store.kind.slug != kind:
        return redirect("store", kind=store.kind.slug, store_id=store_id)
    keys, keys_problem = optional(lambda: stores.first_keys(request, store_id))
    told, health_problem = optional(lambda: stores.health(request, [store]))
    return render(
        request,
        "keys/stores/store.html",
        {
            "store": store,
            "store_name": store.name,
            "kind": store.kind,
            "keys": keys,
            "keys_problem": keys_problem,
            "unread": reads.actions(reads.DESCRIBE),
            "progress": not keys_problem and inventory.progress(request),
            "health": (told or {}).get(store_id),
            "health_problem": health_problem,
        },
    )


@never_cache
@sensitive_post_parameters("password", "secret")
def edit(request: ConsoleRequest, kind: str, store_id: str) -> HttpResponse:
    _kind(kind)
    try:
        store = stores.find(request, store_id)
    except ClientError as error:
        return problem_page(request, store_id, error)
    form, shown = FORMS[store.type](request.POST or None, request.FILES or None, store=store), None
    if request.method == "POST" and form.is_valid():
        parameters = {"CustomKeyStoreId": store_id, **form.parameters()}
        if len(parameters) == 1:
            form.add_error(None, _("Nothing is changed."))
        else:
            shown = call.show(request, "UpdateCustomKeyStore", parameters)
            if not previews(request) and _send(request, form, "UpdateCustomKeyStore", parameters) is not None:
                messages.success(request, _("The key store was changed."))
                return redirect("store", kind=store.kind.slug, store_id=store_id)
    return render(
        request,
        "keys/stores/edit.html",
        {"form": form, "store": store, "store_name": store.name, "kind": store.kind, "call": shown},
        status=422 if form.errors else 200,
    )


def connect(request: ConsoleRequest, kind: str, store_id: str) -> HttpResponse:
    change = Change(
        title=_("Connect"),
        calls=[("ConnectCustomKeyStore", {"CustomKeyStoreId": store_id})],
        done=_("The connection of the key store was started."),
        service="kms",
    )
    return carry_out(request, change, _address(kind, store_id))


def disconnect(request: ConsoleRequest, kind: str, store_id: str) -> HttpResponse:
    change = Change(
        title=_("Disconnect"),
        calls=[("DisconnectCustomKeyStore", {"CustomKeyStoreId": store_id})],
        done=_("The key store was told to disconnect."),
        service="kms",
        explain=_(
            "The keys of this store are unavailable until it is connected again: what they have encrypted, data keys included, cannot be decrypted."
        ),
    )
    return carry_out(request, change, _address(kind, store_id))


def delete(request: ConsoleRequest, kind: str, store_id: str) -> HttpResponse:
    change = Change(
        title=_("Delete key store"),
        calls=[("DeleteCustomKeyStore", {"CustomKeyStoreId": store_id})],
        done=_("The key store was deleted."),
        danger=True,
        service="kms",
        explain=_(
            "Only a store that is disconnected and has no keys can be deleted: schedule the deletion of its keys first and wait for its end. "
            "The cluster, or the proxy and its key manager, stays as it is."
        ),
    )
    return carry_out(request, change, _address(kind, store_id), after=reverse("stores-of", args=[kind]))


def _address(kind: str, store_id: str) -> str:
    return reverse("store", args=[_kind(kind).slug, store_id])


def _kind(slug: str) -> Kind:
    if slug not in KINDS:
        raise Http404
    return KINDS[slug]
