"""An XML element that was encrypted, opened by RSA keys. Pure. Source: W3C XML Encryption 1.1, sections 3.5, 5.2 and 5.5.

AES-CBC does not say who wrote the ciphertext: whoever can have changed ciphertexts tried, and is told apart how each failed, reads the
content without the key (Jager and Somorovsky, "How to Break XML Encryption", 2011). Renaming AES-GCM to AES-CBC in a captured message is
one of those changes. So AES-CBC is opened only for a caller who has checked a signature over the whole, and each failure is the same one.
RSA with PKCS #1 v1.5 padding has the same fault (Bleichenbacher, 1998) and is not taken; AWS documents RSA-OAEP alone too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, SHA384, SHA512, HashAlgorithm

_XENC, _XENC11 = "http://www.w3.org/2001/04/xmlenc#", "http://www.w3.org/2009/xmlenc11#"
_DSIG, _MORE = "http://www.w3.org/2000/09/xmldsig#", "http://www.w3.org/2001/04/xmldsig-more#"
NAMES = {"xenc": _XENC, "xenc11": _XENC11, "ds": _DSIG}
_CBC = {f"{_XENC}aes{bits}-cbc": bits // 8 for bits in (128, 192, 256)}
_GCM = {f"{_XENC11}aes{bits}-gcm": bits // 8 for bits in (128, 192, 256)}
_OAEP_SHA1, _OAEP = f"{_XENC}rsa-oaep-mgf1p", f"{_XENC11}rsa-oaep"
_DIGESTS: dict[str, Callable[[], HashAlgorithm]] = {
    f"{_DSIG}sha1": SHA1,
    f"{_XENC}sha256": SHA256,
    f"{_MORE}sha384": SHA384,
    f"{_XENC}sha512": SHA512,
}
_MASKS: dict[str, Callable[[], HashAlgorithm]] = {
    f"{_XENC11}mgf1{name}": make
    for name, make in (("sha1", SHA1), ("sha256", SHA256), ("sha384", SHA384), ("sha512", SHA512))
}
_BLOCK, _GCM_IV, _GCM_TAG = 16, 12, 16
_MOST_KEYS = (
    2  # encrypted keys of one element, one for each of its readers: each costs an operation with each private key
)


class NotOpened(ValueError):
    """Another key, changed, or not as the standard has it: which of these is not told."""


class NotSupported(ValueError):
    """By an algorithm that is not taken. The message names it, or says what it needs."""


def open_element(sealed: Any, keys: Sequence[RSAPrivateKey], *, authentic: bool) -> bytes:
    """The element that the EncryptedData in `sealed` is. `authentic`: the caller has checked a signature over it.

    Raises NotOpened, and NotSupported for what the algorithms that it names alone say.
    """
    data = _only(sealed, "xenc:EncryptedData")
    algorithm = _algorithm(data)
    if algorithm not in _CBC and algorithm not in _GCM:
        raise NotSupported(algorithm)
    if algorithm in _CBC and not authentic:
        raise NotSupported(f"{algorithm} in a response that is not signed itself")
    wrapped = [*data.iterfind("ds:KeyInfo/xenc:EncryptedKey", NAMES), *sealed.iterfind("xenc:EncryptedKey", NAMES)]
    paddings = [(each, _padding(each)) for each in islice(wrapped, _MOST_KEYS)]
    content = _cipher_value(data)
    for secret in _secrets(paddings, keys):
        if algorithm in _GCM and len(secret) == _GCM[algorithm]:
            return _open_gcm(secret, content)
        if algorithm in _CBC and len(secret) == _CBC[algorithm]:
            return _open_cbc(secret, content)
    raise NotOpened


def _secrets(paddings: Iterable[tuple[Any, OAEP]], keys: Sequence[RSAPrivateKey]) -> Iterable[bytes]:
    """What each of the keys opens of the encrypted keys, the first key first."""
    given = [(_cipher_value(element), padding) for element, padding in paddings]
    for key in keys:
        for value, padding in given:
            try:
                yield key.decrypt(value, padding)
            except ValueError:
                continue  # for another reader, or another of our keys


def _open_gcm(secret: bytes, content: bytes) -> bytes:
    if len(content) < _GCM_IV + _GCM_TAG:
        raise NotOpened
    try:
        return AESGCM(secret).decrypt(content[:_GCM_IV], content[_GCM_IV:], None)
    except InvalidTag as reason:
        raise NotOpened from reason


def _open_cbc(secret: bytes, content: bytes) -> bytes:
    """The last byte alone says how many bytes of padding there are (section 5.2.2)."""
    if len(content) < 2 * _BLOCK or len(content) % _BLOCK:
        raise NotOpened
    opening = Cipher(AES(secret), CBC(content[:_BLOCK])).decryptor()
    padded = opening.update(content[_BLOCK:]) + opening.finalize()
    if not 1 <= padded[-1] <= _BLOCK:
        raise NotOpened
    return padded[: -padded[-1]]


def _padding(wrapped: Any) -> OAEP:
    """How an EncryptedKey was made. Raises NotSupported."""
    algorithm = _algorithm(wrapped)
    if algorithm not in (_OAEP_SHA1, _OAEP):
        raise NotSupported(algorithm)
    method = _only(wrapped, "xenc:EncryptionMethod")
    digest = _named(method.find("ds:DigestMethod", NAMES), _DIGESTS)
    mask = _named(method.find("xenc11:MGF", NAMES) if algorithm == _OAEP else None, _MASKS)
    label = method.find("xenc:OAEPparams", NAMES)
    return OAEP(mgf=MGF1(mask), algorithm=digest, label=None if label is None else _bytes(label))


def _named(element: Any, known: dict[str, Callable[[], HashAlgorithm]]) -> HashAlgorithm:
    """SHA-1 where nothing is said."""
    if element is None:
        return SHA1()  # noqa: S303 - as OAEP's hash, which rests on no collision resistance
    algorithm = element.get("Algorithm", "")
    if algorithm not in known:
        raise NotSupported(algorithm)
    return known[algorithm]()


def _algorithm(element: Any) -> str:
    algorithm: str = _only(element, "xenc:EncryptionMethod").get("Algorithm", "")
    return algorithm


def _cipher_value(element: Any) -> bytes:
    """The ciphertext, which has to be in the message: a reference to elsewhere is not followed."""
    return _bytes(_only(element, "xenc:CipherData/xenc:CipherValue"))


def _only(element: Any, path: str) -> Any:
    found = element.findall(path, NAMES)
    if len(found) != 1:
        raise NotOpened
    return found[0]


def _bytes(element: Any) -> bytes:
    try:
        return base64.b64decode("".join("".join(element.itertext()).split()), validate=True)
    except (binascii.Error, ValueError) as reason:
        raise NotOpened from reason
