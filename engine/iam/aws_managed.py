"""AWS's managed policies: what IAM tells of each, and its documents. All that AWS has, read from the data file when first asked for."""

from __future__ import annotations

import json
import lzma
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

from engine.iam import aws_data
from engine.remembered import Remembered

PREFIX = "arn:aws:iam::aws:policy/"
_SELECT = "SELECT arn, policy_id, description, created, updated, version, earlier FROM policies"


@dataclass(frozen=True, slots=True)
class ManagedDocument:
    """`earlier`: the versions before the default one, oldest first, as version=date."""

    arn: str
    policy_id: str
    description: str
    created: datetime
    updated: datetime
    version_id: str
    earlier: str

    @property
    def name(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def path(self) -> str:
        return self.arn.partition(":policy")[2].rpartition("/")[0] + "/"

    @property
    def document(self) -> str:
        """Of the default version."""
        return lzma.decompress(_column(self.arn, "latest")).decode()

    @property
    def versions(self) -> dict[str, datetime]:
        """Every version and its date, the default one (the latest) first."""
        before = (each.partition("=") for each in reversed(self.earlier.split()))
        return {self.version_id: self.updated, **{version: _moment(date) for version, _, date in before}}

    def document_of(self, version_id: str) -> str:
        if version_id == self.version_id:
            return self.document
        documents: dict[str, str] = json.loads(lzma.decompress(_column(self.arn, "earlier")))
        return documents[version_id]


def find(arn: str) -> ManagedDocument | None:
    return _named[arn] if arn.startswith(PREFIX) else None


@cache
def every() -> tuple[ManagedDocument, ...]:
    """All of them, the oldest first, as AWS lists them."""
    with aws_data.opened() as connection:
        return tuple(map(_policy, connection.execute(f"{_SELECT} ORDER BY created, arn")))


def _read(arn: str) -> ManagedDocument | None:
    """Read alone: whoever has one policy attached does not wait for all to be read."""
    with aws_data.opened() as connection:
        row = connection.execute(f"{_SELECT} WHERE arn = ?", (arn,)).fetchone()
    return _policy(row) if row is not None else None


_named = Remembered(_read, entries=256, longest=256)


def _policy(row: tuple[str, ...]) -> ManagedDocument:
    arn, policy_id, description, created, updated, version, earlier = row
    return ManagedDocument(arn, policy_id, description, _moment(created), _moment(updated), version, earlier)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _column(arn: str, name: str) -> bytes:
    with aws_data.opened() as connection:
        (found,) = connection.execute(f"SELECT {name} FROM documents WHERE arn = ?", (arn,)).fetchone()  # noqa: S608 -- ours
    return bytes(found)
