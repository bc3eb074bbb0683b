"""A lesson's words: one Markdown file a language, read into HTML and commands. Pure.

    +++
    title = "A first key"
    lead = "A symmetric key, and a name for it."
    +++
    What stands before the first step is the introduction.

    ## Create a symmetric key {#create-key}
    What to do. A paragraph that is one link to a page of the console is the step's button: [Create key](page:wizard)
    > A quotation is why.
    A block of code is a command, a list of "- [ ]" and "- [x]" a question with its right answers.

    ### Not a symmetric key {#hint-not-symmetric}
    What to say to who made the mistake `not-symmetric` of lesson.toml.

CommonMark with tables (markdown-it-py). HTML in it stays text; addresses of pages and places such as {alias} are put in by `fill`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from console.highlighting import LEXERS
from learn.lessons.lesson import LessonWords, StepWords

PLACES = ("alias", "key", "user", "arn", "account", "region", "endpoint")
HINT = "hint-"
_PAGE = "page:"
_LONGEST_LINE = 2000  # characters, of TOML
_FRONT = re.compile(r"\A\+\+\+\n(.*?)^\+\+\+$\n?", re.DOTALL | re.MULTILINE)
_NAMED = re.compile(r"^(?P<title>.*\S)\s*\{#(?P<name>[a-z0-9-]+)\}$")
_CHOICE = re.compile(r"^\[(?P<mark>[ xX])\]\s+")
_PLACE = re.compile(r"\{(page:[\w/.:-]+|[a-z]+)\}")


class _Markdown(MarkdownIt):
    def validateLink(self, url: str) -> bool:
        """Pages of the console and the web's."""
        return url.startswith((_PAGE, "https://", "http://")) and super().validateLink(url)


_markdown = _Markdown("commonmark", {"html": False}).enable("table").disable("image")


class Mistake(Exception):
    """What is wrong with a file, and in which line."""

    def __init__(self, what: str, line: int = 0) -> None:
        super().__init__(what)
        self.what, self.line = what, line


def read(text: str) -> LessonWords:
    """Raises Mistake."""
    front = _FRONT.match(text)
    if front is None:
        raise Mistake("begins with no front matter between two lines +++", 1)
    about = _front_matter(front[1])
    before = front[0].count("\n")
    tokens = _markdown.parse(text[front.end() :])
    sections = _sections(tokens, before)
    introduction = _html(sections[0][2])
    steps: dict[str, StepWords] = {}
    last = ""
    for level, heading, content, line in sections[1:]:
        named = _NAMED.match(heading)
        if named is None:
            raise Mistake(f"the heading “{heading}” has no name such as {{#create-key}}", line)
        title, name = named["title"], named["name"]
        if level == 2:
            if name in steps:
                raise Mistake(f"the step {name} is there twice", line)
            steps[name], last = _step(title, content, before), name
        elif not last or not name.startswith(HINT):
            raise Mistake(f"the heading {name} is no hint of a step: its name begins with {HINT}", line)
        else:
            hints = {**steps[last].hints, name.removeprefix(HINT): _html(content)}
            steps[last] = replace(steps[last], hints=hints)
    return LessonWords(about["title"], about["lead"], introduction, steps)


def table(text: str) -> dict[str, Any]:
    """A table of TOML. Raises Mistake, without having read long for it: keys of many parts take time by their square."""
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > _LONGEST_LINE:
            raise Mistake(f"a line has {_LONGEST_LINE:,} characters at most", number)
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise Mistake("too many brackets in each other") from error
    except ValueError as error:  # TOMLDecodeError, and that of a number with too many digits
        raise Mistake(str(error)) from error


def _front_matter(text: str) -> dict[str, str]:
    try:
        about = table(text)
    except Mistake as mistake:
        raise Mistake(f"front matter: {mistake.what}", 1) from mistake
    for name in ("title", "lead"):
        if not isinstance(about.get(name), str) or not about[name].strip():
            raise Mistake(f"the front matter needs a {name}", 1)
    for name in about:
        if name not in ("title", "lead"):
            raise Mistake(f"the front matter has {name}, which is not known here: it has title and lead", 1)
    return about


def _sections(tokens: Sequence[Token], before: int) -> list[tuple[int, str, list[Token], int]]:
    """(level of the heading, the heading, what follows it, its line); the first has level 0 and no heading."""
    found: list[tuple[int, str, list[Token], int]] = [(0, "", [], before + 1)]
    place = 0
    while place < len(tokens):
        token = tokens[place]
        if token.type == "heading_open" and token.level == 0:
            level, line = int(token.tag[1:]), before + (token.map or [0])[0] + 1
            if level not in (2, 3):
                raise Mistake("a step's heading has two #, a hint's three", line)
            found.append((level, tokens[place + 1].content.strip(), [], line))
            place += 3
            continue
        found[-1][2].append(token)
        place += 1
    return found


def _step(title: str, tokens: list[Token], before: int) -> StepWords:
    body: list[Token] = []
    why: list[Token] = []
    words = StepWords(title)
    for block in _blocks(tokens):
        first, line = block[0], before + (block[0].map or [0])[0] + 1
        link = _button(block)
        choices = _choices(block)
        if first.type == "fence":
            language = first.info.strip() or "text"
            if language not in LEXERS:
                raise Mistake(f"code in {language} is not known here: there are {', '.join(LEXERS)}", line)
            words = replace(words, commands=(*words.commands, (language, first.content.rstrip())))
        elif first.type == "blockquote_open":
            why += block[1:-1]
        elif link is not None and not words.page:
            words = replace(words, page=link[0], page_words=link[1])
        elif choices:
            if words.choices:
                raise Mistake("a step has one question: put the second into a step of its own", line)
            if not any(right for right, _shown in choices):
                raise Mistake("no answer is marked as right, with [x]", line)
            words = replace(words, choices=tuple(each[1] for each in choices), right=tuple(each[0] for each in choices))
        else:
            body += block
    return replace(words, body=_html(body), why=_html(why))


def _blocks(tokens: Sequence[Token]) -> list[list[Token]]:
    """The tokens block by block."""
    found: list[list[Token]] = []
    depth = 0
    for token in tokens:
        if not depth:
            found.append([])
        found[-1].append(token)
        depth += token.nesting
    return found


def _button(block: Sequence[Token]) -> tuple[str, str] | None:
    """(page, words) of a paragraph that is one link to a page of the console."""
    if block[0].type != "paragraph_open":
        return None
    children = block[1].children or []
    if len(children) < 3 or children[0].type != "link_open" or children[-1].type != "link_close":
        return None
    href = str(children[0].attrs.get("href", ""))
    if not href.startswith(_PAGE) or any(child.type == "link_close" for child in children[:-1]):
        return None
    return href.removeprefix(_PAGE), "".join(child.content for child in children)


def _choices(block: Sequence[Token]) -> list[tuple[bool, str]]:
    """(right, HTML) of each item of a list of which each has a box."""
    if block[0].type != "bullet_list_open":
        return []
    items = [token for token in block if token.type == "inline" and token.level == 3]
    marks = [_CHOICE.match(item.content) for item in items]
    if not all(marks):
        return []
    found = []
    for item, mark in zip(items, marks, strict=True):
        assert mark is not None  # all of them
        inner = _markdown.parseInline(item.content[mark.end() :])
        found.append((mark["mark"] != " ", _html(inner)))
    return found


def _html(tokens: Sequence[Token]) -> str:
    for token in tokens:
        for child in token.children or []:
            href = str(child.attrs.get("href", "")) if child.type == "link_open" else ""
            if href.startswith(_PAGE):
                child.attrs["href"] = f"{{{href}}}"
            elif href:
                child.attrs["rel"] = "noopener noreferrer"
    return str(_markdown.renderer.render(list(tokens), _markdown.options, {})).strip()


def fill(html: str, places: Mapping[str, str], address: Callable[[str], str]) -> str:
    """With the places of a learner and the addresses of the console's pages in it, both escaped."""

    def put(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith(_PAGE):
            return escape(address(name.removeprefix(_PAGE)))
        return escape(places[name]) if name in places else found[0]

    return _PLACE.sub(put, html)


def fill_text(text: str, places: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: places.get(found[1], found[0]), text)


def texts(words: LessonWords) -> list[str]:
    """Every text of it in which places and pages may stand."""
    found = [words.introduction]
    for step in words.steps.values():
        found += [
            step.body,
            step.why,
            *step.choices,
            *step.hints.values(),
            *(text for _language, text in step.commands),
        ]
        if step.page:
            found.append(f"{{{_PAGE}{step.page}}}")
    return found


def placed(text: str) -> list[Any]:
    """What stands in braces in a text: a place's name or a page."""
    return _PLACE.findall(text)
