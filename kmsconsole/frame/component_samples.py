"""The components of templates/components/ as the style guide shows them: what each says of itself, and one with sample values.

A component is a template with a comment at its top: what it is, and its parameters. A new one is a row of `SAMPLES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.template import loader
from django.utils.safestring import SafeString

from console import charts
from console.addresses import FilterText
from keys.policy import policy_changes
from learn.labs import sequence
from learn.labs.services import SERVICES


class _Sample(forms.Form):
    name = forms.CharField(label="User name", help_text="Letters, digits and +=,.@_-")
    color = forms.ChoiceField(label="Choice", choices=[("a", "One"), ("b", "Another")], widget=forms.RadioSelect)
    agreed = forms.BooleanField(label="Checkbox", required=False)


def _form(prefix: str) -> _Sample:
    return _Sample(auto_id=f"{prefix}-%s")


_POLICY = [
    SimpleNamespace(severity="error", line=3, column=5, message="Effect is Allow or Deny.", suggestion="Allow"),
    SimpleNamespace(severity="warning", line=6, column=5, message="Anyone may do this.", suggestion=""),
]
_OLDER, _NEWER = (
    json.dumps({"Version": "2012-10-17", "Statement": [{"Sid": "Use", "Effect": "Allow", "Action": actions, **more}]})
    for actions, more in (
        (["kms:Encrypt", "kms:Decrypt"], {"Resource": "*"}),
        (["kms:Decrypt", "kms:DescribeKey"], {"Resource": ["*"]}),
    )
)
_CALL = SimpleNamespace(
    operation="CreateUser",
    cli="aws iam create-user --user-name ann",
    boto3='iam.create_user(UserName="ann")',
    terraform='resource "aws_iam_user" "ann" {\n  name = "ann"\n}',
    note="",
    http="POST / HTTP/1.1",
)
_KEY_ID = "1234abcd-12ab-34cd-56ef-1234567890ab"
_FOUND = SimpleNamespace(
    problem="",
    keys=[
        SimpleNamespace(key_id=_KEY_ID, alias="backups", state="Disabled", description="Nightly backups", readable=True)
    ],
    more_keys=True,
    key_actions=[SimpleNamespace(url="#search_results", icon="wrench-screwdriver", label="Rotate now", key="backups")],
    principals=[SimpleNamespace(url="#search_results", icon="user", label="back-office", kind="User")],
    actions=[SimpleNamespace(url="#search_results", icon="plus", label="Create key")],
    pages=[SimpleNamespace(url="#search_results", icon="key", label="Customer managed keys")],
)

# Component → its sample values. None: it stands in the frame of this page itself, or in another component.
SAMPLES: dict[str, Callable[[], dict[str, Any]] | None] = {
    "access_key_actions": lambda: {"key": {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE", "Status": "Inactive"}, "user": "ann"},
    "as_of": lambda: {
        "as_of": SimpleNamespace(
            moment=datetime(2026, 6, 30, tzinfo=UTC), field_value="2026-06-30T00:00:00", problem="", before_record=True,
            begins=datetime(2026, 7, 1, tzinfo=UTC),
        )
    },
    "bar_chart": lambda: {
        "chart": charts.bars([("May", "May: 3", [("good", 2), ("bad", 1)]), ("June", "June: 2", [("good", 2)])]),
        "label": "Calls by month",
    },
    "sequence_diagram": lambda: {"diagram": sequence.diagram(SERVICES["s3"]), "label": "How S3 calls KMS"},
    "breadcrumbs": None,
    "as_of_menu": lambda: {"words": "The list as it was at"},
    "observed": lambda: {"key": SimpleNamespace(observed=True), "then": "Enabled"},
    "observed_note": lambda: {"observed": True, "untold": ""},
    "past_notes": lambda: {
        "principals": SimpleNamespace(base_problem="", whole=True),
        "notes": ["Some tags that ann had then are not in the record."],
    },
    "aws_error": lambda: {
        "code": "AccessDeniedException", "message": "User: ann is not authorized to perform: kms:Encrypt", "remedy": "Ask for this permission.",
    },
    "call": lambda: {"call": _CALL},
    "call_form": lambda: {
        "form": _form("call-form"), "submit": "Create user", "cancel": "#call_form", "help": "What to know first.",
        "call": SimpleNamespace(**{**vars(_CALL), "operation": "CreateUser, again"}),
    },
    "chart_column": None,
    "chart_lines": None,
    "diff": lambda: {"diff": [SimpleNamespace(mark=mark, text=text) for mark, text in ((" ", "{"), ("-", "a"), ("+", "b"))]},
    "empty_state": lambda: {"words": "No student in this class.", "url": "#empty_state", "action": "Add students"},
    "endpoint": None,
    "error_page": lambda: {"code": 404, "title": "Nothing here", "words": "There is no page at this address."},
    "field": lambda: {"bound": _form("field")["name"], "control": _form("field")["name"], "optional": True},
    "filter_field": lambda: {
        "filter": FilterText("back", "back", ""), "id": "sample-q", "label": "Filter samples", "placeholder": "Filter samples",
    },
    "filter_problem": lambda: {"filter": SimpleNamespace(problem="A filter has 256 characters at most.")},
    "form_errors": lambda: {"form": SimpleNamespace(non_field_errors=["EntityAlreadyExists: there is such a user."])},
    "key_search": lambda: {"target": "", "usage": "ENCRYPT_DECRYPT", "text": "payments"},
    "heading_count": lambda: {"shown": 3, "total": 13},
    "local_address": lambda: {"local_address": "http://127.0.0.1:8080"},
    "messages": lambda: {"messages": [SampleMessage("Key created.", "success"), SampleMessage("Refused.", "error")]},
    "mfa_devices": lambda: {
        "devices": [
            {"SerialNumber": "arn:aws:iam::111122223333:mfa/ann", "EnableDate": datetime(2026, 6, 30, tzinfo=UTC)},
            {
                "SerialNumber": "arn:aws:iam::111122223333:u2f/user/ann/passkey-1",
                "EnableDate": datetime(2026, 7, 1, tzinfo=UTC),
                "passkey": True,
            },
        ],
    },
    "name_filter": lambda: {"filter": FilterText("back", "back", ""), "label": "Filter samples by name"},
    "navigation": None,
    "pager": lambda: {"page": Paginator(range(120), 50).page(2)},
    "pair_rows": lambda: {"rows": [("tenant", "7"), ("", "")], "field": "sample", "prefix": "sample-"},
    "periods": lambda: {"periods": (1, 7, 30), "days": 7},
    "policy_changes": lambda: {"difference": policy_changes.difference(_OLDER, _NEWER)},
    "policy_editor": lambda: {
        "editor": {"bound": _form("policy")["name"], "findings_id": "policy-findings", "findings": _POLICY}
    },
    "policy_elements": lambda: {"elements": policy_changes.difference(_OLDER, _NEWER).statements[0].elements},
    "policy_findings": lambda: {"findings": _POLICY},
    "print_all": lambda: {"shown": 50, "total": 120},
    "search_entries": lambda: {"title": "Key actions", "entries": _FOUND.key_actions},
    "search_help": dict,
    "search_results": lambda: {"found": _FOUND, "q": "back"},
    "sessions": None,
    "speaks_of": None,
    "style_sheets": None,
    "tag_rows": lambda: {"rows": [SimpleNamespace(key="team", value="blue", key_problem="", value_problem="")]},
    "unavailable": lambda: {
        "words": "Delete",
        "classes": "button button-danger",
        "id": "why-sample-unavailable",
        "why": "AccessDenied: User: arn:aws:iam::111122223333:user/ann is not authorized to perform: iam:DeleteUser on resource: "
        "arn:aws:iam::111122223333:user/bob because no identity-based policy allows the iam:DeleteUser action",
    },
    "unknown_of_some": lambda: {"unread": ["kms:GetKeyLastUsage"]},
    "untold": lambda: {
        "words": "not permitted",
        "why": "AccessDeniedException: User: arn:aws:iam::111122223333:user/ann is not authorized to perform: kms:ListAliases on resource: "
        "* because no identity-based policy allows the kms:ListAliases action",
    },
    "unread": lambda: {
        "problem": "AccessDenied: User: arn:aws:iam::111122223333:user/ann is not authorized to perform: iam:ListAccessKeys on resource: "
        "arn:aws:iam::111122223333:user/bob because no identity-based policy allows the iam:ListAccessKeys action"
    },
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """One of Django's messages."""

    message: str
    level_tag: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Component:
    """A component by its file's name, what its comment says, and itself (empty where it stands in the frame)."""

    name: str
    about: list[str]
    shown: SafeString | str


def components(request: HttpRequest) -> list[Component]:
    found = []
    for name, values in SAMPLES.items():
        template: Any = loader.get_template(f"components/{name}.html")
        about = template.template.source.partition("{% comment %}")[2].partition("{% endcomment %}")[0].strip()
        if not about:
            raise LookupError(f"components/{name}.html does not say what it is.")
        shown = template.render(values(), request) if values else ""
        found.append(Component(name, about.splitlines(), shown))
    return found
