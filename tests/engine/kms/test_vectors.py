"""Published vectors through our algorithms: RFC 8032, RFC 6979, RFC 5903, RFC 5649, RFC 4231."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric import utils as asymmetric_utils

from engine.kms import algorithms
from engine.kms.algorithms import ecc, mac
from engine.kms.algorithms import ed25519 as edwards


def stored(private: Any) -> Any:
    """A private key as the engine keeps and loads it."""
    return algorithms.load_private(algorithms.private_der(private))


@pytest.mark.parametrize(
    ("secret", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_ed25519_holds_to_rfc_8032(secret: str, public: str, message: str, signature: str) -> None:
    private = stored(ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)))
    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert raw.hex() == public
    assert edwards.sign(private, "ED25519_SHA_512", bytes.fromhex(message), False).hex() == signature
    assert edwards.verify(
        private.public_key(), "ED25519_SHA_512", bytes.fromhex(message), bytes.fromhex(signature), False
    )


def test_ecdsa_on_p256_holds_to_rfc_6979() -> None:
    """A.2.5, SHA-256, "sample"."""
    x = int("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6", 16)
    y = int("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299", 16)
    r = int("EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716", 16)
    s = int("F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8", 16)
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    signature = asymmetric_utils.encode_dss_signature(r, s)
    assert ecc.verify(public, "ECDSA_SHA_256", b"sample", signature, False)
    assert not ecc.verify(public, "ECDSA_SHA_256", b"simple", signature, False)


def test_ecdh_on_p256_holds_to_rfc_5903() -> None:
    mine = int("C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433", 16)
    x = int("D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63", 16)
    y = int("56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB", 16)
    private = stored(ec.derive_private_key(mine, ec.SECP256R1()))
    theirs = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    shared = ecc.agree(private, theirs)
    assert shared.hex().upper() == "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE"


def test_the_key_wrap_of_imports_holds_to_rfc_5649() -> None:
    key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")
    wrapped = "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"
    material = bytes.fromhex("c37b7e6492584340bed12207808941155068f738")
    assert keywrap.aes_key_wrap_with_padding(key, material).hex() == wrapped
    assert keywrap.aes_key_unwrap_with_padding(key, bytes.fromhex(wrapped)) == material


RFC_4231 = [
    (224, "896fb1128abbdf196832107cd49df33f47b4b1169912ba4f53684b22"),
    (256, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (384, "afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6"),
    (
        512,
        "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cdedaa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854",
    ),
]


@pytest.mark.parametrize(("size", "expected"), RFC_4231)
def test_hmac_holds_to_rfc_4231(size: int, expected: str) -> None:
    """Test case 1."""
    assert mac.compute(b"\x0b" * 20, f"HMAC_SHA_{size}", b"Hi There").hex() == expected
