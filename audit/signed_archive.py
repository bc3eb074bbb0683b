"""A ZIP archive of files with the signature of their digests, and what verifies it: a report, an evidence bundle. One time for all members, so
that the same content gives the same archive."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from django.template.loader import render_to_string

from console.request import ConsoleRequest
from keys.record import events


def signed(request: ConsoleRequest, lines: Sequence[str], files: Mapping[str, bytes], time: datetime) -> bytes:
    """`lines`: what the signed text says before the digests. Raises ClientError, CheckpointError."""
    verify = render_to_string("audit/verify.txt", {"names": [*files, "VERIFY.txt"]})
    files = {**files, "VERIFY.txt": verify.encode()}
    digests = {name: sha256(content).hexdigest() for name, content in files.items()}
    signature = events.sign_report(request, lines, digests)
    beside = {
        "signed.txt": signature.text.encode(),
        "signature.bin": signature.signature,
        "signed.note": signature.note.encode(),
        "public-key.pem": signature.public_key,
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **beside}.items():
            archive.writestr(zipfile.ZipInfo(name, max(time.timetuple()[:6], (1980, 1, 1, 0, 0, 0))), content)
    return out.getvalue()
