#!/usr/bin/env python3
"""Checks proofs and exports of kmsconsole's audit trail without kmsconsole: this one file, Python 3.11 or later, and `cryptography`.

    python verify_kmsconsole_trail.py FILE... [--key VERIFIER_KEY] [--earlier CHECKPOINT]... [--witness VERIFIER_KEY]...

FILE is an event's proof, a consistency proof, a checkpoint, an export with proofs, an evidence bundle, or a signed report. Without --key the key
in the file is believed, which proves only that the files are what that key signed: compare it with the one that the operator published.
--earlier names checkpoints that you kept: consistency proofs among the files, or a whole export, must show that these and all files are of
one log. Exit code 0 only if everything is genuine. Specifications: RFC 6962, c2sp.org/signed-note, tlog-checkpoint and tlog-cosignature.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

SIGNATURE, COSIGNATURE = b"\x01", b"\x04"
SPKI = bytes.fromhex("302a300506032b6570032100")  # before an Ed25519 key in PEM (RFC 8410)
MOST_BYTES = 1 << 26  # of a file in an archive that is read whole
BESIDE = ("signed.note", "signed.txt", "signature.bin", "public-key.pem")  # what signs the other files of an archive
# What each format has. Anything else in a file would look proved and be proved by nothing.
MEMBERS = {
    "kmsconsole-event-proof/1": "format publicKey checkpoint index record leafHash auditPath",
    "kmsconsole-consistency-proof/1": "format publicKey from to proof",
    "kmsconsole-checkpoint/1": "format publicKey checkpoint size rootHash time",
    "kmsconsole-proved-export/1": "format kind publicKey checkpoint removed",
    "selected": "index record auditPath",
    "whole": "index record",
    "end": "end publicKey",
    "removed": "statements checkpoint subtrees",
}


class Wrong(Exception):
    """What is not as it must be, in a sentence."""


class Key(NamedTuple):
    name: str
    kind: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.raw).digest()[:4]

    def of(self, kind: str) -> "Key":
        """The same key under the name by which it signs what is no checkpoint."""
        return Key(f"kmsconsole/{kind}/{self.raw.hex()[:16]}", SIGNATURE, self.raw)


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    note: str

    @property
    def head(self) -> "Head":
        return Head(self.size, self.root)


class Head(NamedTuple):
    size: int
    root: bytes


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Wrong("a member stands twice in an object of the file: readers would not see the same")
    return found


def document_of(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as reason:
        raise Wrong("the file is not JSON") from reason
    if not isinstance(found, dict):
        raise Wrong("the file is not JSON")
    return found


def only(document: dict[str, Any], kind: str) -> dict[str, Any]:
    if more := sorted(set(document) - set(MEMBERS[kind].split())):
        raise Wrong(f"the file has a member {more[0]!r}, which nothing proves")
    return document


def index_of(document: dict[str, Any]) -> int:
    index = document["index"]
    if type(index) is not int or index < 0:
        raise Wrong(f"{index!r} is no number of a record")
    return index


def unbase64(text: str, what: str) -> bytes:
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as reason:
        raise Wrong(f"{what} is not base64") from reason
    if base64.b64encode(found).decode() != text:
        raise Wrong(f"{what} is not base64 as it is written")
    return found


def key_of(text: str) -> Key:
    name, _, rest = text.strip().partition("+")
    given_id, _, material = rest.partition("+")
    raw = unbase64(material, "the verifier key")
    key = Key(name, raw[:1], raw[1:])
    if not name or key.kind not in (SIGNATURE, COSIGNATURE) or len(key.raw) != 32 or given_id != key.id.hex():
        raise Wrong("the verifier key is none of an Ed25519 key")
    return key


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, separator, lines = note.replace("\r\n", "\n").rstrip("\n").rpartition("\n\n")
    if not separator:
        raise Wrong("a note has no signature")
    signatures = []
    for line in lines.split("\n"):
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise Wrong("a note's signature cannot be read")
        signatures.append((parts[1], unbase64(parts[2], "a signature")))
    return text + "\n", signatures


def verify_signature(key: Key, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except InvalidSignature as reason:
        raise Wrong(f"the signature by {key.name} is not that of its text") from reason


def open_note(note: str, key: Key) -> str:
    text, signatures = split(note)
    mine = [signed[4:] for name, signed in signatures if name == key.name and signed[:4] == key.id]
    if not mine:
        other = [name for name, signed in signatures if signed[:4] == Key(name, key.kind, key.raw).id]
        where = f"of another log of it, {other[0]}" if other else "from another installation"
        raise Wrong(f"the key {key.name} did not sign it: it is {where}")
    for each in mine:
        verify_signature(key, each, text.encode())
    return text


def cosigned(note: str, witness: Key) -> datetime | None:
    text, signatures = split(note)
    for name, signed in signatures:
        if name == witness.name and signed[:4] == witness.id:
            seconds = int.from_bytes(signed[4:12], "big")
            verify_signature(witness, signed[12:], f"cosignature/v1\ntime {seconds}\n{text}".encode())
            return datetime.fromtimestamp(seconds, UTC)
    return None


def checkpoint_of(note: str, key: Key) -> Checkpoint:
    text = open_note(note, key)
    if text.split("\n")[0] != key.name:
        raise Wrong("the checkpoint is of another log than its key")
    return Checkpoint(key.name, *size_and_root(text), note)


def size_and_root(text: str) -> tuple[int, bytes]:
    lines = text.split("\n")
    if len(lines) < 4 or not re.fullmatch("0|[1-9][0-9]{0,18}", lines[1]):
        raise Wrong("the checkpoint has no origin, size and root")
    root = unbase64(lines[2], "the checkpoint's root")
    if len(root) != 32:
        raise Wrong("the checkpoint's root is no SHA-256 hash")
    return int(lines[1]), root


# --- the tree


def leaf_hash(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """A tree that grows record by record; its root at any size on the way."""

    def __init__(self, size: int = 0, subtrees: Iterable[bytes] = ()) -> None:
        self.size = size
        self.subtrees = list(subtrees)
        if len(self.subtrees) != size.bit_count() or any(len(each) != 32 for each in self.subtrees):
            raise Wrong(f"a tree of {size} records has not these subtrees")

    def add(self, record: bytes) -> None:
        found, left = leaf_hash(record), self.size
        while left & 1:
            found, left = node_hash(self.subtrees.pop(), found), left >> 1
        self.subtrees.append(found)
        self.size += 1

    def root(self) -> bytes:
        if not self.subtrees:
            return hashlib.sha256().digest()
        found = self.subtrees[-1]
        for each in reversed(self.subtrees[:-1]):
            found = node_hash(each, found)
        return found


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """RFC 9162, 2.1.3.2: the root that an audit path leads to, if it is as long as it has to be."""
    if not 0 <= index < size:
        raise Wrong(f"record {index + 1} is beyond the checkpoint's {size} records")
    place, last, found = index, size - 1, leaf
    for each in path:
        if last == 0:
            return None
        if place & 1 or place == last:
            found = node_hash(each, found)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, each)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def check_consistency(old: Checkpoint, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """RFC 9162, 2.1.4.2."""
    wrong = Wrong(
        f"the checkpoint of {new.size} records does not continue the one of {old.size}: the log was rewritten"
    )
    if old.size > new.size:
        raise Wrong(f"the checkpoint of {old.size} records is newer than the log's {new.size}: the log was rolled back")
    if old.size == new.size or old.size == 0:
        if proof or (old.size == new.size and old.root != new.root):
            raise wrong
        return
    path = list(proof)
    if old.size & (old.size - 1) == 0:
        path.insert(0, old.root)
    if not path:
        raise wrong
    place, last = old.size - 1, new.size - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = path[0]
    for each in path[1:]:
        if last == 0:
            raise wrong
        if place & 1 or place == last:
            first, second = node_hash(each, first), node_hash(each, second)
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, each)
        place, last = place >> 1, last >> 1
    if last != 0 or (first, second) != (old.root, new.root):
        raise wrong


# --- files


class Lines:
    """The lines of an export between its first and its last, as they are read: their number, and the hash over all but the last."""

    def __init__(self, first: bytes, stream: IO[bytes]) -> None:
        self.stream, self.number, self.digest = stream, 0, hashlib.sha256(first)
        self.last: dict[str, Any] = {}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        before = self.stream.readline()
        for line in self.stream:
            self.digest.update(before)
            self.number += 1
            yield document_of(before)
            before = line
        if not before.endswith(b"\n"):
            raise Wrong("the export is cut off: its last line is not whole")
        self.last = document_of(before)
        if "end" not in self.last:
            raise Wrong("the export is cut off: its last line is missing")


class Verifier:
    def __init__(self, key: Key | None, earlier: Sequence[str], witnesses: Sequence[Key]) -> None:
        self.key, self.witnesses = key, witnesses
        self.earlier = {Head(*size_and_root(split(each)[0])): each for each in earlier}
        self.seen: dict[int, Head] = {}  # the checkpoints that the files hang on, by size
        self.steps: set[tuple[Head, Head]] = set()  # (older, newer): the newer continues the older

    def key_for(self, document: dict[str, Any]) -> Key:
        found = key_of(str(document.get("publicKey", "")))
        self.key = self.key or found
        if found.raw != self.key.raw:
            raise Wrong(f"the key {self.key.name} did not sign it: it is from another installation")
        if found != self.key:
            raise Wrong(f"it is of {found.name}, another log of the same installation than {self.key.name}")
        return found

    def checkpoint(self, note: str, key: Key) -> Checkpoint:
        """A checkpoint that a file hangs on. Two of one size with different roots are two logs."""
        found = checkpoint_of(note, key)
        for each in (self.seen.setdefault(found.size, found.head), *self.earlier):
            if each.size == found.size and each.root != found.root:
                raise Wrong(f"there are two checkpoints of {found.size} records: the log was forked")
        return found

    def file(self, stream: IO[bytes]) -> str:
        """What a file proves, in a sentence. Raises Wrong."""
        first = stream.readline()
        if first.startswith(b"PK"):
            return self.archive(stream)
        if not first.lstrip().startswith(b"{"):
            if self.key is None:
                raise Wrong("a checkpoint alone needs --key")
            return self.signed_checkpoint((first + stream.read()).decode("utf-8", "replace"), self.key)
        whole_line = first.rstrip().endswith(b"}")
        document = document_of(first if whole_line else first + stream.read())
        try:
            return self.document(document, Lines(first, stream))
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            raise Wrong(f"the file has not the members of its format: {reason!r}") from reason

    def document(self, document: dict[str, Any], lines: Lines) -> str:
        kind, key = str(document.get("format", "")), self.key_for(document)
        if not kind.startswith("kmsconsole-") or kind not in MEMBERS:
            raise Wrong(f"the file is of no format known here: {kind!r}")
        only(document, kind)
        if kind == "kmsconsole-proved-export/1":
            return self.export(document, lines, key)
        if lines.stream.read().strip():
            raise Wrong("there is more in the file than its document")
        if kind == "kmsconsole-event-proof/1":
            found = self.checkpoint(document["checkpoint"], key)
            self.included(document, found)
            if unbase64(document["leafHash"], "the leaf's hash") != leaf_hash(document["record"].encode()):
                raise Wrong("the leaf's hash is not the record's: it was changed")
            return f"record {document['index'] + 1} is in the log of {found.size} records{self.seen_by(found.note)}"
        if kind == "kmsconsole-consistency-proof/1":
            old, new = self.checkpoint(document["from"], key), self.checkpoint(document["to"], key)
            check_consistency(old, new, [unbase64(each, "a proof") for each in document["proof"]])
            self.steps.add((old.head, new.head))
            return f"the log of {new.size} records continues the one of {old.size}{self.seen_by(new.note)}"
        if (document["size"], unbase64(document["rootHash"], "the root")) != self.checkpoint(
            document["checkpoint"], key
        ).head:
            raise Wrong("the document says another size or root than its checkpoint")
        return self.signed_checkpoint(document["checkpoint"], key)

    def signed_checkpoint(self, note: str, key: Key) -> str:
        found = self.checkpoint(note, key)
        return f"checkpoint of {found.size} records, signed by {found.origin}{self.seen_by(note)}"

    def seen_by(self, note: str) -> str:
        said = ""
        for each in self.witnesses:
            moment = cosigned(note, each)
            if moment is None:
                raise Wrong(f"the witness {each.name} did not cosign the checkpoint")
            said += f", cosigned by {each.name} at {moment.isoformat()}"
        return said

    def included(self, document: dict[str, Any], found: Checkpoint) -> None:
        index, leaf = index_of(document), leaf_hash(document["record"].encode())
        path = [unbase64(each, "an audit path") for each in document["auditPath"]]
        if root_of_inclusion(leaf, index, found.size, path) != found.root:
            raise Wrong(f"record {index + 1} is not the one that was signed: it was changed")

    # --- exports

    def export(self, head: dict[str, Any], lines: Lines, key: Key) -> str:
        found = self.checkpoint(head["checkpoint"], key)
        if head["kind"] == "selected":
            self.selected(found, lines)
            said = f"{lines.number} records, of the {found.size} of the log"
        elif head["kind"] == "whole":
            tree, said = self.removed(head["removed"], key) if "removed" in head else (Growing(), "")
            first = tree.size + 1
            self.whole(found, tree, lines)
            said = (
                f"{said}; the rest whole: records {first} to {found.size}"
                if said
                else f"all {found.size} records of the log"
            )
        else:
            raise Wrong(f"an export is whole or selected, and not {head['kind']!r}")
        self.end(lines, key)
        return said + self.seen_by(found.note)

    def selected(self, found: Checkpoint, lines: Lines) -> None:
        before = -1
        for each in lines:
            index = index_of(only(each, "selected"))
            if index <= before:
                raise Wrong(f"record {index + 1} stands behind record {before + 1}: the export was reordered")
            self.included(each, found)
            before = index

    def whole(self, found: Checkpoint, tree: Growing, lines: Lines) -> None:
        """`tree` has what was removed. Each checkpoint that is known on the way tells where it begins to be another log."""
        known = {found.head, Head(tree.size, tree.root()), *self.seen.values(), *self.earlier}
        due = sorted(each for each in known if max(tree.size, 1) <= each.size <= found.size)
        agrees = tree.size
        records = iter(lines)
        while True:
            while due and due[0].size == tree.size:
                now = due.pop(0)
                if now.root != tree.root():
                    raise Wrong(
                        f"at least one of the records {agrees + 1} to {now.size} is not the one that was signed: "
                        "it was changed, or the log was forked there"
                    )
                self.steps.add((now, found.head))
                agrees = now.size
            line = next(records, None)
            if line is None:
                break
            if index_of(only(line, "whole")) != tree.size:
                raise Wrong(
                    f"record {line['index'] + 1} stands where {tree.size + 1} should: one was removed or reordered"
                )
            tree.add(line["record"].encode())
        if tree.size != found.size:
            raise Wrong(f"records {tree.size + 1} to {found.size} are missing: the export was truncated")

    def removed(self, told: dict[str, Any], key: Key) -> tuple[Growing, str]:
        """What the retention rule removed: the tree of it, and what the signed statements say."""
        before, root, said = 0, b"", []
        for note in only(told, "removed")["statements"]:
            pairs = [line.partition(" ")[::2] for line in open_note(note, key.of("removal")).split("\n")[2:-1]]
            values = dict(pairs)
            first, last = (int(each) for each in values["records"].split())
            if first != before + 1 or last < first:
                raise Wrong(
                    f"records {before + 1} to {last} are missing, and no signed statement says that they were removed"
                )
            before, root = last, unbase64(values["root"], "a root")
            approved = ", ".join(value for name, value in pairs if name == "approved") or "nobody"
            said.append(
                f"records {first}–{last} were removed by the retention rule ({values['reason']}) on {values['time']}, "
                f"asked for by {values['by']}, approved by {approved}"
            )
        tree = Growing(before, [unbase64(each, "a subtree") for each in told["subtrees"]])
        sealed = checkpoint_of(told["checkpoint"], Key(split(told["checkpoint"])[0].split("\n")[0], SIGNATURE, key.raw))
        if not before or tree.root() != root or sealed.head != Head(before, root):
            raise Wrong(f"the records up to {before} are not those that were sealed and removed")
        return tree, "; ".join(said)

    def end(self, lines: Lines, key: Key) -> None:
        """The last line: how many records there are, and the hash over all lines before."""
        signer = key.of("export")
        if key_of(only(lines.last, "end")["publicKey"]) != signer:
            raise Wrong("the end of the export names another key than its beginning")
        _name, said, digest, *_rest = open_note(lines.last["end"], signer).split("\n")
        if int(said) != lines.number:
            raise Wrong(f"the export has {lines.number} records and not {said}: some were removed")
        if unbase64(digest, "the export's hash") != lines.digest.digest():
            raise Wrong("the export is not what was signed: it was changed")

    # --- archives

    def archive(self, stream: IO[bytes]) -> str:
        """An evidence bundle or a report: each file is the one whose digest was signed, and what can be proved of them is."""
        try:
            with zipfile.ZipFile(stream) as archive:
                return self.files(Files(archive, stream))
        except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as reason:
            raise Wrong(f"the archive is damaged: {reason}") from reason

    def files(self, files: "Files") -> str:
        for name in BESIDE:
            if name not in files.names:
                raise Wrong(f"{name} is missing in the archive")
        events = "events.jsonl" in files.names
        log = self.key_for(files.first_line("events.jsonl")) if events else self.key
        if log is None:
            raise Wrong("a report needs --key")
        note = files.read("signed.note").decode("utf-8", "replace")
        text = open_note(note, log.of("report"))
        pem = base64.encodebytes(SPKI + log.raw).decode()
        verify_signature(log, files.read("signature.bin"), text.encode())
        for name, content in (
            ("signed.txt", text.encode()),
            ("public-key.pem", f"-----BEGIN PUBLIC KEY-----\n{pem}-----END PUBLIC KEY-----\n".encode()),
        ):
            if files.read(name) != content:
                raise Wrong(f"{name} is not the one that was signed: it was changed")
        listed = {name: digest for digest, _, name in (line.partition("  ") for line in text.split("\n")) if name}
        for name, digest in listed.items():
            if name not in files.names:
                raise Wrong(f"{name} is missing in the archive")
            if files.digest(name) != digest:
                raise Wrong(f"{name} is not the one that was signed: it was changed")
        if added := sorted(files.names - set(listed) - set(BESIDE)):
            raise Wrong(f"{added[0]} was put into the archive")
        said = [f"{len(listed)} files as they were signed", *text.split("\n")[1 : -1 - len(listed)]]
        if events:
            said += self.evidence(files)
        return "; ".join(said)

    def evidence(self, files: "Files") -> list[str]:
        """The events and that the log continues the checkpoint before them; and that they are what question.json and the policies say."""
        proofs = ("consistency.json", "events.jsonl")
        said = [self.file(files.opened(each)) for each in proofs if each in files.names]
        head = files.first_line("events.jsonl")
        if (
            "consistency.json" in files.names
            and document_of(files.read("consistency.json"))["to"] != head["checkpoint"]
        ):
            raise Wrong("consistency.json is about another checkpoint than events.jsonl: it may be another log")
        question, number = document_of(files.read("question.json")), 0
        start, end = (datetime.fromisoformat(question[each]) for each in ("from", "until"))
        policies = Policies(files)
        for event in events_of(files):
            number += 1
            if not start <= datetime.fromisoformat(event["eventTime"]) <= end:
                raise Wrong(f"the event {event['eventID']} is not of the time that question.json names")
            if event["recipientAccountId"] != question["accountId"]:
                raise Wrong(f"the event {event['eventID']} is not of the account that question.json names")
            policies.compare(event)
        policies.end()
        if question["events"] != number:
            raise Wrong(f"question.json tells of {question['events']} events, and there are {number}")
        if unreadable := question.get("unreadableRecords"):
            said.append(f"{unreadable} records of the trail could not be read: what they say is missing in the archive")
        return [*said, f"asked by {question['askedBy']} for {json.dumps(question['filter'])}"]

    # --- what was kept

    def one_log(self) -> str:
        """Each checkpoint, yours too, leads to the newest one; a sentence where nothing shows that, and nobody asked for it by --earlier."""
        for note in self.earlier.values():
            checkpoint_of(note, self.key or key_of(""))
        if not self.seen:
            if self.earlier:
                raise Wrong("nothing here is about the log that your checkpoint is of")
            return ""
        newest = max((*self.earlier, *self.seen.values()))
        for head in (*self.earlier, *self.seen.values()):
            if newest in self.reached(head):
                continue
            answer = f"/audit/consistency/?from={head.size}&to={newest.size}"
            if newest in self.earlier:
                raise Wrong(
                    f"your checkpoint of {newest.size} records is newer than the log's {head.size}: the log was rolled back. If you kept "
                    f"the checkpoint after the file was made, the file is only older: give what {answer} answers too, which proves that"
                )
            said = f"that the log of {newest.size} records continues {'your' if head in self.earlier else 'the'} checkpoint of {head.size}"
            if self.earlier:
                raise Wrong(f"nothing here proves {said} records: add what {answer} answers")
            return f"nothing here proves {said} records, on which the files hang: {answer} does"
        return ""

    def reached(self, head: Head) -> set[Head]:
        found, waiting = {head}, [head]
        while waiting:
            here = waiting.pop()
            more = {newer for older, newer in self.steps if older == here} - found
            found |= more
            waiting += more
        return found


class Files:
    """The files of an archive, if every program that unpacks it has the same ones, and below the folder where it does. They are read from
    the archive when they are asked for: a long one is never whole in memory."""

    def __init__(self, archive: zipfile.ZipFile, stream: IO[bytes]) -> None:
        self.archive = archive
        entries, at, directory = sorted(archive.infolist(), key=lambda each: each.header_offset), 0, 22
        self.names = {each.filename for each in entries}
        if len(self.names) != len(entries):
            raise Wrong("the archive has a file twice")
        for each in entries:
            if not re.fullmatch(r"(policies/)?[\w.-]+", each.filename, re.ASCII) or each.filename.startswith("."):
                raise Wrong(f"the archive has a file with the name {each.filename!r}")
            # Those are unpacked piece by piece.
            if each.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Wrong("the archive is packed as no installation packs one")
            if each.header_offset != at:
                raise Wrong("the archive has bytes that belong to none of its files")
            at += bytes_of(each, stream)
            directory += 46 + len(each.filename) + len(each.extra) + len(each.comment)
        end = stream.seek(0, io.SEEK_END)
        stream.seek(at + directory - 22)
        if stream.read(4) == b"PK\x06\x06":  # the end of a directory with ZIP64's lengths, and where that is
            directory += 56 + 20
        if at != archive.start_dir or at + directory != end:
            raise Wrong("the archive has bytes that belong to none of its files")

    def opened(self, name: str) -> IO[bytes]:
        return io.BufferedReader(self.archive.open(name), 1 << 16)  # type: ignore[arg-type,type-var,unused-ignore]

    def read(self, name: str) -> bytes:
        with self.opened(name) as file:
            found = file.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise Wrong(f"{name} is larger than any that an installation makes")
        return found

    def first_line(self, name: str) -> dict[str, Any]:
        with self.opened(name) as file:
            return document_of(file.readline(MOST_BYTES))

    def digest(self, name: str) -> str:
        with self.opened(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type,unused-ignore]


def bytes_of(entry: zipfile.ZipInfo, stream: IO[bytes]) -> int:
    """How long a file is in an archive, with what stands before and behind it: of one that was made as it was sent, its lengths."""
    wrong = Wrong("the archive has bytes that belong to none of its files")
    stream.seek(entry.header_offset)
    header = stream.read(30)
    name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
    behind = stream.read(name + extra)
    if header[:4] != b"PK\x03\x04" or behind[:name] != entry.filename.encode():
        raise wrong
    if extra and (extra != 20 or behind[name : name + 4] != b"\x01\x00\x10\x00") and behind[name:] != entry.extra:
        raise wrong
    size = 30 + name + extra + entry.compress_size
    if not entry.flag_bits & 8:
        return size
    stream.seek(entry.header_offset + size)
    lengths = "<LQQ" if extra == 20 else "<LLL"
    told = b"PK\x07\x08" + struct.pack(lengths, entry.CRC, entry.compress_size, entry.file_size)
    if stream.read(len(told)) != told:
        raise wrong
    return size + len(told)


def events_of(files: Files) -> Iterator[dict[str, Any]]:
    """The records of the events, without the first line and the last."""
    with files.opened("events.jsonl") as stream:
        stream.readline()
        before = stream.readline()
        for line in stream:
            yield document_of(document_of(before)["record"].encode())
            before = line


class Policies:
    """The policies that an archive has beside its events: a line each in their order, or, of an older installation, a file each."""

    def __init__(self, files: Files) -> None:
        self.files, self.of_event = files, dict[str, list[str]]()
        for name in files.names:
            if name.startswith("policies/"):
                self.of_event.setdefault(name[len("policies/") : -len(".json")].rsplit("-", 1)[0], []).append(name)
        self.lines = self.told() if "policies.jsonl" in files.names else iter(())
        self.next = next(self.lines, None)

    def told(self) -> Iterator[dict[str, Any]]:
        with self.files.opened("policies.jsonl") as stream:
            yield from map(document_of, stream)

    def compare(self, event: dict[str, Any]) -> None:
        number = event["eventID"]
        for name in self.of_event.pop(number, ()):
            parameter = name[: -len(".json")].rsplit("-", 1)[1]
            if json.loads(self.files.read(name)) != json.loads(event["requestParameters"][parameter]):
                raise Wrong(f"{name} is not the policy of its event")
        while self.next is not None and self.next["eventID"] == number:
            mine = {name: event[name] for name in ("eventID", "eventTime", "eventName")}
            mine |= {"parameter": self.next["parameter"], "policy": event["requestParameters"][self.next["parameter"]]}
            if self.next != mine:
                raise Wrong(f"policies.jsonl has another policy than the event {number}")
            self.next = next(self.lines, None)

    def end(self) -> None:
        number = self.next["eventID"] if self.next is not None else next(iter(self.of_event), None)
        if number is not None:
            raise Wrong(f"the archive has a policy of the event {number!r}, which it does not have there")


def printable(text: str) -> str:
    """What files say, without what a terminal would act on."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Check proofs and exports of kmsconsole's audit trail.")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--key", help="verifier key of the log, as the operator published it")
    parser.add_argument(
        "--earlier", action="append", default=[], metavar="CHECKPOINT", help="a checkpoint that you kept"
    )
    parser.add_argument("--witness", action="append", default=[], metavar="VERIFIER_KEY", help="must have cosigned")
    given = parser.parse_args(arguments)
    try:
        earlier = [kept(each) for each in given.earlier]
        key = key_of(given.key) if given.key else None
        verifier = Verifier(key, earlier, [key_of(each) for each in given.witness])
        for name in given.files:
            try:
                with open(name, "rb") as file:
                    print(printable(f"{name}: {verifier.file(file)}"))
            except Wrong as reason:
                raise Wrong(f"{name}: {reason}") from reason
        if doubt := verifier.one_log():
            print(printable(doubt))
        if key is None:
            print("the key in the file was believed: compare it with the one that the operator published (--key)")
    except (Wrong, OSError, ValueError, KeyError, TypeError, RecursionError) as reason:
        print(printable(f"NOT GENUINE: {reason}"), file=sys.stderr)
        return 1
    return 0


def kept(name: str) -> str:
    """A checkpoint as /audit/checkpoint/ answers it, as JSON or as the note alone."""
    with open(name, "rb") as file:
        data = file.read(1 << 16)
    return str(document_of(data)["checkpoint"]) if data.lstrip().startswith(b"{") else data.decode("utf-8", "replace")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
