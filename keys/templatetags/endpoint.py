"""Template tags of endpoints: why an action of a page cannot be done at the endpoint it speaks to."""

from __future__ import annotations

from typing import Any

from django import template

from keys.endpoints import connections

register = template.Library()


@register.simple_tag(takes_context=True)
def missing_at_endpoint(context: dict[str, Any], action: str) -> str:
    """Why the endpoint has no operation for an action of a key's page ("rotate"), or no such operation ("Encrypt"); empty if it has."""
    from keys.lifecycle.views.actions import ACTIONS

    operation = ACTIONS[action].operation if action in ACTIONS else action
    return connections.not_offered(context["request"], operation)
