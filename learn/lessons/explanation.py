"""What a check still lacks, and why an event near to it does not count, in the words of the page."""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from learn.lessons.checks import (
    AWS_SERVICE,
    NOT_ANSWERED,
    NOT_REFUSED,
    OTHER,
    OTHER_CALLER,
    OTHER_FIELDS,
    PROGRAM,
    ExpectedEvent,
    Found,
    Record,
    through_service,
)


def lacks(event: ExpectedEvent, found: Found) -> str:
    """The next event of a check in words: "Decrypt, answered, with the same key"."""
    names = _(" or ").join(event.names) if len(event.names) < 4 else f"{event.names[0]} …"
    if not event.refused:
        parts = [_("%(operation)s, answered") % {"operation": names}]
    elif event.errors:
        parts = [_("%(operation)s, refused with %(error)s") % {"operation": names, "error": ", ".join(event.errors)}]
    else:
        parts = [_("%(operation)s, refused") % {"operation": names}]
    if event.by == PROGRAM:
        parts.append(_("by a program with an access key of yours"))
    elif event.by == AWS_SERVICE:
        parts.append(_("by an AWS service on your behalf"))
    if event.who == OTHER:
        parts.append(_("by another person"))
    parts += [_SAME[name]() for name in event.same]
    if event.times > 1:
        left = event.times - found.times
        parts.append(ngettext("%(count)s more time", "%(count)s more times", left) % {"count": left})
    return ", ".join(parts)


_SAME: dict[str, Callable[[], str]] = {
    "key": lambda: _("with the same key"),
    "store": lambda: _("with the same key store"),
    "alias": lambda: _("with the same alias"),
    "user": lambda: _("of the same user"),
    "group": lambda: _("of the same group"),
}


def why_not(record: Record, reason: tuple[str, str]) -> str:
    """Why this event does not count."""
    kind, what = reason
    if kind == NOT_ANSWERED:
        return _("It was refused: %(error)s.") % {"error": what}
    if kind == NOT_REFUSED:
        if what:
            return _("It was refused for another reason: %(error)s.") % {"error": what}
        return _("It was answered; this step wants to see the refusal.")
    if kind == OTHER_CALLER:
        if what == AWS_SERVICE:
            return _("You called yourself; this step wants an AWS service that calls on your behalf.")
        if through_service(record):
            return _("An AWS service called; this step wants a call of your own.")
        return _("The console called; this step wants a program with an access key of yours.")
    if kind == OTHER_FIELDS:
        return _("It is not what this step asks for: see %(field)s in the event.") % {"field": what}
    return _("It is not about the same as the call before.")
