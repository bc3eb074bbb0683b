"""Uploaded files in memory only: a plaintext must not touch the disk, not even as a temporary file."""

from __future__ import annotations

import io
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler, StopUpload
from django.http import HttpRequest


class MemoryFile(UploadedFile):  # type: ignore[type-arg]  # generic in its stubs alone
    """`pieces` are the file as it came in."""

    def __init__(self, pieces: list[bytes], name: str, size: int) -> None:
        super().__init__(io.BytesIO(), name, "application/octet-stream", size)
        self.pieces = pieces


class MemoryUpload(FileUploadHandler):
    """Keeps the pieces of each file, up to `limit` bytes; a larger one ends the upload (`too_large`)."""

    def __init__(self, request: Any, limit: int) -> None:
        super().__init__(request)
        self.limit = limit
        self.pieces: list[bytes] = []
        self.received = 0
        self.too_large = False

    def new_file(self, *args: Any, **options: Any) -> None:
        super().new_file(*args, **options)
        self.pieces, self.received = [], 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self.received += len(raw_data)
        if self.received > self.limit:
            self.too_large = True
            self.pieces.clear()
            raise StopUpload(connection_reset=False)
        self.pieces.append(raw_data)

    def file_complete(self, file_size: int) -> MemoryFile:
        return MemoryFile(self.pieces, self.file_name or "file", file_size)

    def upload_interrupted(self) -> None:
        self.pieces.clear()


def too_large(request: HttpRequest) -> bool:
    """Whether a file of this form was larger than its upload handler takes. The form has to be read before."""
    return any(isinstance(each, MemoryUpload) and each.too_large for each in request.upload_handlers)
