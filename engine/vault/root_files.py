"""The root key's files in the data folder: what each holds, how it is opened, which is the one in use.

    root.key        the root key in plain text: provider `file`, the default
    root.json       a description of how another provider (engine.vault.root_providers) opens it; no secret is in it
    root.*.next     the next one, of a rotation or a change of provider that is under way
    root.*.retired-… an earlier one; backups of its time need it
    root.handover   next root keys, wrapped under the ones before them: workers that run cannot ask for a passphrase or a PIN

A description is authenticated by the key that it opens: whoever changes a part of it cannot make the code that goes with it, and a
description whose code does not fit is refused. Its root key ID is told without opening it.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings

from engine import durable_files
from engine.vault import root_providers
from engine.vault.hierarchy import KEY_BYTES, RootKey, RootKeyError
from engine.vault.root_providers import Ask

FILE = "file"
NAMES = ("root.json", "root.key")  # in the order in which they are looked for
_MADE_ANEW = frozenset({"shamir"})  # of a prepared one nobody knows whether its shares were handed out
# Providers whose secret may not be at hand for a command that only looks.
ASKS = frozenset(name for name, provider in root_providers.PROVIDERS.items() if provider.asks)
FORMAT = "kmsconsole-root-1"
_HEADER = "kmsconsole-root-key-1"
_LARGEST = 64 << 10  # bytes of a file of a root key


def root_path() -> Path:
    """The root key's file in use, or where the file of a new one is put."""
    return _first("")


def next_root_path() -> Path:
    return _first(".next")


def _first(suffix: str) -> Path:
    paths = [Path(settings.DATA) / f"{name}{suffix}" for name in NAMES]
    return next((path for path in paths if path.exists()), paths[-1])


def present(suffix: str = "") -> list[Path]:
    """Files of root keys that are there, at most two."""
    return [path for name in NAMES if (path := Path(settings.DATA) / f"{name}{suffix}").exists()]


def handover_path() -> Path:
    return Path(settings.DATA) / "root.handover"


def retired_root_path(root_key_id: str, name: str = "root.key") -> Path:
    return Path(settings.DATA) / f"{name}.retired-{root_key_id[:12]}"


@dataclass(frozen=True, slots=True)
class RootFile:
    """A file that was read and not opened. `root_key_id` is what it says of itself; opening it proves that."""

    path: Path
    provider: str
    root_key_id: str
    description: Mapping[str, Any]
    opened: RootKey | None = None  # of a plain file

    def open(self, ask: Ask) -> RootKey:
        """Raises RootKeyError: the secret that was asked for is wrong, the token or KMS is not there, the file was changed."""
        return self.opened or _open(self, ask)

    def is_made_by(self, provider: str, parameters: Mapping[str, Any]) -> bool:
        """Whether it is a prepared one that may be gone on with."""
        if self.provider != provider or provider in _MADE_ANEW:
            return False
        return provider == FILE or self.parameters() == parameters

    def parameters(self) -> dict[str, Any]:
        """Those that protect another root key alike."""
        if self.provider == FILE:
            return {}
        return root_providers.PROVIDERS[self.provider].parameters(self.description[self.provider])

    @property
    def is_of_no_use_alone(self) -> bool:
        """Whether a backup may hold it: a token, a KMS or people have what opens it."""
        return self.provider != FILE and root_providers.PROVIDERS[self.provider].in_backups

    def words(self) -> str:
        """What protects the root key, for people."""
        if self.provider == FILE:
            return f"the file {self.path.name} (plain text, mode 0600)"
        return root_providers.PROVIDERS[self.provider].words(self.description[self.provider])


def read(path: Path) -> RootFile:
    """Raises RootKeyError if it is missing, unreadable or damaged."""
    try:
        with open(path, "rb") as file:
            content = file.read(_LARGEST)
        text = content.decode()
    except FileNotFoundError as reason:
        raise RootKeyError(f"the root key {path} is missing") from reason
    except (OSError, UnicodeDecodeError) as reason:
        raise RootKeyError(f"the root key {path} cannot be read") from reason
    try:
        return _described(path, content) if text.startswith("{") else _plain(path, text)
    except (LookupError, ValueError, TypeError, AttributeError) as reason:
        raise RootKeyError(f"the root key {path} is damaged") from reason


def _plain(path: Path, text: str) -> RootFile:
    header, key_text, checksum, end = text.split("\n")
    key = bytes.fromhex(key_text)
    if header != _HEADER or len(key) != KEY_BYTES or checksum != _checksum(key) or end:
        raise ValueError(header)
    found = RootKey(key)
    return RootFile(path, FILE, found.root_key_id, {}, found)


def _described(path: Path, content: bytes) -> RootFile:
    description: dict[str, Any] = orjson.loads(content)
    provider, root_key_id = description["provider"], description["rootKeyID"]
    whole = description["format"] == FORMAT and isinstance(description[provider], dict)
    if not whole or provider not in root_providers.PROVIDERS or len(bytes.fromhex(root_key_id)) != 16:
        raise ValueError(provider)
    for text in (description["installation"], description["mac"]):
        bytes.fromhex(text)
    return RootFile(path, provider, root_key_id, description)


def _open(file: RootFile, ask: Ask) -> RootKey:
    binding = _binding(file.description)
    try:
        key = root_providers.PROVIDERS[file.provider].open(binding, file.description[file.provider], ask)
    except (LookupError, ValueError, TypeError) as reason:
        raise RootKeyError(f"the root key {file.path} is damaged") from reason
    return authenticated(file, key)


def authenticated(file: RootFile, key: bytes) -> RootKey:
    """The root key that a description speaks of, if `key` is that and the description is as it was made. Raises RootKeyError."""
    if len(key) != KEY_BYTES or RootKey(key).root_key_id != file.root_key_id:
        raise RootKeyError(f"what protects {file.path} gave another root key than the one described there")
    if not hmac.compare_digest(_mac(file.description, key), bytes.fromhex(file.description["mac"])):
        raise RootKeyError(f"the description {file.path} was changed")
    return RootKey(key)


def _binding(description: Mapping[str, Any]) -> root_providers.Binding:
    return root_providers.Binding(description["installation"], description["rootKeyID"])


def create(
    provider: str, parameters: Mapping[str, Any], ask: Ask, *, suffix: str = ""
) -> tuple[RootKey, tuple[str, ...]]:
    """A new root key, protected as `provider` does, in a new durable file of mode 0600, and what is to be handed out to people: shares.

    Raises FileExistsError rather than ever replacing a file, RootKeyError if the provider cannot protect it.
    """
    key = secrets.token_bytes(KEY_BYTES)
    root = RootKey(key)
    if provider == FILE:
        _write(Path(settings.DATA) / f"root.key{suffix}", f"{_HEADER}\n{key.hex()}\n{_checksum(key)}\n".encode())
        return root, ()
    description = {
        "format": FORMAT,
        "provider": provider,
        "installation": _installation(),
        "rootKeyID": root.root_key_id,
    }
    made = root_providers.PROVIDERS[provider].protect(_binding(description), key, parameters, ask)
    description[provider] = made.members  # type: ignore[assignment]
    description["mac"] = _mac(description, key).hex()
    _write(Path(settings.DATA) / f"root.json{suffix}", orjson.dumps(description, option=orjson.OPT_INDENT_2))
    return root, made.handed_out


def _write(path: Path, content: bytes) -> None:
    with durable_files.new_file(path) as file:
        file.write(content)


def _installation() -> str:
    """A random ID of this installation, the same in each description that follows another."""
    for path in present():
        if installation := read(path).description.get("installation"):
            return str(installation)
    return secrets.token_hex(16)


def _mac(description: Mapping[str, Any], key: bytes) -> bytes:
    content = orjson.dumps(
        {name: value for name, value in description.items() if name != "mac"}, option=orjson.OPT_SORT_KEYS
    )
    return hmac.digest(hmac.digest(key, b"kmsconsole root description", sha256), content, sha256)


def _checksum(key: bytes) -> str:
    return sha256(b"kmsconsole root key checksum" + key).hexdigest()[:16]


def hand_over(old: RootKey, new: RootKey) -> None:
    """Leave the new root key, wrapped under the old one, for workers that hold the old one. Durable."""
    entries = [each for each in _handed_over() if each["to"] != new.root_key_id]
    entries.append({"from": old.root_key_id, "to": new.root_key_id, "wrapped": old.wrap_key_of(new).hex()})
    part = handover_path().with_name("root.handover.part")
    part.unlink(missing_ok=True)
    _write(part, orjson.dumps({"format": "kmsconsole-root-handover-1", "entries": entries}, option=orjson.OPT_INDENT_2))
    part.replace(handover_path())
    durable_files.sync_folder(part.parent)


def handed_over(root_key_id: str, known: Mapping[str, RootKey]) -> RootKey | None:
    """The root key with this ID, from one that is known over as many handovers as there were."""
    entries, roots = _handed_over(), dict(known)
    for _ in entries:
        for each in entries:
            if each["from"] in roots and each["to"] not in roots:
                roots[each["to"]] = roots[each["from"]].unwrap_key_of(each["to"], bytes.fromhex(each["wrapped"]))
        if root_key_id in roots:
            break
    return roots.get(root_key_id)


def _handed_over() -> list[dict[str, str]]:
    try:
        entries = orjson.loads(handover_path().read_bytes())["entries"]
        return [{name: str(each[name]) for name in ("from", "to", "wrapped")} for each in entries]
    except FileNotFoundError:
        return []
    except (LookupError, ValueError, TypeError, OSError) as reason:
        raise RootKeyError(f"{handover_path()} is damaged") from reason


def forget_handover() -> None:
    """When no worker that began with an earlier root key lives: at a start, and where no server runs."""
    if handover_path().exists():
        handover_path().unlink()
        durable_files.sync_folder(handover_path().parent)
