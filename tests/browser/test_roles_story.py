"""The class story with roles: a teacher takes a role to administer, a student uses what she may, and no more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.support.pages import choose_principal, key_option
from tests.support.server import ACCOUNT, Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]
PRACTICE = f"arn:aws:iam::{ACCOUNT}:policy/practice/"


def test_a_teacher_administers_as_a_role_and_a_student_uses_the_key(visit: Callable[..., Page], server: Server) -> None:
    iam = server.client("iam")
    for name, policy in (("rita-teacher", "KeyTeacher"), ("rob-student", "KeyOperator")):
        iam.create_user(UserName=name)
        iam.create_login_profile(UserName=name, Password="roles-in-practice")
        iam.attach_user_policy(UserName=name, PolicyArn=PRACTICE + policy)
    statement = '{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}'
    document = f'{{"Version": "2012-10-17", "Statement": [{statement}]}}'
    iam.put_user_policy(UserName="rita-teacher", PolicyName="take-roles", PolicyDocument=document)

    # The administrator makes the role on its page.
    admin = visit()
    admin.goto("/principals/roles/new/")
    admin.get_by_label("Role name").fill("class-administrator")
    admin.get_by_label("KeyAdministrator").check()
    admin.get_by_role("button", name="Create role").click()
    expect(admin.get_by_role("heading", name="class-administrator", level=1)).to_be_visible()

    # The teacher takes it, and makes a key that the student may use.
    teacher = visit("rita-teacher", "roles-in-practice")
    menu = teacher.locator("header .menu summary").filter(has_text="rita-teacher")
    menu.click()
    teacher.get_by_role("link", name="Switch role").click()
    teacher.get_by_label("Role (name or ARN)").fill("class-administrator")
    teacher.get_by_role("button", name="Switch to this role").click()
    expect(menu).to_contain_text("rita-teacher → class-administrator")
    teacher.goto("/keys/new/")
    teacher.get_by_role("button", name="Next").click()
    teacher.get_by_label("Alias", exact=True).fill("class-with-roles")
    teacher.get_by_role("button", name="Next").click()
    teacher.get_by_role("button", name="Next").click()
    choose_principal(teacher, "rob-student (user)")
    teacher.get_by_role("button", name="Next").click()
    teacher.get_by_role("button", name="Next").click()
    teacher.get_by_role("button", name="Finish").click()
    expect(teacher.get_by_role("status")).to_contain_text("class-with-roles")
    menu.click()
    teacher.get_by_role("button", name="Back to rita-teacher").click()
    expect(menu).not_to_contain_text("class-administrator")

    # The student encrypts with it, and may not disable it.
    student = visit("rob-student", "roles-in-practice")
    student.goto("/play/encrypt/")
    student.locator("select[name=KeyId]").select_option(label=key_option(student, "class-with-roles"))
    student.get_by_label("Plaintext").fill("the secret of the class")
    student.get_by_role("button", name="Encrypt").click()
    expect(student.get_by_role("button", name="Use in Decrypt")).to_be_visible()
    key_id = server.client().describe_key(KeyId="alias/class-with-roles")["KeyMetadata"]["KeyId"]
    student.goto(f"/keys/{key_id}/do/disable/")
    expect(student.get_by_role("button", name="Disable key")).to_have_attribute("aria-disabled", "true")
    expect(student.locator("main")).to_contain_text("AccessDeniedException")
