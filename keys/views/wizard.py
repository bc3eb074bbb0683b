"""The create-key wizard. Each step is an address; a draft's answers are kept in the session under an ID of its own (`?w=`), so
that going back keeps them, a reload changes nothing, and two tabs do not meet."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from botocore.session import get_session
from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys import call, inventory, policies, service
from keys.views import policy_editor

STEPS = {
    "configure": gettext_lazy("Configure key"),
    "store": gettext_lazy("Custom key store"),
    "labels": gettext_lazy("Add labels"),
    "administrators": gettext_lazy("Key administrators"),
    "users": gettext_lazy("Key users"),
    "policy": gettext_lazy("Edit key policy"),
    "review": gettext_lazy("Review"),
}
_SESSION, _DRAFTS_KEPT = "wizard", 8

USAGES = {
    "symmetric": ("ENCRYPT_DECRYPT", "GENERATE_VERIFY_MAC"),
    "asymmetric": ("ENCRYPT_DECRYPT", "SIGN_VERIFY", "KEY_AGREEMENT", "ENCAPSULATE_DECAPSULATE"),
}
USAGE_WORDS = {
    "ENCRYPT_DECRYPT": gettext_lazy("Encrypt and decrypt"),
    "GENERATE_VERIFY_MAC": gettext_lazy("Generate and verify MAC"),
    "SIGN_VERIFY": gettext_lazy("Sign and verify"),
    "KEY_AGREEMENT": gettext_lazy("Key agreement"),
    "ENCAPSULATE_DECAPSULATE": gettext_lazy("Key encapsulation"),
}
# Which specs of botocore's model go with a usage: by the start of their names.
_SPECS = {
    ("symmetric", "ENCRYPT_DECRYPT"): ("SYMMETRIC_DEFAULT",),
    ("symmetric", "GENERATE_VERIFY_MAC"): ("HMAC_",),
    ("asymmetric", "ENCRYPT_DECRYPT"): ("RSA_", "SM2"),
    ("asymmetric", "SIGN_VERIFY"): ("RSA_", "ECC_", "ML_DSA_", "SM2"),
    ("asymmetric", "KEY_AGREEMENT"): ("ECC_NIST_P", "SM2"),
    ("asymmetric", "ENCAPSULATE_DECAPSULATE"): ("ML_KEM_",),
}


def specs_for(kind: str, usage: str, region: str) -> list[str]:
    names = get_session().get_service_model("kms").shape_for("KeySpec").enum
    found = [name for name in names if name.startswith(_SPECS.get((kind, usage), ()))]
    return [name for name in found if name != "SM2" or region.startswith("cn-")]


class ConfigureForm(forms.Form):
    """Type and usage as one choice each; the spec list holds what goes with them."""

    kind = forms.ChoiceField(
        label=gettext_lazy("Key type"),
        choices=[("symmetric", gettext_lazy("Symmetric")), ("asymmetric", gettext_lazy("Asymmetric"))],
        widget=forms.RadioSelect,
        initial="symmetric",
    )
    usage = forms.ChoiceField(
        label=gettext_lazy("Key usage"),
        choices=list(USAGE_WORDS.items()),
        widget=forms.RadioSelect,
        initial="ENCRYPT_DECRYPT",
    )
    spec = forms.ChoiceField(label=gettext_lazy("Key spec"), initial="SYMMETRIC_DEFAULT")
    origin = forms.ChoiceField(
        label=gettext_lazy("Key material origin"),
        choices=[("AWS_KMS", gettext_lazy("KMS")), ("EXTERNAL", gettext_lazy("External (import key material)"))],
        widget=forms.RadioSelect,
        initial="AWS_KMS",
        help_text=gettext_lazy("CloudHSM and external key stores are not available here yet."),
    )
    acknowledged = forms.BooleanField(
        label=gettext_lazy("For External: I understand that I keep the durability of the imported key material."),
        required=False,
    )
    regionality = forms.ChoiceField(
        label=gettext_lazy("Regionality"),
        choices=[("single", gettext_lazy("Single-Region key")), ("multi", gettext_lazy("Multi-Region key"))],
        widget=forms.RadioSelect,
        initial="single",
    )

    def __init__(self, *args: Any, region: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.region = region
        names = get_session().get_service_model("kms").shape_for("KeySpec").enum
        self.fields["spec"].choices = [  # type: ignore[attr-defined]
            (name, name)
            for name in sorted(names, key=lambda name: name != "SYMMETRIC_DEFAULT")
            if name != "SM2" or region.startswith("cn-")
        ]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        kind, usage, spec = given.get("kind", ""), given.get("usage", ""), given.get("spec", "")
        if usage and usage not in USAGES.get(kind, ()):
            allowed = " / ".join(str(USAGE_WORDS[each]) for each in USAGES.get(kind, ()))
            self.add_error("usage", _("A key of this type is for: %(allowed)s.") % {"allowed": allowed})
        elif spec and spec not in specs_for(kind, usage, self.region):
            allowed = ", ".join(specs_for(kind, usage, self.region))
            self.add_error("spec", _("For this type and usage choose one of: %(allowed)s.") % {"allowed": allowed})
        if given.get("origin") == "EXTERNAL":
            if spec.startswith("ML_"):
                self.add_error("origin", _("Material of ML-DSA and ML-KEM keys cannot be imported."))
            if not given.get("acknowledged"):
                self.add_error("acknowledged", _("Tick this to bring your own key material."))
        return given


class LabelsForm(forms.Form):
    alias = forms.RegexField(
        r"^[a-zA-Z0-9/_-]+$",
        label=gettext_lazy("Alias"),
        max_length=250,
        help_text=gettext_lazy("Letters, digits, / _ and -. “alias/” is put before it."),
        error_messages={"invalid": gettext_lazy("An alias holds letters, digits, / _ and - only.")},
    )
    description = forms.CharField(
        label=gettext_lazy("Description"), required=False, max_length=8192, widget=forms.Textarea(attrs={"rows": 2})
    )
    tags = forms.CharField(
        label=gettext_lazy("Tags"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text=gettext_lazy("One a line, as key=value. At most 50."),
    )

    def clean_alias(self) -> str:
        alias = str(self.cleaned_data["alias"]).removeprefix("alias/")
        if not alias:
            raise forms.ValidationError(self.fields["alias"].error_messages["required"])
        if alias.startswith("aws/"):
            raise forms.ValidationError(_("Aliases that begin with aws/ are AWS's own."))
        return alias

    def clean_tags(self) -> str:
        parse_tags(self.cleaned_data["tags"])
        return str(self.cleaned_data["tags"])


def parse_tags(text: str) -> list[dict[str, str]]:
    tags: dict[str, str] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        key, _equals, value = (part.strip() for part in line.partition("="))
        if not key or len(key) > 128 or len(value) > 256:
            raise forms.ValidationError(
                _("“%(line)s” is no tag: key=value, 128 and 256 characters at most."), params={"line": line}
            )
        if key in tags:
            raise forms.ValidationError(_("“%(key)s” stands twice."), params={"key": key})
        tags[key] = value
    if len(tags) > 50:
        raise forms.ValidationError(_("A key has 50 tags at most."))
    return [{"TagKey": key, "TagValue": value} for key, value in tags.items()]


class PrincipalsForm(forms.Form):
    """Users and roles of the account to choose from."""

    chosen = forms.MultipleChoiceField(
        label=gettext_lazy("Users and roles"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, principals: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["chosen"].choices = principals  # type: ignore[attr-defined]


class AdministratorsForm(PrincipalsForm):
    deletion = forms.BooleanField(
        label=gettext_lazy("Allow key administrators to delete this key."), required=False, initial=True
    )


class UsersForm(PrincipalsForm):
    accounts = forms.CharField(
        label=gettext_lazy("Other AWS accounts"),
        required=False,
        help_text=gettext_lazy(
            "Account IDs of 12 digits, separated by spaces. Their administrators decide who may use the key."
        ),
    )

    def clean_accounts(self) -> str:
        text = str(self.cleaned_data["accounts"])
        _found, wrong = policies.account_ids(text)
        if wrong:
            raise forms.ValidationError(_("“%(wrong)s” is no account ID."), params={"wrong": wrong[0]})
        return text


class PolicyForm(forms.Form):
    policy = forms.CharField(
        label=gettext_lazy("Key policy (JSON)"),
        max_length=32768,
        widget=forms.Textarea(attrs={"rows": 26, "spellcheck": "false", "class": "code"}),
    )

    def clean_policy(self) -> str:
        text = str(self.cleaned_data["policy"])
        try:
            json.loads(text)
        except json.JSONDecodeError as reason:
            raise forms.ValidationError(
                _("This is no JSON: %(what)s, line %(line)d, column %(column)d."),
                params={"what": reason.msg, "line": reason.lineno, "column": reason.colno},
            ) from reason
        return text


def begin(request: HttpRequest) -> HttpResponse:
    return redirect(f"{reverse('wizard-step', args=['configure'])}?w={secrets.token_urlsafe(6)}")


def step(request: HttpRequest, step: str) -> HttpResponse:
    if step not in STEPS:
        raise Http404
    wizard_id = request.GET.get("w", "")
    if not wizard_id:
        return begin(request)
    draft = request.session.get(_SESSION, {}).get(wizard_id, {})
    if step != "configure" and "configure" not in draft:
        return redirect(_address("configure", wizard_id))
    if step == "review":
        return _review(request, draft, wizard_id)
    form = _FORMS[step](request, draft)
    if step == "labels" and form.is_valid() and (owner := _who_has(request, form.cleaned_data["alias"])):
        form.add_error("alias", _("Key %(key)s has this alias already.") % {"key": owner})
    if request.method == "POST" and form.is_valid():
        _keep(request, wizard_id, step, {name: form.cleaned_data[name] for name in form.fields})
        return redirect(_address(_after(step), wizard_id))
    return render(
        request,
        "keys/wizard.html",
        {
            "form": form,
            "step": step,
            "editor": policy_editor.attach(request, form, "policy", "resource") if step == "policy" else None,
            **_frame(draft, step, wizard_id),
        },
        status=422 if form.errors else 200,
    )


def _who_has(request: HttpRequest, alias: str) -> str:
    """ID of the key that an alias names already. Empty if none does, or if only CreateAlias will tell this principal."""
    try:
        return str(service.client(request).describe_key(KeyId=f"alias/{alias}")["KeyMetadata"]["KeyId"])
    except ClientError:
        return ""


def _address(step: str, wizard_id: str) -> str:
    return f"{reverse('wizard-step', args=[step])}?w={wizard_id}"


def _shown_steps() -> list[str]:
    return [name for name in STEPS if name != "store"]  # no custom key store can be chosen yet


def _after(step: str) -> str:
    steps = list(STEPS)
    later = steps[steps.index(step) + 1 :]
    return next(name for name in later if name in _shown_steps())


def _frame(draft: dict[str, Any], step: str, wizard_id: str) -> dict[str, Any]:
    steps = _shown_steps()
    number = steps.index(step) if step in steps else 0
    done = {name for name in steps if name in draft}
    return {
        "steps": [
            (name, STEPS[name], name in done or (name == "review" and len(done) >= len(steps) - 1)) for name in steps
        ],
        "wizard_id": wizard_id,
        "back": _address(steps[number - 1], wizard_id) if number else reverse("keys"),
    }


def _keep(request: HttpRequest, wizard_id: str, step: str, answers: dict[str, Any]) -> None:
    drafts: dict[str, Any] = dict(request.session.get(_SESSION, {}))
    draft = dict(drafts.pop(wizard_id, {}))
    if step in ("configure", "administrators", "users") and draft.get(step) != answers:
        draft.pop("policy", None)  # the policy is written anew from what it is made of
    draft[step] = answers
    drafts[wizard_id] = draft
    request.session[_SESSION] = dict(list(drafts.items())[-_DRAFTS_KEPT:])


def _initial(request: HttpRequest, draft: dict[str, Any], step: str) -> dict[str, Any]:
    return {"data": request.POST if request.method == "POST" else None, "initial": draft.get(step)}


def _principals(request: HttpRequest) -> list[tuple[str, str]]:
    """(ARN, words) of the account's users and roles, as far as the caller may list them."""
    if service.backend(request).kind == "url":
        return []
    iam = service.client(request, "iam")
    found = []
    for operation, member, name, word in (
        ("list_users", "Users", "UserName", _("user")),
        ("list_roles", "Roles", "RoleName", _("role")),
    ):
        try:
            found += [(each["Arn"], f"{each[name]} ({word})") for each in service.pages(iam, operation, member) if each]
        except ClientError as error:
            if not service.denied(error):
                raise
            messages.warning(request, service.sentence(error))
    return found


_FORMS: dict[str, Callable[[HttpRequest, dict[str, Any]], forms.Form]] = {
    "configure": lambda request, draft: ConfigureForm(
        region=request.signed_in.region,  # type: ignore[attr-defined]
        **_initial(request, draft, "configure"),
    ),
    "store": lambda request, draft: forms.Form(**_initial(request, draft, "store")),
    "labels": lambda request, draft: LabelsForm(**_initial(request, draft, "labels")),
    "administrators": lambda request, draft: AdministratorsForm(
        principals=_principals(request), **_initial(request, draft, "administrators")
    ),
    "users": lambda request, draft: UsersForm(principals=_principals(request), **_initial(request, draft, "users")),
    "policy": lambda request, draft: PolicyForm(
        data=request.POST if request.method == "POST" else None, initial={"policy": _policy(request, draft)}
    ),
}


def _policy(request: HttpRequest, draft: dict[str, Any]) -> str:
    """What was edited, or what the answers so far make."""
    if "policy" in draft:
        return str(draft["policy"]["policy"])
    configure = draft["configure"]
    users = draft.get("users", {})
    return policies.wizard_policy(
        request.signed_in.account_id,  # type: ignore[attr-defined]
        spec=configure["spec"],
        usage=configure["usage"],
        origin=configure["origin"],
        multi_region=configure["regionality"] == "multi",
        administrators=draft.get("administrators", {}).get("chosen", []),
        users=users.get("chosen", []),
        other_accounts=policies.account_ids(users.get("accounts", ""))[0],
        administrators_delete=draft.get("administrators", {}).get("deletion", True),
    )


def create_parameters(request: HttpRequest, draft: dict[str, Any]) -> dict[str, Any]:
    """What CreateKey is called with."""
    configure, labels = draft["configure"], draft["labels"]
    parameters: dict[str, Any] = {
        "KeySpec": configure["spec"],
        "KeyUsage": configure["usage"],
        "Policy": _policy(request, draft),
    }
    if configure["origin"] != "AWS_KMS":
        parameters["Origin"] = configure["origin"]
    if configure["regionality"] == "multi":
        parameters["MultiRegion"] = True
    if labels["description"]:
        parameters["Description"] = labels["description"]
    if tags := parse_tags(labels["tags"]):
        parameters["Tags"] = tags
    return parameters


def _review(request: HttpRequest, draft: dict[str, Any], wizard_id: str) -> HttpResponse:
    for name in _shown_steps()[:-1]:
        if name not in draft and name in ("configure", "labels"):
            return redirect(_address(name, wizard_id))
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
        "keys/wizard_review.html",
        {
            "step": "review",
            "draft": draft,
            "alias": alias,
            "parameters": parameters,
            "usage": USAGE_WORDS[parameters["KeyUsage"]],
            "problem": problem,
            "call": call.show(request, "CreateKey", parameters),
            "alias_call": call.show(request, "CreateAlias", {"AliasName": alias, "TargetKeyId": "KEY-ID"}),
            **_frame(draft, "review", wizard_id),
        },
        status=422 if problem else 200,
    )


def _finish(request: HttpRequest, kms: Any, made: dict[str, Any], alias: str, wizard_id: str) -> HttpResponse:
    """The key is there; an alias that is refused does not undo it, but is said."""
    drafts = dict(request.session.get(_SESSION, {}))
    drafts.pop(wizard_id, None)
    request.session[_SESSION] = drafts
    inventory.forget(request)
    try:
        kms.create_alias(AliasName=alias, TargetKeyId=made["KeyId"])
    except ClientError as error:
        messages.error(request, _("The key was created, but not its alias. ") + service.sentence(error))
        return redirect("key-tab", key_id=made["KeyId"], tab="aliases")
    messages.success(
        request,
        _("Your key was created with alias %(alias)s and key ID %(id)s.")
        % {"alias": alias.removeprefix("alias/"), "id": made["KeyId"]},
    )
    return redirect("key-import", key_id=made["KeyId"]) if made["Origin"] == "EXTERNAL" else redirect("keys")
