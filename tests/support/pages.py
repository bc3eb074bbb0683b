"""What several browser tests look for on a page."""

from __future__ import annotations

from playwright.sync_api import Page


def key_option(page: Page, alias: str) -> str:
    """The words of the key picker's option for the key with this alias."""
    labels = page.locator("select[name=KeyId] option").all_inner_texts()
    return next(label for label in labels if label.startswith(alias))
