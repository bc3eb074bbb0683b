"""Who is in a class, as a list says it: one person a line, or a CSV file with names and, if so wished, e-mail addresses. Pure."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from principals.names import legal_name

_HEADER = re.compile(r"(?i)^(e-?mail|mail|name|(first|last|given|family)[ -]?name|surname|vorname|nachname|student)s?$")
_LONGEST = 40  # of a user name, so that an account's alias has room for the class too


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    email: str = ""


def read(text: str) -> list[Person]:
    """One person a row; the cell with an @ is the e-mail address, the others are the name. A first row of column names is left out."""
    lines = [line for line in text.lstrip("\ufeff").splitlines() if line.strip()]
    if not lines:
        return []
    rows = [_cells(line) for line in lines]
    if all(_HEADER.match(cell.strip()) for cell in rows[0] if cell.strip()):
        rows = rows[1:]
    return [found for row in rows if (found := _person(row)).name]


def written(people: Sequence[Person]) -> str:
    """What `read` reads as these people."""
    made = io.StringIO()
    csv.writer(made, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows((each.name, each.email) for each in people)
    return made.getvalue()


def _cells(line: str) -> list[str]:
    """Each line by itself: one that is written otherwise, or has a quotation mark too many, spoils no other."""
    unquoted = re.sub(r'"[^"]*"', "", line)
    delimiter = next((each for each in (";", "\t") if each in unquoted), ",")
    return next(csv.reader([line], delimiter=delimiter))


def _person(row: list[str]) -> Person:
    cells = [" ".join(cell.split()) for cell in row if cell.strip()]
    email = next((cell for cell in cells if "@" in cell), "")
    name = " ".join(cell for cell in cells if cell != email)
    return Person((name or email.partition("@")[0])[:128], email[:254])


def user_name(name: str, taken: Collection[str]) -> str:
    """What IAM calls a person: small letters, and a number where another one of the class is called so."""
    plain = re.sub(r"[^a-z0-9]+", "-", legal_name(name).lower()).strip("-")[:_LONGEST].strip("-") or "student"
    return free(plain, taken.__contains__)


def free(wanted: str, taken: Callable[[str], bool]) -> str:
    """`wanted`, with the next number behind it where that is taken."""
    found, number = wanted, 1
    while taken(found):
        number += 1
        found = f"{wanted}-{number}"
    return found
