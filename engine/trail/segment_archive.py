"""Where sealed segments lie: files of the trail's folder or of another one, or objects of a bucket of S3 or what speaks its API.

A place is a path, or `s3://bucket/key`. Credentials of a bucket are those that boto3 finds (environment, profile, instance). What is put is
read back and compared before `put` returns. A bucket may answer what and as slowly as it likes: it is asked for a piece at a time, and no
more than that is read, within a minute. Promise: nothing here takes a segment that cannot be asked for now for one that is lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.conf import settings

from engine import durable_files
from engine.trail.groupcommit import TrailUnavailable

_S3 = "s3://"
_PIECE = 1 << 20
_S3_PIECE = 8 << 20  # what s3transfer, by which objects are put, sends at once too
_S3_SECONDS = 60.0  # for one of them, in all
_GONE = ("NoSuchKey", "NoSuchBucket", "InvalidRange", "404")


class SegmentError(TrailUnavailable):
    """A segment cannot be read."""


class SegmentLost(SegmentError):
    """A segment is gone, or is not what was sealed."""


class SegmentUnreachable(SegmentError):
    """Where a segment lies does not answer now: whether it is there cannot be told."""


def read(place: str, start: int, length: int) -> bytes:
    """Bytes of a segment's file. Raises SegmentLost, SegmentUnreachable."""
    if place.startswith(_S3):
        found = b"".join(
            _s3_piece(place, at, min(_S3_PIECE, start + length - at)) for at in range(start, start + length, _S3_PIECE)
        )
    else:
        with _open(place) as file:
            found = os.pread(file.fileno(), length, start)
    if len(found) != length:
        raise SegmentLost(f"the segment {place} of the audit trail is cut off")
    return found


def _s3_piece(place: str, start: int, length: int) -> bytes:
    with _s3(place) as (client, bucket, key):
        asked = client.get_object(Bucket=bucket, Key=key, Range=f"bytes={start}-{start + length - 1}")
        if not asked.get("ContentRange", "").startswith(f"bytes {start}-"):
            raise SegmentUnreachable(
                f"the segment {place} of the audit trail cannot be read: the bucket answers no ranges"
            )
        found: bytes = asked["Body"].read(length)
    return found


def pieces(place: str, size: int) -> Iterator[bytes]:
    """A segment's whole file, which has `size` bytes. Raises SegmentLost, SegmentUnreachable."""
    if place.startswith(_S3):
        for at in range(0, size, _S3_PIECE):
            yield read(place, at, min(_S3_PIECE, size - at))
    else:
        with _open(place) as file:
            while piece := file.read(_PIECE):
                yield piece


def put(file: Path, target: str, expected: str) -> str:
    """Copy a segment's file to the folder or `s3://bucket/prefix` named `target`: its place there, durable and compared with `expected`,
    its SHA-256. Raises SegmentLost, SegmentUnreachable."""
    if target.startswith(_S3):
        place = f"{target.rstrip('/')}/{file.name}"
        with _s3(place) as (client, bucket, key):
            client.upload_file(str(file), bucket, key)
    else:
        place = str(Path(target) / file.name)
        _copy(file, Path(place))
    digest = sha256()
    for piece in pieces(place, file.stat().st_size):
        digest.update(piece)
    if digest.hexdigest() != expected:
        raise SegmentLost(f"{place} is not what was put there")
    return place


def delete(place: str) -> None:
    """It is gone when this returns; not being there is no error. Raises SegmentUnreachable."""
    if place.startswith(_S3):
        with _s3(place) as (client, bucket, key):
            client.delete_object(Bucket=bucket, Key=key)
        return
    path = Path(place)
    try:
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            durable_files.sync_folder(path.parent)
    except OSError as reason:
        raise SegmentUnreachable(
            f"the segment {place} of the audit trail cannot be deleted: {reason.strerror}"
        ) from reason


def _open(place: str) -> Any:
    try:
        return open(place, "rb", buffering=0)
    except FileNotFoundError as reason:
        if Path(place).parent.is_dir():
            raise SegmentLost(f"the segment {place} of the audit trail is gone") from reason
        raise SegmentUnreachable(f"the folder of the segment {place} of the audit trail is not there") from reason
    except OSError as reason:
        raise SegmentUnreachable(
            f"the segment {place} of the audit trail cannot be read: {reason.strerror}"
        ) from reason


def _copy(file: Path, place: Path) -> None:
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.part")
        part.unlink(missing_ok=True)
        with open(file, "rb") as source, durable_files.new_file(part) as copy:
            while piece := source.read(_PIECE):
                copy.write(piece)
        part.replace(place)
        durable_files.sync_folder(place.parent)
    except OSError as reason:
        raise SegmentUnreachable(f"{place} cannot be written: {reason.strerror}") from reason


# --- S3


@cache
def _client(endpoint: str) -> Any:
    import boto3  # a fifth of a second, for who needs it
    from botocore.config import Config

    from engine import bounded_session

    config = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 3, "mode": "standard"})
    client = boto3.client("s3", endpoint_url=endpoint or None, config=config)
    arguments = bounded_session.as_configured(client, proxied=True)
    session = bounded_session.BoundedSession(largest=_S3_PIECE, seconds=_S3_SECONDS, **arguments)
    bounded_session.send_by(client, session)
    return client


@contextmanager
def _s3(place: str) -> Iterator[tuple[Any, str, str]]:
    """(client, bucket, key); what fails within is told in the words of this module."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, key = place.removeprefix(_S3).partition("/")
    try:
        yield _client(settings.KMSCONSOLE.trail_archive_endpoint), bucket, key
    except (BotoCoreError, ClientError, Boto3Error) as reason:
        code = (getattr(reason, "response", None) or {}).get("Error", {}).get("Code", "")
        if code in _GONE:
            raise SegmentLost(f"the segment {place} of the audit trail is gone: {code}") from reason
        raise SegmentUnreachable(f"the segment {place} of the audit trail cannot be reached: {reason}") from reason
