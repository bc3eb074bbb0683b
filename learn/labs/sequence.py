"""A service's calls as a sequence diagram: who asks whom, in order, to protect, to read, and to read with the key disabled. Pure.

Only its geometry is made here; templates/components/sequence_diagram.html draws it. The page has the same messages as a table.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils.translation import gettext as _

from learn.labs.services import Service, Step

WIDTH = 800
_LANES = (80, 310, 720)  # where the lines of person, service and KMS stand
_TOP, _ROW, _PART = 46, 30, 34
PERSON, SERVICE, KMS = range(3)
ASK, ANSWER, REFUSAL = "ask", "answer", "refusal"


@dataclass(frozen=True, slots=True)
class Message:
    """From one lane to another. `behalf`: on whose behalf it is sent, for calls of KMS."""

    sender: int
    receiver: int
    words: str
    kind: str = ASK
    behalf: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    title: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Arrow:
    """A message drawn: its line from `x1` to `x2`, and the middle of its words."""

    x1: int
    x2: int
    y: int
    middle: int
    message: Message

    @property
    def head(self) -> str:
        """The three corners of its point."""
        back = self.x2 - 8 if self.x2 > self.x1 else self.x2 + 8
        return f"{self.x2},{self.y} {back},{self.y - 4} {back},{self.y + 4}"


@dataclass(frozen=True, slots=True)
class Diagram:
    lanes: tuple[tuple[int, str], ...]
    titles: tuple[tuple[int, str], ...]
    arrows: tuple[Arrow, ...]
    height: int
    width: int = WIDTH


def parts(row: Service) -> tuple[Part, ...]:
    protect, read = row.asked
    return (
        Part(_("Protect"), (Message(PERSON, SERVICE, protect), *_calls(row, row.protect), _done(row))),
        Part(_("Read"), (Message(PERSON, SERVICE, read), *_calls(row, row.read), _done(row))),
        Part(
            _("Read with the key disabled"),
            (
                Message(PERSON, SERVICE, read),
                _call(row, row.read[0]),
                Message(KMS, SERVICE, "DisabledException", REFUSAL),
                Message(SERVICE, PERSON, _("it does not open"), REFUSAL),
            ),
        ),
    )


def _done(row: Service) -> Message:
    return Message(SERVICE, PERSON, _("done"), ANSWER)


def _calls(row: Service, steps: tuple[Step, ...]) -> Iterator[Message]:
    for step in steps:
        yield _call(row, step)
        yield Message(KMS, SERVICE, _ANSWERS[step.operation](), ANSWER)


def _call(row: Service, step: Step) -> Message:
    behalf = _("as itself") if step.itself else _("on your behalf")
    return Message(SERVICE, KMS, step.operation, behalf=behalf)


_ANSWERS = {
    "GenerateDataKey": lambda: _("data key, plain and encrypted"),
    "GenerateDataKeyWithoutPlaintext": lambda: _("encrypted data key"),
    "Encrypt": lambda: _("ciphertext"),
    "Decrypt": lambda: _("plaintext"),
    "CreateGrant": lambda: _("grant for the service"),
}


def diagram(row: Service) -> Diagram:
    arrows: list[Arrow] = []
    titles: list[tuple[int, str]] = []
    y = _TOP
    for part in parts(row):
        titles.append((y + 18, part.title))
        y += _PART
        for message in part.messages:
            y += _ROW
            x1, x2 = _LANES[message.sender], _LANES[message.receiver]
            arrows.append(Arrow(x1, x2, y, (x1 + x2) // 2, message))
        y += 16
    return Diagram(
        tuple(zip(_LANES, (_("You"), row.title, "AWS KMS"), strict=True)), tuple(titles), tuple(arrows), y + 10
    )
