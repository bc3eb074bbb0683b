"""A class's settings, and what a teacher does with a student's account."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from django.test import Client
from django.utils import timezone

from engine import clock
from engine.store import cache
from learn.models import AccountClass, ClassAccount, JoinLink
from tests.conftest import TestAccount, TestUser, sign_in_browser
from tests.support.class_accounts import Made, cards, make, text, user


@pytest.fixture
def made(account: TestAccount, browser: Client) -> Made:
    return make(browser, account, students="Ada")


def of_student(made: Made, do: str) -> Any:
    return made.browser.post(f"{made.address}students/ada/", {"do": do}, follow=True)


def events(student: TestUser, name: str) -> list[dict[str, Any]]:
    asked = [{"AttributeKey": "EventName", "AttributeValue": name}]
    found = student.client("cloudtrail").lookup_events(LookupAttributes=asked)["Events"]
    return [json.loads(event["CloudTrailEvent"]) for event in found]


def test_a_link_is_opened_and_shown_with_its_qr_code(made: Made) -> None:
    answer = made.browser.post(f"{made.address}manage/", {"form": "link", "minutes": "45", "places": "30"}, follow=True)
    link = JoinLink.objects.get(of_class=made.row)

    assert link.places == 30
    assert f"/classes/accounts/spring/links/{link.pk}.svg" in answer.content.decode()


def test_limits_hold_for_accounts_that_are_there(made: Made) -> None:
    kms = made.student("ada").client("kms")
    kms.create_key()
    made.browser.post(f"{made.address}manage/", {"form": "limits", "days": "1", "key_quota": "1", "call_quota": "100"})

    with pytest.raises(ClientError, match="LimitExceeded"):
        kms.create_key()


def test_a_wrong_number_is_said_at_its_field(made: Made) -> None:
    answer = made.browser.post(
        f"{made.address}manage/", {"form": "limits", "days": "0", "key_quota": "1", "call_quota": "1"}
    )
    assert answer.status_code == 422


def test_all_clocks_of_the_class_are_brought_to_one_time(made: Made) -> None:
    made.browser.post(f"{made.address}add/", {"students": "Grace"})
    ids = ClassAccount.objects.filter(of_class=made.row).values_list("account_id", flat=True)
    ahead = TestAccount(made.cards["ada"].account_id)
    ahead.move_clock(days=2)
    made.browser.post(f"{made.address}manage/", {"form": "clock", "by": "3", "unit": "86400"})

    cache.synchronise()
    assert {clock.offset(each) for each in ids} == {5 * 86_400}
    assert events(made.student("ada"), "MoveClock")[0]["userIdentity"]["userName"] == "tess"


def test_a_drill_runs_in_every_account_of_the_class_until_the_teacher_ends_it(made: Made, account: TestAccount) -> None:
    student = made.student("ada")
    kms = student.client("kms")
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    drill = {"form": "drill", "kind": "key-unavailable", "share": "100", "minutes": "10"}
    answer = made.browser.post(f"{made.address}manage/", drill, follow=True)
    assert "The drill runs in 1 account." in text(answer)

    with pytest.raises(ClientError, match="KeyUnavailableException"):
        kms.encrypt(KeyId=key, Plaintext=b"drill")
    own = account.client()
    own.encrypt(KeyId=own.create_key()["KeyMetadata"]["KeyId"], Plaintext=b"the teacher's own")
    assert events(student, "ManageDrills")[0]["requestParameters"]["drill"] == "key-unavailable"

    made.browser.post(f"{made.address}manage/", {"form": "end_drill"})
    assert kms.encrypt(KeyId=key, Plaintext=b"drill")["KeyId"].endswith(key)


def test_a_drill_is_ended_only_where_one_runs(made: Made) -> None:
    before = made.browser.get(f"{made.address}manage/")
    assert "end_drill" not in offered(made, before.content.decode())
    assert "No drill is running." in text(made.browser.post(f"{made.address}manage/", {"form": "end_drill"}))
    drill = {"form": "drill", "kind": "timeout", "share": "100", "minutes": "10"}
    running = made.browser.post(f"{made.address}manage/", drill, follow=True)
    assert "A drill is running: A dependency times out." in text(running)
    assert "end_drill" in offered(made, running.content.decode())


def test_a_teacher_looks_into_an_account_and_changes_nothing_and_both_records_show_it(
    made: Made, account: TestAccount
) -> None:
    student = made.student("ada")
    key = student.client("kms").create_key(Description="key of Ada")["KeyMetadata"]["KeyId"]
    page = of_student(made, "open")

    assert "key of Ada" in made.browser.get(f"/keys/{key}/").content.decode()
    assert "nothing can be changed" in text(page)
    refused = made.browser.post(f"/keys/{key}/do/disable/", {"confirm": key}, follow=True)
    assert "not authorized to perform: kms:DisableKey" in text(refused)
    assert student.client("kms").describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    seen = events(student, "DescribeKey")
    assert "assumed-role/OrganizationAccountAccessRole/tess-read-only" in json.dumps(seen)
    assert events(student, "OpenClassAccount")[0]["userIdentity"]["userName"] == "tess"
    assert "OpenClassAccount" in json.dumps(account.client("cloudtrail").lookup_events(), default=str)
    made.browser.post("/principals/back-to-user/")
    assert made.browser.get(made.address).status_code == 200


def test_a_reset_gives_a_fresh_account_under_the_same_sign_in_and_access_key(made: Made) -> None:
    student = made.student("ada")
    student.client("kms").create_key()
    answer = of_student(made, "reset")

    row = ClassAccount.objects.get(of_class=made.row)
    assert "fresh account" in text(answer)
    assert student.password not in text(answer)
    assert row.account_id != student.account.account_id
    assert student.client("kms").list_keys()["Keys"] == []
    by_alias = Client().post(
        "/principals/sign-in/", {"account": row.alias, "user_name": "ada", "password": student.password}
    )
    assert by_alias.status_code == 302
    filled_in = Client().get(f"/principals/sign-in/?account={row.alias}&user=ada").content.decode()
    assert f'value="{row.alias}"' in filled_in


def test_new_credentials_replace_the_lost_ones(made: Made) -> None:
    before = made.student("ada")
    (card,) = cards(of_student(made, "credentials"))

    user(card).client("kms").list_keys()
    with pytest.raises(ClientError, match="UnrecognizedClient"):
        before.client("kms").list_keys()


def test_an_account_that_ended_leaves_the_class(made: Made) -> None:
    student = made.student("ada")
    of_student(made, "end")

    with pytest.raises(ClientError, match="ExpiredToken"):
        student.client("kms").list_keys()
    assert made.browser.get(f"{made.address}students/ada/").status_code == 404


def test_a_closed_class_lets_nobody_in_and_its_page_stays(made: Made) -> None:
    student = made.student("ada")
    browser = sign_in_browser(student)
    assert "1 account ends at once" in text(made.browser.get(f"{made.address}close/"))
    closed = made.browser.post(f"{made.address}close/", follow=True)

    assert "Closed:" in text(closed)
    assert browser.get("/keys/").status_code == 302
    with pytest.raises(ClientError, match="ExpiredToken"):
        student.client("kms").list_keys()
    late = made.browser.post(f"{made.address}manage/", {"form": "message", "message": "x"}, follow=True)
    assert "The class is closed." in text(late)
    assert AccountClass.objects.get(pk=made.row.pk).message == ""


def test_the_page_of_a_student_shows_its_account(made: Made) -> None:
    assert made.cards["ada"].account_id in text(made.browser.get(f"{made.address}students/ada/"))


def test_another_account_finds_none_of_it(made: Made, other_account: TestAccount) -> None:
    stranger = sign_in_browser(other_account.administrator)
    for address in ("", "add/", "manage/", "close/", "students/ada/"):
        assert stranger.get(f"{made.address}{address}").status_code == 404
        assert stranger.post(f"{made.address}{address}", {"do": "end"}).status_code in (404, 405)


def offered(made: Made, page: str) -> set[str]:
    """What a page of the class offers to do: its links to other pages of the class, and each press of its forms."""
    main = page[page.index("<main") : page.index("</main>")]
    links = {link.partition("?")[0] for link in re.findall(r'href="([^"#]+)"', main) if link.startswith(made.address)}
    pressable = [form for form in re.findall(r"(?s)<form.*?</form>", main) if 'type="submit"' in form]
    presses = {said for form in pressable for said in re.findall(r'name="(?:do|form)"\s+value="(\w+)"', form)}
    presses |= {"bring/" for form in pressable if f'action="{made.address}bring/"' in form}
    return {link.removeprefix(made.address) for link in links} | presses


def test_a_closed_class_offers_nothing_that_it_cannot_do_and_says_why(made: Made) -> None:
    made.browser.post(f"{made.address}close/")
    kept = {"": {"results.csv", "archive.zip", "students/ada/"}, "manage/": set(), "students/ada/": set()}
    for place, can in kept.items():
        page = made.browser.get(made.address + place).content.decode()
        assert offered(made, page) - {""} == can, place
        assert "The class is closed." in page, place
    for place in ("present/", "add/", "close/"):
        asked = made.browser.get(made.address + place, follow=True)
        assert asked.redirect_chain == [(made.address, 302)], place
        assert "The class is closed." in text(asked), place
    when = AccountClass.objects.get(pk=made.row.pk).closed
    for do in ("", "open", "credentials", "reset", "end"):
        for place in ("students/ada/",) if do else ("close/", "bring/"):
            assert made.browser.post(made.address + place, {"do": do})["Location"] == made.address, (place, do)
    assert AccountClass.objects.get(pk=made.row.pk).closed == when
    assert made.browser.get(f"{made.address}present/?part=1")["HX-Refresh"] == "true"


def test_a_class_past_its_end_goes_on_only_once_its_limits_are_set(made: Made) -> None:
    AccountClass.objects.filter(pk=made.row.pk).update(ends=timezone.now() - timedelta(minutes=1))
    for place, can in {"": {"manage/"}, "manage/": {"close/", "limits", "message"}, "students/ada/": {"end"}}.items():
        page = made.browser.get(made.address + place)
        assert offered(made, page.content.decode()) >= can, place
        assert not offered(made, page.content.decode()) & {"present/", "add/", "open", "credentials", "reset"}, place
        assert "Set a longer account lifetime first." in text(page), place
    link = made.browser.post(f"{made.address}manage/", {"form": "link", "minutes": "5", "places": "1"})
    assert "Set a longer account lifetime first." in text(link)
    assert made.browser.post(f"{made.address}students/ada/", {"do": "open"})["Location"] == made.address
