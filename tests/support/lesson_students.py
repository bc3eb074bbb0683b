"""Students of a class on a real server, one for each lesson, and what a lesson's page says to them: for tests of the lessons."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from learn.lessons import library
from learn.lessons.lesson import Lesson
from tests.support import aws_cli
from tests.support.browsing import Browsing
from tests.support.lesson_commands import PARTNER, PATHS, LessonPath
from tests.support.server import ROOT, Server

LESSONS = {lesson.slug: lesson for lesson in library.load(None).lessons}
_STEP = re.compile(
    r'<li\s+class="panel([^"]*)"\s+id="([a-z0-9-]+)"\s*>(.*?)(?=<li\s+class="panel|</ol>\s*<nav)', re.DOTALL
)
_COPIED = re.compile(r'data-copy="([^"]*)"')
_CARD = {
    "account": r"^Account +(\d+)",
    "user": r"^User +(\S+)",
    "password": r"^Password +(\S+)",
    "access_key_id": r"AWS_ACCESS_KEY_ID=(\S+)",
    "secret_access_key": r"AWS_SECRET_ACCESS_KEY=(\S+)",
}


@dataclass
class ShownStep:
    """A step on its page: whether it is ticked, its commands, its text."""

    done: bool
    commands: str
    text: str


class Student:
    """In an account of their own, with the key and alias of the lesson *A first key* before any other lesson."""

    def __init__(self, server: Server, card: dict[str, str], slug: str) -> None:
        self.server, self.card, self.slug = server, card, slug
        self.path: LessonPath = PATHS[slug]
        self.lesson: Lesson = LESSONS[slug]
        self.browser = Browsing(server)
        self.key = ""
        self.partner: dict[str, str] = {}

    def client(self, service: str = "kms") -> Any:
        keys = {name: self.card[name] for name in ("access_key_id", "secret_access_key")}
        return self.server.client(service, **keys)

    def prepare(self) -> None:
        given = {"account": self.card["account"], "user_name": self.card["user"], "password": self.card["password"]}
        assert "Sign out" in self.browser.post("/principals/sign-in/", given)
        if not self.path.first_key:
            self.key = self.client().create_key()["KeyMetadata"]["KeyId"]
            self.client().create_alias(AliasName="alias/mine", TargetKeyId=self.key)
        if self.path.partners or self.slug == "who-may-do-what":
            iam = self.client("iam")
            iam.create_user(UserName=PARTNER)
            self.partner = iam.create_access_key(UserName=PARTNER)["AccessKey"]

    @property
    def partner_arn(self) -> str:
        return f"arn:aws:iam::{self.card['account']}:user/{PARTNER}"

    def partner_client(self) -> Any:
        keys = {"access_key_id": self.partner["AccessKeyId"], "secret_access_key": self.partner["SecretAccessKey"]}
        return self.server.client(**keys)

    @property
    def address(self) -> str:
        return f"/learn/{self.slug}/"

    def steps(self) -> dict[str, ShownStep]:
        page = self.browser.get(self.address)
        found = {
            name: ShownStep(
                "lab-done" in classes,
                "".join(f"{unescape(command)}\n" for command in _COPIED.findall(inner)),
                unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", inner))),
            )
            for classes, name, inner in _STEP.findall(page)
        }
        assert list(found) == [step.name for step in self.lesson.steps]
        return found

    def terminal(self) -> str:
        """What a terminal is told once, by the page."""
        page = self.browser.get(self.address)
        found = re.search(r'lesson-terminal.*?data-copy="([^"]*)"', page, re.DOTALL)
        return unescape(found[1]) if found else ""

    def answer(self, step: str, choices: tuple[int, ...]) -> None:
        self.browser.post(self.address, [("step", step), *(("choice", str(number)) for number in choices)])

    def answer_right(self) -> None:
        for step in self.lesson.steps:
            right = tuple(number for number, right in enumerate(step.words.right, 1) if right)
            if right:
                self.answer(step.name, right)

    def send(self, form: tuple[str, dict[str, str]]) -> None:
        """Answered with 422 where what it asks for is refused, as a lesson may want it to be."""
        address, fields = form
        try:
            self.browser.post(address, {name: value.format(key=self.key) for name, value in fields.items()})
        except HTTPError as answer:
            if answer.code != 422:
                raise

    def shell(self, folder: Path, script: str) -> tuple[str, str]:
        """(standard output, standard error) of commands in a terminal that was told what the page says."""
        arn = f"arn:aws:iam::{self.card['account']}:user/{self.card['user']}"
        environment = self.server.cli_environment(self.card["access_key_id"], self.card["secret_access_key"])
        terminal = self.terminal()
        for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION") if terminal else ():
            environment.pop(name)  # the page says them
        programs = [str(folder), str(Path(sys.executable).parent)]
        if not self.path.real:
            programs.insert(0, str(aws_cli.folder()))
        environment["PATH"] = ":".join([*programs, environment["PATH"]])
        environment |= {"KEY": self.key, "ARN": arn}
        environment |= {
            name: value for name, value in self.server.environment.items() if name.startswith("KMSCONSOLE_")
        }
        if self.path.typed:  # `aws configure` asks for what else the environment says
            for name in (
                "AWS_ACCESS_KEY_ID",
                "AWS_SECRET_ACCESS_KEY",
                "AWS_CONFIG_FILE",
                "AWS_SHARED_CREDENTIALS_FILE",
            ):
                environment.pop(name)
            environment["HOME"] = str(folder)
        program = folder / "kmsconsole"
        program.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m kmsconsole "$@"\n')
        program.chmod(0o755)
        (folder / "commands.sh").write_text(f"{terminal}\n{script}\n")
        typed = self.path.typed.format(access_key=self.card["access_key_id"], secret=self.card["secret_access_key"])
        ran = subprocess.run(
            ["bash", "commands.sh"], cwd=folder, env=environment, input=typed, capture_output=True, text=True
        )
        return ran.stdout, ran.stderr

    def go_wrong(self, folder: Path) -> None:
        """The wrong path."""
        path = self.path
        if path.wrong_answer:
            self.answer(path.step, path.wrong_answer)
        elif path.wrong_form:
            self.send(path.wrong_form)
        else:
            printed = {name: step.commands for name, step in self.steps().items()}
            self.shell(folder, path.wrong if isinstance(path.wrong, str) else path.wrong(printed))

    def go_right(self, folder: Path) -> tuple[str, str]:
        """The lesson from its first step to its last; what its commands wrote."""
        script = self.path.commands
        for name, step in self.steps().items():
            commands = step.commands
            for place, value in self.path.put_in.items():
                commands = commands.replace(place, value)
            if name in self.path.partners:
                keys = self.partner["AccessKeyId"], self.partner["SecretAccessKey"]
                commands = "(export AWS_ACCESS_KEY_ID={} AWS_SECRET_ACCESS_KEY={}\n{})\n".format(*keys, commands)
            script += commands
        wrote = self.shell(folder, script) if script else ("", "")
        for form in self.path.forms:
            self.send(form)
        self.answer_right()
        return wrote


def make_class(server: Server, slugs: list[str], name: str = "Lessons") -> dict[str, Student]:
    """A class with a student for each of these lessons, called as the lesson."""
    teacher = Browsing(server)
    teacher.sign_in("admin")
    limits = {"days": "1", "key_quota": "100", "call_quota": "200", "minutes": "1", "places": "1"}
    answer = teacher.post("/classes/accounts/new/", {"name": name, "students": "\n".join(slugs), **limits})
    cards: list[dict[str, str]] = []
    while True:
        (text,) = re.findall(r'<textarea name="text" hidden>(.*?)</textarea>', answer, re.DOTALL)
        columns = [re.findall(pattern, unescape(text), re.MULTILINE) for pattern in _CARD.values()]
        cards += [dict(zip(_CARD, row, strict=True)) for row in zip(*columns, strict=True)]
        left = re.search(r'<textarea name="students" hidden>([^<]+)<', answer)
        if left is None:
            return {slug: Student(server, card, slug) for slug, card in zip(slugs, cards, strict=True)}
        answer = teacher.post(f"/classes/accounts/{name.lower()}/add/", {"students": unescape(left[1])})
