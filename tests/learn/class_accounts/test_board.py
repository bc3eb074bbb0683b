"""The teacher's board: how far each student is, as it comes; the presentation; results as files."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client

from learn.class_accounts import standings
from learn.lessons import lessons
from learn.models import AccountClass, ClassAccount
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.class_accounts import Made, make, text


@pytest.fixture
def made(account: TestAccount, browser: Client) -> Made:
    return make(browser, account)


def do(student: TestUser, *steps: str) -> str:
    """Steps of the lesson "first-key"; the key's ID."""
    kms = student.client("kms")
    key = str(kms.create_key()["KeyMetadata"]["KeyId"])
    if "create-alias" in steps:
        kms.create_alias(AliasName="alias/mine", TargetKeyId=key)
    return key


def polled(page: Any) -> str:
    """The address that an open board asks again."""
    (found,) = re.findall(r'id="board"[^>]*hx-get="([^"]+)"', page.content.decode())
    return unescape(found)


def test_the_board_shows_each_students_steps_last_error_and_activity(made: Made) -> None:
    ada = made.student("ada-lovelace")
    key = do(ada, "create-alias")
    with pytest.raises(ada.client("kms").exceptions.ClientError):
        ada.client("kms").create_alias(AliasName="wrong", TargetKeyId=key)
    page = made.browser.get(f"{made.address}?lesson=first-key")

    lines = {each.row.user_name: each for each in page.context["standings"]}
    assert [cell.done for cell in lines["ada-lovelace"].cells][:2] == [True, True]
    assert lines["ada-lovelace"].step == 3
    assert lines["ada-lovelace"].error == "CreateAlias: ValidationException"
    assert "CreateAlias: ValidationException" in text(page)
    assert lines["grace-hopper"].done == 0
    assert lines["grace-hopper"].active is None
    assert made.address in made.browser.get("/classes/").content.decode()


def test_an_open_board_is_answered_only_where_something_changed_and_reads_only_what_is_new(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = made.browser.get(f"{made.address}?lesson=first-key")
    assert made.browser.get(polled(page)).status_code == 204

    do(made.student("grace-hopper"))
    read: list[int] = []
    follow = standings.record.follow

    def counted(account_id: str, after: int, limit: int) -> Any:
        events, last = follow(account_id, after, limit)
        read.append(len(events))
        return events, last

    monkeypatch.setattr(standings.record, "follow", counted)
    changed = made.browser.get(polled(page))

    assert changed.status_code == 200
    assert changed.content.decode().count("board-done") == 1
    assert sum(read) == 1
    assert made.browser.get(polled(changed)).status_code == 204


def test_the_look_of_the_board_is_decided_and_recorded_once_a_page(made: Made, account: TestAccount) -> None:
    page = made.browser.get(made.address)
    made.browser.get(polled(page))
    asked = [{"AttributeKey": "EventName", "AttributeValue": "ReadClassRecord"}]
    assert len(account.client("cloudtrail").lookup_events(LookupAttributes=asked)["Events"]) == 1

    nobody = account.create_user("nobody")
    nobody.password = "no teacher at all"
    account.client("iam").create_login_profile(UserName="nobody", Password=nobody.password)
    assert sign_in_browser(nobody).get(polled(page)).status_code == 403


def test_the_board_opens_on_the_lesson_that_students_are_at_not_on_a_later_one_with_the_same_call(made: Made) -> None:
    ada = made.student("ada-lovelace")
    ada.client("kms").generate_random(NumberOfBytes=32)
    asked = [{"AttributeKey": "EventName", "AttributeValue": "GenerateRandom"}]
    ada.client("cloudtrail").lookup_events(LookupAttributes=asked)  # a step of "audit-trail" as well
    page = made.browser.get(made.address)
    assert page.context["lesson"].slug == "what-is-kms"


def test_what_a_teacher_does_in_an_account_counts_for_no_student(made: Made) -> None:
    key = do(made.student("ada-lovelace"))
    made.browser.post(f"{made.address}students/ada-lovelace/", {"do": "open"})
    made.browser.post(f"/keys/{key}/do/disable/", {"confirm": key})
    made.browser.post("/principals/back-to-user/")

    (ada, _grace) = made.browser.get(made.address).context["standings"]
    assert ada.error == ""


def test_a_step_stays_done_when_its_account_is_reset_to_a_later_lesson(made: Made) -> None:
    do(made.student("ada-lovelace"), "create-alias")
    made.browser.get(made.address)
    address = f"{made.address}students/ada-lovelace/"
    made.browser.post(address, {"do": "reset", "lesson": "rotation"})
    (ada, _grace) = made.browser.get(f"{made.address}?lesson=first-key").context["standings"]
    assert [cell.done for cell in ada.cells][:2] == [True, True]

    made.browser.post(address, {"do": "reset", "lesson": "first-key"})
    (ada, _grace) = made.browser.get(f"{made.address}?lesson=first-key").context["standings"]
    assert not any(cell.done for cell in ada.cells)


def test_a_message_and_the_step_to_go_to_come_to_open_pages_of_students(made: Made) -> None:
    student = sign_in_browser(made.student("ada-lovelace"))
    before = student.get("/lab/").content.decode()
    (asked,) = re.findall(r'hx-get="(/classes/accounts/notice/[^"]*)"', before)
    assert student.get(asked).status_code == 204

    made.browser.post(f"{made.address}manage/", {"form": "message", "message": "Coffee at ten"})
    made.browser.post(f"{made.address}bring/", {"lesson": "first-key", "step": "2"})
    step = lessons.by_slug("first-key")
    assert step is not None
    came = student.get(asked).content.decode()
    assert "Coffee at ten" in came
    assert f"/learn/first-key/#{step.steps[1].name}" in came
    assert "Coffee at ten" in student.get("/lab/").content.decode()
    assert "Coffee at ten" not in made.browser.get("/lab/").content.decode()

    made.browser.post(f"{made.address}bring/", {})
    assert "/learn/first-key/" not in student.get(asked).content.decode()


def test_the_presentation_shows_the_join_link_then_step_by_step_how_many_have_done_it(made: Made) -> None:
    made.browser.post(f"{made.address}manage/", {"form": "link", "minutes": "45", "places": "30"})
    do(made.student("ada-lovelace"))
    first = made.browser.get(f"{made.address}present/?lesson=first-key&step=0")
    second = made.browser.get(f"{made.address}present/?lesson=first-key&step=1")
    part = made.browser.get(f"{made.address}present/?lesson=first-key&step=1&part=1")

    assert "/join/" in text(first)
    assert 'data-key="ArrowRight"' in first.content.decode()
    assert 'data-key="ArrowLeft"' not in first.content.decode()
    assert "1 of 2 have done it" in text(second)
    assert 'data-key="ArrowLeft"' in second.content.decode()
    assert "1 of 2 have done it" in text(part)
    assert "<html" not in part.content.decode()


def test_a_shared_account_is_no_student_and_namesakes_are_told_apart(account: TestAccount, browser: Client) -> None:
    made = make(browser, account, students="Ada\nAda\nGrace", shared="1")
    do(made.student("ada-2"))
    board = made.browser.get(f"{made.address}?lesson=first-key")
    assert "(3)" in text(board)
    assert "0 of 3 have done the lesson" in text(board)
    names = re.findall(r'<th scope="row">(.*?)</th>', board.content.decode(), re.S)
    assert [re.sub(r"<[^>]+>|\s+", " ", each).split() for each in names] == [
        ["Ada", "ada"],
        ["Ada", "ada-2"],
        ["Grace"],
        ["shared-1"],
    ]
    assert "1 of 3 have done it" in text(made.browser.get(f"{made.address}present/?lesson=first-key&step=1"))
    assert "3 students are in" in text(made.browser.get(f"{made.address}present/?lesson=first-key&step=0"))


def test_the_board_and_the_presentation_lead_to_each_other_with_the_lesson_that_was_chosen(made: Made) -> None:
    made.browser.post(f"{made.address}bring/", {"lesson": "first-key", "step": "2"})
    board = made.browser.get(f"{made.address}?lesson=rotation")
    (address,) = re.findall(r'href="([^"]*/present/[^"]*)"', board.content.decode())
    presented = made.browser.get(address)

    assert (presented.context["lesson"].slug, presented.context["number"]) == ("rotation", 0)  # not first-key's step
    assert f'href="{made.address}?lesson=rotation"' in presented.content.decode()
    asked_for_none = made.browser.get(f"{made.address}present/")
    assert (asked_for_none.context["lesson"].slug, asked_for_none.context["number"]) == ("first-key", 2)


def test_results_are_a_csv_file_with_a_line_for_each_step(made: Made) -> None:
    do(made.student("ada-lovelace"))
    answer = made.browser.get(f"{made.address}results.csv")

    lines = list(csv.DictReader(io.StringIO(answer.content.decode())))
    done = [line for line in lines if line["done"] == "yes"]
    assert [(line["user"], line["lesson"], line["step"]) for line in done] == [("ada-lovelace", "first-key", "1")]
    assert len(lines) == 2 * sum(len(lesson.steps) for lesson in lessons.for_students())


def test_nobody_is_at_a_step_longer_than_the_class_was_open(made: Made) -> None:
    do(made.student("ada-lovelace"))
    made.browser.post(f"{made.address}close/")
    begun = ClassAccount.objects.get(user_name="ada-lovelace", of_class=made.row).since
    AccountClass.objects.filter(pk=made.row.pk).update(closed=begun - timedelta(minutes=2))
    ClassAccount.objects.filter(of_class=made.row).update(since=begun - timedelta(minutes=5))
    (ada, grace) = made.browser.get(f"{made.address}?lesson=first-key").context["standings"]
    assert grace.since == timedelta(minutes=3)
    assert not grace.stuck
    assert ada.since <= timedelta(minutes=3)
    AccountClass.objects.filter(pk=made.row.pk).update(closed=None, ends=begun - timedelta(minutes=4))
    (_ada, grace) = made.browser.get(f"{made.address}?lesson=first-key").context["standings"]
    assert grace.since == timedelta(minutes=1)


def test_the_archive_of_a_closed_class_has_results_and_each_accounts_events(made: Made) -> None:
    do(made.student("ada-lovelace"))
    made.browser.post(f"{made.address}close/")
    answer: Any = made.browser.get(f"{made.address}archive.zip")

    with zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content))) as files:
        account_id = ClassAccount.objects.get(of_class=made.row, user_name="ada-lovelace").account_id
        events = files.read(f"events/ada-lovelace-{account_id}.jsonl").decode().splitlines()
        results = json.loads(files.read("results.json"))
        assert "results.csv" in files.namelist()
    assert "CreateKey" in {json.loads(event)["eventName"] for event in events}
    assert any(each["done"] for each in results)
    assert made.browser.get(made.address).status_code == 200
