"""A ZIP archive of files with the signature of their digests, and what verifies it: a report, an evidence bundle. One time for all members, so
that the same content gives the same archive. A file is compressed as it is made, and may be longer than memory is large."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import IO, Any

from django.template.loader import render_to_string

from console.request import ConsoleRequest
from keys.record import events


class Pipe:
    """What a ZipFile writes to, piece by piece: it cannot go back, so lengths stand behind each file."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes) -> int:
        self._pieces.append(bytes(data))
        return len(data)

    def flush(self) -> None: ...

    def take(self) -> bytes:
        found, self._pieces = b"".join(self._pieces), []
        return found


class SignedArchive:
    """Files go in one by one; what signs them comes last."""

    def __init__(self, out: Any, time: datetime) -> None:
        self._archive = zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED)
        self._time = max(time.timetuple()[:6], (1980, 1, 1, 0, 0, 0))
        self._digests: dict[str, str] = {}

    def add(self, name: str, content: bytes) -> None:
        for _ in self.write(name, [content], long=False):
            pass

    def write(self, name: str, content: Iterable[bytes], *, long: bool = True) -> Iterator[None]:
        """The content of a file as it is made, a turn for each piece. `long`: it may have more than 4 GiB."""
        digest = sha256()
        with self._open(name, long=long) as file:
            for piece in content:
                digest.update(piece)
                file.write(piece)
                yield
        self._digests[name] = digest.hexdigest()

    def _open(self, name: str, *, long: bool) -> IO[bytes]:
        member = zipfile.ZipInfo(name, self._time)
        member.compress_type = zipfile.ZIP_DEFLATED
        return self._archive.open(member, "w", force_zip64=long)

    def sign(self, request: ConsoleRequest, lines: Sequence[str]) -> None:
        """`lines`: what the signed text says before the digests. Raises ClientError, CheckpointError."""
        verify = render_to_string("audit/verify.txt", {"names": [*self._digests, "VERIFY.txt"]})
        self.add("VERIFY.txt", verify.encode())
        signature = events.sign_report(request, lines, self._digests)
        beside = {
            "signed.txt": signature.text.encode(),
            "signature.bin": signature.signature,
            "signed.note": signature.note.encode(),
            "public-key.pem": signature.public_key,
        }
        for name, content in beside.items():
            with self._open(name, long=False) as file:
                file.write(content)
        self._archive.close()


def signed(request: ConsoleRequest, lines: Sequence[str], files: Mapping[str, bytes], time: datetime) -> bytes:
    """An archive of short files, whole. Raises ClientError, CheckpointError."""
    out = io.BytesIO()
    made = SignedArchive(out, time)
    for name, content in files.items():
        made.add(name, content)
    made.sign(request, lines)
    return out.getvalue()
