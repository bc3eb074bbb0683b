"""Shamir's secret sharing: enough shares give the secret, fewer do not, and a share that is not one is told as what it is."""

from __future__ import annotations

import hmac
import itertools
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.vault import shamir
from engine.vault.root_shares import ShareCollection
from engine.vault.shamir import Share, ShareError, Wrong

SECRETS = st.binary(min_size=32, max_size=32)
BYTES = st.integers(0, 255)


@given(SECRETS, st.data())
def test_any_shares_that_are_enough_give_the_secret_back(secret: bytes, data: st.DataObject) -> None:
    count = data.draw(st.integers(2, 8))
    threshold = data.draw(st.integers(2, count))
    shares = [shamir.read(share.text()) for share in shamir.split(secret, count, threshold)]
    chosen = data.draw(st.permutations(shares))[: data.draw(st.integers(threshold, count))]
    assert shamir.combine(chosen) == secret


@given(SECRETS, SECRETS)
def test_one_share_too_few_fits_every_secret(secret: bytes, other: bytes) -> None:
    """For any other secret there is a last share that gives it: what is there says nothing."""
    shares = shamir.split(secret, 3, 3)
    points = [(share.index, share.values) for share in shares[:2]]
    last = shamir.interpolate([(0, other), *points], 3)
    assert shamir.interpolate([*points, (3, last)], 0) == other


@given(BYTES, BYTES, BYTES)
def test_the_field_is_a_field(a: int, b: int, c: int) -> None:
    multiply = shamir.multiply
    assert multiply(a, b) == multiply(b, a)
    assert multiply(a, multiply(b, c)) == multiply(multiply(a, b), c)
    assert multiply(a, b ^ c) == multiply(a, b) ^ multiply(a, c)
    assert multiply(a, 1) == a
    if b:
        assert multiply(shamir.divide(a, b), b) == a


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        (0x57, 0x83, 0xC1),  # FIPS 197, section 4.2
        (0x57, 0x13, 0xFE),  # FIPS 197, section 4.2.1
        (3, 7, 9),  # HashiCorp Vault, shamir_test.go
        (3, 0, 0),
    ],
)
def test_products_are_those_that_were_published(a: int, b: int, product: int) -> None:
    assert shamir.multiply(a, b) == product
    if b:
        assert shamir.divide(product, b) == a


@pytest.mark.parametrize(
    "points",
    [
        ["2:08fb14b66e692e25dfe2edf53289ed62", "0:06ab48fef4bedc8ce58baeef0a73f76e"],
        [
            "2:81e5473f4b7f66094f888d2f98fe0ded6a692dc72c65dc498d6e28bee6ebdfcc",
            "1:19e366e9b2e34851e52132c31c2b2c957321bf5ce6c9c1410ea1ddf5fef92c27",
        ],
        [
            "7:3ed2fa64acf769131509ca05437606b1",
            "9:58ccc8f63e2232eb372d91241e61506b",
            "0:0d5f0655e0645fad705c1e128887678f",
        ],
        [
            "2:daef18f6bfd2792749905e41a402dae0365bc2434e455226096a99f941d203bf",
            "0:b4290e56271e919a44596794aef75071b07536ee113e1529299a08b19190ed81",
        ],
    ],
    ids=["4", "23", "41", "45"],
)
def test_shares_of_slip_39s_vectors_give_what_their_own_digest_confirms(points: list[str]) -> None:
    """The secret of SLIP-39 is at 255, its digest (HMAC-SHA-256, four bytes) and that one's key at 254. The shares' values are those that
    the mnemonics of the vectors hold."""
    read = [(int(x), bytes.fromhex(values)) for x, _, values in (point.partition(":") for point in points)]
    secret, digest = shamir.interpolate(read, 255), shamir.interpolate(read, 254)
    assert hmac.digest(digest[4:], secret, sha256)[:4] == digest[:4]


def wrong(reason: Wrong) -> pytest.RaisesExc[ShareError]:
    return pytest.raises(ShareError, check=lambda error: error.wrong is reason)


SHARE = Share(b"\x01\x02\x03\x04", 2, 1, bytes(range(32)))


def test_a_share_is_read_however_it_is_typed() -> None:
    text = SHARE.text()
    for typed in (text, text.lower(), text.replace("-", ""), text.replace("-", " "), f"\n {text}\t"):
        assert shamir.read(typed) == SHARE


@given(st.data())
def test_each_single_typing_error_is_found(data: st.DataObject) -> None:
    letters = SHARE.text().replace("-", "")
    at = data.draw(st.integers(0, len(letters) - 2))  # the last letter holds bits that are not used
    other = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567").filter(lambda letter: letter != letters[at]))
    with pytest.raises(ShareError):
        shamir.read(letters[:at] + other + letters[at + 1 :])


@given(st.text(max_size=500))
def test_anything_else_is_no_share(text: str) -> None:
    with pytest.raises(ShareError):
        shamir.read(text)


def test_a_share_shows_nothing_of_itself_in_an_error_or_a_log() -> None:
    assert SHARE.values.hex() not in repr(SHARE)
    with pytest.raises(ShareError) as raised:
        shamir.read(SHARE.text()[:-3])
    assert SHARE.text()[:8] not in str(raised.value)


@pytest.mark.parametrize(("count", "threshold"), [(1, 1), (3, 1), (2, 3), (33, 2), (0, 0)])
def test_numbers_that_protect_nothing_are_refused(count: int, threshold: int) -> None:
    with pytest.raises(ValueError, match="2 to 32 shares"):
        shamir.split(bytes(32), count, threshold)


def collection(shares: list[Share], **options: object) -> ShareCollection:
    members = {
        "threshold": shares[0].threshold,
        "set": shares[0].set_id.hex(),
        "digests": [share.digest() for share in shares],
    }
    return ShareCollection(members, **options)


def test_shares_are_collected_in_any_order_and_told_apart() -> None:
    shares = shamir.split(bytes(range(32)), 5, 3)
    for order in itertools.islice(itertools.permutations(shares, 3), 10):
        collected = collection(shares)
        assert [collected.add(share.text()) for share in order] == [None, None, bytes(range(32))]
        assert collected.given == 0
    collected = collection(shares)
    collected.add(shares[0].text())
    with wrong(Wrong.REPEATED):
        collected.add(shares[0].text())
    with wrong(Wrong.OTHER_SET):
        collected.add(shamir.split(bytes(32), 2, 2)[0].text())
    with wrong(Wrong.UNKNOWN):
        collected.add(Share(shares[0].set_id, 3, 2, bytes(32)).text())
    assert collected.given == 1


def test_shares_are_forgotten_after_an_hour() -> None:
    now = [0.0]
    shares = shamir.split(bytes(32), 3, 2)
    collected = collection(shares, clock=lambda: now[0])
    collected.add(shares[0].text())
    now[0] = 3601.0
    assert collected.given == 0
    assert collected.add(shares[1].text()) is None
