"""The lessons' folders: learn/content/ of the program and `lessons` of the data folder, read, examined and kept until a file changes.

A folder has lesson.toml (order, audience, steps with their checks and usual mistakes) and a Markdown file a language (learn.lessons.words).
A folder of the data folder stands in for the program's of the same name. One with a mistake in it is left out, and the mistake is told.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from learn.lessons import event_patterns, words
from learn.lessons.checks import (
    AWS_SERVICE,
    OTHER,
    PERSON,
    PROGRAM,
    SELF,
    SUBJECTS,
    Check,
    ExpectedEvent,
)
from learn.lessons.lesson import Hint, Lesson, LessonWords, Step, StepWords
from learn.lessons.operations import is_operation
from learn.lessons.pages import is_page

SHIPPED = Path(__file__).resolve().parent.parent / "content"
MISTAKES = "usual-mistakes"  # the folder of the hints that every step has
LESSON = "lesson.toml"
QUESTION = "AnswerQuestion"  # how the record calls an answer to a question
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_LANGUAGE = re.compile(r"[a-z]{2}")
_MOST_BYTES = 64_000  # of a file; those of the program have 5,000
_EVENT = ("answered", "refused", "errors", "by", "who", "where", "same", "unless", "times")


@dataclass(frozen=True, slots=True)
class Library:
    """`faults`: what is wrong with folders that were left out, a sentence each, which begins with the file."""

    lessons: tuple[Lesson, ...]
    mistakes: tuple[Step, ...]
    faults: tuple[str, ...]


_read: dict[str, tuple[tuple[Any, ...], Library]] = {}


def library(own: Path | None) -> Library:
    """`own`: the folder of the lessons of this installation, which need not be there."""
    state = tuple(_state(folder) for folder in (SHIPPED, own) if folder is not None)
    known = _read.get("library")
    if known is None or known[0] != state:
        known = _read["library"] = (state, load(own))
    return known[1]


def _state(folder: Path) -> tuple[Any, ...]:
    """Another one whenever a file of the folder is another. Every page of the lessons asks for it."""
    found = []
    for each in _entries(str(folder)):
        for file in _entries(each.path) if each.is_dir() else ():
            try:
                told = file.stat()
            except FileNotFoundError:  # removed meanwhile: the next look finds the folder as it is then
                continue
            found.append((file.path, told.st_mtime_ns, told.st_size))
    return tuple(sorted(found))


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def load(own: Path | None) -> Library:
    folders = {path.name: (path, False) for path in _folders(SHIPPED)}
    if own is not None:
        folders |= {path.name: (path, True) for path in _folders(own)}
    lessons: list[Lesson] = []
    mistakes: tuple[Step, ...] = ()
    faults: list[str] = []
    for path, is_own in folders.values():
        lesson, wrong = read(path)
        faults += wrong
        if lesson is not None and path.name == MISTAKES:
            mistakes = lesson.steps
        elif lesson is not None:
            lessons.append(replace(lesson, own=is_own))
    lessons.sort(key=lambda lesson: (lesson.order, lesson.slug))
    return Library(tuple(lessons), mistakes, tuple(faults))


def _folders(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith((".", "_")))


def files(folder: Path) -> list[Path]:
    """Those of a lesson: its table and its languages."""
    return [folder / LESSON, *sorted(folder.glob("*.md"))]


def as_zip(folder: Path) -> bytes:
    """The lesson's folder, to be unpacked in another installation's."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files(folder):
            archive.writestr(f"{folder.name}/{path.name}", path.read_bytes())
    return made.getvalue()


def folder_of(lesson: Lesson, own: Path | None) -> Path:
    return (own if lesson.own and own is not None else SHIPPED) / lesson.slug


class _Faults:
    """What was found wrong with one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.found = folder.name, list[str]()

    def add(self, file: str, what: str, line: int = 0) -> None:
        self.found.append(f"{self.folder}/{file}{f':{line}' if line else ''}: {what}")


def read(folder: Path) -> tuple[Lesson | None, list[str]]:
    """(the lesson, no faults) or (None, what is wrong with its files)."""
    faults = _Faults(folder)
    try:
        return _read_folder(folder, faults)
    except OSError as error:  # a file that may not be read, or was removed meanwhile
        faults.add("", str(error.strerror or error))
        return None, faults.found


def _read_folder(folder: Path, faults: _Faults) -> tuple[Lesson | None, list[str]]:
    if not _NAME.fullmatch(folder.name):
        faults.add("", "the folder's name has small letters, digits and - only")
    if not os.path.lexists(folder / LESSON):
        faults.add(LESSON, "is missing")
        return None, faults.found
    table = _table(folder / LESSON, faults)
    by_language = _languages(folder, faults)
    if faults.found:
        return None, faults.found
    _only(table, ("order", "audience", "steps"), "lesson.toml", faults)
    steps = _steps(folder.name, table.get("steps"), by_language, faults)
    order, audience = table.get("order", 1000), table.get("audience", "students")
    if type(order) is not int:
        faults.add(LESSON, "order is a whole number")
    if audience not in ("students", "teachers"):
        faults.add(LESSON, 'audience is "students" or "teachers"')
    if faults.found:
        return None, faults.found
    return Lesson(folder.name, order, tuple(steps), by_language, audience == "students"), []


def _text(path: Path) -> str:
    """What a file says. Raises Mistake, also for a link that leads out of the folder: somebody else may have packed it."""
    if not path.resolve().is_relative_to(path.parent.resolve()):
        raise words.Mistake("leads out of the folder")
    if not path.is_file():
        raise words.Mistake("is no file")
    with path.open("rb") as file:
        content = file.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise words.Mistake(f"has more than {_MOST_BYTES:,} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise words.Mistake("is no UTF-8") from error


def _table(path: Path, faults: _Faults) -> dict[str, Any]:
    try:
        return words.table(_text(path))
    except words.Mistake as mistake:
        faults.add(path.name, mistake.what, mistake.line)
        return {}


def _languages(folder: Path, faults: _Faults) -> dict[str, LessonWords]:
    found: dict[str, LessonWords] = {}
    for path in sorted(folder.glob("*.md")):
        if not _LANGUAGE.fullmatch(path.stem):
            faults.add(path.name, "is called by its language: en.md, de.md")
            continue
        try:
            found[path.stem] = words.read(_text(path))
        except words.Mistake as mistake:
            faults.add(path.name, mistake.what, mistake.line)
        else:
            _examine_texts(path.name, found[path.stem], faults)
    if not found and not faults.found:
        faults.add("", "has no words: a file such as en.md")
    return found


def _examine_texts(name: str, found: LessonWords, faults: _Faults) -> None:
    for text in words.texts(found):
        for place in words.placed(text):
            if place.startswith("page:"):
                if not is_page(place.removeprefix("page:")):
                    faults.add(name, f"{place} is no page of the console")
            elif place not in words.PLACES:
                faults.add(name, f"{{{place}}} is no place: there are {', '.join(words.PLACES)}")


def _steps(slug: str, tables: Any, by_language: Mapping[str, LessonWords], faults: _Faults) -> list[Step]:
    if not isinstance(tables, list) or not tables or not all(isinstance(each, dict) for each in tables):
        faults.add(LESSON, "has no [[steps]]")
        return []
    names = [each.get("id") for each in tables]
    for name in names:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            faults.add(LESSON, f"each step has an id of small letters, digits and -, not {name!r}")
            return []
    if len(set(names)) < len(names):
        faults.add(LESSON, "two steps have the same id")
    for language, said in by_language.items():
        for name in names:
            if name not in said.steps:
                faults.add(f"{language}.md", f"the step {name} of lesson.toml is missing")
        for name in said.steps:
            if name not in names:
                faults.add(f"{language}.md", f"the step {name} is not in lesson.toml")
        if [each for each in said.steps if each in names] != [each for each in names if each in said.steps]:
            faults.add(f"{language}.md", "its steps are in another order than in lesson.toml")
    if faults.found:
        return []
    return [
        _one_step(slug, each, {language: said.steps[each["id"]] for language, said in by_language.items()}, faults)
        for each in tables
    ]


def _one_step(slug: str, table: dict[str, Any], by_language: Mapping[str, StepWords], faults: _Faults) -> Step:
    name = table["id"]
    where = f"step {name}"
    _only(table, ("id", "check", "key", "hints", "shows"), where, faults)
    _same_in_all(where, by_language, faults)
    right = next(iter(by_language.values())).right
    if right:
        if "check" in table:
            faults.add(LESSON, f"{where} has a question, whose answer ticks it, and no check beside it")
        check: Check = (_answer(slug, name, right),)
    else:
        check = _check(table.get("check"), where, faults)
    hints = []
    for each in _tables(table.get("hints", []), f"{where}: hints", faults):
        hint = f"{where}, hint {each.get('id')}"
        _only(each, ("id", "check"), hint, faults)
        hints.append(Hint(str(each.get("id")), _check(each.get("check"), hint, faults)))
    for language, said in by_language.items():
        for missing in {each.name for each in hints} ^ (set(said.hints) - ({"wrong"} if right else set())):
            faults.add(f"{language}.md", f"{where}: the hint {missing} is in one of lesson.toml and this file only")
    key = table.get("key", {})
    if key:
        for what in event_patterns.mistakes(key):
            faults.add(LESSON, f"{where}: key: {what}")
    shows = table.get("shows", "")
    if not isinstance(shows, str):
        faults.add(LESSON, f"{where}: shows is a text")
    return Step(name, check, key, tuple(hints), shows or _looked_for(check), by_language)


def _same_in_all(where: str, by_language: Mapping[str, StepWords], faults: _Faults) -> None:
    """A translation says the same: as many commands, the same page, the same right answers."""
    first, *others = by_language.items()
    for language, said in others:
        for what, one, other in (
            ("commands", len(first[1].commands), len(said.commands)),
            ("button", first[1].page, said.page),
            ("right answers", first[1].right, said.right),
        ):
            if one != other:
                faults.add(f"{language}.md", f"{where}: its {what} are not those of {first[0]}.md")


def _answer(slug: str, step: str, right: tuple[bool, ...]) -> ExpectedEvent:
    wanted = {"answer": [answer_text(number for number, each in enumerate(right, 1) if each)]}
    question = {"lesson": [slug], "step": [step]}
    return ExpectedEvent((QUESTION,), about={"requestParameters": question}, where={"requestParameters": wanted})


def answer_text(numbers: Iterable[int]) -> str:
    """The chosen answers as the record keeps them: "1,3"."""
    return ",".join(str(number) for number in sorted(numbers))


def _looked_for(check: Check) -> str:
    if not check:
        return ""
    event = check[-1]
    if event.names == (QUESTION,):
        return ""
    return event.errors[0] if event.errors else event.names[0]


def _check(tables: Any, where: str, faults: _Faults) -> Check:
    found = [_event(each, where, faults) for each in _tables(tables, f"{where}: check", faults)]
    if not found:
        faults.add(LESSON, f"{where} has no [[…check]]: an event that ticks it")
    for place, event in enumerate(found):
        if event is not None and not place and (event.same or event.unless):
            faults.add(LESSON, f"{where}: same and unless are about an event before; the first has none")
    return tuple(event for event in found if event is not None)


def _tables(value: Any, where: str, faults: _Faults) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        faults.add(LESSON, f"{where} must be a list of tables")
        return []
    return value


def _event(table: dict[str, Any], where: str, faults: _Faults, *, inner: bool = False) -> ExpectedEvent | None:
    before = len(faults.found)
    _only(table, _EVENT, where, faults)
    if ("answered" in table) == ("refused" in table):
        faults.add(LESSON, f"{where}: an event is either answered or refused, with the names of its operations")
        return None
    names = _texts(table, "answered" if "answered" in table else "refused", where, faults)
    for name in names:
        if not is_operation(name):
            faults.add(LESSON, f"{where}: {name} is no operation of KMS, IAM, STS, CloudTrail or the console")
    if "errors" in table and "refused" not in table:
        faults.add(LESSON, f"{where}: errors are those of what is refused")
    same = _texts(table, "same", where, faults)
    _one_of(same, tuple(SUBJECTS), f"{where}: same", faults)
    by, who, times = table.get("by", ""), table.get("who", SELF), table.get("times", 1)
    _one_of([by], ("", PROGRAM, PERSON, AWS_SERVICE), f"{where}: by", faults)
    _one_of([who], (SELF, OTHER), f"{where}: who", faults)
    if type(times) is not int or times < 1:
        faults.add(LESSON, f"{where}: times is a number from 1 on")
    pattern = table.get("where", {})
    if "where" in table:
        for what in event_patterns.mistakes(pattern):
            faults.add(LESSON, f"{where}: where: {what}")
    unless = table.get("unless")
    if unless is not None and (inner or not isinstance(unless, dict)):
        faults.add(LESSON, f"{where}: unless is one event")
        return None
    excluded = _event(unless, f"{where}: unless", faults, inner=True) if unless else None
    if len(faults.found) > before:
        return None
    errors = _texts(table, "errors", where, faults)
    return ExpectedEvent(names, errors, "refused" in table, by, who, pattern, same, excluded, times)


def _texts(table: dict[str, Any], name: str, where: str, faults: _Faults) -> tuple[str, ...]:
    """One text or several."""
    value = table.get(name, [])
    several = [value] if isinstance(value, str) else value
    if not isinstance(several, list) or not all(isinstance(each, str) and each for each in several):
        faults.add(LESSON, f"{where}: {name} is a text or a list of texts")
        return ()
    return tuple(several)


def _one_of(values: Iterable[Any], known: tuple[str, ...], where: str, faults: _Faults) -> None:
    for value in values:
        if value not in known:
            faults.add(LESSON, f"{where} is one of {', '.join(each for each in known if each)}, not {value!r}")


def _only(table: Mapping[str, Any], known: tuple[str, ...], where: str, faults: _Faults) -> None:
    for name in table:
        if name not in known:
            faults.add(LESSON, f"{where}: {name} is not known here: there are {', '.join(known)}")
