"""Lessons are folders: what is wrong with one is said, a teacher's own lie in the data folder, and a lesson goes out as a zip."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from learn.lessons import lessons, library
from tests.conftest import TestAccount, sign_in_browser
from tests.support.class_accounts import make
from tests.support.policies import allow, document, person

TABLE = """
[[steps]]
id = "look"
[[steps.check]]
answered = "ListKeys"
[[steps]]
id = "ask"
"""
WORDS = """+++
title = "My lesson"
lead = "It is mine."
+++

**Hello**, <b>{user}</b>.

## Look at the keys {#look}

See [the list](page:keys), or [AWS](https://aws.amazon.com/kms/).

> Because.

[Keys](page:keys)

```bash
aws kms list-keys --region {region}
```

## What is a key? {#ask}

- [ ] a fish
- [x] a *secret*

### No {#hint-wrong}

Fish swim.
"""


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A lesson among those of the data folder."""
    monkeypatch.setattr(lessons, "own_folder", lambda: tmp_path / "lessons")
    folder = tmp_path / "lessons" / "my-lesson"
    folder.mkdir(parents=True)
    (folder / "lesson.toml").write_text(TABLE)
    (folder / "en.md").write_text(WORDS)
    return folder


def test_every_lesson_of_the_program_is_well_and_said_in_english_and_german() -> None:
    found = library.load(None)
    assert found.faults == ()
    assert {tuple(sorted(each.by_language)) for each in found.lessons} == {("de", "en")}
    assert len({each.order for each in found.lessons}) == len(found.lessons)


def test_a_lesson_of_the_data_folder_is_there_at_once_and_after_a_change(own: Path, signed_in: Client) -> None:
    page = signed_in.get("/learn/my-lesson/").content.decode()
    assert "<strong>Hello</strong>, &lt;b&gt;admin&lt;/b&gt;." in page
    assert '<a href="/keys/">the list</a>' in page
    assert '<a href="https://aws.amazon.com/kms/" rel="noopener noreferrer">AWS</a>' in page
    assert "a <em>secret</em>" in page
    (own / "en.md").write_text(WORDS.replace("It is mine.", "It was changed."))
    assert "It was changed." in signed_in.get("/learn/my-lesson/").content.decode()


def test_an_answer_is_in_the_record_and_ticks_the_question(own: Path, account: TestAccount, signed_in: Client) -> None:
    def step() -> tuple[bool, str]:
        shown = signed_in.get("/learn/my-lesson/").context["steps"][1]
        return shown.proof is not None, shown.mistake.hint if shown.mistake else ""

    signed_in.post("/learn/my-lesson/", {"step": "ask", "choice": "1"})
    assert step() == (False, "<p>Fish swim.</p>")
    answer = signed_in.post("/learn/my-lesson/", {"step": "ask", "choice": "2"})
    assert (answer.status_code, answer["Location"]) == (302, "/learn/my-lesson/?days=7#ask")
    assert step() == (True, "")
    wanted = [{"AttributeKey": "EventName", "AttributeValue": "AnswerQuestion"}]
    assert len(account.client("cloudtrail").lookup_events(LookupAttributes=wanted)["Events"]) == 2
    assert signed_in.post("/learn/my-lesson/", {"step": "look", "choice": "1"}).status_code == 404


def test_an_answer_is_shown_with_its_own_question_alone(own: Path, signed_in: Client) -> None:
    (own / "lesson.toml").write_text(TABLE + '[[steps]]\nid = "again"\n')
    (own / "en.md").write_text(
        WORDS + "\n## What is a lock? {#again}\n\n- [ ] a bird\n- [x] a box\n\n### No {#hint-wrong}\n\nBirds fly.\n"
    )

    def shown() -> list[tuple[list[int], bool]]:
        steps = signed_in.get("/learn/my-lesson/").context["steps"][1:]
        return [(sorted(each.answer), each.mistake is not None) for each in steps]

    signed_in.post("/learn/my-lesson/", {"step": "ask", "choice": "1"})
    assert shown() == [([1], True), ([], False)]
    signed_in.post("/learn/my-lesson/", {"step": "again", "choice": "2"})
    assert shown() == [([1], True), ([2], False)]


def test_a_lesson_goes_out_as_a_zip_that_reads_as_the_same_lesson(own: Path, signed_in: Client, tmp_path: Path) -> None:
    answer = signed_in.get("/learn/my-lesson/lesson.zip")
    assert answer["Content-Type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["my-lesson/en.md", "my-lesson/lesson.toml"]
        archive.extractall(tmp_path / "other")
    assert library.read(tmp_path / "other" / "my-lesson") == library.read(own)
    assert "/learn/first-key/lesson.zip" in signed_in.get("/learn/first-key/").content.decode()
    assert signed_in.get("/learn/first-key/lesson.zip").status_code == 200


def test_who_does_not_teach_gets_no_files_for_the_right_answers_are_in_them(account: TestAccount) -> None:
    teaches_not = document(allow(["kms:*", "cloudtrail:*", "kmsconsole:ReadRecord", "kmsconsole:AnswerQuestion"]))
    member = make(sign_in_browser(account.administrator), account).student("ada-lovelace")
    for student in (person(account, "sam", teaches_not), member):
        browser = sign_in_browser(student)
        refused = browser.get("/learn/exam/lesson.zip")
        assert (refused.status_code, refused["Content-Type"].partition(";")[0]) == (403, "text/html")
        assert "kmsconsole:ManageClasses" in refused.content.decode()
        assert "lesson.zip" not in browser.get("/learn/exam/").content.decode()


def test_a_lesson_with_a_mistake_is_left_out_and_told(
    own: Path, signed_in: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("check_lessons", str(own))
    assert "my-lesson: 2 steps, en" in capsys.readouterr().out
    (own / "lesson.toml").write_text(TABLE.replace("ListKeys", "ListLocks"))
    fault = "my-lesson/lesson.toml: step look: ListLocks is no operation of KMS, IAM, STS, CloudTrail or the console"
    assert fault in signed_in.get("/learn/").content.decode()
    assert signed_in.get("/learn/my-lesson/").status_code == 404
    with pytest.raises(CommandError, match="1 mistake in lessons"):
        call_command("check_lessons")
    assert fault in capsys.readouterr().out


def test_a_folder_of_the_same_name_stands_in_for_the_programs(own: Path, signed_in: Client) -> None:
    own.rename(own.parent / "first-key")
    assert "It is mine." in signed_in.get("/learn/first-key/").content.decode()


def _table(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "lesson.toml").write_text(TABLE.replace(old, new))


def _words(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "en.md").write_text(WORDS.replace(old, new))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda folder: (folder / "lesson.toml").unlink(), "my-lesson/lesson.toml: is missing"),
        (lambda folder: (folder / "en.md").unlink(), "my-lesson/: has no words: a file such as en.md"),
        (lambda folder: (folder / "de.md").mkdir(), "my-lesson/de.md: is no file"),
        (lambda folder: os.mkfifo(folder / "de.md"), "my-lesson/de.md: is no file"),
        (lambda folder: (folder / "de.md").symlink_to("/dev/zero"), "my-lesson/de.md: leads out of the folder"),
        (lambda folder: (folder / "de.md").symlink_to(__file__), "my-lesson/de.md: leads out of the folder"),
        (
            lambda folder: (folder / "de.md").write_text(WORDS + "[" * 64_000),
            "my-lesson/de.md: has more than 64,000 bytes",
        ),
        (lambda folder: (folder / "lesson.toml").write_text(f"a = {'9' * 1999}\n" * 33), "lesson.toml: has more than"),
        (
            lambda folder: (folder / "lesson.toml").write_text(f"a = {'[' * 60_000}"),
            "lesson.toml:1: a line has 2,000 characters",
        ),
        (lambda folder: (folder / "lesson.toml").write_text("a = " + "[\n" * 20_000), "lesson.toml: too many brackets"),
        (_words('title = "My lesson"', "title = " + "[\n" * 20_000), "en.md:1: front matter: too many brackets"),
        (
            lambda folder: (folder / "lesson.toml").write_text("order = 1_" + "0" * 1_000),
            "lesson.toml: has no [[steps]]",
        ),
        (_words("```bash", "```yaml"), "my-lesson/en.md:16: code in yaml is not known here: there are json, bash,"),
        (lambda folder: (folder / "English.md").write_text(WORDS), "English.md: is called by its language"),
        (_table("[[steps]]", "[[steps]"), "lesson.toml: Expected"),
        (_table('"ListKeys"', '"ListKeys"\nwher = 1'), "step look: wher is not known here: there are answered,"),
        (_table("answered", "refused"), ""),
        (_table('answered = "ListKeys"', "times = 2"), "an event is either answered or refused"),
        (_table('"ListKeys"', '"ListKeys"\nsame = "key"'), "same and unless are about an event before"),
        (_table('"ListKeys"', '"ListKeys"\nby = "robot"'), "by is one of program, person, service, not 'robot'"),
        (_table('"ListKeys"', '"ListKeys"\nwhere.readOnly = true'), "where: readOnly must be a list of values"),
        (_table('"ListKeys"', '"ListKeys"\ntimes = 0'), "times is a number from 1 on"),
        (_table('"look"', '"Look"'), "each step has an id of small letters, digits and -, not 'Look'"),
        (_table('"ask"', '"look"'), "two steps have the same id"),
        (_table('id = "ask"', 'id = "other"'), "my-lesson/en.md: the step other of lesson.toml is missing"),
        (_table('[[steps.check]]\nanswered = "ListKeys"\n', ""), "step look has no [[…check]]"),
        (lambda folder: (folder / "lesson.toml").write_text(f'order = "x"\n{TABLE}'), "order is a whole number"),
        (_words("+++\ntitle", "title"), "my-lesson/en.md:1: begins with no front matter"),
        (_words('lead = "It is mine."\n', ""), "my-lesson/en.md:1: the front matter needs a lead"),
        (_words(" {#look}", ""), "my-lesson/en.md:8: the heading “Look at the keys” has no name such as"),
        (_words("## Look", "# Look"), "my-lesson/en.md:8: a step's heading has two #, a hint's three"),
        (_words("page:keys)", "page:kees)"), "my-lesson/en.md: page:kees is no page of the console"),
        (
            _words("page:keys)", "page:play/describe-key)"),
            "my-lesson/en.md: page:play/describe-key is no page of the console",
        ),
        (_words("{user}", "{username}"), "{username} is no place: there are alias, key, user, arn, account, region"),
        (_words("- [x]", "- [ ]"), "no answer is marked as right, with [x]"),
        (_words("hint-wrong", "hint-other"), "step ask: the hint other is in one of lesson.toml and this file only"),
        (
            lambda folder: (folder / "de.md").write_text(WORDS.replace("- [ ] a fish", "- [x] ein Fisch")),
            "step ask: its right answers are not those of de.md",
        ),
    ],
)
def test_what_is_wrong_is_said_with_the_place(own: Path, change: Callable[[Path], object], fault: str) -> None:
    change(own)
    lesson, faults = library.read(own)
    assert (lesson is None) == bool(fault)
    assert any(fault in each for each in faults) or not fault, faults


def test_a_folder_that_is_mounted_by_links_within_it_is_read(own: Path) -> None:
    """As Kubernetes mounts what a ConfigMap has."""
    (own / "..data").mkdir()
    for each in ("lesson.toml", "en.md"):
        (own / each).rename(own / "..data" / each)
        (own / each).symlink_to(f"..data/{each}")
    lesson, faults = library.read(own)
    assert (lesson is not None, faults) == (True, [])


def test_addresses_that_are_no_web_page_stay_text(own: Path, signed_in: Client) -> None:
    (own / "en.md").write_text(WORDS.replace("https://aws.amazon.com/kms/", "javascript:alert(1)"))
    assert "[AWS](javascript:alert(1))" in signed_in.get("/learn/my-lesson/").content.decode()
