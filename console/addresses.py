"""What a page repeats of its own address, in its links and forms, and what a list takes to filter by: both bounded."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from console.request import kept

LONGEST_FILTER = 256  # characters of a text that a list is filtered by
_LONGEST_VALUE = 2_048  # characters of a value that links repeat: an ARN's
_LONGEST_QUERY = 4_096  # characters of all that they repeat


@dataclass(frozen=True, slots=True)
class FilterText:
    """What was typed, stripped; `text` is what to filter by: empty where what was typed is too long, as `problem` says."""

    typed: str
    text: str
    problem: str


def filter_text(query: QueryDict, name: str = "q") -> FilterText:
    typed = query.get(name, "").strip()
    if len(typed) <= LONGEST_FILTER:
        return FilterText(typed, typed, "")
    return FilterText(typed, "", _("Enter at most %(number)d characters.") % {"number": LONGEST_FILTER})


def key_search(request: HttpRequest) -> FilterText:
    """What the search of a form's key picker has (components/key_search.html)."""
    return filter_text(request.POST if "find" in request.POST else request.GET, "find")


def searches_keys(request: HttpRequest) -> bool:
    """Whether a form was sent by that search: its button, or Enter in its field."""
    given = request.POST
    return "narrow" in given or given.get("find", "") != given.get("searched", "")


def chosen_key(request: HttpRequest, name: str) -> str:
    """The key that a picker of a sent form has, "" for none. Of a form that the search has sent, the key that stood first on the page was
    chosen by nobody: the first that is found takes its place, as with scripts."""
    key = request.POST.get(name, "")
    return "" if searches_keys(request) and key == request.POST.get("first", "") else key


def repeated(request: HttpRequest) -> QueryDict:
    """The address's parameters, as links of its page have them. What is too long to be repeated in each is left out."""
    found = kept(request).get("repeated")
    if found is None or found[0] is not request.GET:  # a page has hundreds of links
        found = kept(request)["repeated"] = (request.GET, _bounded(request.GET))
    query = QueryDict(mutable=True)
    for name, values in found[1]:
        query.setlist(name, list(values))
    return query


def _bounded(given: QueryDict) -> list[tuple[str, list[str]]]:
    query = QueryDict(mutable=True)
    for name, values in given.lists():
        if len(name) <= LONGEST_FILTER:
            query.setlist(name, [value for value in values if len(value) <= _LONGEST_VALUE])
    return list(query.lists()) if len(query.urlencode()) <= _LONGEST_QUERY else []


def whole_page(request: HttpRequest) -> str:
    """The address of the page that a request for a part of it (htmx) was made from; "" where that is not told or is none of this host's."""
    found = urlsplit(request.headers.get("HX-Current-URL", ""))
    if found.netloc != request.get_host() or not found.path.startswith("/") or len(found.query) > _LONGEST_QUERY:
        return ""
    return f"{found.path}?{found.query}" if found.query else found.path


def own(request: HttpRequest) -> str:
    """The page's own address, to come back to it."""
    query = repeated(request).urlencode()
    return f"{request.path}?{query}" if query else request.path
