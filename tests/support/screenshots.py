"""`make screenshots`: a server with a few keys, and a picture of the main pages for the documentation (docs/screenshots)."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.support.server import PASSWORD, ROOT, Server

SIZES = {"": {"width": 1280, "height": 800}, "-phone": {"width": 390, "height": 844}}


def fill(server: Server) -> str:
    """A small household of keys; the ID of the one that is shown."""
    kms = server.client()
    shown = ""
    for alias, parameters in {
        "payments/card-data": {
            "Description": "Card numbers at rest",
            "Tags": [{"TagKey": "team", "TagValue": "payments"}],
        },
        "backups": {"MultiRegion": True, "Description": "Nightly backups"},
        "release-signing": {"KeySpec": "ECC_NIST_P384", "KeyUsage": "SIGN_VERIFY"},
        "post-quantum-signing": {"KeySpec": "ML_DSA_65", "KeyUsage": "SIGN_VERIFY"},
        "partner-exchange": {"KeySpec": "RSA_4096", "KeyUsage": "ENCRYPT_DECRYPT"},
        "webhooks": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        "brought-material": {"Origin": "EXTERNAL"},
        "old-reports": {},
    }.items():
        key_id = kms.create_key(**parameters)["KeyMetadata"]["KeyId"]
        kms.create_alias(AliasName=f"alias/{alias}", TargetKeyId=key_id)
        shown = shown or key_id
        if alias == "old-reports":
            kms.schedule_key_deletion(KeyId=key_id, PendingWindowInDays=14)
    kms.enable_key_rotation(KeyId=shown)
    kms.rotate_key_on_demand(KeyId=shown)
    return shown


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, Server(Path(name) / "data") as server, sync_playwright() as playwright:
        key_id = fill(server)
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        pages = {
            "overview": "/",
            "keys": "/keys/",
            "key": f"/keys/{key_id}/tab/material/",
            "wizard": "/keys/new/",
            "playground": "/play/encrypt/",
            "audit": "/audit/",
        }
        for theme in ("light", "dark"):
            for size, viewport in SIZES.items():
                context = chromium.new_context(base_url=server.url, viewport=viewport, color_scheme=theme)  # type: ignore[arg-type]
                page = context.new_page()
                page.goto("/")
                page.get_by_label("User name").fill("admin")
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url(server.url + "/")
                for label, path in pages.items():
                    page.goto(path)
                    page.screenshot(path=folder / f"{label}{size}{'-dark' if theme == 'dark' else ''}.png")
                context.close()


if __name__ == "__main__":
    main()
