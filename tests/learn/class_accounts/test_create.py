"""Making a class whose students have an account each."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from learn.class_accounts import class_accounts, roster
from learn.class_accounts.roster import Person
from learn.models import AccountClass, ClassAccount
from tests.conftest import TestAccount, sign_in_browser
from tests.support.class_accounts import FORM, cards, join_address, make, text


def test_a_class_from_nothing_takes_three_requests_and_a_student_two_more(
    account: TestAccount, browser: Client
) -> None:
    """ "In five minutes": the teacher opens the form and sends it, the student opens the link and sends a name."""
    requests = 0
    browser.get("/classes/accounts/new/")
    requests += 1
    made = browser.post("/classes/accounts/new/", {**FORM, "students": "", "with_link": "on"}, follow=True)
    requests += 1
    student = Client()
    student.get(join_address(made))
    requests += 1
    joined = student.post(join_address(made), {"name": "Ada"})
    requests += 1

    (card,) = cards(joined)
    lessons = student.get("/learn/")
    requests += 1
    assert lessons.status_code == 200
    assert card.account_id in lessons.content.decode()
    assert requests == 5


def test_each_student_of_the_roster_has_an_account_in_which_it_does_everything(
    account: TestAccount, browser: Client
) -> None:
    made = make(browser, account)

    assert set(made.cards) == {"ada-lovelace", "grace-hopper"}
    ada, grace = made.student("ada-lovelace"), made.student("grace-hopper")
    assert len({account.account_id, ada.account.account_id, grace.account.account_id}) == 3
    ada.client("kms").create_key()
    assert grace.client("kms").list_keys()["Keys"] == []
    given = {"account": ada.account.account_id, "user_name": ada.name, "password": ada.password}
    assert Client().post("/principals/sign-in/", given)["Location"] == "/learn/"
    assert sign_in_browser(ada).get("/keys/").status_code == 200
    assert ClassAccount.objects.get(account_id=ada.account.account_id).email == "ada@example.com"


def test_a_card_has_a_profile_and_an_environment_with_the_public_address(
    account: TestAccount, browser: Client, settings: Any, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.PUBLIC_URL = "https://keys.example.com"
    answer = browser.post("/classes/accounts/new/", {**FORM, "students": "Ada"})
    (card,) = cards(answer)

    assert "127.0.0.1" not in answer.content.decode()
    assert "testserver" not in answer.content.decode()
    file = browser.post("/classes/accounts/credentials.txt", {"text": card.text})
    assert file["Content-Disposition"] == 'attachment; filename="credentials.txt"'
    saved = file.content.decode()
    assert f"export AWS_ACCESS_KEY_ID={card.access_key_id}" in saved
    assert card.password in saved
    assert "https://keys.example.com/principals/sign-in/?account=spring-ada" in saved
    config = f"{tmp_path}/config"
    with open(config, "w") as written:
        written.write(card.profile)
    monkeypatch.setenv("AWS_CONFIG_FILE", config)
    profile = boto3.Session(profile_name=card.alias)
    assert profile.client("kms").meta.endpoint_url == "https://keys.example.com"
    assert profile.get_credentials().access_key == card.access_key_id


@pytest.mark.parametrize("content", [b"A\0da, a@example.org", b"\xff\xfe"])
def test_a_roster_that_is_no_text_is_refused(browser: Client, content: bytes) -> None:
    sent = SimpleUploadedFile("roster.csv", content)
    answer = browser.post("/classes/accounts/new/", {**FORM, "students": "", "roster": sent})
    assert "The file is not text in UTF-8." in answer.content.decode()


def test_a_roster_comes_as_a_csv_file_too(account: TestAccount, browser: Client) -> None:
    sent = SimpleUploadedFile("roster.csv", "Name;E-Mail\nJürgen Groß;j@example.com\n".encode())
    answer = browser.post("/classes/accounts/new/", {**FORM, "students": "Ada", "roster": sent, "shared": "1"})

    assert [card.user_name for card in cards(answer)] == ["ada", "jurgen-gross", "shared-1"]


@pytest.mark.parametrize(
    ("given", "people"),
    [
        ("Ada\n\n  Grace   Hopper \n", [Person("Ada"), Person("Grace Hopper")]),
        ("name,email\nAda,a@x.org", [Person("Ada", "a@x.org")]),
        ("First name,Last name,Mail\nAda,Lovelace,a@x.org", [Person("Ada Lovelace", "a@x.org")]),
        ("\ufeffa@x.org", [Person("a", "a@x.org")]),
        ("Ada,a@x.org\nHopper; Grace", [Person("Ada", "a@x.org"), Person("Hopper Grace")]),
        ('"Ada\nGrace', [Person("Ada"), Person("Grace")]),
        ("", []),
    ],
)
def test_a_list_of_students_is_read_as_people_write_it(given: str, people: list[Person]) -> None:
    assert roster.read(given) == people


def test_two_students_of_one_name_have_user_names_of_their_own() -> None:
    assert roster.user_name("Ada", {"ada", "ada-2"}) == "ada-3"
    assert roster.user_name("!!!", set()) == "student"


def test_who_may_not_manage_classes_makes_none_and_is_told_which_permission_is_missing(account: TestAccount) -> None:
    nobody = account.create_user("nobody")
    nobody.password = "no teacher at all"
    account.client("iam").create_login_profile(UserName="nobody", Password=nobody.password)
    answer = sign_in_browser(nobody).post("/classes/accounts/new/", FORM)

    assert answer.status_code == 403
    assert "kmsconsole:ManageClasses" in text(answer)
    assert not AccountClass.objects.filter(account_id=account.account_id).exists()


def test_a_class_is_in_the_record_and_no_password_is(account: TestAccount, browser: Client) -> None:
    made = make(browser, account)
    events = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ManageClasses"}]
    )["Events"]

    told = "".join(event["CloudTrailEvent"] for event in events)
    assert len(events) == 3  # the class, and each account
    assert '"student":"Ada Lovelace"' in told.replace(": ", ":")
    for card in made.cards.values():
        assert card.password not in told
        assert card.secret_access_key not in told


def test_a_class_without_students_is_one_event_and_leads_to_its_join_link(
    account: TestAccount, browser: Client
) -> None:
    """Nothing in the answer is shown once, so it is a redirect: to reload it makes no second class."""
    answer = browser.post("/classes/accounts/new/", {**FORM, "students": "", "with_link": "on"})
    (event,) = account.client("cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ManageClasses"}]
    )["Events"]

    assert (answer.status_code, answer["Location"]) == (302, "/classes/accounts/spring/manage/")
    assert '"minutes":90' in event["CloudTrailEvent"].replace(": ", ":")
    assert "/join/" in text(browser.get(answer["Location"]))


def test_more_students_are_added_and_a_name_that_is_taken_is_said(account: TestAccount, browser: Client) -> None:
    made = make(browser, account)
    assert browser.get(f"{made.address}add/").status_code == 200
    added = browser.post(f"{made.address}add/", {"students": "Ada Lovelace"})
    again = browser.post("/classes/accounts/new/", FORM)

    assert [card.user_name for card in cards(added)] == ["ada-lovelace-2"]
    assert again.status_code == 422
    assert "There is a class of this name already." in text(again)


def test_what_is_not_made_in_time_is_said_and_made_by_going_on(
    account: TestAccount, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    hours = count(0, 3600)
    people = {"students": '"Hopper, Grace"\nAda,ada@example.com', "shared": "2"}
    with monkeypatch.context() as patch:
        patch.setattr(class_accounts, "time", SimpleNamespace(monotonic=lambda: next(hours)))
        page: Any = browser.post("/classes/accounts/new/", {**FORM, **people})
    assert "3 accounts are not made yet." in text(page)
    going_on = {"students": page.context["again"], "shared": str(page.context["outcome"].shared_left)}
    browser.post(f"/classes/accounts/{AccountClass.objects.get(account_id=account.account_id).slug}/add/", going_on)
    made = ClassAccount.objects.filter(of_class__account_id=account.account_id).order_by("pk")
    assert list(made.values_list("name", "email")) == [
        ("Hopper, Grace", ""),
        ("Ada", "ada@example.com"),
        ("shared-1", ""),
        ("shared-2", ""),
    ]


@pytest.mark.parametrize("name", ["Hopper, Grace", "a; b", 'Ada "the first"', "Ada"])
def test_a_list_that_is_written_is_read_as_the_same(name: str) -> None:
    people = [Person(name, "a@example.com"), Person(name)]
    assert roster.read(roster.written(people)) == people
