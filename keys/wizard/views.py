"""The create-key wizard. Each step is an address; a draft's answers are kept in the session under an ID of its own (`?w=`), so
that going back keeps them, a reload changes nothing, and two tabs do not meet."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import tag_rows
from console.request import ConsoleRequest, kept
from engine.public.starter_policies import STUDENTS
from keys import account_principals, call, permissions, service
from keys.common import problem_page
from keys.inventory import inventory
from keys.policy import policies, policy_editor
from keys.stores import stores
from keys.stores.connection_words import CONNECTED
from keys.wizard.forms import (
    STORE_ORIGINS,
    USAGE_WORDS,
    AdministratorsForm,
    ConfigureForm,
    LabelsForm,
    PolicyForm,
    PrincipalsForm,
    StoreForm,
    UsersForm,
)

STEPS = {
    "configure": gettext_lazy("Configure key"),
    "store": gettext_lazy("Custom key store"),
    "labels": gettext_lazy("Add labels"),
    "administrators": gettext_lazy("Key administrators"),
    "users": gettext_lazy("Key users"),
    "policy": gettext_lazy("Edit key policy"),
    "review": gettext_lazy("Review"),
}
# A step that may be skipped → what is taken where it was.
DEFAULTS = {
    "administrators": gettext_lazy("no key administrators (the account's IAM policies decide)"),
    "users": gettext_lazy("no key users (the account's IAM policies decide)"),
    "policy": gettext_lazy("the key policy made from your choices"),
}
# A step that may not be skipped → what is said where it was.
_MISSING = {
    "store": gettext_lazy("Choose the key store that the key is to be in. The review follows."),
    "labels": gettext_lazy("A key needs an alias. The review follows."),
}
_SESSION, _DRAFTS_KEPT = "wizard_drafts", 8


def begin(request: ConsoleRequest) -> HttpResponse:
    """A new draft; `origin` is what its first step has chosen."""
    origin = request.GET.get("origin", "")
    given = {"w": secrets.token_urlsafe(6), **({"origin": origin} if origin in STORE_ORIGINS else {})}
    return redirect(f"{reverse('wizard-step', args=['configure'])}?{urlencode(given)}")


def step(request: ConsoleRequest, step: str) -> HttpResponse:
    if step not in STEPS:
        raise Http404
    wizard_id = request.GET.get("w", "")
    if not wizard_id:
        return begin(request)
    draft = request.session.get(_SESSION, {}).get(wizard_id, {})
    if step != "configure" and "configure" not in draft:
        return redirect(_address("configure", wizard_id))
    if step not in _shown_steps(draft):
        return redirect(_address(_after(draft, step), wizard_id))
    if step == "store":
        try:
            _every_store(request)
        except ClientError as error:
            return problem_page(request, STEPS[step], error)
    if step == "review":
        return _review(request, draft, wizard_id)
    draft_step = DraftStep(wizard_id, draft, step, to_review=request.GET.get("then") == "review")
    if request.method != "POST":
        return _show(request, draft_step, _asked(request, draft_step))
    action = next((name for name in _ACTIONS if name in request.POST), "")
    return _ACTIONS.get(action, _next)(request, draft_step)


@dataclass(frozen=True, slots=True)
class DraftStep:
    """A step of the draft that `wizard_id` names in the session. `to_review`: the review follows, whichever step comes next."""

    wizard_id: str
    draft: dict[str, Any]
    name: str
    to_review: bool


def _asked(request: ConsoleRequest, step: DraftStep) -> forms.Form:
    """The step's form as it is first shown."""
    form = _FORMS[step.name](request, step.draft)
    if step.name == "labels":
        form.fields["alias"].widget.attrs["autofocus"] = True
    return form


def _next(request: ConsoleRequest, step: DraftStep) -> HttpResponse:
    """Keep the answers and go on to the next step."""
    form = _FORMS[step.name](request, step.draft)
    if step.name == "labels" and form.is_valid() and (owner := _who_has(request, form.cleaned_data["alias"])):
        form.add_error("alias", _("Key %(key)s has this alias already.") % {"key": owner})
    if not form.is_valid():
        return _show(request, step, form)
    draft = _keep(request, step, dict(form.cleaned_data))
    if step.to_review or "skip" in request.POST:
        return redirect(_address("review", step.wizard_id))
    return redirect(_address(_after(draft, step.name), step.wizard_id))


def _search(request: ConsoleRequest, step: DraftStep) -> HttpResponse:
    """The form as it was filled in, with those principals to choose from that match `q`; the chosen ones stay."""
    made = _CHOOSING.get(step.name)
    if made is None:
        raise Http404
    chosen = request.POST.getlist("chosen")
    text = request.POST.get("q", "").strip().lower()
    found = [each for each in _principals(request) if each[0] in chosen or text in each[1].lower()]
    return _show(request, step, made(principals=found, initial={**request.POST.dict(), "chosen": chosen}))


def _change_tag_rows(request: ConsoleRequest, step: DraftStep) -> HttpResponse:
    """The form as it was filled in, with one row of tags more or less."""
    rows = tag_rows.changed(request.POST) if step.name == "labels" else None
    if rows is None:
        return _next(request, step)
    return _show(request, step, LabelsForm(initial={**request.POST.dict(), "tags": rows}))


# The button that was pressed → what it does; any other goes on to the next step.
_ACTIONS: dict[str, Callable[[ConsoleRequest, DraftStep], HttpResponse]] = {
    "search": _search,
    "more": _change_tag_rows,
    "less": _change_tag_rows,
}
_CHOOSING: dict[str, type[PrincipalsForm]] = {"administrators": AdministratorsForm, "users": UsersForm}


def _show(request: ConsoleRequest, step: DraftStep, form: forms.Form) -> HttpResponse:
    return render(
        request,
        "keys/wizard/wizard.html",
        {
            "form": form,
            "step": step.name,
            "q": request.POST.get("q", ""),
            "editor": policy_editor.attach(request, form, "policy", "resource") if step.name == "policy" else None,
            "to_review": step.to_review,
            "unfinished": _unfinished(request, step),
            "defaults": _defaults_after(step.name),
            **_frame(step.draft, step.name, step.wizard_id),
        },
        status=422 if form.errors else 200,
    )


def _unfinished(request: ConsoleRequest, step: DraftStep) -> dict[str, str]:
    """The last key of this session that was begun and not made, at the first step of another one."""
    if step.draft or step.name != "configure":
        return {}
    for wizard_id, draft in reversed(request.session.get(_SESSION, {}).items()):
        return {"alias": draft.get("labels", {}).get("alias", ""), "address": _address("review", wizard_id)}
    return {}


def _who_has(request: ConsoleRequest, alias: str) -> str:
    """ID of the key that an alias names already. Empty if none does, or if only CreateAlias will tell this principal."""
    try:
        return str(service.client(request).describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]["KeyId"])
    except ClientError:
        return ""


def _address(step: str, wizard_id: str, *, then: str = "") -> str:
    return f"{reverse('wizard-step', args=[step])}?{urlencode({'w': wizard_id, **({'then': then} if then else {})})}"


def _shown_steps(draft: dict[str, Any]) -> list[str]:
    """A custom key store is asked for where the origin is one."""
    in_store = draft.get("configure", {}).get("origin") in STORE_ORIGINS
    return [name for name in STEPS if name != "store" or in_store]


def _defaults_after(step: str) -> list[Any]:
    """What *Skip to review* on this step takes for the later ones. An alias has no default: a key's name is asked for."""
    later = list(STEPS)[list(STEPS).index(step) + 1 :]
    return [words for name, words in DEFAULTS.items() if name in later]


def _after(draft: dict[str, Any], step: str) -> str:
    steps = list(STEPS)
    later = steps[steps.index(step) + 1 :]
    return next(name for name in later if name in _shown_steps(draft))


def _frame(draft: dict[str, Any], step: str, wizard_id: str) -> dict[str, Any]:
    steps = _shown_steps(draft)
    number = steps.index(step) if step in steps else 0
    done = {name for name in steps if name in draft}
    return {
        "steps": [
            (name, STEPS[name], name in done or (name == "review" and len(done) >= len(steps) - 1)) for name in steps
        ],
        "wizard_id": wizard_id,
        "back": _address(steps[number - 1], wizard_id) if number else reverse("keys"),
    }


def _keep(request: ConsoleRequest, step: DraftStep, answers: dict[str, Any]) -> dict[str, Any]:
    """The draft with the answers, which the session has now."""
    drafts: dict[str, Any] = dict(request.session.get(_SESSION, {}))
    draft = dict(drafts.pop(step.wizard_id, {}))
    if step.name in ("configure", "administrators", "users") and draft.get(step.name) != answers:
        replaced = draft.pop("policy", None)  # the policy is written anew from what it is made of
        if replaced and not _same_document(replaced["policy"], _policy(request, draft)):
            messages.warning(
                request, _("The key policy is written anew from your choices: your changes to it are gone.")
            )
    if step.name == "configure" and draft.get("configure", {}).get("origin") != answers["origin"]:
        draft.pop("store", None)
    draft[step.name] = answers
    drafts[step.wizard_id] = draft
    request.session[_SESSION] = dict(list(drafts.items())[-_DRAFTS_KEPT:])
    return draft


def _same_document(one: str, other: str) -> bool:
    return bool(json.loads(one) == json.loads(other))


def _initial(request: ConsoleRequest, draft: dict[str, Any], step: str) -> dict[str, Any]:
    return {"data": request.POST if request.method == "POST" else None, "initial": draft.get(step)}


def _labels(request: ConsoleRequest, draft: dict[str, Any]) -> dict[str, Any]:
    """A class's student begins with the tag that makes the key one's own: a policy of students may ask for it."""
    given = _initial(request, draft, "labels")
    if given["initial"] is None and f":user{STUDENTS}" in request.signed_in.arn:
        given["initial"] = {"tags": [("owner", request.signed_in.user_name)]}
    return given


def _configure(request: ConsoleRequest, draft: dict[str, Any]) -> dict[str, Any]:
    given = _initial(request, draft, "configure")
    if given["initial"] is None and request.GET.get("origin") in STORE_ORIGINS:
        given["initial"] = {"origin": request.GET["origin"]}
    return given


def _connected(request: ConsoleRequest, origin: str) -> list[stores.Store]:
    """The connected stores of a type, which is called as the origin of their keys is. Raises ClientError."""
    return [store for store in _every_store(request) if store.type == origin and store.state == CONNECTED]


def _every_store(request: ConsoleRequest) -> list[stores.Store]:
    """Asked for once a request."""
    remembered = kept(request)
    if "stores" not in remembered:
        remembered["stores"] = stores.every(request)
    found: list[stores.Store] = remembered["stores"]
    return found


def _no_store(request: ConsoleRequest) -> dict[str, str]:
    """Origin of custom key stores → why none can be chosen, where none can."""
    if why := permissions.refusal(request, stores.DESCRIBE):
        return dict.fromkeys(STORE_ORIGINS, why)
    try:
        return {
            origin: _("Not available: no key store of this type is connected.")
            for origin in STORE_ORIGINS
            if not _connected(request, origin)
        }
    except ClientError as error:
        return dict.fromkeys(STORE_ORIGINS, service.sentence(error))


def _principals(request: ConsoleRequest) -> list[tuple[str, str]]:
    """(ARN, words) of the account's users and roles, as far as the caller may list them."""
    found, problems = account_principals.users_and_roles(request)
    for error in problems if service.backend(request).kind != service.URL else ():
        if not service.denied(error):
            raise error
        messages.warning(request, service.sentence(error))
    return found


_FORMS: dict[str, Callable[[ConsoleRequest, dict[str, Any]], forms.Form]] = {
    "configure": lambda request, draft: ConfigureForm(
        region=request.signed_in.region,
        no_store=_no_store(request),
        **_configure(request, draft),
    ),
    "store": lambda request, draft: StoreForm(
        stores=[
            (store.id, f"{store.name} ({store.id})") for store in _connected(request, draft["configure"]["origin"])
        ],
        origin=draft["configure"]["origin"],
        **_initial(request, draft, "store"),
    ),
    "labels": lambda request, draft: LabelsForm(**_labels(request, draft)),
    "administrators": lambda request, draft: AdministratorsForm(
        principals=_principals(request), **_initial(request, draft, "administrators")
    ),
    "users": lambda request, draft: UsersForm(principals=_principals(request), **_initial(request, draft, "users")),
    "policy": lambda request, draft: PolicyForm(
        data=request.POST if request.method == "POST" else None, initial={"policy": _policy(request, draft)}
    ),
}


def _policy(request: ConsoleRequest, draft: dict[str, Any]) -> str:
    """What was edited, or what the answers so far make."""
    if "policy" in draft:
        return str(draft["policy"]["policy"])
    configure = draft["configure"]
    users = draft.get("users", {})
    return policies.wizard_policy(
        request.signed_in.account_id,
        spec=configure["spec"],
        usage=configure["usage"],
        origin=configure["origin"],
        multi_region=configure["regionality"] == "multi",
        administrators=draft.get("administrators", {}).get("chosen", []),
        users=users.get("chosen", []),
        other_accounts=policies.account_ids(users.get("accounts", ""))[0],
        administrators_delete=draft.get("administrators", {}).get("deletion", True),
    )


def create_parameters(request: ConsoleRequest, draft: dict[str, Any]) -> dict[str, Any]:
    """What CreateKey is called with."""
    configure, labels = draft["configure"], draft["labels"]
    parameters: dict[str, Any] = {
        "KeySpec": configure["spec"],
        "KeyUsage": configure["usage"],
        "Policy": _policy(request, draft),
    }
    if configure["origin"] != "AWS_KMS":
        parameters["Origin"] = configure["origin"]
    if configure["origin"] in STORE_ORIGINS:
        parameters["CustomKeyStoreId"] = draft["store"]["store"]
        if "xks_key_id" in draft["store"]:
            parameters["XksKeyId"] = draft["store"]["xks_key_id"]
    if configure["regionality"] == "multi":
        parameters["MultiRegion"] = True
    if labels["description"]:
        parameters["Description"] = labels["description"]
    if labels["tags"]:
        parameters["Tags"] = tag_rows.parameters(labels["tags"])
    return parameters


def _review(request: ConsoleRequest, draft: dict[str, Any], wizard_id: str) -> HttpResponse:
    for name in _shown_steps(draft)[:-1]:
        if name not in draft and name not in DEFAULTS:
            messages.info(request, _MISSING[name])
            return redirect(_address(name, wizard_id, then="review"))
    parameters = create_parameters(request, draft)
    alias = f"alias/{draft['labels']['alias']}"
    problem = ""
    if request.method == "POST":
        kms = service.client(request)
        try:
            made = kms.create_key(**parameters)["KeyMetadata"]
        except ClientError as error:
            problem = service.sentence(error)
        else:
            return _finish(request, kms, made, alias, wizard_id)
    return render(
        request,
        "keys/wizard/wizard_review.html",
        {
            "step": "review",
            "draft": draft,
            "alias": alias,
            "parameters": parameters,
            "usage": USAGE_WORDS[parameters["KeyUsage"]],
            "edit": {name: _address(name, wizard_id, then="review") for name in _shown_steps(draft)[:-1]},
            "default": {name: words for name, words in DEFAULTS.items() if name not in draft},
            "other_accounts": policies.account_ids(draft.get("users", {}).get("accounts", ""))[0],
            "problem": problem,
            "call": call.show(request, "CreateKey", parameters),
            "alias_call": call.show(request, "CreateAlias", {"AliasName": alias, "TargetKeyId": "KEY-ID"}),
            **_frame(draft, "review", wizard_id),
        },
        status=422 if problem else 200,
    )


def _finish(request: ConsoleRequest, kms: Any, made: dict[str, Any], alias: str, wizard_id: str) -> HttpResponse:
    """The key is there; an alias that is refused does not undo it, but is said."""
    drafts = dict(request.session.get(_SESSION, {}))
    drafts.pop(wizard_id, None)
    request.session[_SESSION] = drafts
    inventory.mark_outdated(request)
    try:
        kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    except ClientError as error:
        messages.error(request, _("The key was created, but not its alias. ") + service.sentence(error))
        return redirect("key-tab", key_id=made["KeyId"], tab="aliases")
    words = _("Your key was created with alias %(alias)s and key ID %(id)s.") % {
        "alias": alias.removeprefix("alias/"),
        "id": made["KeyId"],
    }
    if made["KeySpec"] == "SYMMETRIC_DEFAULT" and made["KeyState"] == "Enabled":
        address = f"{reverse('play', args=['encrypt'])}?key={made['KeyId']}"
        messages.success(request, format_html('{} <a href="{}">{}</a>', words, address, _("Encrypt with it")))
    else:
        messages.success(request, words)
    return redirect("key-import", key_id=made["KeyId"]) if made["Origin"] == "EXTERNAL" else redirect("keys")
