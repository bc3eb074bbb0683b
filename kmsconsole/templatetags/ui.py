"""Template tags of the design system; each is shown on /styleguide/."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django import template
from django.forms import BoundField, CheckboxInput, CheckboxSelectMultiple, RadioSelect
from django.urls import resolve, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from pygments import highlight
from pygments.formatters import HtmlFormatter

from console import addresses, key_words, moments
from console.highlighting import LEXERS
from console.request import ConsoleRequest, when_signed_in
from keys import service
from keys.stores import connection_words
from kmsconsole.frame.breadcrumbs import above
from kmsconsole.frame.icons import icon
from kmsconsole.frame.style_sheet import address

register = template.Library()


register.simple_tag(icon)


# State → (what it looks like, its words). Colour never says it alone.
_STATE_LOOKS = {
    "Enabled": "good",
    "Disabled": "quiet",
    "PendingImport": "notice",
    "PendingDeletion": "bad",
    "PendingReplicaDeletion": "bad",
    "Unavailable": "bad",
    "Creating": "notice",
    "Updating": "notice",
}
_STATES: dict[str, tuple[str, Any]] = {
    **{name: (look, key_words.STATES[name]) for name, look in _STATE_LOOKS.items()},
    "Active": ("good", gettext_lazy("Active")),
    "Inactive": ("quiet", gettext_lazy("Inactive")),
    "Deleted": ("quiet", gettext_lazy("Deleted")),
    **connection_words.STATES,
}
_MARKS = {"good": "●", "quiet": "○", "notice": "◐", "bad": "▲"}


@register.simple_tag
def style_sheet() -> str:
    """The address of the style sheet."""
    return address()


@register.simple_tag
def state(value: str) -> SafeString:
    """A status badge: mark, colour and words."""
    kind, words = _STATES.get(value, ("quiet", value or "–"))
    return format_html(
        '<span class="badge badge-{}"><span aria-hidden="true">{}</span> {}</span>', kind, _MARKS[kind], words
    )


@register.simple_tag
def when(moment: datetime | None, *, precise: bool = False, day: bool = False) -> SafeString | str:
    """A moment in the reader's zone, to the minute, the second or the day; whole and in UTC on hover; a dash for none."""
    if not moment:
        return "–"
    write = moments.to_second if precise else moments.day if day else moments.to_minute
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), moments.in_full(moment), write(moment)
    )


_CLOCKS: dict[str, Callable[[ConsoleRequest], datetime]] = {
    "keys": service.now,
    "account": service.account_now,
    "machine": lambda request: timezone.now(),
}


@register.simple_tag(takes_context=True)
def when_ago(context: dict[str, Any], moment: datetime | None, clock: str = "keys") -> SafeString | str:
    """How long ago, or in how long, where that is what a reader wants to know; whole on hover and on paper; a dash for none.

    By the clock of the endpoint's "keys", of the "account" that is signed in to, or of the "machine"."""
    if not moment:
        return "–"
    own = when_signed_in(context["request"])
    now = _CLOCKS[clock](own) if own else timezone.now()
    words = moments.ago(moment, now)
    return format_html(
        '<time class="abbreviated" datetime="{}" title="{}">{}</time>',
        moment.isoformat(),
        moments.in_full(moment),
        words,
    )


@register.filter
def minutes(duration: timedelta | None) -> str:
    """How long, to the minute, for what changes while one looks; a dash for none."""
    return moments.minutes(duration) if duration is not None else "–"


@register.simple_tag(takes_context=True)
def when_printed(context: dict[str, Any]) -> str:
    """Now, by the clock of the endpoint's keys, whole."""
    own = when_signed_in(context["request"])
    return moments.in_full(service.now(own) if own else timezone.now())


@register.filter
def in_words(moment: datetime) -> str:
    """A moment for who hears it, where there is no room for an element."""
    return moments.to_second(moment)


@register.inclusion_tag("components/breadcrumbs.html", takes_context=True)
def breadcrumbs(context: dict[str, Any], here: Any, under: str = "", words: Any = "") -> dict[str, Any]:
    """The pages above this one, by its address, and what this one is called. `under`, `words`: a page between, which the address does not
    tell by its name."""
    key = context.get("key")
    names = {"key": context.get("key_name"), "key_manager": key.get("KeyManager") if isinstance(key, dict) else ""}
    names["store"] = context.get("store_name")
    then = as_of_query(context)
    higher = [
        (address + then if then and hasattr(resolve(address).func, "shows_past") else address, words)
        for address, words in above(context["request"], names)
        if words != here
    ]
    return {"above": higher, "url": under, "words": words, "here": here}


@register.simple_tag
def abbreviated(text: str, length: int) -> SafeString | str:
    """A text cut to a length, whole on hover and on paper."""
    if len(text) <= length:
        return text
    return format_html('<span class="abbreviated" title="{}">{}…</span>', text, text[:length])


_PARTS_OF_NAMES = re.compile("(?<=_)|(?<=[a-z])(?=[A-Z])")


@register.filter
def breakable(name: str | None) -> SafeString:
    """A name of AWS's that may go on in a new line after each underscore, and before each capital that follows a small letter."""
    return format_html_join(mark_safe("<wbr>"), "{}", ((part,) for part in _PARTS_OF_NAMES.split(name or "")))


@register.simple_tag
def copyable(text: str, short: int = 0) -> SafeString:
    """An identifier with a copy button, which works where scripts do; the text can be selected in any case, unless it is cut `short`."""
    return format_html(
        '<span class="copyable">{}'
        '<button class="button-copy" type="button" data-copy="{}" aria-label="{} {}">{}</button></span>',
        format_html("<code>{}</code>", abbreviated(text, short) if short else text),
        text,
        _("Copy"),
        text,
        icon("clipboard-document"),
    )


@register.simple_tag
def code(text: str, language: str = "json") -> SafeString:
    """A highlighted block with a copy button."""
    shown = highlight(text, LEXERS[language](), HtmlFormatter(nowrap=True))
    return format_html(
        '<div class="code-block"><button class="button button-icon" type="button" data-copy="{}">{}</button>'
        '<pre tabindex="0"><code>{}</code></pre></div>',
        text,
        _("Copy"),
        mark_safe(shown),  # noqa: S308  (Pygments escapes what it is given)
    )


@register.simple_tag
def call_link(words: str, url_name: str, *arguments: str, **given: str) -> SafeString:
    """The small link beside a one-click button, to the page that shows the call it would send; `words` say of what, for who hears it.

    What is given goes into the query string; what is empty does not."""
    query = urlencode({name: value for name, value in given.items() if value})
    address = reverse(url_name, args=arguments) + (f"?{query}" if query else "")
    return format_html(
        '<a class="button button-link button-call" href="{}" title="{}"><span aria-hidden="true">&lt;/&gt;</span>'
        '<span class="visually-hidden">{}: {}</span></a>',
        address,
        _("Show the call"),
        _("Show the call"),
        words,
    )


@register.filter
def get(mapping: Any, name: str) -> Any:
    """A member whose name is no identifier; empty where there is none."""
    return mapping.get(name, "") if hasattr(mapping, "get") else ""


@register.filter
def attribute(row: Any, name: str) -> Any:
    """The attribute of an object that a variable names."""
    return getattr(row, name)


@register.filter
def usage_words(usage: str) -> Any:
    """A key usage in the words of AWS's console."""
    return key_words.USAGES.get(usage, usage or "–")


@register.filter
def pretty_json(value: Any) -> str:
    """A JSON text or value, indented; a text that is no JSON as it is."""
    try:
        read = json.loads(value) if isinstance(value, str) else value
        written = json.dumps(read, indent=2, ensure_ascii=False, default=str)
        written.encode()  # JSON can write half a character, a page cannot
    except (ValueError, RecursionError):
        return str(value)
    return written


@register.inclusion_tag("components/field.html")
def field(bound: BoundField) -> dict[str, Any]:
    """A form field with its label, help and errors, tied together for assistive technology."""
    widget = bound.field.widget
    described = []
    if bound.help_text:
        described.append(f"{bound.auto_id}-help")
    if bound.errors:
        described.append(f"{bound.auto_id}-error")
    attributes: dict[str, str | bool] = {}
    if described:
        attributes["aria-describedby"] = " ".join(described)
    if bound.errors:
        attributes["aria-invalid"] = "true"
        # Whoever sent a form that is refused goes on at the first field that is wrong.
        if bound.name == next(iter(bound.form.errors)) and not isinstance(widget, RadioSelect | CheckboxSelectMultiple):
            attributes["autofocus"] = True
    return {
        "bound": bound,
        "control": bound.as_widget(attrs=attributes),
        "group": isinstance(widget, RadioSelect | CheckboxSelectMultiple),
        "checkbox": isinstance(widget, CheckboxInput),
        "optional": not bound.field.required and not getattr(bound.field, "needed", False),
    }


@register.simple_tag(takes_context=True)
def query(context: dict[str, Any], **changes: Any) -> str:
    """The page's query string with some members changed; None takes one out."""
    parameters = addresses.repeated(context["request"])
    for name, value in changes.items():
        if value is None:
            parameters.pop(name, None)
        else:
            parameters[name] = value
    return f"?{parameters.urlencode()}"


@register.simple_tag(takes_context=True)
def query_fields(context: dict[str, Any], *left_out: str) -> SafeString:
    """The page's query as hidden fields, for a form that changes the members that are left out."""
    members = [(name, value) for name, values in addresses.repeated(context["request"]).lists() for value in values]
    shown = (member for member in members if member[0] not in left_out and member[1])
    return format_html_join("", '<input type="hidden" name="{}" value="{}">', shown)


@register.simple_tag(takes_context=True)
def as_of_query(context: dict[str, Any]) -> str:
    """What a link on a page of the past adds to the address of another page that shows the past; nothing on a page of the present."""
    if "as_of" not in context["request"].GET:  # each row of a list asks
        return ""
    typed = addresses.repeated(context["request"]).get("as_of", "").strip()
    return f"?{urlencode({'as_of': typed})}" if typed else ""


@register.inclusion_tag("components/empty_state.html", takes_context=True)
def empty_state(context: dict[str, Any], words: str, url: str = "", action: str = "", **more: Any) -> dict[str, Any]:
    """What stands where a list has nothing. `more`: title, first, other_url, other_action, then, needs, needs_arn, kind, why."""
    return {"request": context.get("request"), "words": words, "url": url, "action": action, **more}


@register.inclusion_tag("components/aws_error.html")
def aws_error(message: object, code: str = "", remedy: str = "", lead: str = "") -> dict[str, object]:
    """What AWS answered to a call that failed. `lead`: what cannot be told for it, before the message."""
    return {"message": message, "code": code, "remedy": remedy, "lead": lead}


@register.simple_tag
def events_of(arn: str) -> str:
    """The address of a key's events."""
    return f"{reverse('audit')}?{urlencode({'key': arn})}"


# What of an address narrows nothing.
_NO_FILTER = {"page", "after", "size", "cols", "print", "format", "view", "as_of", "sort"}


@register.simple_tag(takes_context=True)
def filter_in_force(context: dict[str, Any]) -> str:
    """What narrows the page, by its address: for paper, where the fields are not."""
    members = addresses.repeated(context["request"]).lists()
    return ", ".join(
        f"{name} = {value}" for name, values in members if name not in _NO_FILTER for value in values if value
    )


@register.simple_tag(takes_context=True)
def here(context: dict[str, Any]) -> str:
    """The page's own address, for a form that comes back to it."""
    return addresses.own(context["request"])


@register.simple_tag(takes_context=True)
def query_set(context: dict[str, Any], name: str, value: Any) -> str:
    """The page's query string with one member, named by a value, changed or (None) taken out, on its first page again."""
    changes: dict[str, Any] = {"page": None, "after": None}
    changes[name] = value
    return query(context, **changes)


@register.simple_tag(takes_context=True)
def query_add(context: dict[str, Any], name: str, value: int, step: int) -> str:
    """The page's query string with a number moved."""
    return query(context, **{name: value + step})


@register.simple_tag(takes_context=True)
def tag_query(context: dict[str, Any], name: str, value: str) -> str:
    """The list narrowed to a tag."""
    return query_set(context, "tag", f"{name}={value}")


@register.simple_tag
def facet_value(facet: str, value: str) -> Any:
    """A facet's value in words; what AWS calls by a constant stays one."""
    if facet == "state" and value in _STATES:
        return _STATES[value][1]
    return key_words.value_words(facet, value) or "–"


@register.simple_tag(takes_context=True)
def when_of(context: dict[str, Any], row: Any, name: str) -> SafeString | str:
    """The day in a member of `row`; of a last use, how long ago."""
    moment = getattr(row, name)
    return when_ago(context, moment) if name == "last_used" else when(moment, day=True)


_TONES = {"Enabled": "good", "Disabled": "quiet", "PendingImport": "notice", "PendingDeletion": "bad"}
_WIDTH, _ROW, _GAP = 320, 10, 2  # of a chart, in its own units


@register.simple_tag
def share_chart(facet: str, counts: list[tuple[str, int]], label: str) -> SafeString:
    """One bar, divided as the keys are: the picture beside a list of the same numbers, which it repeats for who does not see it."""
    total = sum(number for _value, number in counts) or 1
    words = ", ".join(f"{facet_value(facet, value)}: {number}" for value, number in counts) or _("none")
    at, parts = 0.0, []
    for place, (value, number) in enumerate(counts):
        width = max(_GAP, number / total * (_WIDTH - _GAP * (len(counts) - 1)))
        parts.append(
            format_html(
                '<rect x="{}" y="0" width="{}" height="{}" rx="2" class="tone-{}"></rect>',
                f"{at:.1f}", f"{min(width, _WIDTH - at):.1f}", _ROW, _TONES.get(value, f"{place % 6}"),
            )
        )  # fmt: skip
        at += width + _GAP
    return format_html(
        '<svg class="share" viewBox="0 0 {} {}" role="img" aria-label="{}" preserveAspectRatio="none">{}</svg>',
        _WIDTH,
        _ROW,
        f"{label}: {words}",
        mark_safe("".join(parts)),  # noqa: S308  (made by format_html above)
    )


@register.simple_tag
def tone(value: str, place: int) -> str:
    """The class of a value's colour in a chart and beside it."""
    return f"tone-{_TONES.get(value, place % 6)}"


@register.filter
def cut_arn(arn: str) -> str:
    """Who an ARN names, short: "user/ann", "assumed-role/Deploy/ci"."""
    return arn.rpartition(":")[2] if arn.startswith("arn:") else arn
