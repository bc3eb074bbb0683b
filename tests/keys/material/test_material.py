"""Importing key material from its page: the archive's openssl commands are run, for each kind of key and each algorithm."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from keys.material import wrapping
from tests.conftest import TestAccount

USAGES = {"RSA": "SIGN_VERIFY", "ECC": "SIGN_VERIFY", "HMA": "GENERATE_VERIFY_MAC"}


def external(account: TestAccount, spec: str = "SYMMETRIC_DEFAULT") -> str:
    usage = USAGES.get(spec[:3], "ENCRYPT_DECRYPT")
    return account.create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=usage)


def metadata(account: TestAccount, key_id: str) -> dict[str, Any]:
    return dict(account.client().describe_key(KeyId=key_id)["KeyMetadata"])


def archive(signed_in: Client, key_id: str, algorithm: str, folder: Path) -> str:
    """The README of the downloaded archive, which is unpacked into `folder`."""
    answer = signed_in.post(f"/keys/{key_id}/import/parameters/", {"wrapping_spec": "RSA_4096", "algorithm": algorithm})
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        opened.extractall(folder)
    return (folder / "README.txt").read_text()


def run_commands(readme: str, folder: Path) -> None:
    commands = re.search(r"in the folder of these files:\n\n(.*?)\n\nKeep", readme, re.DOTALL)
    assert commands is not None
    done = subprocess.run(["bash", "-ec", commands[1]], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def upload(signed_in: Client, key_id: str, folder: Path, **more: str) -> Any:
    files = {"wrapped": "EncryptedKeyMaterial.bin", "token": "ImportToken.bin"}
    sent = {name: SimpleUploadedFile(file, (folder / file).read_bytes()) for name, file in files.items()}
    return signed_in.post(f"/keys/{key_id}/import/", {"upload": "1", **sent, **more})


@pytest.mark.parametrize(
    "spec", ["SYMMETRIC_DEFAULT", "HMAC_384", "ECC_NIST_P384", "ECC_NIST_EDWARDS25519", "RSA_2048"]
)
def test_the_openssl_commands_make_material_that_is_taken(
    account: TestAccount, signed_in: Client, spec: str, tmp_path: Path
) -> None:
    for number, algorithm in enumerate(wrapping.algorithms_for(spec)):
        key_id, folder = external(account, spec), tmp_path / str(number)
        folder.mkdir()
        run_commands(archive(signed_in, key_id, algorithm, folder), folder)
        answer = upload(signed_in, key_id, folder)
        assert answer.status_code == 302, answer.content.decode()
        assert metadata(account, key_id)["KeyState"] == "Enabled"


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


def test_material_expires_when_it_was_said(account: TestAccount, signed_in: Client) -> None:
    key_id = external(account)
    refused = signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "expires": "2001-01-01T00:00"})
    assert "ValidationException" in refused.content.decode()
    assert "2001-01-01" in refused.content.decode()
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "expires": "2027-03-01T12:30"})
    assert f"{metadata(account, key_id)['ValidTo']:%Y-%m-%dT%H:%M}" == "2027-03-01T12:30"


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


def test_a_foreign_token_is_refused_with_awss_error(account: TestAccount, signed_in: Client, tmp_path: Path) -> None:
    one, other = external(account), external(account)
    run_commands(archive(signed_in, one, "RSAES_OAEP_SHA_256", tmp_path), tmp_path)
    answer = upload(signed_in, other, tmp_path)
    assert answer.status_code == 422
    assert "InvalidImportTokenException" in answer.content.decode()


def test_an_rsa_key_is_not_offered_what_cannot_carry_it(account: TestAccount, signed_in: Client) -> None:
    page = signed_in.get(f"/keys/{external(account, 'RSA_2048')}/import/").content.decode()
    assert "RSA_AES_KEY_WRAP_SHA_256" in page
    assert "RSAES_OAEP" not in page


def test_imported_material_is_wrapped_for_training(account: TestAccount, signed_in: Client) -> None:
    key_id = account.create_key(Origin="EXTERNAL")
    signed_in.post(f"/keys/{key_id}/import/", {"train": "1", "material": "00" * 32})
    assert account.client().describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled"
