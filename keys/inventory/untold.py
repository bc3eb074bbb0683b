"""What is shown in place of something of a key that is not known: never as if there were none of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.translation import gettext, gettext_noop

from console import aws_calls
from console.request import ConsoleRequest
from keys import permissions
from keys.inventory import reads

if TYPE_CHECKING:
    from keys.inventory.inventory import Row

NOT_PERMITTED, NOT_KNOWN, NOT_READ_YET = (
    gettext_noop("not permitted"),
    gettext_noop("not known"),
    gettext_noop("not read yet"),
)


@dataclass(frozen=True, slots=True)
class Untold:
    """`kind`: one of the words above, as files have it. `why`: the error that the reader would get, or the endpoint answered with; "" where
    it is only not read yet."""

    kind: str
    why: str = ""

    @property
    def words(self) -> str:
        return gettext(self.kind)


def of_error(why: str) -> Untold:
    """Of what could not be read just now, as a sentence says (console.aws_calls.sentence)."""
    return Untold(NOT_PERMITTED if aws_calls.is_denial(why) else NOT_KNOWN, why)


def of_row(request: ConsoleRequest, row: Row, bits: int, *, explained: bool = True) -> Untold | None:
    """Of what `bits` (of keys.inventory.reads) name of a key; None where it is known. The row is one that the reader may see. Not
    `explained`, it goes without the reader's own error, which takes a decision for each key."""
    lacking = (row.denied | (row.unread or 0)) & bits
    if not lacking:
        return None
    bit = lacking & -lacking  # what describing does not tell is not asked for
    action = reads.action(bit)
    if answered := (row.refusals or {}).get(action):
        return of_error(answered)
    if row.denied & bit and not explained:
        return Untold(NOT_PERMITTED)
    if row.denied & bit:
        return of_error(permissions.refusal(request, f"kms:{action}", "*" if bit == reads.ALIASES else row.arn))
    return Untold(NOT_READ_YET if permissions.decided_here(request, "kms") else NOT_KNOWN)
