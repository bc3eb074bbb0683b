"""Classes: made, gone on with, looked after and closed through IAM's API as the teacher; passwords are shown once and kept nowhere."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.test import Client

from learn.classes import classes
from learn.lessons import lessons
from tests.conftest import TestAccount, sign_in_browser
from tests.support.classes import make, policy, student, users_of


def test_a_teacher_makes_a_class_whose_students_can_sign_in_and_call(account: TestAccount, browser: Client) -> None:
    answer = make(browser, access_keys="on")
    assert answer.status_code == 200
    ann, ben = (student(account, each) for each in answer.context["students"])
    assert (ann.name, ben.name) == ("ann", "ben")
    assert ann.password != ben.password
    key = ann.client().create_key()["KeyMetadata"]["KeyId"]
    assert ben.client().describe_key(KeyId=key)["KeyMetadata"]["Enabled"]
    assert sign_in_browser(ann).get("/learn/").status_code == 200
    iam = account.client("iam")
    assert iam.get_group(GroupName="SPRING-CLASS")["Group"]["Path"] == "/students/spring/"
    boundary = iam.get_user(UserName="ann")["User"]["PermissionsBoundary"]["PermissionsBoundaryArn"]
    assert boundary == policy(account, "KeyStudent")
    assert "SPRING-CLASS" in browser.get("/classes/").content.decode()


def test_without_the_tick_no_access_key_is_made(account: TestAccount, browser: Client) -> None:
    make(browser)
    assert account.client("iam").list_access_keys(UserName="ann")["AccessKeyMetadata"] == []


def test_a_hand_out_is_kept_nowhere(account: TestAccount, browser: Client) -> None:
    answer = make(browser, access_keys="on")
    assert "no-store" in answer["Cache-Control"]
    made = answer.context["students"][0]
    later = browser.get("/classes/spring/").content.decode()
    records = account.client("cloudtrail").lookup_events()["Events"]
    for secret in (made.password, made.secret_access_key):
        assert secret in answer.content.decode()
        assert secret not in later
        assert secret not in str(records)
        assert secret not in str(dict(browser.session))
        assert secret not in repr(made)


def test_a_hand_out_is_saved_as_csv(account: TestAccount, browser: Client) -> None:
    page = make(browser, access_keys="on")
    form = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.content.decode())
    posted: dict[str, list[str]] = {}
    for name, value in form:
        posted.setdefault(name, []).append(value)
    answer = browser.post("/classes/new/hand-out.csv", posted)
    assert "no-store" in answer["Cache-Control"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert [row["user"] for row in rows] == ["ann", "ben"]
    assert [row["password"] for row in rows] == [each.password for each in page.context["students"]]
    assert browser.get("/classes/new/hand-out.csv").status_code == 405


def test_illegal_names_are_refused_with_ones_that_would_do(account: TestAccount, browser: Client) -> None:
    typed = {"name": "MY KMS GROUP", "slug": "spring", "students": "Ann Miller\nJürgen Groß\nben"}
    answer = browser.post("/classes/new/", typed)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "“MY-KMS-GROUP” would do." in page
    assert "“Ann Miller” → Ann-Miller, “Jürgen Groß” → Jurgen-Gross" in page
    assert "Ann Miller\nJürgen Groß" in page
    mended = browser.post("/classes/new/", {**typed, "mend": "1"})
    assert mended.status_code == 200
    assert "Ann-Miller\nJurgen-Gross\nben" in mended.content.decode()
    assert users_of(account) == []


def test_names_that_are_offered_are_no_two_alike(account: TestAccount, browser: Client) -> None:
    typed = {"name": "spring", "students": "Ann Möller\nAnn Möller\nann-moller-2\nben"}
    page = browser.post("/classes/new/", typed).content.decode()
    assert "“Ann Möller” → Ann-Moller, “Ann Möller” → Ann-Moller-3" in page
    mended = browser.post("/classes/new/", {**typed, "mend": "1"}).content.decode()
    assert "Ann-Moller\nAnn-Moller-3\nann-moller-2\nben" in mended
    assert "Twice in the list" not in mended


CANNOT_BE_MADE = [
    ({"students": "ann\nAnn"}, "students", "Twice in the list"),
    ({"students": "a" * 65}, "students", "64 characters at most"),
    ({"students": "\n".join(f"s{number}" for number in range(101))}, "students", "At most 100"),
    ({"students": "tess"}, "students", "outside of this class: tess"),
    ({"slug": "Not Legal"}, "slug", "Small letters"),
    ({"slug": "new"}, "slug", "taken by the page itself"),
]


def test_what_cannot_be_made_is_said_beside_its_field(account: TestAccount, browser: Client) -> None:
    for changes, field, words in CANNOT_BE_MADE:
        answer = make(browser, **changes)
        assert answer.status_code == 422
        assert words in answer.context["form"].errors[field][0]
    assert account.client("iam").list_groups(PathPrefix="/students/")["Groups"] == []


def test_names_of_another_class_or_group_are_taken(account: TestAccount, browser: Client) -> None:
    make(browser)
    assert make(browser, name="OTHER").context["form"].errors["slug"] == ["This is the class SPRING-CLASS already."]
    assert "not this class's" in make(browser, slug="autumn").context["form"].errors["name"][0]


def test_a_name_in_other_letters_is_the_same_one(account: TestAccount, browser: Client) -> None:
    make(browser)
    again = make(browser, name="spring-class", students="ANN\ncleo")
    assert [each.name for each in again.context["students"]] == ["cleo"]
    assert users_of(account) == ["ann", "ben", "cleo"]


def test_a_class_says_who_is_not_in_its_group_and_leads_to_what_is_missing(
    account: TestAccount, browser: Client
) -> None:
    make(browser)
    account.client("iam").remove_user_from_group(GroupName="SPRING-CLASS", UserName="ann")
    page = browser.get("/classes/spring/").content.decode()
    assert "Not in the group yet, so without its policy: ann." in " ".join(page.split())
    form = browser.get("/classes/spring/students/?students=ann").content.decode()
    assert re.search(r"<textarea[^>]*>\s*ann</textarea>", form)
    assert browser.post("/classes/spring/students/", {"students": "ann"}).context["outcome"].done == ["AddUserToGroup"]


def test_a_short_name_is_made_of_the_name(browser: Client) -> None:
    make(browser, slug="")
    assert browser.get("/classes/spring-class/").status_code == 200


def test_a_creation_that_was_refused_in_the_middle_goes_on_with_what_is_missing(
    account: TestAccount, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM refuses the second student's password: the account's password policy is the reason here."""
    passwords = iter(["Good-enough-for-ann-1", "bad"])
    monkeypatch.setattr(classes, "new_password", lambda: next(passwords))
    answer = make(browser)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "CreateLoginProfile was refused: the class is made in part." in page
    assert "PasswordPolicyViolation" in page or "ValidationError" in page
    assert "Not whole yet: ben." in " ".join(page.split())
    assert [(each.name, each.password) for each in answer.context["students"]] == [("ann", "Good-enough-for-ann-1")]
    assert users_of(account) == ["ann", "ben"]
    monkeypatch.undo()
    again = make(browser)
    assert again.status_code == 200
    assert again.context["outcome"].done == ["CreateLoginProfile"]
    assert [each.name for each in again.context["students"]] == ["ben"]
    assert "There already, with a password that is not shown again: ann" in " ".join(again.content.decode().split())


def test_a_creation_that_takes_long_stops_between_students_and_goes_on(account: TestAccount) -> None:
    iam = account.client("iam")
    wanted = classes.ClassRequest("spring", "SPRING-CLASS", ("ann", "ben"), False, policy(account, "KeyStudent"))
    first = classes.create(iam, wanted, patience=-1)
    assert ([each.name for each in first.students], first.left, first.error) == (["ann"], ["ben"], None)
    assert classes.create(iam, wanted, patience=-1).whole
    assert classes.create(iam, wanted).done == []


def test_who_may_make_no_group_is_told_so_and_nothing_is_made(account: TestAccount) -> None:
    kim = account.create_user("kim")
    kim.password = "learn the class"
    iam = account.client("iam")
    iam.create_login_profile(UserName="kim", Password=kim.password)
    iam.attach_user_policy(UserName="kim", PolicyArn=policy(account, "KeyAuditor"))
    browser = sign_in_browser(kim)
    answer = make(browser)
    assert answer.status_code == 422
    assert "is not authorized to perform: iam:CreateGroup" in answer.content.decode()
    assert users_of(account) == []
    iam.detach_user_policy(UserName="kim", PolicyArn=policy(account, "KeyAuditor"))
    assert browser.get("/classes/").status_code == 403


def test_a_class_shows_how_far_each_student_is_with_one_look_into_the_record(
    account: TestAccount, browser: Client
) -> None:
    ann = student(account, make(browser, access_keys="on").context["students"][0])
    kms = ann.client()
    key = kms.create_key(Tags=[{"TagKey": "owner", "TagValue": "ann"}])["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/ann-key", TargetKeyId=key)
    looked = [{"AttributeKey": "EventName", "AttributeValue": "ReadRecord"}]
    trail = account.client("cloudtrail")
    before = len(trail.lookup_events(LookupAttributes=looked)["Events"])
    answer = browser.get("/classes/spring/")
    assert len(trail.lookup_events(LookupAttributes=looked)["Events"]) == before + 1
    rows = {row["user"]["UserName"]: row for row in answer.context["rows"]}
    done = {each.lesson.slug: each.done for each in rows["ann"]["lesson_progress"]}
    assert (done["first-key"], done["rotation"], rows["ann"]["keys"]) == (3, 0, 1)
    assert not any(each.done for each in rows["ben"]["lesson_progress"])
    assert (rows["ann"]["done"], rows["ben"]["done"]) == (sum(done.values()), 0)
    assert rows["ann"]["steps"] == sum(len(lesson.steps) for lesson in lessons.for_students())
    begun = {lesson.slug for lesson in answer.context["begun"]}  # the table is as wide as what somebody began
    assert begun == {slug for slug, number in done.items() if number}
    assert {lesson.slug for lesson in answer.context["not_begun"]} == set(done) - begun
    assert len(rows["ben"]["begun"]) == len(begun)


def test_who_may_not_read_the_record_sees_the_class_and_why_no_progress(
    account: TestAccount, signed_in: Client
) -> None:
    make(signed_in)
    kim = account.create_user("kim")
    kim.password = "learn the class"
    iam = account.client("iam")
    iam.create_login_profile(UserName="kim", Password=kim.password)
    iam.attach_user_policy(UserName="kim", PolicyArn="arn:aws:iam::aws:policy/IAMReadOnlyAccess")
    page = sign_in_browser(kim).get("/classes/spring/").content.decode()
    assert "is not authorized to perform: kmsconsole:ReadRecord" in page
    assert "ben" in page
    assert '<span class="muted">0</span>' not in page, "what was not read is no zero"
    assert "Nobody has begun:" not in page


def test_students_are_added_and_deleted(account: TestAccount, browser: Client) -> None:
    make(browser)
    added = browser.post("/classes/spring/students/", {"students": "ben\ncleo"})
    assert [each.name for each in added.context["students"]] == ["cleo"]
    browser.post("/classes/spring/students/ann/remove/")
    assert users_of(account) == ["ben", "cleo"]


def test_a_new_password_is_the_one_that_signs_in(account: TestAccount, browser: Client) -> None:
    old = make(browser).context["students"][0].password
    assert browser.get("/classes/spring/students/ann/password/").status_code == 200  # only looks
    answer = browser.post("/classes/spring/students/ann/password/")
    assert "no-store" in answer["Cache-Control"]
    (ann,) = (student(account, each) for each in answer.context["students"])
    assert ann.password != old
    sign_in_browser(ann)


def test_these_pages_change_no_user_of_another_class(account: TestAccount, signed_in: Client) -> None:
    make(signed_in)
    for page in ("password", "remove"):
        assert signed_in.post(f"/classes/spring/students/admin/{page}/").status_code == 404
    assert signed_in.get("/classes/no-such-class/").status_code == 404
