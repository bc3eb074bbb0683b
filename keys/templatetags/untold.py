"""Template tags of what is not known: components/untold.html in place of a value, never a dash or a zero.

{% untold_error problem %}
{% untold_cell row column as cell %}{% if cell %}{{ cell }}{% else %}…{% endif %}
"""

from __future__ import annotations

from typing import Any

from django import template
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from keys.inventory import untold
from keys.inventory.columns import BY_FIELD

register = template.Library()


@register.simple_tag
def untold_error(why: str) -> SafeString:
    """Of something that an error kept from being read."""
    return shown(untold.of_error(why))


@register.simple_tag(takes_context=True)
def untold_cell(context: dict[str, Any], row: Any, field: str) -> SafeString | str:
    """Of a column of a key; "" where it is known."""
    found = untold.of_row(context["request"], row, BY_FIELD[field].tells)
    return shown(found) if found is not None else ""


def shown(found: untold.Untold) -> SafeString:
    """components/untold.html of it."""
    return render_to_string("components/untold.html", {"words": found.words, "why": found.why})
