"""A teacher makes a class, a student signs in with what the hand-out says, does the first steps, and the pages of both tick them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.accessible import violations
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def in_a_shell(
    student: Page, server: Server, access_key: dict[str, str], folder: Path, blocks: int | None = None
) -> str:
    """What the commands of a lesson print as they stand on the page, in a shell that knows the access key of the hand-out."""
    commands = student.locator(".lesson-command pre").all_inner_texts()[:blocks]
    terminal = student.locator(".lesson-terminal pre").text_content() or ""
    script = "\n".join([terminal, *commands]).replace("aws configure\n", "")
    environment = server.cli_environment(*access_key.values())
    environment.pop("AWS_ENDPOINT_URL", None)  # the page says it
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ran = subprocess.run(["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    return ran.stdout + ran.stderr


def test_from_a_class_to_a_ticked_step(visit: Callable[..., Page], server: Server, tmp_path: Path) -> None:
    teacher = visit()
    teacher.goto("/classes/new/")
    teacher.get_by_label("Class name").fill("LESSON CLASS")
    teacher.get_by_label("Students").fill("Lea Learner")
    teacher.get_by_label("An access key for each").check()
    teacher.get_by_role("button", name="Create class").click()
    teacher.get_by_role("button", name="Take the names that would do").click()
    expect(teacher.get_by_label("Class name")).to_have_value("LESSON-CLASS")
    teacher.get_by_role("button", name="Create class").click()
    assert violations(teacher) == []
    expect(teacher).to_have_url(
        re.compile("/classes/LESSON-CLASS/$|/classes/lesson-class/$")
    )  # to reload sends nothing again
    expect(teacher.get_by_role("note")).to_contain_text("works on this machine alone")
    card = teacher.locator(".handout li")
    given = dict(zip(card.locator("dt").all_inner_texts(), card.locator("dd").all_inner_texts(), strict=True))

    student = visit(given["User name"], given["Password"])
    expect(student).to_have_url(re.compile("/learn/$"))
    student.goto("/learn/first-key/")
    expect(student.locator(".lab-done")).to_have_count(0)
    access_key = {"access_key_id": given["Access key ID"], "secret_access_key": given["Secret access key"]}
    kms = server.client(**access_key)
    owner = {"TagKey": "owner", "TagValue": given["User name"]}
    made = kms.create_key(Tags=[owner])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/lea-key", TargetKeyId=made)
    student.get_by_role("link", name="Check again").click()
    expect(student.locator(".lab-done")).to_have_count(3)
    expect(student.locator(".lab-done").first.get_by_role("link", name="CreateKey")).to_be_visible()

    student.goto("/learn/encrypt-a-secret/")
    assert "the launch code is 1234" in in_a_shell(student, server, access_key, tmp_path, blocks=3)
    student.get_by_role("link", name="Check again").click()
    expect(student.locator(".lab-done")).to_have_count(3)

    teacher.get_by_role("link", name="Done").click()
    row = teacher.get_by_role("row", name=re.compile("Lea-Learner"))
    expect(row).to_contain_text("3/4")
    expect(row).to_contain_text("3/5")
