"""A bucket that answers anything, for ever or drop by drop is read no further than was asked, and not taken for one that lost a segment."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from engine.trail import segment_archive, segments
from engine.trail.segment_archive import SegmentLost, SegmentUnreachable
from engine.trail.segments import Block
from tests.engine.trail.test_segments import RULES
from tests.support.dripping import dripping

PLACE = "s3://trail/segment.gz"
CONTENT = bytes(range(256)) * 16
Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def bucket(answer: Answer) -> Iterator[str]:
    """Where a bucket listens that gives each request this answer."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Who reads no further hangs up."""

    server = Quiet(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


@pytest.fixture
def at(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")

    def use(endpoint: str) -> None:
        settings.KMSCONSOLE = replace(RULES, trail_archive_endpoint=endpoint)

    return use


def ranged(handler: BaseHTTPRequestHandler) -> None:
    start, end = (int(each) for each in handler.headers["Range"].removeprefix("bytes=").split("-"))
    part = CONTENT[start : end + 1]
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes {start}-{start + len(part) - 1}/{len(CONTENT)}")
    handler.send_header("Content-Length", str(len(part)))
    handler.end_headers()
    handler.wfile.write(part)


def test_a_segment_is_read_piece_by_piece(at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_archive, "_S3_PIECE", 1000)
    with bucket(ranged) as endpoint:
        at(endpoint)
        assert b"".join(segment_archive.pieces(PLACE, len(CONTENT))) == CONTENT
        assert segment_archive.read(PLACE, 10, 3000) == CONTENT[10:3010]
        with pytest.raises(SegmentLost, match="cut off"):
            segment_archive.read(PLACE, 10, len(CONTENT))


def test_a_bucket_that_answers_no_ranges_is_not_taken_for_one_that_lost_a_segment(at: Callable[[str], None]) -> None:
    def whole(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT)

    with bucket(whole) as endpoint:
        at(endpoint)
        with pytest.raises(SegmentUnreachable, match="answers no ranges"):
            segment_archive.read(PLACE, 10, 20)


@pytest.mark.parametrize("status", [206, 403])
def test_an_answer_without_an_end_is_read_no_further_than_a_piece(
    at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(segment_archive, "_S3_PIECE", 1 << 16)
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(status)
        handler.send_header("Content-Range", "bytes 10-29/4096")
        handler.end_headers()
        while sent < 64 << 20:
            handler.wfile.write(bytes(1 << 20))
            sent += 1 << 20

    with bucket(endless) as endpoint:
        at(endpoint)
        if status == 206:
            assert segment_archive.read(PLACE, 10, 20) == bytes(20)
        else:
            with pytest.raises(SegmentUnreachable):
                segment_archive.read(PLACE, 10, 20)
    assert sent < 16 << 20


def test_a_bucket_that_answers_drop_by_drop_has_a_time_in_all(
    at: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_archive, "_S3_SECONDS", 0.3)
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-999/4096\r\nContent-Length: 1000\r\n\r\n"
    with dripping(head) as endpoint:
        at(endpoint)
        with pytest.raises(SegmentUnreachable):
            segment_archive.read(PLACE, 0, 1000)


def test_a_part_that_unpacks_to_more_than_was_sealed_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = gzip.compress(bytes(64 << 20))
    segment = replace(SEGMENT, size=len(bomb))
    monkeypatch.setattr(segments, "blocks", lambda trail, segment: (Block(1, 0, 0),))
    monkeypatch.setattr(segments, "_compressed", lambda trail, segment, place, length: bomb)
    unpacked: list[int] = []
    real = segments._unpacked

    def watched(member: Any, packed: bytes, most: int, name: str) -> bytes:
        unpacked.append(most)
        return real(member, packed, most, name)

    monkeypatch.setattr(segments, "_unpacked", watched)
    with pytest.raises(SegmentLost, match="more than was sealed"):
        segments._content(None, segment, 0)  # type: ignore[arg-type]
    with pytest.raises(SegmentLost, match="more than was sealed"):
        list(segments.members(iter([bomb]), segment.name, segment.end))
    assert unpacked == [segment.end] * 2


SEGMENT = segments.Segment(1, 9, 0, 4096, "", "", "", "", "", 0, "", "")
