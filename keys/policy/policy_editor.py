"""The policy editor that key policies, IAM policies and trust policies share: a text area that is checked while one types (htmx) and
when it is submitted (without), with each finding's place and what would be right."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from botocore.exceptions import ClientError
from django import forms
from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from console.request import ConsoleRequest
from engine.public.decision import MalformedPolicy, compile_policy
from engine.public.lint import ERROR, WARNING, About, Finding, lint
from keys import service
from keys.evaluator import decisions, principal_directory

KINDS = ("identity", "resource", "trust")
_LONGEST = 131_072  # characters, the longest trust or managed policy IAM's model takes


def field(label: Any, *, rows: int = 24, maximum: int = 32768) -> forms.CharField:
    """A policy's text in a form."""
    return forms.CharField(
        label=label,
        max_length=maximum,
        widget=forms.Textarea(attrs={"rows": rows, "spellcheck": "false", "class": "code", "autocomplete": "off"}),
    )


def attach(request: ConsoleRequest, form: forms.Form, name: str, kind: str, key_arn: str = "") -> dict[str, Any]:
    """Make a form's field the editor; what its template (components/policy_editor.html) needs."""
    bound = form[name]
    findings_id = f"{bound.auto_id}-findings"
    form.fields[name].widget.attrs |= {
        "hx-post": f"{reverse('policy-check', args=[kind])}?{urlencode({'field': bound.html_name, 'key': key_arn})}",
        "hx-trigger": "input changed delay:400ms",
        "hx-target": f"#{findings_id}",
        "hx-sync": "this:replace",
    }
    text = str(bound.value() or "")
    return {"bound": bound, "findings_id": findings_id, "findings": check(request, text, kind, key_arn)}


@require_POST
def check_typed(request: ConsoleRequest, kind: str) -> HttpResponse:
    """The findings of what stands in the editor now, as a part of a page. Nothing is kept."""
    if kind not in KINDS:
        raise Http404
    text = request.POST.get(request.GET.get("field", ""), "")[:_LONGEST]
    findings = check(request, text, kind, request.GET.get("key", ""))
    return render(request, "components/policy_findings.html", {"findings": findings})


def check(request: ConsoleRequest, text: str, kind: Any, key_arn: str = "") -> list[Finding]:
    """Findings of a policy; whether its principals exist and whether the caller would lock itself out only as far as it may read IAM."""
    if not text.strip():
        return []
    people = None
    if kind != "identity":
        try:
            people = principal_directory.of(request)
        except ClientError as error:
            if not service.denied(error) and not service.not_offered(error):
                raise
    account_id = service.account_id(request)
    principals = None
    if people is not None:
        principals = {subject.arn for subject in people.subjects if subject.kind in ("user", "role")}
    found = lint(text, kind, About(account_id, principals, key_arn))
    if kind == "resource" and people is not None and not any(each.severity == ERROR for each in found):
        found = [*_lock_out(request, text, people, account_id, key_arn), *found]
    return found


def _lock_out(
    request: ConsoleRequest, text: str, people: principal_directory.PrincipalDirectory, account_id: str, key_arn: str
) -> list[Finding]:
    try:
        policy = compile_policy(text, name="key policy", kind="resource")
    except MalformedPolicy:
        return []
    caller = people.find(request.signed_in.arn)
    if caller is None or decisions.may_change_policy(caller, policy, account_id, key_arn):
        return []
    message = _("You yourself could not change this policy afterwards, so KMS refuses it.")
    return [Finding(WARNING, "lock-out", message)]
