"""Template tags of the record: what is wrong with it, beside what a page tells from it."""

from __future__ import annotations

from typing import Any

from django import template

from console.request import kept, when_signed_in
from keys.record import events as record

register = template.Library()


@register.inclusion_tag("keys/record/_damage.html", takes_context=True)
def record_damage(context: Any) -> dict[str, Any]:
    """Once on a page, however many of its parts are told from the record."""
    request = when_signed_in(context["request"])
    if request is None or "damage" in kept(request):
        return {}
    kept(request)["damage"] = found = record.damage(request)
    return {"damage": found}
