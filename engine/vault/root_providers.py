"""Root key providers: what protects the root key where it is not a plain file. A provider is a row of PROVIDERS.

A provider is given the root key once, when it is made (`protect`), and gives it back at each start (`open`). What it needs for that and
is no secret is in the description `root.json` (engine.vault.root_files); a passphrase, a PIN or shares are asked of whoever starts the
server (`Ask`), and are kept nowhere.

The root key is bound to the installation and to its own ID: as AES-GCM's additional data, or as AWS's encryption context.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from django.conf import settings

from engine.hsm.token import Reason, Token, TokenError
from engine.vault import hierarchy, shamir
from engine.vault.hierarchy import RootKeyError
from engine.vault.process import in_a_process
from engine.vault.root_shares import ShareCollection

# ask(what, how many): secrets from whoever starts the server. Raises RootKeyError if nobody can be asked.
Ask = Callable[[str, int], list[str]]
Members = dict[str, Any]


class Binding(NamedTuple):
    installation: str
    root_key_id: str

    def additional_data(self, provider: str) -> bytes:
        return hierarchy.bind("root", provider, self.installation, self.root_key_id)


@dataclass(frozen=True, slots=True)
class Protected:
    """Members of the description, and what is given to people and kept nowhere."""

    members: Members
    handed_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Provider:
    protect: Callable[[Binding, bytes, Mapping[str, Any], Ask], Protected]
    open: Callable[[Binding, Mapping[str, Any], Ask], bytes]
    parameters: Callable[[Mapping[str, Any]], Members]  # from a description: those that protect another root key alike
    words: Callable[[Mapping[str, Any]], str]
    asks: str  # what the server needs at each start; empty: nothing
    in_backups: bool  # whether the description is of no use to whoever finds it


# --- passphrase: RFC 9106's Argon2id; an AES-256 key of it wraps the root key
_MOST_MEMORY, _MOST_ITERATIONS, _MOST_LANES = 4 << 20, 100, 64  # what a description may ask of this machine
SHORTEST_PASSPHRASE = 12


def _passphrase_key(passphrase: str, members: Mapping[str, Any]) -> AESGCM:
    iterations, lanes, memory = (int(members[name]) for name in ("iterations", "lanes", "memoryKiB"))
    if members["kdf"] != "argon2id" or memory > _MOST_MEMORY or iterations > _MOST_ITERATIONS or lanes > _MOST_LANES:
        raise ValueError("the key derivation is another one, or asks for too much")
    kdf = Argon2id(
        salt=bytes.fromhex(members["salt"]), length=32, iterations=iterations, lanes=lanes, memory_cost=memory
    )
    return AESGCM(kdf.derive(passphrase.encode()))


def _protect_by_passphrase(binding: Binding, key: bytes, parameters: Mapping[str, Any], ask: Ask) -> Protected:
    (passphrase,) = ask("passphrase", 1)
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise RootKeyError(f"the passphrase must have {SHORTEST_PASSPHRASE} characters or more")
    members = {
        "kdf": "argon2id",
        **settings.ROOT_PASSPHRASE_COST,
        "salt": secrets.token_hex(16),
    }
    cipher = _passphrase_key(passphrase, members)
    return Protected(
        {**members, "wrapped": hierarchy.seal_under(cipher, binding.additional_data("passphrase"), key).hex()}
    )


def _open_by_passphrase(binding: Binding, members: Mapping[str, Any], ask: Ask) -> bytes:
    (passphrase,) = ask("passphrase", 1)
    cipher = _passphrase_key(passphrase, members)
    try:
        return hierarchy.open_under(cipher, binding.additional_data("passphrase"), bytes.fromhex(members["wrapped"]))
    except hierarchy.UnwrapError as reason:
        raise RootKeyError("the passphrase does not open the root key") from reason


def _passphrase_words(members: Mapping[str, Any]) -> str:
    return (
        f"a passphrase (argon2id, {int(members['memoryKiB']) >> 10} MiB, {members['iterations']} passes, "
        f"{members['lanes']} lanes)"
    )


# --- pkcs11: an AES key that stays in a token wraps the root key. The module's path is a setting and never data: it is code that runs.
_TOKEN_SECONDS = 30.0


def _token(label: str, ask: Ask) -> Token:
    if not settings.ROOT_TOKEN_MODULE:
        raise RootKeyError(
            "KMSCONSOLE_ROOT_TOKEN_MODULE must name the PKCS#11 module of the token that protects the root key"
        )
    (pin,) = ask("PIN", 1)
    return Token(settings.ROOT_TOKEN_MODULE, label, pin, seconds=_TOKEN_SECONDS)


def _with_token(work: Callable[[], bytes]) -> bytes:
    """A PKCS#11 module does not survive a fork, and it is code of others: it is loaded in a process of its own, which ends with this."""

    def told() -> bytes:
        try:
            return work()
        except TokenError as reason:
            if reason.reason is Reason.INVALID:
                raise RootKeyError("the token's key did not wrap this root key") from reason
            raise RootKeyError(f"the token that protects the root key: {reason}") from reason

    return in_a_process(told, seconds=_TOKEN_SECONDS + 5)


def _protect_by_token(binding: Binding, key: bytes, parameters: Mapping[str, Any], ask: Ask) -> Protected:
    label, key_id = str(parameters["token"]), b"kmsconsole root " + os.urandom(8)
    token = _token(label, ask)

    def wrap() -> bytes:
        token.generate(key_id, f"kmsconsole root {binding.root_key_id[:8]}")
        return b"".join(token.encrypt(key_id, key, binding.additional_data("pkcs11")))

    return Protected({"token": label, "keyID": key_id.hex(), "wrapped": _with_token(wrap).hex()})


def _open_by_token(binding: Binding, members: Mapping[str, Any], ask: Ask) -> bytes:
    token, key_id = _token(str(members["token"]), ask), bytes.fromhex(members["keyID"])
    wrapped = bytes.fromhex(members["wrapped"])
    nonce, ciphertext, tag = wrapped[:12], wrapped[12:-16], wrapped[-16:]
    return _with_token(lambda: token.decrypt(key_id, nonce, ciphertext, tag, binding.additional_data("pkcs11")))


# --- kms: a key of AWS, or of another kmsconsole, wraps the root key; the credentials are those that boto3 finds
_KMS_SECONDS = 60.0


def _kms(arn: str, endpoint: str) -> Any:
    """A client of the KMS that has this key. Raises RootKeyError for an endpoint to which the root key would go in the clear."""
    import boto3  # a fifth of a second, for who needs it
    from botocore.config import Config

    parts = arn.split(":")
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "kms" or not parts[5].startswith("key/"):
        raise RootKeyError(
            "the KMS key that protects the root key must be named by its ARN (arn:aws:kms:REGION:ACCOUNT:key/ID)"
        )
    if endpoint and urlsplit(endpoint).scheme != "https" and urlsplit(endpoint).hostname not in _LOOPBACK:
        raise RootKeyError("the KMS that protects the root key must be reached by https, or on this machine")
    config = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("kms", region_name=parts[3], endpoint_url=endpoint or None, config=config)


_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _by_kms(arn: str, endpoint: str, call: Callable[[Any], bytes]) -> bytes:
    """In a process of its own: what boto3 keeps of connections and credentials ends with it."""
    from botocore.exceptions import BotoCoreError, ClientError

    def told() -> bytes:
        try:
            return call(_kms(arn, endpoint))
        except ClientError as reason:
            code = reason.response["Error"]["Code"]
            raise RootKeyError(f"the KMS key {arn} that protects the root key refused: {code}") from reason
        except BotoCoreError as reason:
            said = f"the KMS that protects the root key cannot be used ({type(reason).__name__})"
            raise RootKeyError(said) from reason

    return in_a_process(told, seconds=_KMS_SECONDS)


def _encryption_context(binding: Binding) -> dict[str, str]:
    return {"kmsconsole:installation": binding.installation, "kmsconsole:root-key-id": binding.root_key_id}


def _protect_by_kms(binding: Binding, key: bytes, parameters: Mapping[str, Any], ask: Ask) -> Protected:
    arn = str(parameters["key"])
    endpoint = str(settings.ROOT_KMS_ENDPOINT or parameters.get("endpoint") or "")
    context = _encryption_context(binding)
    wrapped = _by_kms(
        arn,
        endpoint,
        lambda kms: kms.encrypt(KeyId=arn, Plaintext=key, EncryptionContext=context)["CiphertextBlob"],
    )
    return Protected({"key": arn, "endpoint": endpoint, "wrapped": wrapped.hex()})


def _open_by_kms(binding: Binding, members: Mapping[str, Any], ask: Ask) -> bytes:
    arn, wrapped = str(members["key"]), bytes.fromhex(members["wrapped"])
    endpoint = str(settings.ROOT_KMS_ENDPOINT or members["endpoint"])
    context = _encryption_context(binding)
    return _by_kms(
        arn,
        endpoint,
        lambda kms: kms.decrypt(KeyId=arn, CiphertextBlob=wrapped, EncryptionContext=context)["Plaintext"],
    )


# --- shamir: the root key in shares of which some open it; nothing of it is on the machine
def _protect_by_shares(binding: Binding, key: bytes, parameters: Mapping[str, Any], ask: Ask) -> Protected:
    count, threshold = int(parameters["shares"]), int(parameters["threshold"])
    try:
        shares = shamir.split(key, count, threshold)
    except ValueError as reason:
        raise RootKeyError(str(reason)) from reason
    members = {
        "set": shares[0].set_id.hex(),
        "shares": count,
        "threshold": threshold,
        "digests": [share.digest() for share in shares],
    }
    return Protected(members, tuple(share.text() for share in shares))


def _open_by_shares(binding: Binding, members: Mapping[str, Any], ask: Ask) -> bytes:
    collection, key = ShareCollection(members), None
    for text in ask("share", collection.needed):
        try:
            key = collection.add(text)
        except shamir.ShareError as reason:
            raise RootKeyError(f"a share does not fit: {reason}") from reason
    if key is None:
        raise RootKeyError("there are not enough shares")
    return key


PROVIDERS: Mapping[str, Provider] = {
    "passphrase": Provider(
        protect=_protect_by_passphrase,
        open=_open_by_passphrase,
        parameters=lambda members: {},
        words=_passphrase_words,
        asks="the passphrase",
        in_backups=False,  # it can be guessed at
    ),
    "pkcs11": Provider(
        protect=_protect_by_token,
        open=_open_by_token,
        parameters=lambda members: {"token": members["token"]},
        words=lambda members: f"an AES key in the PKCS#11 token {members['token']!r}",
        asks="the token user's PIN",
        in_backups=True,
    ),
    "kms": Provider(
        protect=_protect_by_kms,
        open=_open_by_kms,
        parameters=lambda members: {"key": members["key"], "endpoint": members["endpoint"]},
        words=lambda members: f"the KMS key {members['key']}{_at(members['endpoint'])}",
        asks="",
        in_backups=True,
    ),
    "shamir": Provider(
        protect=_protect_by_shares,
        open=_open_by_shares,
        parameters=lambda members: {"shares": members["shares"], "threshold": members["threshold"]},
        words=lambda members: f"{members['shares']} shares of people, of which {members['threshold']} open it",
        asks="shares",
        in_backups=True,
    ),
}


def _at(endpoint: str) -> str:
    return f" at {endpoint}" if endpoint else ""
