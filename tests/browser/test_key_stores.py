"""A custom key store from nothing to a ciphertext, by the pages alone; the page of a store follows its connection."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support import key_stores
from tests.support.server import PASSWORD, Server
from tests.support.xks import ReferenceProxy

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_an_external_store_is_made_connected_and_shows_its_proxys_health(chromium: Any, tmp_path: Path) -> None:
    with ReferenceProxy(tmp_path / "proxy") as proxy, Server(tmp_path / "data", **proxy.environment()) as server:
        context = chromium.new_context(base_url=server.url)
        page = context.new_page()
        page.goto("/principals/sign-in/?next=/stores/xks/new/")
        page.get_by_label("User name").fill("admin")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        credential = proxy.members["XksProxyAuthenticationCredential"]
        page.get_by_label("Custom key store name").fill("outside")
        page.get_by_label("Proxy URI endpoint").fill(proxy.members["XksProxyUriEndpoint"])
        page.get_by_label("Proxy URI path").fill(proxy.members["XksProxyUriPath"])
        page.get_by_label("Proxy credential: access key ID").fill(credential["AccessKeyId"])
        page.get_by_label("Proxy credential: secret access key").fill(credential["RawSecretAccessKey"])
        page.get_by_role("main").get_by_role("button", name="Create key store").click()
        page.get_by_role("button", name="Connect", exact=True).click()
        health = page.get_by_role("region", name="Health of the proxy")
        expect(health.locator(".badge-good")).to_have_text(
            "Healthy"
        )  # the page follows its connection, without a reload
        expect(health).to_contain_text("ACTIVE")
        context.close()


def test_a_store_is_made_connected_and_used(visit: Any, server: Server) -> None:
    cluster = key_stores.training_cluster(server)
    page = visit()
    page.goto("/stores/")
    page.get_by_role("link", name="Create key store").first.click()
    page.get_by_label("Custom key store name").fill("training")
    page.get_by_label("Cluster ID").fill(cluster.cluster_id)
    page.get_by_label("Trust anchor certificate").fill(cluster.certificate)
    page.get_by_label("kmsuser password").fill(cluster.pin)
    page.get_by_role("main").get_by_role("button", name="Create key store").click()
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(page.locator(".facts .badge-good")).to_have_text(re.compile("Connected"))  # without a reload
    page.get_by_role("main").get_by_role("link", name="Create key").first.click()
    expect(page.locator("#origin-AWS_CLOUDHSM")).to_be_checked()
    expect(page.get_by_text("A key in a custom key store stays in its Region.")).to_be_visible()
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="Next").click()  # the only store is chosen
    page.get_by_label("Alias", exact=True).fill("in-a-token")
    page.get_by_role("button", name="Skip to review").click()
    page.get_by_role("button", name="Finish").click()
    page.get_by_role("link", name="Encrypt with it").click()
    page.locator("#id_Plaintext").fill("a secret of the token")
    page.locator("form").get_by_role("button", name="Encrypt", exact=True).click()
    expect(page.locator("#blob-CiphertextBlob")).to_have_text(re.compile(r"^[A-Za-z0-9+/=]{100,}$"))
    kms = server.client()
    assert kms.describe_key(KeyId="alias/in-a-token")["KeyMetadata"]["Origin"] == "AWS_CLOUDHSM"
