#!/usr/bin/env python3
"""Checks proofs and exports of kmsconsole's audit trail without kmsconsole: this one file, Python 3.11 or later, and `cryptography`.

    python verify_kmsconsole_trail.py FILE... [--key VERIFIER_KEY] [--earlier CHECKPOINT]... [--witness VERIFIER_KEY]...

FILE is an event's proof, a consistency proof, a checkpoint, an export with proofs, or an evidence bundle. Without --key the key in the file is believed,
which proves only that the file is what that key signed: compare the key with the one that the operator published. --earlier names
checkpoints that you kept; the log must continue them, which is told of consistency proofs among the files, and of whole exports.
Exit code 0 only if everything is genuine. Specifications: RFC 6962, c2sp.org/signed-note, tlog-checkpoint and tlog-cosignature.
"""

import argparse
import base64
import binascii
import hashlib
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

BESIDE = {"signed.txt", "signature.bin", "signed.note", "public-key.pem", "VERIFY.txt"}  # what verifies an archive
SIGNATURE, COSIGNATURE = b"\x01", b"\x04"


class Wrong(Exception):
    """What is not as it must be, in a sentence."""


class Key(NamedTuple):
    name: str
    kind: bytes
    raw: bytes

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.raw).digest()[:4]


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes
    text: str
    note: str


def unbase64(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError) as reason:
        raise Wrong(f"{what} is not base64") from reason


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
        raise Wrong(f"the key {key.name} did not sign it: it is from another installation")
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
    lines = text.split("\n")
    if len(lines) < 4 or not lines[1].isdigit():
        raise Wrong("the checkpoint has no origin, size and root")
    if lines[0] != key.name:
        raise Wrong("the checkpoint is of another log than its key")
    root = unbase64(lines[2], "the checkpoint's root")
    if len(root) != 32:
        raise Wrong("the checkpoint's root is no SHA-256 hash")
    return Checkpoint(lines[0], int(lines[1]), root, text, note)


# --- the tree


def leaf_hash(record: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class Growing:
    """A tree that grows record by record; its root at any size on the way."""

    def __init__(self) -> None:
        self.size = 0
        self.subtrees: list[bytes] = []

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


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1.1, computed from the leaf up: which side each hash stands on follows from index and size."""
    if not 0 <= index < size:
        raise Wrong(f"record {index + 1} is beyond the checkpoint's {size} records")
    sides = []
    low, high = 0, size
    while high - low > 1:
        half = 1
        while half * 2 < high - low:
            half *= 2
        if index < low + half:
            sides.append("right")
            high = low + half
        else:
            sides.append("left")
            low += half
    if len(sides) != len(path):
        raise Wrong(f"the audit path of record {index + 1} has {len(path)} hashes and not {len(sides)}")
    found = leaf
    for side, each in zip(reversed(sides), path, strict=False):
        found = node_hash(found, each) if side == "right" else node_hash(each, found)
    return found


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


class Verifier:
    def __init__(self, key: Key | None, earlier: Sequence[str], witnesses: Sequence[Key]) -> None:
        self.key, self.earlier, self.witnesses = key, earlier, witnesses
        self.continued: list[tuple[int, bytes]] = []  # (size, root) of the earlier ones that something continued

    def key_for(self, document: dict[str, Any]) -> Key:
        if self.key is not None:
            return self.key
        return key_of(str(document.get("publicKey", "")))

    def file(self, data: bytes) -> str:
        """What a file proves, in a sentence. Raises Wrong."""
        if data.startswith(b"PK"):
            return self.archive(data)
        if not data.lstrip().startswith(b"{"):
            if self.key is None:
                raise Wrong("a checkpoint alone needs --key")
            return self.checkpoint(data.decode("utf-8", "replace"), self.key)
        lines = data.split(b"\n")
        try:
            document = json.loads(lines[0] if lines[0].rstrip().endswith(b"}") else data)
        except ValueError as reason:
            raise Wrong("the file is not JSON") from reason
        kind = str(document.get("format", ""))
        key = self.key_for(document)
        try:
            if kind == "kmsconsole-event-proof/1":
                return self.event(document, key)
            if kind == "kmsconsole-consistency-proof/1":
                return self.consistency(document, key)
            if kind == "kmsconsole-checkpoint/1":
                return self.checkpoint(document["checkpoint"], key)
            if kind == "kmsconsole-proved-export/1":
                return self.export(document, lines, key)
        except (KeyError, TypeError, ValueError) as reason:
            raise Wrong(f"the file has not the members of its format: {reason!r}") from reason
        raise Wrong(f"the file is of no format known here: {kind!r}")

    def archive(self, data: bytes) -> str:
        """An evidence bundle: each file is the one whose digest was signed, and what can be proved of them is."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if len(archive.namelist()) != len(set(archive.namelist())):
                    raise Wrong("the archive has a file twice")
                files = {each: archive.read(each) for each in archive.namelist()}
        except (zipfile.BadZipFile, zlib.error) as reason:
            raise Wrong(f"the archive is damaged: {reason}") from reason
        for name in ("signed.note", "events.jsonl"):
            if name not in files:
                raise Wrong(f"{name} is missing in the archive")
        log = self.key_for(json.loads(files["events.jsonl"].split(b"\n")[0]))
        signer = Key(f"kmsconsole/report/{log.raw.hex()[:16]}", SIGNATURE, log.raw)
        text = open_note(files["signed.note"].decode("utf-8", "replace"), signer)
        digests = [line.partition("  ") for line in text.split("\n") if "  " in line]
        listed = {name: digest for digest, _, name in digests}
        for name, digest in listed.items():
            if name not in files:
                raise Wrong(f"{name} is missing in the archive")
            if hashlib.sha256(files[name]).hexdigest() != digest:
                raise Wrong(f"{name} is not the one that was signed: it was changed")
        if added := sorted(set(files) - set(listed) - BESIDE):
            raise Wrong(f"{added[0]} was put into the archive")
        said = [self.file(files[name]) for name in ("consistency.json", "events.jsonl") if name in listed]
        return f"{len(listed)} files as they were signed; " + "; ".join(said)

    def checkpoint(self, note: str, key: Key) -> str:
        found = checkpoint_of(note, key)
        for each in self.earlier:
            old = checkpoint_of(each, key)
            if old.size > found.size or (old.size == found.size and old.root != found.root):
                check_consistency(old, found, [])
            if old.size == found.size:
                self.continued.append((old.size, old.root))
        return f"checkpoint of {found.size} records, signed by {found.origin}{self.seen_by(note)}"

    def seen_by(self, note: str) -> str:
        said = ""
        for each in self.witnesses:
            moment = cosigned(note, each)
            if moment is None:
                raise Wrong(f"the witness {each.name} did not cosign the checkpoint")
            said += f", cosigned by {each.name} at {moment.isoformat()}"
        return said

    def event(self, document: dict[str, Any], key: Key) -> str:
        found = checkpoint_of(document["checkpoint"], key)
        self.included(document, found)
        return f"record {document['index'] + 1} is in the log of {found.size} records{self.seen_by(found.note)}"

    def included(self, document: dict[str, Any], found: Checkpoint) -> None:
        index, leaf = int(document["index"]), leaf_hash(document["record"].encode())
        path = [unbase64(each, "an audit path") for each in document["auditPath"]]
        if root_of_inclusion(leaf, index, found.size, path) != found.root:
            raise Wrong(f"record {index + 1} is not the one that was signed: it was changed")

    def consistency(self, document: dict[str, Any], key: Key) -> str:
        old, new = checkpoint_of(document["from"], key), checkpoint_of(document["to"], key)
        check_consistency(old, new, [unbase64(each, "a proof") for each in document["proof"]])
        for each in self.earlier:
            mine = checkpoint_of(each, key)
            if mine.size == old.size:
                if mine.root != old.root:
                    raise Wrong(
                        f"your checkpoint of {mine.size} records is another than the proof's: the log was forked"
                    )
                self.continued.append((mine.size, mine.root))
        return f"the log of {new.size} records continues the one of {old.size}{self.seen_by(new.note)}"

    def export(self, head: dict[str, Any], lines: list[bytes], key: Key) -> str:
        if len(lines) < 3 or lines[-1] != b"":
            raise Wrong("the export is cut off: its last line is not whole")
        if "end" not in json.loads(lines[-2]):
            raise Wrong("the export is cut off: its last line is missing")
        found = checkpoint_of(head["checkpoint"], key)
        if head["kind"] == "whole":
            number = self.whole(found, key, self.records(lines))
        else:
            number = self.selected(found, self.records(lines))
        self.end(lines, number, key)
        what = "all" if head["kind"] == "whole" else "of the"
        return f"{number} records, {what} {found.size} of the log{self.seen_by(found.note)}"

    def records(self, lines: list[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines[1:-2]:
            yield json.loads(line)

    def selected(self, found: Checkpoint, records: Iterator[dict[str, Any]]) -> int:
        number, before = 0, -1
        for each in records:
            if each["index"] <= before:
                raise Wrong(f"record {each['index'] + 1} stands behind record {before + 1}: the export was reordered")
            self.included(each, found)
            number, before = number + 1, each["index"]
        return number

    def whole(self, found: Checkpoint, key: Key, records: Iterator[dict[str, Any]]) -> int:
        tree, agrees = Growing(), 0
        earlier = sorted((checkpoint_of(each, key) for each in self.earlier), key=lambda each: each.size)
        for each in earlier:
            if each.size > found.size:
                check_consistency(each, found, [])
        due = [*(each for each in earlier if each.size), found]
        for line in records:
            if line["index"] != tree.size:
                raise Wrong(
                    f"record {line['index'] + 1} stands where {tree.size + 1} should: one was removed or reordered"
                )
            tree.add(line["record"].encode())
            while due and due[0].size == tree.size:
                now = due.pop(0)
                if now.root != tree.root():
                    raise Wrong(
                        f"at least one of the records {agrees + 1} to {now.size} is not the one that was signed: "
                        "it was changed, or the log was forked there"
                    )
                self.continued.append((now.size, now.root))
                agrees = now.size
        if tree.size != found.size:
            raise Wrong(f"records {tree.size + 1} to {found.size} are missing: the export was truncated")
        return tree.size

    def end(self, lines: list[bytes], number: int, key: Key) -> None:
        """The last line: how many records there are, and the hash over all lines before."""
        document = json.loads(lines[-2])
        signer = key_of(str(document["publicKey"]))
        if signer.raw != key.raw:
            raise Wrong("the end of the export was signed by another key")
        _name, said, digest, *_rest = open_note(document["end"], signer).split("\n")
        if int(said) != number:
            raise Wrong(f"the export has {number} records and not {said}: some were removed")
        if (
            unbase64(digest, "the export's hash")
            != hashlib.sha256(b"".join(each + b"\n" for each in lines[:-2])).digest()
        ):
            raise Wrong("the export is not what was signed: it was changed")


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
        earlier = [read(each).decode("utf-8", "replace") for each in given.earlier]
        key = key_of(given.key) if given.key else None
        verifier = Verifier(key, earlier, [key_of(each) for each in given.witness])
        for name in given.files:
            try:
                print(f"{name}: {verifier.file(read(name))}")
            except Wrong as reason:
                raise Wrong(f"{name}: {reason}") from reason
        if key is None:
            print("the key in the file was believed: compare it with the one that the operator published (--key)")
        for each in earlier:
            lines = each.split("\n")
            size, root = int(lines[1]), unbase64(lines[2], "a checkpoint's root")
            if (size, root) not in verifier.continued:
                raise Wrong(f"nothing here proves that the log continues your checkpoint of {size} records")
    except (Wrong, OSError, ValueError, IndexError) as reason:
        print(f"NOT GENUINE: {reason}", file=sys.stderr)
        return 1
    return 0


def read(name: str) -> bytes:
    with open(name, "rb") as file:
        return file.read()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
