"""Importing key material from its page: the shown openssl commands are run, for each kind of key, algorithm and wrapping key."""

from __future__ import annotations

import hmac
import html
import io
import re
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from console import error_help
from engine.kms import algorithms, specs
from keys.material import wrapping
from keys.wizard import forms as wizard_forms
from tests.conftest import TestAccount
from tests.support.answers import joined
from tests.support.long_form import one_in

USAGES = {"RSA": "SIGN_VERIFY", "ECC": "SIGN_VERIFY", "HMA": "GENERATE_VERIFY_MAC"}


def external(account: TestAccount, spec: str = "SYMMETRIC_DEFAULT") -> str:
    usage = USAGES.get(spec[:3], "ENCRYPT_DECRYPT")
    return account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)


def metadata(account: TestAccount, key_id: str) -> dict[str, Any]:
    return dict(account.client().describe_key(KeyId=key_id)["KeyMetadata"])


def archive(signed_in: Client, key_id: str, algorithm: str, folder: Path, wrapping_spec: str = "RSA_2048") -> str:
    """The README of the downloaded archive, which is unpacked into `folder`."""
    sent = {"wrapping_spec": wrapping_spec, "algorithm": algorithm}
    answer = signed_in.post(f"/keys/{key_id}/import/parameters/", sent)
    assert answer["Content-Type"] == "application/zip", answer
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        opened.extractall(folder)
    return (folder / "README.txt").read_text()


def commands(signed_in: Client, key_id: str, algorithm: str, wrapping_spec: str = "RSA_2048") -> str:
    """What the page shows to be run."""
    chosen = {"wrapping_spec": wrapping_spec, "algorithm": algorithm}
    page = signed_in.get(f"/keys/{key_id}/import/", chosen).content.decode()
    blocks = [
        html.unescape(re.sub("<[^>]*>", "", each)).strip()
        for each in re.findall("<pre[^>]*><code>(.*?)</code>", page, re.DOTALL)
    ]
    blocks = [each for each in blocks if each.startswith("openssl ")]
    assert len(blocks) == 2  # make it, wrap it
    return "\n\n".join(blocks)


def run(shown: str, folder: Path) -> None:
    done = subprocess.run(["bash", "-ec", shown], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def upload(signed_in: Client, key_id: str, folder: Path, **more: str) -> Any:
    files = {"wrapped": "EncryptedKeyMaterial.bin", "token": "ImportToken.bin"}
    sent = {name: SimpleUploadedFile(file, (folder / file).read_bytes()) for name, file in files.items()}
    return signed_in.post(f"/keys/{key_id}/import/", {"upload": "1", **sent, **more})


@pytest.fixture(scope="module", autouse=True)
def wrapping_keys_are_made_once() -> Iterator[None]:
    """One of RSA_4096 takes a second or more; how they are made is not what is tested here."""
    made: dict[str, tuple[bytes, bytes]] = {}
    generate = algorithms.generate

    def once(spec: specs.KeySpec) -> tuple[bytes, bytes]:
        if spec.name not in wrapping.SPECS:
            return generate(spec)
        if spec.name not in made:
            made[spec.name] = generate(spec)
        return made[spec.name]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algorithms, "generate", once)
        yield


# With the real openssl


def encrypts(kms: Any, key_id: str, material: Path) -> None:
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"kept")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"kept"


def makes_the_mac_of_the_material(kms: Any, key_id: str, material: Path) -> None:
    algorithm = kms.describe_key(KeyId=key_id)["KeyMetadata"]["MacAlgorithms"][0]
    made = kms.generate_mac(KeyId=key_id, Message=b"said", MacAlgorithm=algorithm)["Mac"]
    assert made == hmac.digest(material.read_bytes(), b"said", f"sha{algorithm.rpartition('_')[2]}")


def signs_with_the_private_key(kms: Any, key_id: str, material: Path) -> None:
    private = serialization.load_der_private_key(material.read_bytes(), password=None)
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert kms.get_public_key(KeyId=key_id)["PublicKey"] == public
    algorithm = kms.describe_key(KeyId=key_id)["KeyMetadata"]["SigningAlgorithms"][0]
    signed = {"KeyId": key_id, "Message": b"said", "SigningAlgorithm": algorithm}
    assert kms.verify(**signed, Signature=kms.sign(**signed)["Signature"])["SignatureValid"]


# Key spec → what shows that the imported key is the material that openssl made.
USES: dict[str, Callable[[Any, str, Path], None]] = {
    "SYMMETRIC_DEFAULT": encrypts,
    "HMAC_224": makes_the_mac_of_the_material,
    "HMAC_256": makes_the_mac_of_the_material,
    "HMAC_384": makes_the_mac_of_the_material,
    "HMAC_512": makes_the_mac_of_the_material,
    "ECC_NIST_P256": signs_with_the_private_key,
    "ECC_NIST_P384": signs_with_the_private_key,
    "ECC_NIST_P521": signs_with_the_private_key,
    "ECC_SECG_P256K1": signs_with_the_private_key,
    "ECC_NIST_EDWARDS25519": signs_with_the_private_key,
    "RSA_2048": signs_with_the_private_key,
    "RSA_3072": signs_with_the_private_key,
    "RSA_4096": signs_with_the_private_key,
}
# A kind is proved with every algorithm on one of its specs; the other specs of the kind with one. The wrapping keys take turns: how long
# one is changes no command. `make walks` has each algorithm with each wrapping key.
WHOLE = ("SYMMETRIC_DEFAULT", "HMAC_256", "ECC_NIST_P256", "RSA_2048")
WAYS = [
    (
        spec,
        algorithm,
        tuple(one_in(len(wrapping.SPECS), wrapping.SPECS, first=number)) if spec in WHOLE else ("RSA_3072",),
    )
    for spec in USES
    for number, algorithm in enumerate(wrapping.algorithms_for(spec))
    if spec in WHOLE or algorithm == "RSA_AES_KEY_WRAP_SHA_256"
]


@pytest.mark.parametrize(("spec", "algorithm", "wrapping_specs"), WAYS)
def test_what_the_shown_openssl_commands_make_is_taken_and_used(
    account: TestAccount, signed_in: Client, tmp_path: Path, spec: str, algorithm: str, wrapping_specs: tuple[str, ...]
) -> None:
    for wrapping_spec in wrapping_specs:
        key_id, folder = external(account, spec), tmp_path / wrapping_spec
        folder.mkdir()
        shown = commands(signed_in, key_id, algorithm, wrapping_spec)
        assert shown in archive(signed_in, key_id, algorithm, folder, wrapping_spec)
        run(shown, folder)
        assert upload(signed_in, key_id, folder).status_code == 302, wrapping_spec
        USES[spec](account.client(), key_id, folder / "PlaintextKeyMaterial.bin")


def test_every_spec_that_can_be_imported_is_proved() -> None:
    offered = {
        spec
        for kind, usages in wizard_forms.USAGES.items()
        for usage in usages
        for spec in wizard_forms.specs_for(kind, usage, "us-east-1")
    }
    assert {spec for spec in offered if not wizard_forms.not_imported(spec)} == set(USES)


@pytest.mark.parametrize("spec", USES)
def test_what_is_too_short_is_what_the_endpoint_refuses(account: TestAccount, spec: str) -> None:
    key_id, kms = external(account, spec), account.client()
    for algorithm in wrapping.ALGORITHMS:
        for wrapping_spec in wrapping.SPECS:
            try:
                kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec=wrapping_spec)
                refused = False
            except ClientError:
                refused = True
            assert wrapping.too_short(spec, algorithm, wrapping_spec) == refused, (algorithm, wrapping_spec)


def test_a_wrapping_key_that_is_too_short_is_said_beside_it(account: TestAccount, signed_in: Client) -> None:
    key_id, chosen = (
        external(account, "ECC_NIST_P521"),
        {"wrapping_spec": "RSA_2048", "algorithm": "RSAES_OAEP_SHA_256"},
    )
    answer = signed_in.post(f"/keys/{key_id}/import/parameters/", chosen, follow=True)
    assert answer.status_code == 422
    assert "RSA_2048 is too short" in answer.content.decode()


# For training


@pytest.mark.parametrize(
    "spec", ["SYMMETRIC_DEFAULT", "HMAC_224", "ECC_NIST_P521", "ECC_SECG_P256K1", "ECC_NIST_EDWARDS25519", "RSA_3072"]
)
def test_it_is_wrapped_for_training_for_every_kind(account: TestAccount, signed_in: Client, spec: str) -> None:
    key_id = external(account, spec)
    assert signed_in.post(f"/keys/{key_id}/import/", {"train": "1"}).status_code == 302
    assert metadata(account, key_id)["KeyState"] == "Enabled"


@pytest.mark.parametrize("algorithm", wrapping.ALGORITHMS)
def test_our_wrapping_is_what_the_endpoint_opens(account: TestAccount, algorithm: str) -> None:
    key_id, kms = external(account), account.client()
    given = kms.get_parameters_for_import(KeyId=key_id, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_2048")
    kms.import_key_material(
        KeyId=key_id,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=wrapping.wrap(given["PublicKey"], b"k" * 32, algorithm),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )


def test_material_expires_when_it_was_said_in_the_readers_zone(account: TestAccount, signed_in: Client) -> None:
    key_id = external(account)
    refused = signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "expires": "2001-01-01T00:00"})
    assert "ValidationException" in refused.content.decode()
    assert "2001-01-01" in refused.content.decode()
    signed_in.cookies["tz"] = "Asia/Kolkata"
    assert "In your time zone, Asia/Kolkata" in signed_in.get(f"/keys/{key_id}/import/").content.decode()
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "expires": "2027-03-01T12:30"})
    assert metadata(account, key_id)["ValidTo"] == datetime(2027, 3, 1, 7, 0, tzinfo=UTC)


def test_how_long_the_token_is_good_is_said_in_the_readers_zone(
    account: TestAccount, signed_in: Client, tmp_path: Path
) -> None:
    key_id, address = external(account), "/keys/{}/import/"
    signed_in.cookies["tz"] = "Asia/Kolkata"
    readme = archive(signed_in, key_id, "RSAES_OAEP_SHA_1", tmp_path)
    assert re.search(r"good until \S+ \S+ Asia/Kolkata \(\S+ \S+ UTC\)", readme)
    page = joined(signed_in.get(address.format(key_id)))
    assert "The token you downloaded last is good until" in page
    assert "(Asia/Kolkata)" in page
    assert "RSA_2048 · RSAES_OAEP_SHA_1" in page
    assert "The token you downloaded last" not in joined(signed_in.get(address.format(external(account))))
    account.move_clock(hours=25)
    assert "has expired" in joined(signed_in.get(address.format(key_id)))


# What AWS refuses, and what to do


@pytest.mark.parametrize("operation", ["GetParametersForImport", "ImportKeyMaterial"])
def test_each_error_that_aws_names_says_what_to_do(operation: str) -> None:
    found = error_help.of_operation(operation)
    assert set(found) > {"KMSInvalidStateException", "UnsupportedOperationException"}
    for code, words in found.items():
        if (operation, code) != ("GetParametersForImport", "ValidationException"):
            assert words, code


def wrong_token(account: TestAccount, signed_in: Client, key_id: str, folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    archive(signed_in, external(account), "RSAES_OAEP_SHA_256", other)
    (folder / "ImportToken.bin").write_bytes((other / "ImportToken.bin").read_bytes())


def late(account: TestAccount, signed_in: Client, key_id: str, folder: Path) -> None:
    account.move_clock(hours=25)


def cut(account: TestAccount, signed_in: Client, key_id: str, folder: Path) -> None:
    (folder / "EncryptedKeyMaterial.bin").write_bytes((folder / "EncryptedKeyMaterial.bin").read_bytes()[:-1])


def of_another_length(account: TestAccount, signed_in: Client, key_id: str, folder: Path) -> None:
    shown = commands(signed_in, key_id, "RSAES_OAEP_SHA_256").replace(
        "PlaintextKeyMaterial.bin 32", "PlaintextKeyMaterial.bin 16"
    )
    run(shown, folder)


def pending_deletion(account: TestAccount, signed_in: Client, key_id: str, folder: Path) -> None:
    account.client().schedule_key_deletion(KeyId=key_id)


@pytest.mark.parametrize(
    ("mistake", "error"),
    [
        (wrong_token, "InvalidImportTokenException"),
        (late, "ExpiredImportTokenException"),
        (cut, "InvalidCiphertextException"),
        (of_another_length, "IncorrectKeyMaterialException"),
        (pending_deletion, "KMSInvalidStateException"),
    ],
)
def test_a_refused_upload_shows_awss_error_and_what_helps(
    account: TestAccount, signed_in: Client, tmp_path: Path, mistake: Callable[..., None], error: str
) -> None:
    key_id = external(account)
    archive(signed_in, key_id, "RSAES_OAEP_SHA_256", tmp_path)
    run(commands(signed_in, key_id, "RSAES_OAEP_SHA_256"), tmp_path)
    mistake(account, signed_in, key_id, tmp_path)
    answer = upload(signed_in, key_id, tmp_path)
    assert answer.status_code == 422
    assert f"<p>{error}" in answer.content.decode()
    helps = html.escape(error_help.remedy("ImportKeyMaterial", error, ""))
    assert f"<strong>What helps:</strong> {helps}" in joined(answer)


def test_only_fields_that_the_key_takes_are_asked_for(account: TestAccount, signed_in: Client) -> None:
    def fields(key_id: str) -> set[str]:
        return set(signed_in.get(f"/keys/{key_id}/import/").context["upload"].fields)

    assert fields(external(account, "HMAC_256")) == {"wrapped", "token", "expires"}
    key_id = external(account)
    assert fields(key_id) == {"wrapped", "token", "expires", "description"}
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1"})
    assert fields(key_id) == {"wrapped", "token", "expires", "description", "import_type", "material_id"}


def test_the_same_material_comes_back_and_another_is_refused(account: TestAccount, signed_in: Client) -> None:
    key_id, address = external(account), "/keys/{}/import/"
    signed_in.post(address.format(key_id), {"train": "1", "material": "11" * 32})
    material = metadata(account, key_id)["CurrentKeyMaterialId"]
    signed_in.post(f"/keys/{key_id}/do/delete-material/", {"confirmed": "on", "material": material})
    assert metadata(account, key_id)["KeyState"] == "PendingImport"
    assert f"?material={material}" in signed_in.get(f"/keys/{key_id}/tab/material/").content.decode()
    other = signed_in.post(address.format(key_id), {"train": "1", "material": "22" * 32, "material_id": material})
    assert "IncorrectKeyMaterialException" in other.content.decode()
    signed_in.post(address.format(key_id), {"train": "1", "material": "11" * 32, "material_id": material})
    assert metadata(account, key_id)["KeyState"] == "Enabled"


def test_an_imported_key_rotates_to_new_material(account: TestAccount, signed_in: Client) -> None:
    key_id, kms = external(account), account.client()
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1"})
    before = metadata(account, key_id)["CurrentKeyMaterialId"]
    blob = kms.encrypt(KeyId=key_id, Plaintext=b"old")["CiphertextBlob"]
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "import_type": "NEW_KEY_MATERIAL"})
    assert metadata(account, key_id)["CurrentKeyMaterialId"] == before
    signed_in.post(f"/keys/{key_id}/do/rotate/")
    assert metadata(account, key_id)["CurrentKeyMaterialId"] != before
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"old"


def test_an_rsa_key_is_not_offered_what_cannot_carry_it(account: TestAccount, signed_in: Client) -> None:
    page = signed_in.get(f"/keys/{external(account, 'RSA_2048')}/import/").content.decode()
    assert '<option value="RSA_AES_KEY_WRAP_SHA_256"' in page
    assert '<option value="RSAES_OAEP' not in page
