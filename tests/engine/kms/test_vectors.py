"""Published vectors through our algorithms: RFC 8032, RFC 6979 (three curves), RFC 5903 (three curves), RFC 5649, RFC 4231; FIPS 203 and 204 by seed."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.hazmat.primitives import keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem
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


def number(digits: str) -> int:
    return int(digits.replace(" ", ""), 16)


RFC_6979 = [
    (
        "P-256, A.2.5, SHA-256",
        ec.SECP256R1(),
        "ECDSA_SHA_256",
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    (
        "P-384, A.2.6, SHA-384",
        ec.SECP384R1(),
        "ECDSA_SHA_384",
        "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13",
        "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720",
        "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C81A648152E44ACF96E36DD1E80FABE46",
        "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94FA329C145786E679E7B82C71A38628AC8",
    ),
    (
        "P-521, A.2.7, SHA-512",
        ec.SECP521R1(),
        "ECDSA_SHA_512",
        "1894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F5023A4",
        "0493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFDFCF5",
        "0C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E377FA",
        "0617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4A67A",
    ),
]


@pytest.mark.parametrize(("name", "curve", "algorithm", "x", "y", "r", "s"), RFC_6979)
def test_ecdsa_on_the_nist_curves_holds_to_rfc_6979(
    name: str, curve: ec.EllipticCurve, algorithm: str, x: str, y: str, r: str, s: str
) -> None:
    """The signatures of "sample"."""
    public = ec.EllipticCurvePublicNumbers(number(x), number(y), curve).public_key()
    signature = asymmetric_utils.encode_dss_signature(number(r), number(s))
    assert ecc.verify(public, algorithm, b"sample", signature, False)
    assert not ecc.verify(public, algorithm, b"simple", signature, False)


def test_ecdsa_on_secp256k1_holds_to_its_best_known_vector() -> None:
    """Deterministic ECDSA (RFC 6979) with the private key 1, as Bitcoin's libraries test it."""
    private = stored(ec.derive_private_key(1, ec.SECP256K1()))
    r = number("934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8")
    s = number("2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5")
    signature = asymmetric_utils.encode_dss_signature(r, s)
    assert ecc.verify(private.public_key(), "ECDSA_SHA_256", b"Satoshi Nakamoto", signature, False)


RFC_5903 = [
    (
        ec.SECP256R1(),
        "C88F01F510D9AC3F70A292DAA2316DE544E9AAB8AFE84049C62A9C57862D1433",
        "D12DFB5289C8D4F81208B70270398C342296970A0BCCB74C736FC7554494BF63",
        "56FBF3CA366CC23E8157854C13C58D6AAC23F046ADA30F8353E74F33039872AB",
        "D6840F6B42F6EDAFD13116E0E12565202FEF8E9ECE7DCE03812464D04B9442DE",
    ),
    (
        ec.SECP384R1(),
        "099F3C7034D4A2C699884D73A375A67F7624EF7C6B3C0F160647B67414DCE655E35B538041E649EE3FAEF896783AB194",
        "E558DBEF53EECDE3D3FCCFC1AEA08A89A987475D12FD950D83CFA41732BC509D0D1AC43A0336DEF96FDA41D0774A3571",
        "DCFBEC7AACF3196472169E838430367F66EEBE3C6E70C416DD5F0C68759DD1FFF83FA40142209DFF5EAAD96DB9E6386C",
        "11187331C279962D93D604243FD592CB9D0A926F422E47187521287E7156C5C4D603135569B9E9D09CF5D4A270F59746",
    ),
    (
        ec.SECP521R1(),
        "0037ADE9319A89F4DABDB3EF411AACCCA5123C61ACAB57B5393DCE47608172A095AA85A30FE1C2952C6771D937BA9777F5957B2639BAB072462F68C27A57382D4A52",
        "00D0B3975AC4B799F5BEA16D5E13E9AF971D5E9B984C9F39728B5E5739735A219B97C356436ADC6E95BB0352F6BE64A6C2912D4EF2D0433CED2B6171640012D9460F",
        "015C68226383956E3BD066E797B623C27CE0EAC2F551A10C2C724D9852077B87220B6536C5C408A1D2AEBB8E86D678AE49CB57091F4732296579AB44FCD17F0FC56A",
        "01144C7D79AE6956BC8EDB8E7C787C4521CB086FA64407F97894E5E6B2D79B04D1427E73CA4BAA240A34786859810C06B3C715A3A8CC3151F2BEE417996D19F3DDEA",
    ),
]


@pytest.mark.parametrize(("curve", "mine", "x", "y", "secret"), RFC_5903)
def test_ecdh_on_the_nist_curves_holds_to_rfc_5903(
    curve: ec.EllipticCurve, mine: str, x: str, y: str, secret: str
) -> None:
    private = stored(ec.derive_private_key(number(mine), curve))
    theirs = ec.EllipticCurvePublicNumbers(number(x), number(y), curve).public_key()
    assert ecc.agree(private, theirs).hex().upper() == secret


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


@pytest.mark.parametrize(
    ("private", "size", "starts", "ends"),
    [
        (
            mldsa.MLDSA44PrivateKey.from_seed_bytes(
                bytes.fromhex("f696484048ec21f96cf50a56d0759c448f3779752f0383d37449690694cf7a68")
            ),
            1312,
            "bd4e96f9a038ab5e36214fe69c0b1cb835ef9d7c8417e76aecd152f5cddebec8",
            "46aa208deaa1ce352dcb09c27067cabd233d5a251ccdc1ac077edb9c",
        ),
        (
            mlkem.MLKEM768PrivateKey.from_seed_bytes(
                bytes.fromhex("7c9935a0b07694aa0c6d10e4db6b1add2fd81a25ccb148032dcd739936737f2d")
                + bytes.fromhex("8626ed79d451140800e03b59b956f8210e556067407d13dc90fa9e8b872bfb8f")
            ),
            1184,
            "a8e651a1e685f22478a8954f007bc7711b930772c78f092e82878e3e937f3679",
            "fabbfb3fe8cb1dc4e8315f2af0d32f0017ae136e19f028",
        ),
    ],
    ids=["ML-DSA-44, the known-answer tests' first", "ML-KEM-768, Wycheproof's first"],
)
def test_a_seed_gives_the_published_public_key(private: Any, size: int, starts: str, ends: str) -> None:
    """The start and the end of it; every bit between depends on the same expansion of the seed."""
    public = stored(private).public_key().public_bytes_raw()
    assert len(public) == size
    assert public.hex().startswith(starts)
    assert public.hex().endswith(ends)
