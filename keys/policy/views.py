"""A key's policy: the default view (who administers, who uses, without JSON), the editor with what a change means for whom, and every
version that the trail knows, with differences and a way back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console import paging
from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy
from keys import account_principals, call, service
from keys.changes import Change, asked, carry_out
from keys.common import name_of, problem_page
from keys.evaluator import decisions, key_view, operations, principal_directory
from keys.policy import policies, policy_changes, policy_document, policy_editor, policy_history

VIEWS = ("default", "json")
_PAGE = 50  # versions of a policy


def load(request: ConsoleRequest, kms: Any, key: dict[str, Any]) -> dict[str, Any]:
    """The Key policy tab."""
    text = kms.get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
    shown, reason = policy_document.read_default_view(text, key)
    view = request.GET.get("view", "default")
    people, problems = account_principals.users_and_roles(request)
    named = {*(shown.administrators if shown else ()), *(shown.users if shown else ())}
    return {
        "policy": text,
        "default_view": shown,
        "not_default": reason,
        "view": view if view in VIEWS else "default",
        "people": people,
        "people_problem": service.sentence(problems[0]) if problems else "",
        "strangers": sorted(named - {arn for arn, _label in people}) if not problems else [],
    }


def change(request: ConsoleRequest, key_id: str) -> HttpResponse:
    """One change of the default view: `add` or `remove` (administrators, users or accounts) of `who`, or `deletion` (yes or no)."""
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        text = kms.get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
    except ClientError as error:
        return problem_page(request, key_id, error)
    back = reverse("key-tab", args=[key_id, "policy"])
    view, reason = policy_document.read_default_view(text, key)
    if view is None:
        messages.error(
            request,
            _("The policy was changed meanwhile and is no longer the default view's: %(why)s.") % {"why": reason},
        )
        return redirect(back)
    wanted = _changed(request, view)
    if wanted is None:
        return redirect(back)
    parameters = {"KeyId": key["Arn"], "PolicyName": "default", "Policy": wanted.text(key)}
    made = Change(
        _("Change the key policy"), [("PutKeyPolicy", parameters)], _("The key policy is changed."), service="kms"
    )
    return carry_out(request, made, back)


def _changed(request: ConsoleRequest, view: policy_document.DefaultView) -> policy_document.DefaultView | None:
    """The view that the form asks for; None, with a message, if it asks for nothing possible."""
    given = asked(request)
    if "deletion" in given:
        return replace(view, administrators_delete=given["deletion"] == "yes")
    add = "add" in given
    what, who = given.get("add") or given.get("remove") or "", given.get("who", "").strip()
    if what not in ("administrators", "users", "accounts") or not who:
        messages.error(request, _("Choose whom to add."))
        return None
    if what == "accounts" and add and policies.account_ids(who) != ([who], []):
        messages.error(request, _("“%(wrong)s” is no account ID: it has 12 digits.") % {"wrong": who})
        return None
    return view.changed(what, who, add=add)


class PolicyForm(forms.Form):
    policy = policy_editor.field(gettext_lazy("Key policy (JSON)"))


def edit(request: ConsoleRequest, key_id: str) -> HttpResponse:
    """The editor. `preview` shows what saving would change for whom; `?restore=` starts from a version of the history."""
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        before = kms.get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
        restored = _version(request, key, before)
    except ClientError as error:
        return problem_page(request, key_id, error)
    form = PolicyForm(request.POST or None, initial={"policy": policy_document.pretty(restored or before)})
    preview = bool(restored) or "preview" in request.POST
    if request.method == "POST" and form.is_valid() and not preview:
        try:
            kms.put_key_policy(KeyId=key["Arn"], PolicyName="default", Policy=form.cleaned_data["policy"])
        except ClientError as error:
            form.add_error("policy", service.sentence(error))
        else:
            messages.success(request, _("The key policy is in force."))
            return redirect("key-tab", key_id=key_id, tab="policy")
    editor = policy_editor.attach(request, form, "policy", "resource", key["Arn"])
    shown: dict[str, Any] = {
        "form": form,
        "key_id": key_id,
        "key_name": name_of(kms, key),
        "editor": editor,
        "restored": bool(restored),
    }
    if preview and (form.is_valid() or restored):
        new = form.cleaned_data["policy"] if form.is_bound else restored
        shown |= {"preview": True, **_preview(request, kms, key, before, str(new))}
    return render(request, "keys/policy/policy_edit.html", shown, status=422 if form.errors else 200)


def _version(request: ConsoleRequest, key: dict[str, Any], now: str) -> str:
    wanted = request.GET.get("restore", "")
    if not wanted or request.method == "POST":
        return ""
    found = policy_history.read(request, key, now).find(wanted)
    if found is None:
        messages.error(request, _("There is no such version of this key's policy."))
        return ""
    return found.policy


def _preview(request: ConsoleRequest, kms: Any, key: dict[str, Any], before: str, after: str) -> dict[str, Any]:
    """What another policy would change: for whom, and in the text."""
    parameters = {"KeyId": key["KeyId"], "PolicyName": "default", "Policy": after}
    shown: dict[str, Any] = {
        "difference": policy_changes.difference(before, after),
        "call": call.show(request, "PutKeyPolicy", parameters),
    }
    try:
        people = principal_directory.of(request)
        old, new = key_view.of(kms, key, before), key_view.of(kms, key, after)
    except ClientError as error:
        return {**shown, "preview_problem": service.sentence(error)}
    except MalformedPolicy:
        return {**shown, "preview_problem": _("This policy would be refused: see what is said beside it.")}
    actions = operations.actions_for(old.spec, old.usage)
    changes = decisions.differences(people, old, new, actions, decisions.RequestContext({}, {}, service.now(request)))
    return {**shown, "changes": changes}


def history(request: ConsoleRequest, key_id: str) -> HttpResponse:
    """`?from=` and `?to=` name two versions to compare, of any page; without them each is compared with the one before."""
    kms = service.client(request)
    try:
        key = kms.describe_key(KeyId=key_id)["KeyMetadata"]
        now = kms.get_key_policy(KeyId=key["Arn"], PolicyName="default")["Policy"]
        found = policy_history.read(request, key, now)
    except ClientError as error:
        return problem_page(request, key_id, error)
    versions = found.versions
    newer = found.find(request.GET.get("to", "")) or (versions[0] if versions else None)
    older = found.find(request.GET.get("from", "")) or _before(versions, newer)
    page = paging.page_of(versions, _PAGE, request.GET)
    shown = list(page.object_list)
    return render(
        request,
        "keys/policy/policy_history.html",
        {
            "key": key,
            "key_name": name_of(kms, key),
            "history": found,
            "page": page,
            # What is compared and on another page stays chosen.
            "elsewhere": [
                (name, each.event_id) for name, each in (("from", older), ("to", newer)) if each and each not in shown
            ],
            "rows": [
                (
                    version,
                    f"?{urlencode({'to': version.event_id})}",
                    f"{reverse('key-policy-edit', args=[key_id])}?{urlencode({'restore': version.event_id})}",
                )
                for version in shown
            ],
            "newer": newer,
            "older": older,
            "difference": policy_changes.difference(older.policy if older else "", newer.policy) if newer else None,
        },
    )


def _before(
    versions: list[policy_history.Version], version: policy_history.Version | None
) -> policy_history.Version | None:
    if version is None:
        return None
    place = versions.index(version) + 1
    return versions[place] if place < len(versions) else None
