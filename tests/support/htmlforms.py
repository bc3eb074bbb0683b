"""The forms of a page as a browser sees them: where each goes, its fields with their values, its buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin

TYPED = ("text", "search", "number", "textarea", "email", "url", "datetime-local", "date")


@dataclass
class Field:
    name: str
    kind: str
    values: list[str] = field(default_factory=list)  # what it holds, or may be chosen
    value: str = ""


@dataclass
class Form:
    action: str
    method: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)
    enter: str | None = (
        None  # the name of the button that Enter in a field presses, the form's first; None: there is none
    )


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.page = page
        self.forms: list[Form] = []
        self.open: Form | None = None
        self.inner: Field | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.open = Form(
                urldefrag(urljoin(self.page, given.get("action", ""))).url, given.get("method", "get").lower()
            )
            self.forms.append(self.open)
        elif self.open is None or "disabled" in given:  # a browser sends nothing that is disabled
            return
        elif tag in ("select", "textarea") and "name" in given:
            self.inner = Field(given["name"], tag)
            self.open.fields.append(self.inner)
        elif tag == "option" and self.inner is not None and self.inner.kind == "select":
            self.inner.values.append(given.get("value", ""))
            if "selected" in given or len(self.inner.values) == 1:
                self.inner.value = given.get("value", "")
        elif tag == "button":
            if self.open.enter is None and given.get("type", "submit") == "submit":
                self.open.enter = given.get("name", "")
            if "name" in given:
                self.open.buttons.append((given["name"], given.get("value", "")))
        elif tag == "input" and "name" in given:
            kind, value = given.get("type", "text"), given.get("value", "")
            known = next((each for each in self.open.fields if (each.name, each.kind) == (given["name"], kind)), None)
            if kind in ("radio", "checkbox") and known is not None:
                known.values.append(value)
            else:
                self.open.fields.append(Field(given["name"], kind, [value or "on"], value))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        elif tag in ("select", "textarea"):
            self.inner = None

    def handle_data(self, data: str) -> None:
        if self.inner is not None and self.inner.kind == "textarea":
            self.inner.value += data


def forms(page: str, text: str) -> list[Form]:
    """The forms of `text`, the page at the address `page`."""
    reader = _Reader(page)
    reader.feed(text)
    for each in reader.forms:
        for one in each.fields:
            if one.kind == "textarea":  # HTML leaves out the line break behind the tag
                one.value = one.value.replace("\r\n", "\n").removeprefix("\n")
    return reader.forms
