"""Template tags of access: the cell of a matrix, and the explanation that every AccessDenied leads to."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.evaluator import explanation

register = template.Library()

# Answer → its mark and its words; colour never says it alone.
_ANSWERS: dict[str, tuple[str, Any]] = {
    "yes": ("✓", gettext_lazy("Yes")),
    "no": ("–", gettext_lazy("No")),
    "depends": ("◐", gettext_lazy("Depends")),
}


@register.simple_tag
def answer(cell: str, address: str = "", about: str = "") -> SafeString:
    """One answer as mark and word; with `address` a link to its explanation, which `about` names for assistive technology."""
    mark, said = _ANSWERS[cell]
    shown = format_html('<span aria-hidden="true">{}</span> {}', mark, said)
    if not address:
        return format_html('<span class="answer answer-{}">{}</span>', cell, shown)
    return format_html(
        '<a class="answer explains answer-{}" href="{}">{}<span class="visually-hidden"> {}</span></a>',
        cell,
        address,
        shown,
        about,
    )


@register.inclusion_tag("keys/evaluator/denied.html")
def explain(message: Any) -> dict[str, Any]:
    """For an error that is an AccessDenied: the way to its explanation, and the statement that is missing. Nothing for others."""
    denial = explanation.denial(str(message))
    if denial is None:
        return {"denial": None}
    question = {"principal": denial.principal, "action": denial.action, "key": denial.resource}
    return {"denial": denial, "address": f"{reverse('access')}?{urlencode(question)}"}


@register.simple_tag
def principal_kind(kind: str, visible: bool = True) -> str:
    """What a principal is, in words."""
    if not visible:
        return _("other account")
    return {
        "user": _("user"),
        "role": _("role"),
        "root": _("account"),
        "service": _("AWS service"),
        "anyone": _("anyone at all"),
    }[kind]
