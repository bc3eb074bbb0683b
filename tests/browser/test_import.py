"""Import of key material by browser: the openssl commands run as the page shows them, and a refused upload says what helps."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console import error_help
from keys.material import wrapping
from tests.support.long_form import covering
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
# One spec of each kind of key that material can be imported for; all specs, in process: tests/keys/material/test_material.py.
USAGES = {
    "SYMMETRIC_DEFAULT": "ENCRYPT_DECRYPT",
    "HMAC_256": "GENERATE_VERIFY_MAC",
    "ECC_NIST_P256": "SIGN_VERIFY",
    "ECC_NIST_EDWARDS25519": "SIGN_VERIFY",
    "RSA_2048": "SIGN_VERIFY",
}
WRAPPING_SPEC = "RSA_2048"  # how long the wrapping key is changes no command
WAYS = [
    (spec, algorithm)
    for spec in USAGES
    for algorithm in wrapping.ALGORITHMS
    if not wrapping.too_short(spec, algorithm, WRAPPING_SPEC)
]


def external(server: Server, spec: str = "SYMMETRIC_DEFAULT") -> str:
    made = server.client().create_key(Origin="EXTERNAL", KeySpec=spec, KeyUsage=USAGES[spec])
    return str(made["KeyMetadata"]["KeyId"])


def download(page: Page, folder: Path, algorithm: str) -> None:
    page.get_by_label("Wrapping key spec").select_option(WRAPPING_SPEC)
    page.get_by_label("Wrapping algorithm").select_option(algorithm)
    with page.expect_download() as given:
        page.get_by_role("button", name="Download wrapping public key and import token").click()
    with zipfile.ZipFile(given.value.path()) as archive:
        archive.extractall(folder)


def wrap_as_shown(page: Page, folder: Path) -> None:
    """Runs what stands on the page, as somebody would who copies it."""
    commands = [each.inner_text() for each in page.locator("#wrap pre").all()]
    assert len(commands) == 2  # make it, wrap it
    assert all(each.startswith("openssl ") for each in commands)
    subprocess.run(["bash", "-ec", "\n\n".join(commands)], cwd=folder, check=True, capture_output=True)


def upload(page: Page, wrapped: Path, token: Path) -> None:
    form = page.locator("form[data-draft=upload]")
    form.locator("input[type=file]").nth(0).set_input_files(wrapped)
    form.locator("input[type=file]").nth(1).set_input_files(token)
    form.get_by_role("button", name="Upload key material").click()


def test_material_is_imported_by_the_commands_as_the_page_shows_them(
    visit: Callable[..., Page], server: Server, tmp_path: Path
) -> None:
    """Each kind of key and each wrapping algorithm; every algorithm with every kind by `make walks`."""
    page, kms = visit(timezone_id="Asia/Tokyo"), server.client()
    for spec, algorithm in covering(WAYS, lambda way: way[0], lambda way: way[1]):
        key_id, folder = external(server, spec), tmp_path / f"{spec}-{algorithm}"
        page.goto(f"/keys/{key_id}/import/")
        download(page, folder, algorithm)
        page.get_by_role("button", name="Show the commands for these").click()
        expect(page.locator("#wrap h3 .mono")).to_have_text(algorithm)
        expect(page.locator("main")).to_contain_text("(Asia/Tokyo)")  # until when the token is good
        wrap_as_shown(page, folder)
        upload(page, folder / "EncryptedKeyMaterial.bin", folder / "ImportToken.bin")
        page.wait_for_url(lambda url: "import" not in url)
        assert kms.describe_key(KeyId=key_id)["KeyMetadata"]["KeyState"] == "Enabled", (spec, algorithm)


def test_a_refused_upload_says_awss_error_and_what_helps_and_the_next_one_succeeds(
    visit: Callable[..., Page], server: Server, tmp_path: Path
) -> None:
    page, main, algorithm = visit(), "main", "RSAES_OAEP_SHA_256"
    page.goto(f"/keys/{external(server)}/import/")
    download(page, tmp_path / "other", algorithm)
    key_id = external(server)
    page.goto(f"/keys/{key_id}/import/")
    page.get_by_text("What AWS answers if something is wrong, and what to do").click()
    for code, words in error_help.of_operation("ImportKeyMaterial").items():
        expect(page.locator("form[data-draft=upload] .facts > div", has_text=code).first).to_contain_text(words)
    download(page, tmp_path / "own", algorithm)
    page.get_by_role("button", name="Show the commands for these").click()
    wrap_as_shown(page, tmp_path / "own")
    own, other = tmp_path / "own", tmp_path / "other"
    cut = tmp_path / "cut.bin"
    shutil.copy(own / "EncryptedKeyMaterial.bin", cut)
    cut.write_bytes(cut.read_bytes()[:-1])
    for wrapped, token, error in (
        (own / "EncryptedKeyMaterial.bin", other / "ImportToken.bin", "InvalidImportTokenException"),
        (cut, own / "ImportToken.bin", "InvalidCiphertextException"),
    ):
        upload(page, wrapped, token)
        refused = page.locator("form[data-draft=upload] .callout-error")
        expect(refused).to_contain_text(error)
        expect(refused).to_contain_text(f"What helps: {error_help.remedy('ImportKeyMaterial', error, '')}")
    upload(page, own / "EncryptedKeyMaterial.bin", own / "ImportToken.bin")
    page.wait_for_url(lambda url: "import" not in url)
    expect(page.locator(main)).to_contain_text("Enabled")
