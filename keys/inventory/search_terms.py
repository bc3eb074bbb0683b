"""What is typed into a search for keys, as its terms. Pure, but for the words of the reader's language.

payments card        words of alias, key ID, description and tags
owner=payments       a tag with this value; tag:owner=payments and "cost center"=a too
tag:owner            a tag with any value
state:disabled       a fact of the key; also spec: usage: origin: type: regionality: rotation: public: store:
disabled, RSA_2048   the word of such a fact by itself: keys of which it is true, and those that have it in their text
"owner=payments"     in quotation marks: words, whatever they look like
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from django.http import QueryDict
from django.utils import translation
from django.utils.translation import gettext as _

from console import addresses, key_words
from console.addresses import FilterText
from console.awsmodel import service_model

_NAMES = {
    "state": "state",
    "status": "state",
    "type": "kind",
    "kind": "kind",
    "spec": "spec",
    "usage": "usage",
    "origin": "origin",
    "regionality": "regionality",
    "rotation": "rotation",
    "public": "public",
    "store": "custom_key_store",
}
_ENUMS = {"spec": "KeySpec", "usage": "KeyUsageType", "origin": "OriginType", "state": "KeyState"}
_ALONE = ("state", "kind", "spec", "usage", "origin", "regionality")  # of which a word by itself may be meant
_MOST_TERMS = 16
_LISTED = 12


@dataclass(frozen=True, slots=True)
class Fact:
    """A column of the inventory and a value of it; `words`: those that were typed for it, where they may be text as well."""

    column: str
    value: str
    words: tuple[str, ...] = ()


@dataclass(slots=True)
class SearchTerms:
    """All of them have to hold. `tags`: (name, value; None: any). `problem`: what cannot be understood."""

    words: list[str] = field(default_factory=list)
    tags: list[tuple[str, str | None]] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    perhaps: list[Fact] = field(default_factory=list)  # or words of the text
    problem: str = ""


def filter_text(query: QueryDict) -> FilterText:
    """What an address filters keys by; nothing where it cannot be understood, as `problem` says."""
    found = addresses.filter_text(query)
    problem = found.problem or parse(found.text).problem
    return replace(found, text="" if problem else found.text, problem=problem)


def parse(text: str) -> SearchTerms:
    terms = SearchTerms()
    if text.count('"') % 2:
        terms.problem = _("A quotation mark is not closed.")
        return terms
    plain: list[str] = []  # bare words one after another, of which several may be one fact
    found = list(_tokens(text))
    for token, quoted in found[:_MOST_TERMS]:
        if quoted:
            terms.words += token.lower().split()
        elif not _special(terms, token):
            plain.append(token.lower())
            continue
        _take_words(terms, plain)
        plain = []
    _take_words(terms, plain)
    if len(found) > _MOST_TERMS:
        terms.problem = _("Search for at most %(number)d words.") % {"number": _MOST_TERMS}
    return terms


_TOKEN = re.compile(r'(?:"[^"]*"|[^\s"])+')


def _tokens(text: str) -> Iterator[tuple[str, bool]]:
    """(term without its quotation marks, whether it stands in them as a whole)."""
    for found in _TOKEN.findall(text):
        bare = found.replace('"', "")
        if bare.strip():
            yield bare, found.startswith('"') and found.endswith('"') and found.count('"') == 2


def _special(terms: SearchTerms, token: str) -> bool:
    """Takes a term that is more than a word."""
    name, colon, value = token.partition(":")
    if colon and name.lower() == "tag":
        _take_tag(terms, value)
    elif colon and name.lower() in _NAMES:
        _take_fact(terms, name.lower(), value)
    elif "=" in token and not token.startswith("arn:"):
        _take_tag(terms, token)
    else:
        return False
    return True


def _take_tag(terms: SearchTerms, text: str) -> None:
    name, equals, value = text.partition("=")
    if not name:
        terms.problem = _("A tag is searched as tag:key, or as key=value.")
    terms.tags.append((name, value if equals else None))


def _take_fact(terms: SearchTerms, name: str, typed: str) -> None:
    column = _NAMES[name]
    if column == "custom_key_store":  # any ID may be one
        terms.facts.append(Fact(column, typed))
        return
    known = _values(column)
    value = known.get(typed.lower())
    if value is None and column == "rotation" and typed.isascii() and typed.isdecimal() and len(typed) < 6:
        value = f"{int(typed)} days"
    if value is None:
        listed = ", ".join(list(dict.fromkeys(known.values()))[:_LISTED])
        terms.problem = _("“%(typed)s” is no value of %(name)s. There are: %(known)s.") % {
            "typed": typed,
            "name": f"{name}:",
            "known": listed,
        }
        return
    terms.facts.append(Fact(column, value))


def _take_words(terms: SearchTerms, plain: list[str]) -> None:
    """Bare words: facts by their words, the longest first, and text."""
    if not plain:
        return
    known = _alone()
    longest = max(len(words) for words in known)
    at = 0
    while at < len(plain):
        for number in range(min(longest, len(plain) - at), 0, -1):
            words = tuple(plain[at : at + number])
            if words in known:
                column, value = known[words]
                terms.perhaps.append(Fact(column, value, words))
                at += number
                break
        else:
            terms.words.append(plain[at])
            at += 1


def _values(column: str) -> dict[str, str]:
    """What may be typed for a value, lower-case → the value: AWS's constant, its words in English and in the reader's language."""
    found: dict[str, str] = {}
    if column in _ENUMS:
        shape: Any = service_model("kms").shape_for(_ENUMS[column])
        found.update({value.lower(): value for value in shape.enum})
    words = key_words.OF_FACETS.get(column, {})
    found.update({value.lower(): value for value in words})
    with translation.override("en"):
        found.update({str(each).lower(): value for value, each in words.items()})
    found.update({str(each).lower(): value for value, each in words.items()})
    return found


def _alone() -> dict[tuple[str, ...], tuple[str, str]]:
    """Words → (column, value)."""
    return {tuple(typed.split()): (column, value) for column in _ALONE for typed, value in _values(column).items()}
