"""Template tags of permissions: an action that would be refused is shown as unavailable, with AWS's error.

    {% available why %}<button …>Delete</button>{% endavailable %}
    {% allowed "iam:DeleteUser" user.Arn %}<button …>Delete</button>{% endallowed %}

Both hold one button or link. It is shown as it is, or disabled by components/unavailable.html where there is an error: it keeps its words
and looks, can be reached by keyboard, and is described by the error.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from zlib import crc32

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from console.request import kept, when_signed_in
from keys import permissions

register = template.Library()

# `kind` of an IAM page's address → the word in the names of IAM's operations.
_KINDS = {"users": "User", "groups": "Group", "roles": "Role"}


class _Control(HTMLParser):
    """The first button or link of a piece of HTML: its classes, and all that it shows."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.classes, self.shown, self._inside = "", "", ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._inside:
            self.shown += self.get_starttag_text() or ""
        elif tag in ("a", "button") and not self.shown:
            self._inside, self.classes = tag, dict(attrs).get("class") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""
        elif self._inside:
            self.shown += f"</{tag}>"

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.shown += data

    def handle_entityref(self, name: str) -> None:
        self.handle_data(f"&{name};")

    def handle_charref(self, name: str) -> None:
        self.handle_data(f"&#{name};")


def unavailable(context: template.Context, content: str, why: str) -> SafeString:
    """The button or link in `content` as one that cannot be used, and says why."""
    control = _Control(content)
    counted = kept(context["request"])
    counted["unavailable"] = number = counted.get("unavailable", 0) + 1
    shown = mark_safe(control.shown.strip())  # noqa: S308  (what a template has rendered)
    # A dialog shows one page in another: the IDs of both are on one page.
    given = {
        "classes": control.classes,
        "words": shown,
        "why": why,
        "id": f"why-{crc32(context['request'].path.encode()):x}-{number}",
    }
    return render_to_string("components/unavailable.html", given)


class _Available(template.Node):
    def __init__(self, content: NodeList, why: FilterExpression | None, action: list[FilterExpression]) -> None:
        self.nodelist, self.why, self.action = content, why, action

    def render(self, context: template.Context) -> SafeString:
        content = self.nodelist.render(context)
        why = self.why.resolve(context) if self.why is not None else ""
        if not why and self.action:
            action, *arns = (str(each.resolve(context)) for each in self.action)
            found = (refusal(context, action, arn, str(context.get("kind", ""))) for arn in arns or ["*"])
            why = next(filter(None, found), "")
        return unavailable(context, content, why) if why else content


@register.tag
def available(parser: Parser, token: Token) -> template.Node:
    """`why`: the error that the action would give, or nothing."""
    _name, why = token.split_contents()
    content = parser.parse(("endavailable",))
    parser.delete_first_token()
    return _Available(content, parser.compile_filter(why), [])


@register.tag
def allowed(parser: Parser, token: Token) -> template.Node:
    """An action as policies say it, and the ARNs that it is about, in the order in which the engine asks. "{}" in the action stands for
    the kind of a page of principals, which the page's context names."""
    _name, *given = token.split_contents()
    content = parser.parse(("endallowed",))
    parser.delete_first_token()
    return _Available(content, None, [parser.compile_filter(each) for each in given])


@register.simple_tag(takes_context=True)
def refusal(context: Any, action: str, arn: str = "*", kind: str = "") -> str:
    """The AWS error that an action would be refused with; empty where it would not."""
    request = when_signed_in(context["request"])
    if request is None or not action:
        return ""
    return permissions.refusal(request, action.format(_KINDS.get(kind, "")), arn or "*")


@register.simple_tag(takes_context=True)
def new_arn(context: Any, kind: str) -> str:
    """The ARN of an entity of IAM that is not there yet ("user"): the action is about any name."""
    request = when_signed_in(context["request"])
    return permissions.new_arn(request, kind) if request is not None else "*"


@register.simple_tag(takes_context=True)
def entity_arn(context: Any, kind: str, name: str) -> str:
    """The ARN of a user, group or role, where the page has its name alone."""
    request = when_signed_in(context["request"])
    return permissions.entity_arn(request, kind, name) if request is not None else "*"


@register.simple_tag(takes_context=True)
def key_arn(context: Any, key_id: str) -> str:
    """The ARN of a key of the signed-in account and Region, where the page has its ID alone."""
    request = when_signed_in(context["request"])
    return permissions.key_arn(request, key_id) if request is not None else "*"
