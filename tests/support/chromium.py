"""Debian's Chromium for Playwright: the build without a window (chromium-headless-shell), which does the same with a third less work.

Elsewhere the whole browser, where it is there.
"""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]


def launch(playwright: Playwright) -> Browser:
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    assert path, "Debian's chromium-headless-shell is not installed: make system"
    return playwright.chromium.launch(executable_path=path, args=FLAGS)
