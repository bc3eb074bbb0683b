"""An account's clock moved in a browser, and the new time in every worker with the very next request."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.accessible import violations
from tests.support.screenshots import sign_in
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
WORKERS = 3


def test_a_clock_is_moved_past_a_deletion_and_every_worker_goes_by_it(chromium: Browser, tmp_path: Path) -> None:
    with Server(tmp_path / "data", KMSCONSOLE_WORKERS=str(WORKERS)) as server:
        kms = server.client()
        doomed, rotating = (kms.create_key()["KeyMetadata"]["KeyId"] for _ in range(2))
        kms.create_alias(AliasName="alias/doomed", TargetKeyId=doomed)
        kms.schedule_key_deletion(KeyId=doomed, PendingWindowInDays=7)
        kms.enable_key_rotation(KeyId=rotating, RotationPeriodInDays=90)
        connections = [server.client() for _ in range(3 * WORKERS)]  # enough that each worker has some
        for each in connections:
            each.describe_key(KeyId=doomed)

        page = sign_in(chromium, server, "en", viewport={"width": 390, "height": 844})
        page.goto("/settings/clock/")
        page.get_by_role("link", name="90 days").click()
        expect(page.get_by_role("heading", name="1 key is destroyed for good")).to_be_visible()
        expect(page.get_by_role("link", name="doomed")).to_be_visible()
        assert not violations(page)
        page.get_by_label("To confirm, type").fill("destroy 1")
        page.get_by_role("button", name="Move forward by 90 days").click()
        expect(page.get_by_role("status")).to_contain_text("moved forward by 90 days")
        expect(page.get_by_role("note")).to_have_text(re.compile("This account's clock is 90 days ahead"))

        for each in connections:
            with pytest.raises(kms.exceptions.NotFoundException):
                each.describe_key(KeyId=doomed)
            created = each.create_key()["KeyMetadata"]["CreationDate"]
            assert timedelta(days=89) < created - datetime.now(UTC) < timedelta(days=91)
            assert each.get_key_rotation_status(KeyId=rotating)["NextRotationDate"] > created
        assert len(kms.list_key_rotations(KeyId=rotating)["Rotations"]) == 1

        page.goto("/keys/")
        page.emulate_media(media="print")
        dates = {f"{datetime.now(UTC) + timedelta(days=90, minutes=minutes):%Y-%m-%d}" for minutes in (-5, 0)}
        on_paper = page.locator(".print-only").first
        expect(on_paper).to_be_visible()
        expect(on_paper).to_have_text(re.compile("|".join(dates)))
        page.context.close()
