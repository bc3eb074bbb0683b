"""A PKCS#11 token: AES keys that are made in it and never leave it, used by threads of its own.

The one module that speaks PKCS#11. A token is slow, may hang, and may be taken away: every call goes through a few threads that belong
to that token alone, and whoever waits does so for a bounded time. Sessions are pooled and renewed; a token that is back is found again
without a restart. A PKCS#11 library keeps its state per process and does not survive a fork: it is loaded at the first call, in the
process that makes it.

Source: OASIS PKCS #11 Specification v3.1; SoftHSM 2 and CloudHSM's client SDK 5 are modules of this kind.
"""

from __future__ import annotations

import contextlib
import enum
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pkcs11
from pkcs11 import Attribute, GCMParams, KeyType, Mechanism, MechanismFlag, ObjectClass

NONCE = 12  # bytes of AES-GCM's nonce, drawn by the token
TAG = 16
_THREADS = 4  # of one token
_QUEUED = 64  # calls that may wait for one token
_KEYS = 1_000  # that a session remembers
SECONDS = 10.0  # that a call may take, waiting included

T = TypeVar("T")
KeyName = bytes | str  # of a key: its CKA_ID, or its CKA_LABEL where one key alone has it

# What a key may be used for, as key stores name it.
_USAGES = {
    "ENCRYPT": Attribute.ENCRYPT,
    "DECRYPT": Attribute.DECRYPT,
    "SIGN": Attribute.SIGN,
    "VERIFY": Attribute.VERIFY,
    "WRAP": Attribute.WRAP,
    "UNWRAP": Attribute.UNWRAP,
    "DERIVE": Attribute.DERIVE,
}


@dataclass(frozen=True)
class KeyDescription:
    is_aes: bool
    bits: int
    usage: tuple[str, ...]


class Reason(enum.Enum):
    """Why a token did not do what was asked."""

    MODULE = "the PKCS#11 module cannot be loaded"
    GONE = "the token is not there"
    PIN_INCORRECT = "the PIN is not the token user's"
    PIN_LOCKED = "the token user's PIN is locked"
    NO_USER = "the token has no user yet"
    NO_KEY = "the token has no such key"
    FULL = "the token has no room for another key"
    SLOW = "the token did not answer in time"
    BUSY = "too many calls wait for the token"
    INVALID = "the ciphertext was not made under this key with this additional data"
    FAILED = "the token failed"


class TokenError(Exception):
    """`reason` says which; the text has no secret and no handle."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}{f' ({detail})' if detail else ''}")
        self.reason, self.detail = reason, detail


_REASONS: dict[type[Exception], Reason] = {
    pkcs11.NoSuchToken: Reason.GONE,
    pkcs11.TokenNotPresent: Reason.GONE,
    pkcs11.TokenNotRecognised: Reason.GONE,
    pkcs11.SlotIDInvalid: Reason.GONE,
    pkcs11.DeviceRemoved: Reason.GONE,
    pkcs11.MultipleTokensReturned: Reason.GONE,
    pkcs11.PinIncorrect: Reason.PIN_INCORRECT,
    pkcs11.PinInvalid: Reason.PIN_INCORRECT,
    pkcs11.PinLenRange: Reason.PIN_INCORRECT,
    pkcs11.PinLocked: Reason.PIN_LOCKED,
    pkcs11.PinExpired: Reason.PIN_LOCKED,
    pkcs11.UserPinNotInitialized: Reason.NO_USER,
    pkcs11.NoSuchKey: Reason.NO_KEY,
    pkcs11.KeyHandleInvalid: Reason.NO_KEY,
    pkcs11.ObjectHandleInvalid: Reason.NO_KEY,
    pkcs11.DeviceMemory: Reason.FULL,
    pkcs11.HostMemory: Reason.FULL,
    pkcs11.EncryptedDataInvalid: Reason.INVALID,
    pkcs11.EncryptedDataLenRange: Reason.INVALID,
}
_STALE = (  # the session is of a login, or of an initialisation of the module, that is over: a new one may do
    pkcs11.SessionHandleInvalid,
    pkcs11.SessionClosed,
    pkcs11.UserNotLoggedIn,
    pkcs11.KeyHandleInvalid,
    pkcs11.ObjectHandleInvalid,
    pkcs11.DeviceError,
    pkcs11.DeviceRemoved,
    pkcs11.TokenNotPresent,
    pkcs11.GeneralError,
    pkcs11.FunctionFailed,
)


class _Session:
    """An open session, logged in, with the keys that were found by it: a search takes longer than what is done with its result."""

    def __init__(self, opened: pkcs11.Session, module: str) -> None:
        self.opened = opened
        self._module, self._initialisation = module, _initialisations.get(module, 0)
        self._keys: dict[KeyName, Any] = {}

    def key(self, key_id: KeyName) -> Any:
        found = self._keys.get(key_id)
        if found is None:
            name = {"label": key_id} if isinstance(key_id, str) else {"id": key_id}
            found = self.opened.get_key(object_class=ObjectClass.SECRET_KEY, **name)
            if len(self._keys) >= _KEYS:
                self._keys.clear()
            self._keys[key_id] = found
        return found

    @property
    def is_over(self) -> bool:
        """Whether the module was initialised anew since: its handle may be that of another session by now, even of another token's."""
        return self._initialisation != _initialisations.get(self._module, 0)

    def close(self) -> None:
        if not self.is_over:
            with contextlib.suppress(pkcs11.PKCS11Error):
                self.opened.close()


@dataclass(eq=False)
class Token:
    """The token `label` of a PKCS#11 `module` (path of a shared library), as its user with `pin`."""

    module: str
    label: str
    pin: str = field(repr=False)
    seconds: float = SECONDS

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="token")
        self._waiting = threading.BoundedSemaphore(_QUEUED)
        self._idle: list[_Session] = []
        self._lock = threading.Lock()

    def check(self) -> None:
        """Look for the token and log in anew, whatever was logged in before. Raises TokenError."""
        self._call(lambda session: None, fresh=True)

    def find(self) -> None:
        """Look for the token without a login. Raises TokenError."""
        self._in_thread(self._find)

    def change_pin(self, pin: str) -> None:
        """Give the token's user another PIN. This object goes on with the login that it has."""
        self._call(lambda session: session.opened.set_pin(self.pin, pin), repeat=False)

    def random(self, length: int) -> bytes:
        return self._call(lambda session: bytes(session.opened.generate_random(length * 8)))

    def generate(self, key_id: bytes, label: str, *, encrypts: bool = True, decrypts: bool = True) -> None:
        """Make an AES-256 key that cannot leave the token. It is found by `key_id`."""
        capabilities = MechanismFlag(0)
        if encrypts:
            capabilities |= MechanismFlag.ENCRYPT
        if decrypts:
            capabilities |= MechanismFlag.DECRYPT

        def make(session: _Session) -> None:
            session.opened.generate_key(
                KeyType.AES,
                256,
                id=key_id,
                label=label,
                store=True,
                capabilities=capabilities,
                template={
                    Attribute.SENSITIVE: True,
                    Attribute.EXTRACTABLE: False,
                    Attribute.PRIVATE: True,
                    Attribute.MODIFIABLE: False,
                },
            )

        self._call(make, repeat=False)

    def has(self, key_id: bytes) -> bool:
        try:
            self._call(lambda session: session.opened.get_key(object_class=ObjectClass.SECRET_KEY, id=key_id))
        except TokenError as error:
            if error.reason is Reason.NO_KEY:
                return False
            raise
        return True

    def describe(self, key_id: KeyName) -> KeyDescription:
        """Raises TokenError with Reason.NO_KEY."""

        def look(session: _Session) -> KeyDescription:
            key = session.key(key_id)
            usage = tuple(name for name, attribute in _USAGES.items() if key[attribute])
            return KeyDescription(key.key_type is KeyType.AES, key.key_length, usage)

        return self._call(look)

    def destroy(self, key_id: bytes) -> None:
        """Nothing happens if the key is gone already."""

        def remove(session: _Session) -> None:
            for each in session.opened.get_objects({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.ID: key_id}):
                each.destroy()

        self._call(remove)

    def encrypt(self, key_id: KeyName, plaintext: bytes, additional_data: bytes) -> tuple[bytes, bytes, bytes]:
        """(nonce, ciphertext, tag) by AES-256-GCM; the nonce is drawn by the token."""

        def seal(session: _Session) -> tuple[bytes, bytes, bytes]:
            nonce = bytes(session.opened.generate_random(NONCE * 8))
            sealed = bytes(
                session.key(key_id).encrypt(
                    plaintext, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, additional_data, TAG * 8)
                )
            )
            return nonce, sealed[:-TAG], sealed[-TAG:]

        return self._call(seal)

    def decrypt(self, key_id: KeyName, nonce: bytes, ciphertext: bytes, tag: bytes, additional_data: bytes) -> bytes:
        """Raises TokenError with Reason.INVALID if a bit of any of them differs."""

        def open_(session: _Session) -> bytes:
            key, parameters = session.key(key_id), GCMParams(nonce, additional_data, TAG * 8)
            try:
                return bytes(key.decrypt(ciphertext + tag, mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
            except (pkcs11.GeneralError, pkcs11.FunctionFailed) as reason:  # SoftHSM's word for a tag that does not fit
                raise TokenError(Reason.INVALID) from reason

        return self._call(open_)

    def close(self) -> None:
        """Have the sessions closed that nobody uses, in their turn: nobody waits for that."""
        with contextlib.suppress(RuntimeError):  # at the end of the process, which closes them too
            self._threads.submit(self._close_in_turn)

    def _close_in_turn(self) -> None:
        with _one_at_a_time(self.module):
            self._close_idle()

    def _close_idle(self) -> None:
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.close()

    def _call(self, work: Callable[[_Session], T], *, fresh: bool = False, repeat: bool = True) -> T:
        """`work` in a thread of this token. With `repeat` it is done once more on a new session if the first one was stale."""
        return self._in_thread(lambda: self._work(work, fresh, repeat))

    def _in_thread(self, work: Callable[[], T]) -> T:
        if not self._waiting.acquire(blocking=False):
            raise TokenError(Reason.BUSY)
        try:
            future: Future[T] = self._threads.submit(work)
        except BaseException:
            self._waiting.release()
            raise
        future.add_done_callback(lambda _: self._waiting.release())
        try:
            return future.result(self.seconds)
        except FutureTimeoutError:
            future.cancel()
            raise TokenError(Reason.SLOW) from None

    def _find(self) -> None:
        with _one_at_a_time(self.module):
            try:
                _surely(lambda: _look_for(self.module, self.label), self.module)
            except pkcs11.PKCS11Error as reason:
                raise _told(reason) from reason

    def _work(self, work: Callable[[_Session], T], fresh: bool, repeat: bool) -> T:
        with _one_at_a_time(self.module):
            return self._worked(work, fresh, repeat)

    def _worked(self, work: Callable[[_Session], T], fresh: bool, repeat: bool) -> T:
        """A stale session may be mended by a new one; what is stale then too, as a token that was away and is back, by a new
        initialisation of the module."""
        if fresh:
            _initialise_anew(self.module)
        for renew in (self._close_idle, lambda: _initialise_anew(self.module)):
            try:
                with self._session() as session:
                    return work(session)
            except _STALE as reason:
                _logins.pop((self.module, self.label), None)
                renew()
                if not repeat:
                    _initialise_anew(self.module)
                    raise _told(reason) from reason
            except pkcs11.PKCS11Error as reason:
                raise _told(reason) from reason
        try:
            with self._session() as session:
                return work(session)
        except pkcs11.PKCS11Error as reason:
            raise _told(reason) from reason

    @contextlib.contextmanager
    def _session(self) -> Iterator[_Session]:
        """An open session, logged in. One in which something failed is not used again."""
        with self._lock:
            self._idle = [each for each in self._idle if not each.is_over]
            session = self._idle.pop() if self._idle else None
        if session is None:
            opened = _surely(lambda: _open(self.module, self.label, self.pin), self.module)
            session = _Session(opened, self.module)
        try:
            yield session
        except BaseException:
            session.close()
            raise
        with self._lock:
            self._idle.append(session)


# python-pkcs11 initialises a module for one thread (no CKF_OS_LOCKING_OK), so that calls into one module go one after the other in a
# process. Where several tokens of a module are used, each has a process of its own (engine.hsm.token_process).
_turns: dict[str, threading.Lock] = {}
_turns_lock = threading.Lock()


def _one_at_a_time(module: str) -> threading.Lock:
    with _turns_lock:
        return _turns.setdefault(module, threading.Lock())


_loading = threading.Lock()
_loaded: dict[tuple[int, str], Any] = {}  # (process, module) → library


def _library(module: str) -> Any:
    with _loading:
        found = _loaded.get((os.getpid(), module))
        if found is None:
            try:
                found = _loaded[os.getpid(), module] = pkcs11.lib(module)
            except (RuntimeError, pkcs11.PKCS11Error) as reason:
                raise TokenError(Reason.MODULE) from reason
        return found


_initialisations: dict[str, int] = {}  # module → how often it was initialised anew


def _initialise_anew(module: str) -> None:
    library = _library(module)
    _initialisations[module] = _initialisations.get(module, 0) + 1
    try:
        library.reinitialize()
    except pkcs11.PKCS11Error as reason:
        raise _told(reason) from reason


_logins: dict[
    tuple[str, str], tuple[str, int]
] = {}  # (module, token) → PIN and initialisation that this process is logged in with


# SoftHSM reads a token's files when it is initialised and at a login. While another process writes one of them it may find no token, or
# one whose user has no PIN: such an answer is believed when it is the same after these pauses.
_PAUSES = (0.01, 0.05, 0.2)  # seconds
_UNSURE = (pkcs11.NoSuchToken, pkcs11.UserPinNotInitialized)


def _surely(work: Callable[[], T], module: str) -> T:
    for pause in _PAUSES:
        try:
            return work()
        except _UNSURE:
            time.sleep(pause)
            _initialise_anew(module)
    return work()


def _open(module: str, label: str, pin: str) -> pkcs11.Session:
    """A session with a token, logged in. A module looks for tokens and keeps logins from one initialisation to the next: for a token
    that came later, and to prove another PIN than that of the login, it is initialised anew. The sessions of its other tokens end with
    that, and their next call opens new ones. A login is of all sessions with the token: the one that made it is never closed, because
    python-pkcs11 would log all of them out."""
    found = _look_for(module, label)
    known = _logins.get((module, label))
    if known != (pin, _initialisations.get(module, 0)):
        try:
            found.open(rw=True, user_pin=pin)
        except pkcs11.UserAlreadyLoggedIn:
            if known is None or known[0] != pin:
                _initialise_anew(module)
                found = _look_for(module, label)
                found.open(rw=True, user_pin=pin)
        _logins[module, label] = (pin, _initialisations.get(module, 0))
    return found.open(rw=True)


def _look_for(module: str, label: str) -> Any:
    library = _library(module)
    try:
        return library.get_token(token_label=label)
    except pkcs11.MultipleTokensReturned:
        raise
    except pkcs11.PKCS11Error:  # not there; or no token can be listed: SoftHSM fails so once the folder of one is gone
        _initialise_anew(module)
        return library.get_token(token_label=label)


def _told(reason: Exception) -> TokenError:
    if isinstance(reason, TokenError):
        return reason
    for kind, told in _REASONS.items():
        if isinstance(reason, kind):
            return TokenError(told)
    return TokenError(Reason.FAILED, type(reason).__name__)
