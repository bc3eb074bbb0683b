"""The cells of a key in the key list: {% key_cells row columns lone %}

A list has up to 500 keys when it is printed. What many cells have in common is written once for a page: a value of few in words, and what
stands in place of all that the same error kept from being read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import template
from django.template import Context
from django.template.loader import get_template
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from console.request import ConsoleRequest, kept
from keys.inventory import untold
from keys.inventory.columns import Column
from keys.templatetags.untold import shown

register = template.Library()

_UNTOLD = "keys/inventory/cells/untold.html"
_Written = dict[Any, SafeString]


@register.simple_tag(takes_context=True)
def key_cells(context: Context, row: Any, columns: Sequence[tuple[Column, Any]], lone: bool) -> SafeString:
    """A key's cells in the order of the columns. `lone`: whether no column but the alias leads to the key."""
    request: ConsoleRequest = context["request"]
    written: _Written = kept(request).setdefault("key cells", {})
    with context.push(row=row, lone=lone, key_url=reverse("key", args=[row.key_id])):
        cells = [(_cell(context, request, row, column, written),) for column, _sorting in columns]
    return format_html_join("", "{}", cells)


def _cell(context: Context, request: ConsoleRequest, row: Any, column: Column, written: _Written) -> SafeString:
    context["field"] = column.field
    found = untold.of_row(request, row, column.tells)
    if found is not None:
        return _untold_cell(context, column, found, written)
    if not column.of_few:
        return _rendered(context, column.cell_template)
    same = (column.field, getattr(row, column.field))
    if same not in written:
        written[same] = _rendered(context, column.cell_template)
    return written[same]


def _untold_cell(context: Context, column: Column, found: untold.Untold, written: _Written) -> SafeString:
    if found not in written:
        written[found] = shown(found)
    context["cell"] = written[found]
    if column.field == "alias":
        return _rendered(context, _UNTOLD)
    same = (found, column.field == "state")
    if same not in written:
        written[same] = _rendered(context, _UNTOLD)
    return written[same]


def _rendered(context: Context, name: str) -> SafeString:
    """As {% include %} writes a template."""
    written: SafeString = get_template(name).template.render(context)  # type: ignore[attr-defined]
    return written
